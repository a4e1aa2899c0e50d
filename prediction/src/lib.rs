#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod average;
mod calibration;
mod debug;
mod history;
mod prediction;
mod statistics;
mod sums;

pub use average::{
    CYCLE_LENGTH_DAYS_DEFAULT, LENGTHS_USED_MAX, METHOD, PERIOD_LENGTH_DAYS_DEFAULT,
    PERIOD_LENGTH_DAYS_MAX, predict, predict_at,
};
pub use history::{History, HistoryError, LoggedCycle};
pub use prediction::{DateRange, Interval, Prediction};
pub use statistics::{
    CycleStatistics, NORMAL_LENGTH_DAYS, REGULAR_DEVIATION_DAYS_MAX, Regularity, Statistics,
    statistics,
};
