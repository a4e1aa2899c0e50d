//! The forecast on the calendar.

use chrono::{Days, NaiveDate};

use crate::{
    Ahead, Luteal, Obstacle, Ovulation, PeriodLength, State, Table,
    constants::{CONFIDENCE_WITHIN_DAYS, INTERVAL_LEVELS, PERIOD_MAX_DAYS, QUANTILE_LEVELS},
    history::days_between,
    next_start::NextStart,
};

/// The range of ovulation holds it with about this probability.
const OVULATION_LEVEL: f64 = 0.8;

/// All that a forecast is made from.
#[derive(Clone, Copy)]
pub struct Situation<'a> {
    /// What is known about the lengths before the newest start.
    pub state: &'a State,
    /// The newest logged start: day 0 of everything below.
    pub last_start: NaiveDate,
    /// The last day of the period that began then, inclusive; none while it was not logged.
    pub last_end: Option<NaiveDate>,
    /// The last day of which it is known that no period started on it: today, or yesterday if one
    /// may still start today. None makes a forecast as of the newest start.
    pub open_until: Option<NaiveDate>,
    /// Whether the person says that a start since the newest one was missed, and not when: then it is
    /// over, and the next start is the one after it.
    pub missed_start: bool,
    /// The day of ovulation in this cycle, if tests or temperatures showed it.
    pub ovulation: Option<NaiveDate>,
    /// What is known about the person's luteal phase.
    pub luteal: Luteal,
    /// What is known about the days of bleeding.
    pub period: PeriodLength,
}

/// What the date of the next start rests on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Basis {
    /// The lengths of earlier cycles, or what is usual while none is known.
    Lengths,
    /// The ovulation that was seen in this cycle.
    Ovulation,
    /// The lengths; a start since the newest logged one was missed.
    MissedStart,
    /// The lengths; nothing was logged for so long that a cycle may begin on any day.
    Silence,
}

/// The next three starts, the ovulations before them, and probabilities for each day.
#[derive(Clone, PartialEq)]
pub struct Forecast {
    last_start: NaiveDate,
    bled_days: Option<u32>,
    period: PeriodLength,
    /// P(a period lasts at least 1, 2, …, 31 days).
    lasts: [f64; PERIOD_MAX_DAYS as usize],
    basis: Basis,
    cycles: [Cycle; 3],
}

/// One cycle of the forecast: the current one, the next, and the one after it.
#[derive(Clone, PartialEq)]
struct Cycle {
    /// The start that ends it, in days after the last logged one.
    start: Table,
    /// The ovulation before that start, likewise.
    ovulation: Ovulation,
}

/// What is said about one start to come.
#[derive(Clone, Copy, PartialEq)]
pub struct ForecastStart {
    /// The day that is shown: the median. Always after the newest start and after `open_until`.
    pub date: NaiveDate,
    /// The last day of the period that begins then, if it is of the expected length.
    pub period_end: NaiveDate,
    /// The probability that the start is within 2 days of `date`.
    pub within_two_days: f64,
    /// Ranges of the start at 0.5, 0.8 and 0.95, each containing the one before it and `date`.
    pub intervals: [Interval; 3],
    /// The same in days after the newest logged start, not rounded.
    pub days: DaysToStart,
    /// The ovulation before this start.
    pub ovulation: ForecastOvulation,
}

/// The distribution of a start in real-valued days after the newest logged one: what forecasts are
/// scored by, and curves drawn from.
#[derive(Clone, Copy, PartialEq)]
pub struct DaysToStart {
    /// The mean.
    pub mean: f64,
    /// The quantiles at [`QUANTILE_LEVELS`], ascending.
    pub quantiles: [f64; QUANTILE_LEVELS.len()],
}

/// A range of start dates, both ends inclusive, that holds the start with a stated probability: with
/// as nearly that as whole days can.
#[derive(Clone, Copy, PartialEq)]
pub struct Interval {
    /// The probability, 0 to 1, that the start falls inside.
    pub level: f64,
    /// The days.
    pub range: DateRange,
}

/// A range of civil dates, both ends inclusive.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct DateRange {
    /// The first day.
    pub start: NaiveDate,
    /// The last day, never before `start`.
    pub end: NaiveDate,
}

/// What is said about one ovulation.
#[derive(Clone, Copy, PartialEq)]
pub struct ForecastOvulation {
    /// The day that is shown: the median.
    pub date: NaiveDate,
    /// Holds ovulation with a probability of about 0.8.
    pub range: DateRange,
    /// The days at least 0.25 probably fertile, or, where none is, at least half as probably as the
    /// most fertile one. Information only: this is **not contraception**.
    pub fertile_window: DateRange,
}

/// What is said about one day.
#[derive(Clone, Copy, PartialEq)]
pub struct DayForecast {
    /// Probability of bleeding.
    pub bleeding: f64,
    /// Probability that the day is one of the six that end with an ovulation. Information only:
    /// this is **not contraception**.
    pub fertile: f64,
    /// Probability of ovulation.
    pub ovulation: f64,
}

impl Forecast {
    /// Makes the forecast: see [`Basis`] for what the next start may rest on.
    ///
    /// Once days that passed have ruled out more than 1 % of the next start's, or something else than
    /// the lengths dates it, the later starts are sums of it and one or two further cycles, taken as
    /// independent; before, they come from the model's own formula.
    ///
    /// # Errors
    ///
    /// [`Obstacle::BeyondCalendar`] at the end of the calendar.
    pub fn new(situation: &Situation<'_>) -> Result<Self, Obstacle> {
        let Situation { state, last_start, last_end, luteal, period, .. } = *situation;
        let cycle = state.table(Ahead::Next);
        let NextStart { basis, start: next, ovulation: current, is_conditioned } =
            NextStart::of(situation, &cycle);
        let second_cycle = state.table(Ahead::Second);
        let (second, third) = match basis {
            Basis::Lengths if !is_conditioned => (second_cycle, state.table(Ahead::Third)),
            Basis::MissedStart if !is_conditioned => {
                (state.table(Ahead::Third), next.followed_by(&second_cycle))
            }
            _ => (next.followed_by(&cycle), next.followed_by(&second_cycle)),
        };
        reaches(last_start, &third)?;
        let of_a_cycle = Ovulation::before(&cycle, &luteal);
        let (after_next, after_second) = (of_a_cycle.after(&next), of_a_cycle.after(&second));
        let bled_days = last_end.and_then(|end| u32::try_from(days_between(last_start, end)).ok());
        Ok(Self {
            last_start,
            bled_days: bled_days.map(|days| days.saturating_add(1)),
            period,
            lasts: period.lasts(),
            basis,
            cycles: [
                Cycle { start: next, ovulation: current },
                Cycle { start: second, ovulation: after_next },
                Cycle { start: third, ovulation: after_second },
            ],
        })
    }

    /// What the date of the next start rests on.
    pub fn basis(&self) -> Basis {
        self.basis
    }

    /// The table of a start to come, in days after the last logged one.
    pub fn table(&self, ahead: Ahead) -> &Table {
        &self.cycle(ahead).start
    }

    /// The ovulation before a start to come, in days after the last logged one.
    pub fn ovulation(&self, ahead: Ahead) -> &Ovulation {
        &self.cycle(ahead).ovulation
    }

    /// What is said about a start to come.
    pub fn start(&self, ahead: Ahead) -> ForecastStart {
        self.cycle(ahead).said(self.last_start, self.period)
    }

    /// The last day of which [`Forecast::day`] says something: the third start to come. After it a
    /// fourth would count.
    pub fn last_day(&self) -> NaiveDate {
        date_after(self.last_start, self.table(Ahead::Third).date_days())
    }

    /// What is said about a day; none before the newest start and after [`Forecast::last_day`].
    pub fn day(&self, date: NaiveDate) -> Option<DayForecast> {
        let day = u32::try_from(days_between(self.last_start, date)).ok()?;
        if date > self.last_day() {
            return None;
        }
        let ovulations = || self.cycles.iter().map(|cycle| &cycle.ovulation);
        Some(DayForecast {
            bleeding: self.bleeding_probability(day),
            fertile: capped(ovulations().map(|one| one.fertile_probability(day)).sum()),
            ovulation: capped(ovulations().map(|one| one.probability(day)).sum()),
        })
    }

    /// P(bleeding) = Σ P(a period starts on s) P(it lasts to the day), the period of the newest start
    /// included: to its logged end, or as likely as such periods last.
    fn bleeding_probability(&self, day: u32) -> f64 {
        let current = match self.bled_days {
            Some(bled) => f64::from(u8::from(day < bled)),
            None => self.period.lasts_probability(day.saturating_add(1)),
        };
        let later = self.cycles.iter().flat_map(|cycle| {
            let starts = (0..=day).rev();
            starts.zip(self.lasts).map(|(start, lasts)| cycle.start.probability(start) * lasts)
        });
        capped(current + later.sum::<f64>())
    }

    fn cycle(&self, ahead: Ahead) -> &Cycle {
        match ahead {
            Ahead::Next => &self.cycles[0],
            Ahead::Second => &self.cycles[1],
            Ahead::Third => &self.cycles[2],
        }
    }
}

impl ForecastStart {
    /// What [`Forecast::start`] says about the next start, without the work for those after it.
    ///
    /// # Errors
    ///
    /// [`Obstacle::BeyondCalendar`] at the end of the calendar.
    pub fn next(situation: &Situation<'_>) -> Result<Self, Obstacle> {
        let Situation { state, last_start, period, .. } = *situation;
        let NextStart { start, ovulation, .. } =
            NextStart::of(situation, &state.table(Ahead::Next));
        reaches(last_start, &start)?;
        Ok(Cycle { start, ovulation }.said(last_start, period))
    }
}

impl Cycle {
    fn said(&self, last_start: NaiveDate, period: PeriodLength) -> ForecastStart {
        let Self { start, ovulation } = self;
        let date = |days| date_after(last_start, days);
        let range = |(first, last)| DateRange { start: date(first), end: date(last) };
        ForecastStart {
            date: date(start.date_days()),
            period_end: date(start.date_days() + period.days() - 1),
            within_two_days: start.probability_within(CONFIDENCE_WITHIN_DAYS),
            intervals: INTERVAL_LEVELS
                .map(|level| Interval { level, range: range(start.whole_days(level)) }),
            days: DaysToStart {
                mean: start.mean_days(),
                quantiles: QUANTILE_LEVELS.map(|level| start.quantile_days(level)),
            },
            ovulation: ForecastOvulation {
                date: date(ovulation.table().date_days()),
                range: range(ovulation.table().whole_days(OVULATION_LEVEL)),
                fertile_window: range(ovulation.fertile_days()),
            },
        }
    }
}

impl DateRange {
    /// Whether `day` is one of its days.
    pub fn contains(&self, day: NaiveDate) -> bool {
        self.start <= day && day <= self.end
    }
}

/// Whether the calendar holds every date that follows from these starts.
fn reaches(last_start: NaiveDate, starts: &Table) -> Result<(), Obstacle> {
    let days = u64::from(starts.last_day()) + u64::from(PERIOD_MAX_DAYS);
    let last = last_start.checked_add_days(Days::new(days));
    last.map(drop).ok_or(Obstacle::BeyondCalendar)
}

/// The date so many days after the newest start. [`reaches`] made sure that the last one exists.
fn date_after(last_start: NaiveDate, days: u32) -> NaiveDate {
    last_start.checked_add_days(Days::new(days.into())).unwrap_or(NaiveDate::MAX)
}

/// Sums of probabilities of nearly exclusive events can pass 1 by what they have in common.
fn capped(probability: f64) -> f64 {
    probability.clamp(0.0, 1.0)
}
