//! What is known and expected of each day. What was logged is told as it is; of days that are over
//! the rest follows from the next start, of days to come from the forecast as it is today.

use chrono::{Days, NaiveDate};
use contracts::{
    CycleId,
    analytics::{CalendarDay, CyclePhase, LoggedDay},
    cycles::{GapAnswer, HistoryEpisode},
};
use prediction::{Basis, Luteal, PastOvulation, PeriodLength, constants::PERIOD_MAX_DAYS};

use crate::{
    anchor::Anchor,
    known::{ASKED_FROM, Known},
    outlook::Outlook,
    phases::{OvulationDays, days_between, dry_phase},
};

/// Days that bleed at least so probably belong to the phase of bleeding.
const BLEEDING_FROM: f64 = 0.5;
/// Probabilities are told to so many parts of one.
const PARTS: f64 = 10_000.0;

/// A logged cycle, as far as a calendar shows it.
#[derive(Clone, Copy)]
pub(crate) struct CalendarCycle {
    pub(crate) cycle_id: CycleId,
    pub(crate) start_date: NaiveDate,
    pub(crate) end_date: Option<NaiveDate>,
    /// Days to the next start; none for the newest cycle.
    pub(crate) length_days: Option<u32>,
}

/// The days of a range, both ends inclusive. `cycles` are those that share a day with it, oldest
/// first; what is known is none while it is being computed again.
pub(crate) fn calendar(
    (from, to): (NaiveDate, NaiveDate),
    today: NaiveDate,
    cycles: &[CalendarCycle],
    known: Option<&Known>,
) -> Vec<CalendarDay> {
    let spans: Vec<Span<'_>> = cycles.iter().map(|cycle| Span::new(cycle, known, today)).collect();
    let day = |date: NaiveDate| {
        let place = spans.partition_point(|span| span.cycle.start_date <= date);
        let span = place.checked_sub(1).and_then(|place| spans.get(place));
        span.map_or_else(|| nothing(date), |span| span.day(date))
    };
    from.iter_days().take_while(|date| *date <= to).map(day).collect()
}

/// The days from one start to the next, or to the end of what is forecast.
struct Span<'a> {
    cycle: &'a CalendarCycle,
    episodes: &'a [HistoryEpisode],
    today: NaiveDate,
    period: PeriodLength,
    course: Course,
}

/// What is known of a span besides what was logged.
enum Course {
    /// Nothing: it touches an episode, a start is probably missing in it, or nothing is predicted.
    Unknown,
    /// When ovulation was.
    Over(OvulationDays),
    /// What is to come.
    Open {
        outlook: Box<Outlook>,
        /// Whether a start was missed since the one that begins it, as the user says or is probable:
        /// then nothing is known of the days that passed.
        missed: bool,
    },
}

impl<'a> Span<'a> {
    fn new(cycle: &'a CalendarCycle, known: Option<&'a Known>, today: NaiveDate) -> Self {
        let newest = known.and_then(|known| known.newest.as_ref());
        let periods_days = newest.map_or(&[][..], |newest| &newest.anchor.periods_days);
        let course = known.map_or(Course::Unknown, |known| match cycle.length_days {
            Some(length_days) => Course::over(cycle, length_days, known),
            None => Course::open(known, today),
        });
        Self {
            cycle,
            episodes: known.map_or(&[][..], |known| &known.episodes),
            today,
            period: PeriodLength::from_past(periods_days),
            course,
        }
    }

    fn day(&self, date: NaiveDate) -> CalendarDay {
        let Some(day) = days_between(self.cycle.start_date, date) else { return nothing(date) };
        let bled = self.has_bled(date);
        let said = match &self.course {
            Course::Over(ovulation) => {
                let bleeding = self.bleeding(day, bled);
                let phase = if bleeding >= BLEEDING_FROM {
                    CyclePhase::Menstruation
                } else {
                    ovulation.phase(day)
                };
                let (fertile, ovulation) = (ovulation.fertile(day), ovulation.ovulation(day));
                Said {
                    phase,
                    bleeding: Some(bleeding),
                    fertile: Some(fertile),
                    ovulation: Some(ovulation),
                }
            }
            Course::Open { outlook, missed } => {
                let is_known = !*missed || date >= self.today;
                let expected = is_known.then(|| self.expected(outlook, date, day, bled)).flatten();
                expected.unwrap_or_else(|| Said::only(bled))
            }
            Course::Unknown => Said::only(bled),
        };
        CalendarDay {
            date,
            phase: said.phase,
            bleeding: said.bleeding.map(rounded),
            fertile: said.fertile.map(rounded),
            ovulation: said.ovulation.map(rounded),
            logged: self.logged(date, day, bled),
        }
    }

    /// What the forecast says of a day.
    fn expected(&self, outlook: &Outlook, date: NaiveDate, day: u32, bled: bool) -> Option<Said> {
        let said = outlook.forecast.day(date)?;
        let is_over = date < self.today;
        let bleeding = if is_over || bled { self.bleeding(day, bled) } else { said.bleeding };
        let is_shown =
            outlook.starts().any(|start| (start.date..=start.period_end).contains(&date));
        let phase = match outlook.starts().find(|start| date < start.date) {
            _ if bleeding >= BLEEDING_FROM || is_shown => CyclePhase::Menstruation,
            Some(next) => dry_phase(date, next.ovulation.date, said.fertile),
            None => return None,
        };
        let (fertile, ovulation) = (Some(said.fertile), Some(said.ovulation));
        Some(Said { phase, bleeding: Some(bleeding), fertile, ovulation })
    }

    /// Whether bleeding was logged: the day of the start, and those up to the end.
    fn has_bled(&self, date: NaiveDate) -> bool {
        date <= self.cycle.end_date.unwrap_or(self.cycle.start_date)
    }

    /// The probability that a day that is over bled: a fact, unless no end was logged.
    fn bleeding(&self, day: u32, bled: bool) -> f64 {
        match self.cycle.end_date {
            None if !bled => self.period.lasts_probability(day.saturating_add(1)),
            _ => f64::from(u8::from(bled)),
        }
    }

    fn logged(&self, date: NaiveDate, day: u32, bled: bool) -> Option<LoggedDay> {
        let is_to_come = self.cycle.length_days.is_none() && date > self.today;
        let in_episode = self.episodes.iter().any(|episode| {
            episode.start_date <= date && episode.end_date.is_none_or(|end| date <= end)
        });
        let cycle_day = i32::try_from(day.saturating_add(1)).ok()?;
        // While no end was logged nobody says on which of these days the period ended.
        let is_open = self.cycle.end_date.is_none() && day < PERIOD_MAX_DAYS;
        let bleeding = (bled || !is_open).then_some(bled);
        let logged = LoggedDay { cycle_id: self.cycle.cycle_id, cycle_day, bleeding };
        (bled || !(is_to_come || in_episode)).then_some(logged)
    }
}

impl Course {
    fn over(cycle: &CalendarCycle, length_days: u32, known: &Known) -> Self {
        let next_start = cycle.start_date.checked_add_days(Days::new(length_days.into()));
        let touched = known.episodes.iter().any(|episode| {
            next_start.is_none_or(|next| episode.start_date < next)
                && episode.end_date.is_none_or(|end| end > cycle.start_date)
        });
        let is_asked = known.questions.iter().any(|asked| asked.cycle_id == cycle.cycle_id);
        let hides_start = known
            .answers
            .iter()
            .any(|(id, answer)| *id == cycle.cycle_id && *answer != GapAnswer::NoneMissed);
        if touched || is_asked || hides_start {
            return Self::Unknown;
        }
        let seen = known.ovulations.iter().find(|seen| seen.cycle_id == cycle.cycle_id);
        let seen_on_day = seen.and_then(|seen| days_between(cycle.start_date, seen.date));
        let past = known.newest.as_ref().map_or(&[][..], |newest| &newest.anchor.past_ovulations);
        let past: Vec<PastOvulation> =
            past.iter().filter_map(|seen| PastOvulation::new(seen.day, seen.cycle_days)).collect();
        let ovulation = OvulationDays::of_past(length_days, seen_on_day, &Luteal::from_past(&past));
        ovulation.map_or(Self::Unknown, Self::Over)
    }

    fn open(known: &Known, today: NaiveDate) -> Self {
        let anchor = known.newest.as_ref().map(|newest| &newest.anchor);
        let missed = anchor.is_some_and(Anchor::says_missed);
        let open_until = known.open_until(today);
        // A start that is probably missing, or a long silence: nobody knows where in a cycle today is,
        // and the days to come may belong to either of two courses.
        let is_lost = anchor.is_some_and(|anchor| {
            anchor.is_silent(open_until)
                || !missed && anchor.missed_probability(open_until) > ASKED_FROM
        });
        match known.outlook(today) {
            // A sign of ovulation says where in a cycle the days to come are, whatever passed.
            Ok(outlook) if !is_lost || outlook.forecast.basis() == Basis::Ovulation => {
                Self::Open { outlook: Box::new(outlook), missed: missed || is_lost }
            }
            _ => Self::Unknown,
        }
    }
}

/// A phase, and the probabilities of bleeding, fertility and ovulation.
struct Said {
    phase: CyclePhase,
    bleeding: Option<f64>,
    fertile: Option<f64>,
    ovulation: Option<f64>,
}

impl Said {
    /// What was logged, and nothing else.
    fn only(bled: bool) -> Self {
        let (phase, bleeding) =
            if bled { (CyclePhase::Menstruation, Some(1.0)) } else { (CyclePhase::Unknown, None) };
        Self { phase, bleeding, fertile: None, ovulation: None }
    }
}

fn nothing(date: NaiveDate) -> CalendarDay {
    let Said { phase, bleeding, fertile, ovulation } = Said::only(false);
    CalendarDay { date, phase, bleeding, fertile, ovulation, logged: None }
}

fn rounded(probability: f64) -> f64 {
    (probability.clamp(0.0, 1.0) * PARTS).round() / PARTS
}

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;
