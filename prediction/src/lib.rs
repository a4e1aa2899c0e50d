#![doc = include_str!("../README.md")]
#![deny(missing_docs)]

pub mod constants;
mod debug;
mod forecast;
mod history;
mod hypothesis;
pub mod metrics;
mod missed_since;
mod mixture;
mod next_start;
mod normal;
mod numbers;
mod obstacle;
pub mod ovulation;
mod period;
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

pub use forecast::{
    Basis, DateRange, DayForecast, DaysToStart, Forecast, ForecastOvulation, ForecastStart,
    Interval, Situation,
};
pub use history::{History, HistoryError, LoggedCycle};
pub use hypothesis::Hypothesis;
pub use obstacle::Obstacle;
pub use ovulation::{Luteal, Ovulation, PastOvulation};
pub use period::PeriodLength;
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
