#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

mod average;
mod calibration;
pub mod constants;
mod debug;
mod forecast;
mod history;
mod hypothesis;
pub mod metrics;
mod normal;
mod numbers;
mod obstacle;
pub mod ovulation;
mod period;
mod prediction;
mod record;
mod segments;
mod starts;
mod state;
mod statistics;
pub mod student_t;
mod sums;
mod table;
mod timeline;
mod walk;
mod window;

pub use average::{
    CYCLE_LENGTH_DAYS_DEFAULT, LENGTHS_USED_MAX, METHOD, PERIOD_LENGTH_DAYS_DEFAULT,
    PERIOD_LENGTH_DAYS_MAX, predict, predict_at,
};
pub use forecast::{DayForecast, Forecast, ForecastOvulation, ForecastStart, Situation};
pub use history::{History, HistoryError, LoggedCycle};
pub use hypothesis::Hypothesis;
pub use obstacle::Obstacle;
pub use ovulation::{Luteal, Ovulation, PastOvulation};
pub use period::PeriodLength;
pub use prediction::{DateRange, Interval, Prediction};
pub use record::{Record, RecordEntry, record};
pub use segments::{CycleNote, Episode, EpisodeKind, SegmentedCycle, Use, segments};
pub use starts::Ahead;
pub use state::{CyclesInGap, Length, State, Update, UpdateError};
pub use statistics::{
    CycleStatistics, NORMAL_LENGTH_DAYS, REGULAR_DEVIATION_DAYS_MAX, Regularity, Statistics,
    statistics,
};
pub use table::Table;
pub use timeline::{Anchor, age_years, timeline};
pub use walk::{Method, Said, Step, walk_forward};
pub use window::Window;
