//! What a prediction says.

use chrono::NaiveDate;

/// A prediction of the next period.
#[derive(Clone, PartialEq)]
pub struct Prediction {
    /// The day on which the next period is expected to start; always after the last logged start.
    pub predicted_start: NaiveDate,
    /// The last day of bleeding expected then, inclusive; 0 to 30 days after the start.
    pub predicted_end: NaiveDate,
    /// The probability, 0 to 1, that the start falls within 2 days of `predicted_start`.
    pub confidence: f64,
    /// Names the rule or model and, once it has any, the version of its constants.
    pub method: &'static str,
    /// How many cycle lengths the date was computed from.
    pub based_on_cycles: u32,
    /// Ranges of the start at 0.5, 0.8 and 0.95, in this order; each contains the one before it
    /// and `predicted_start`, and begins after the last logged start.
    pub intervals: [Interval; 3],
    /// The expected day of ovulation; never before the last logged start.
    pub ovulation: NaiveDate,
    /// Holds ovulation with a probability of about 0.8; contains `ovulation` and begins no
    /// earlier than the last logged start.
    pub ovulation_range: DateRange,
    /// The six days that end with `ovulation`, cut where they would reach before the last logged
    /// start. Information only: this is **not contraception**.
    pub fertile_window: DateRange,
}

/// A range of start dates with a stated probability, both ends inclusive.
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

impl DateRange {
    /// Whether `day` is one of its days.
    pub fn contains(&self, day: NaiveDate) -> bool {
        self.start <= day && day <= self.end
    }
}
