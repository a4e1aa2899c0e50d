//! The starts to come from an anchor.

use chrono::{Days, NaiveDate};
use prediction::{
    Ahead, DateRange, Forecast, ForecastOvulation, ForecastStart, Interval, PeriodLength,
    constants::{CONFIDENCE_WITHIN_DAYS, INTERVAL_LEVELS},
};

/// Holds ovulation with at least this probability.
const OVULATION_LEVEL: f64 = 0.8;

/// A forecast, and the starts to come by it.
pub(crate) struct Outlook {
    pub(crate) forecast: Forecast,
    pub(crate) next: ForecastStart,
    /// Those after it.
    pub(crate) later: Vec<ForecastStart>,
}

impl Outlook {
    /// The starts after the newest logged one.
    pub(crate) fn of(forecast: Forecast) -> Self {
        let [next, second, third] = Ahead::ALL.map(|ahead| forecast.start(ahead));
        Self { forecast, next, later: vec![second, third] }
    }

    /// The user says that a start was missed: the second one after the newest logged is the next,
    /// and nothing came of it in the days that have passed. `forecast` is made without them, for
    /// the missed start is one of them.
    pub(crate) fn after_missed(
        forecast: Forecast,
        last_start: NaiveDate,
        open_days: Option<u32>,
        period: PeriodLength,
    ) -> Self {
        let start = |ahead| {
            let table = forecast.table(ahead);
            let open = open_days.and_then(|days| table.given_open_until(days));
            let table = open.as_ref().unwrap_or(table);
            let ovulation = forecast.ovulation(ahead);
            let date = |days: u32| {
                last_start.checked_add_days(Days::new(days.into())).unwrap_or(NaiveDate::MAX)
            };
            let range = |(first, last)| DateRange { start: date(first), end: date(last) };
            let shown = table.date_days();
            ForecastStart {
                date: date(shown),
                period_end: date(shown + period.days() - 1),
                within_two_days: table.probability_within(CONFIDENCE_WITHIN_DAYS),
                intervals: INTERVAL_LEVELS
                    .map(|level| Interval { level, range: range(table.whole_days(level)) }),
                ovulation: ForecastOvulation {
                    date: date(ovulation.table().date_days()),
                    range: range(ovulation.table().whole_days(OVULATION_LEVEL)),
                    fertile_window: range(ovulation.fertile_days()),
                },
            }
        };
        let (next, later) = (start(Ahead::Second), vec![start(Ahead::Third)]);
        Self { forecast, next, later }
    }

    /// The first day that says something by passing without a start: the first of the widest range.
    pub(crate) fn open_from(&self) -> Option<NaiveDate> {
        self.next.intervals.last().map(|widest| widest.range.start)
    }
}
