//! The calendar: what is known and what is expected of each day.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{CycleId, UserId, Version};

/// Most days of one calendar.
pub const CALENDAR_DAYS_MAX: i64 = 366;

/// Read what is known and expected of each day of a range.
#[derive(Clone, Serialize, Deserialize)]
pub struct GetCalendar {
    /// Whose.
    pub user_id: UserId,
    /// The first day.
    pub from: NaiveDate,
    /// The last day, inclusive; at most [`CALENDAR_DAYS_MAX`] days in all.
    pub to: NaiveDate,
    /// Wait up to 2 s for this version.
    pub min_version: Option<Version>,
}

/// What is known and expected of each day.
#[derive(Clone, Serialize, Deserialize)]
pub struct Calendar {
    /// One for each day, ascending.
    pub days: Vec<CalendarDay>,
    /// The version of the user's cycles that this reflects.
    pub as_of_version: Version,
}

/// What is known and expected of a day.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct CalendarDay {
    /// The day.
    pub date: NaiveDate,
    /// In which phase of a cycle it lies, or most probably will.
    pub phase: CyclePhase,
    /// The probability of bleeding: 1 or 0 for what was logged; none where nothing is known.
    pub bleeding: Option<f64>,
    /// The probability that it is one of the six days that end with ovulation; none where nothing is
    /// known. No contraception.
    pub fertile: Option<f64>,
    /// The probability that ovulation falls on it; none where nothing is known.
    pub ovulation: Option<f64>,
    /// What was logged of it.
    pub logged: Option<LoggedDay>,
}

/// What was logged of a day.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoggedDay {
    /// The cycle that it belongs to.
    pub cycle_id: CycleId,
    /// Its day of the cycle: 1 is the first day of bleeding.
    pub cycle_day: i32,
    /// Whether bleeding was logged; none after the first day of a period while its end was not.
    pub bleeding: Option<bool>,
}

/// The phases of a cycle, as a calendar can tell them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CyclePhase {
    /// Bleeding.
    Menstruation,
    /// After the bleeding and before the fertile days.
    Follicular,
    /// Day of ovulation and the days around it in which the probability of fertility is at least
    /// one half.
    Ovulation,
    /// From ovulation to the next bleeding.
    Luteal,
    /// An episode goes on, or nothing is known of this day.
    Unknown,
}
