//! The forecast on the calendar.

use chrono::{Days, NaiveDate};

use crate::{
    Ahead, DateRange, Interval, Luteal, Obstacle, Ovulation, PeriodLength, Prediction, State,
    Table,
    constants::{CONFIDENCE_WITHIN_DAYS, INTERVAL_LEVELS, METHOD, PERIOD_MAX_DAYS, SILENCE_DAYS},
    history::days_between,
};

/// Truncation that takes away less than this leaves the later starts to the model's own formula.
const TRUNCATED_MIN: f64 = 0.01;
/// The range of ovulation holds it with at least this probability.
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
    /// The day of ovulation in this cycle, if tests or temperatures showed it.
    pub ovulation: Option<NaiveDate>,
    /// What is known about the person's luteal phase.
    pub luteal: Luteal,
    /// What is known about the days of bleeding.
    pub period: PeriodLength,
}

/// The next three starts, the ovulations before them, and probabilities for each day.
#[derive(Clone, PartialEq)]
pub struct Forecast {
    last_start: NaiveDate,
    bled_days: Option<u32>,
    known_lengths: u32,
    period: PeriodLength,
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
    /// The day that is shown: the median.
    pub date: NaiveDate,
    /// The last day of the period that begins then, if it is of the expected length.
    pub period_end: NaiveDate,
    /// The probability that the start is within 2 days of `date`.
    pub within_two_days: f64,
    /// Ranges of the start at 0.5, 0.8 and 0.95, each containing the one before it and `date`.
    pub intervals: [Interval; 3],
    /// The ovulation before this start.
    pub ovulation: ForecastOvulation,
}

/// What is said about one ovulation.
#[derive(Clone, Copy, PartialEq)]
pub struct ForecastOvulation {
    /// The day that is shown: the median.
    pub date: NaiveDate,
    /// Holds ovulation with a probability of at least 0.8.
    pub range: DateRange,
    /// The days at least 0.25 probably fertile. Information only: this is **not contraception**.
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
    /// Makes the forecast.
    ///
    /// With a known day of ovulation the next start follows from it, as long as that leaves room
    /// after `open_until`. From 120 open days on ([`SILENCE_DAYS`]) cycles are taken to have gone on
    /// unlogged: the next start is then the first of a renewal process in equilibrium, as probable
    /// on the j-th day to come as a cycle of at least j days is. Once `open_until` has ruled out more than 1 % of the next start's days,
    /// the later starts are sums of the next one and one or two further cycles, taken as
    /// independent; before, they come from the model's own formula.
    ///
    /// # Errors
    ///
    /// [`Obstacle::BeyondCalendar`] at the end of the calendar.
    pub fn new(situation: &Situation<'_>) -> Result<Self, Obstacle> {
        let Situation { state, last_start, last_end, open_until, ovulation, luteal, period } =
            *situation;
        let since_start = |day: NaiveDate| u32::try_from(days_between(last_start, day)).ok();
        let open_days = open_until.and_then(since_start);
        let ovulation_day = ovulation.and_then(since_start);
        let Starts { current, next: [next, second, third] } =
            Starts::of(state, open_days, ovulation_day, &luteal);
        if last_start
            .checked_add_days(Days::new(u64::from(third.last_day() + PERIOD_MAX_DAYS)))
            .is_none()
        {
            return Err(Obstacle::BeyondCalendar);
        }
        let of_a_cycle = Ovulation::before(&state.table(Ahead::Next), &luteal);
        let (after_next, after_second) = (of_a_cycle.after(&next), of_a_cycle.after(&second));
        Ok(Self {
            last_start,
            bled_days: last_end.and_then(since_start).map(|days| days.saturating_add(1)),
            known_lengths: state.lengths(),
            period,
            cycles: [
                Cycle { start: next, ovulation: current },
                Cycle { start: second, ovulation: after_next },
                Cycle { start: third, ovulation: after_second },
            ],
        })
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
        let Cycle { start, ovulation } = self.cycle(ahead);
        let date_days = start.date_days();
        let range = |(first, last)| DateRange { start: self.date(first), end: self.date(last) };
        ForecastStart {
            date: self.date(date_days),
            period_end: self.date(date_days + self.period.days() - 1),
            within_two_days: start.probability_within(CONFIDENCE_WITHIN_DAYS),
            intervals: INTERVAL_LEVELS
                .map(|level| Interval { level, range: range(start.whole_days(level)) }),
            ovulation: ForecastOvulation {
                date: self.date(ovulation.table().date_days()),
                range: range(ovulation.table().whole_days(OVULATION_LEVEL)),
                fertile_window: range(ovulation.fertile_days()),
            },
        }
    }

    /// The forecast of the next start as a [`Prediction`].
    pub fn prediction(&self) -> Prediction {
        let said = self.start(Ahead::Next);
        Prediction {
            predicted_start: said.date,
            predicted_end: said.period_end,
            confidence: said.within_two_days,
            method: METHOD,
            based_on_cycles: self.known_lengths,
            intervals: said.intervals,
            ovulation: said.ovulation.date,
            ovulation_range: said.ovulation.range,
            fertile_window: said.ovulation.fertile_window,
        }
    }

    /// The last day of which [`Forecast::day`] says something: the third start to come. After it a
    /// fourth would count.
    pub fn last_day(&self) -> NaiveDate {
        self.date(self.table(Ahead::Third).date_days())
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
            (1..=PERIOD_MAX_DAYS.min(day + 1)).map(|length| {
                cycle.start.probability(day + 1 - length) * self.period.lasts_probability(length)
            })
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

    /// The date so many days after the newest start. `new` made sure that the last one exists.
    fn date(&self, days: u32) -> NaiveDate {
        self.last_start.checked_add_days(Days::new(days.into())).unwrap_or(NaiveDate::MAX)
    }
}

/// The starts to come, and the ovulation before the first of them.
struct Starts {
    current: Ovulation,
    next: [Table; 3],
}

impl Starts {
    fn of(
        state: &State,
        open_days: Option<u32>,
        ovulation_day: Option<u32>,
        luteal: &Luteal,
    ) -> Self {
        let cycle = state.table(Ahead::Next);
        let still_open = |table: &Table| match open_days {
            Some(days) => table.given_open_until(days),
            None => Some(table.clone()),
        };
        let from_ovulation = ovulation_day
            .and_then(|day| Some((still_open(&luteal.next_start_after(day))?, Ovulation::on(day))));
        let in_silence = open_days.filter(|days| *days >= SILENCE_DAYS).map(|days| {
            (cycle.recurrence_after(days), Ovulation::in_silence(&cycle, days, luteal))
        });
        let truncated = open_days.is_some_and(|days| cycle.later_than(days) < 1.0 - TRUNCATED_MIN);
        let second = state.table(Ahead::Second);
        let known = from_ovulation.or(in_silence);
        let is_sum = known.is_some() || truncated;
        let (next, current) = known.unwrap_or_else(|| {
            let next = still_open(&cycle).unwrap_or_else(|| cycle.clone());
            let current =
                ovulation_day.map_or_else(|| Ovulation::before(&next, luteal), Ovulation::on);
            (next, current)
        });
        let later = if is_sum {
            [next.followed_by(&cycle), next.followed_by(&second)]
        } else {
            [second, state.table(Ahead::Third)]
        };
        let [second, third] = later;
        Self { current, next: [next, second, third] }
    }
}

/// Sums of probabilities of nearly exclusive events can pass 1 by what they have in common.
fn capped(probability: f64) -> f64 {
    probability.clamp(0.0, 1.0)
}
