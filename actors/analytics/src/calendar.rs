//! What is known and expected of each day. What was logged is told as it is; of days that are over
//! the rest follows from the next start, of days to come from the forecast as it is today.

use chrono::{Days, NaiveDate};
use contracts::{
    CycleId,
    analytics::{CalendarDay, CyclePhase, LoggedDay},
    cycles::{GapAnswer, HistoryEpisode},
};
use prediction::{Luteal, PastOvulation, PeriodLength};

use crate::{
    known::Known,
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
        /// Whether starts were missed since the one that begins it: the user says so, or has been
        /// silent for long.
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
                Some((phase, bleeding, fertile, ovulation))
            }
            Course::Open { outlook, missed } => {
                let passed_unknown = *missed && date < self.today && !bled;
                (!passed_unknown).then(|| self.expected(outlook, date, day, bled)).flatten()
            }
            Course::Unknown => None,
        };
        let bare = || if bled { (CyclePhase::Menstruation, 1.0, 0.0, 0.0) } else { NOTHING };
        let (phase, bleeding, fertile, ovulation) = said.unwrap_or_else(bare);
        CalendarDay {
            date,
            phase,
            bleeding: rounded(bleeding),
            fertile: rounded(fertile),
            ovulation: rounded(ovulation),
            logged: self.logged(date, day, bled),
        }
    }

    /// What the forecast says of a day.
    fn expected(
        &self,
        outlook: &Outlook,
        date: NaiveDate,
        day: u32,
        bled: bool,
    ) -> Option<(CyclePhase, f64, f64, f64)> {
        let said = outlook.forecast.day(date)?;
        let is_over = date < self.today;
        let bleeding = if is_over || bled { self.bleeding(day, bled) } else { said.bleeding };
        let mut starts = [&outlook.next].into_iter().chain(&outlook.later);
        let is_shown = |date: NaiveDate| {
            let mut starts = [&outlook.next].into_iter().chain(&outlook.later);
            starts.any(|start| (start.date..=start.period_end).contains(&date))
        };
        let phase = match starts.find(|start| date < start.date) {
            _ if bleeding >= BLEEDING_FROM || is_shown(date) => CyclePhase::Menstruation,
            Some(next) => dry_phase(date, next.ovulation.date, said.fertile),
            None => return None,
        };
        Some((phase, bleeding, said.fertile, said.ovulation))
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

    fn logged(&self, date: NaiveDate, day: u32, bleeding: bool) -> Option<LoggedDay> {
        let is_to_come = self.cycle.length_days.is_none() && date > self.today;
        let in_episode = self.episodes.iter().any(|episode| {
            episode.start_date <= date && episode.end_date.is_none_or(|end| date <= end)
        });
        let cycle_day = i32::try_from(day.saturating_add(1)).ok()?;
        let logged = LoggedDay { cycle_id: self.cycle.cycle_id, cycle_day, bleeding };
        (bleeding || !(is_to_come || in_episode)).then_some(logged)
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
        let missed = known.newest.as_ref().is_some_and(|newest| {
            newest.anchor.says_missed() || newest.anchor.is_silent(known.open_until(today))
        });
        known
            .outlook(today)
            .map_or(Self::Unknown, |outlook| Self::Open { outlook: Box::new(outlook), missed })
    }
}

/// A phase, and the probabilities of bleeding, fertility and ovulation: of a day of which nothing is
/// known.
const NOTHING: (CyclePhase, f64, f64, f64) = (CyclePhase::Unknown, 0.0, 0.0, 0.0);

fn nothing(date: NaiveDate) -> CalendarDay {
    let (phase, bleeding, fertile, ovulation) = NOTHING;
    CalendarDay { date, phase, bleeding, fertile, ovulation, logged: None }
}

fn rounded(probability: f64) -> f64 {
    (probability.clamp(0.0, 1.0) * PARTS).round() / PARTS
}

#[cfg(test)]
#[path = "calendar_tests.rs"]
mod tests;
