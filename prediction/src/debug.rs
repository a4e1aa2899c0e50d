//! `Debug` of everything that holds health data shows the type and no value, so that no log
//! line or error message of a caller can leak a date.

use std::fmt::{Debug, Formatter, Result};

use crate::{
    Anchor, CycleNote, CycleStatistics, DateRange, DayForecast, Episode, Forecast,
    ForecastOvulation, ForecastStart, History, Hypothesis, Interval, Length, LoggedCycle, Luteal,
    Obstacle, Ovulation, PastOvulation, PeriodLength, Record, RecordEntry, Said, SegmentedCycle,
    Situation, State, Statistics, Step, Table, Update, Use, Window,
    metrics::{RangeSummary, Summary},
    ovulation::{LhTest, Temperature},
};

/// One `Debug` that is the same for every type but its name.
macro_rules! redacted {
    ($($name:ident),* $(,)?) => {$(
        impl Debug for $name {
            fn fmt(&self, f: &mut Formatter<'_>) -> Result {
                f.debug_struct(stringify!($name)).finish_non_exhaustive()
            }
        }
    )*};
}

redacted! {
    Anchor, CycleNote, CycleStatistics, DateRange, DayForecast, Episode, Forecast,
    ForecastOvulation, ForecastStart, History, Hypothesis, Interval, Length, LhTest, LoggedCycle,
    Luteal, Obstacle, Ovulation, PastOvulation, PeriodLength, RangeSummary, Record,
    RecordEntry, Said, SegmentedCycle, State, Statistics, Step, Summary, Table, Temperature, Update,
    Use, Window,
}

impl Debug for Situation<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> Result {
        f.debug_struct("Situation").finish_non_exhaustive()
    }
}
