//! What follows from the dates of a user's cycles. Nothing here is stored: it is derived at every
//! read from the whole timeline, so no write can leave a neighbour's number behind.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::cycles::CycleMark;

/// A cycle shorter than this many days is marked.
const UNUSUALLY_SHORT_DAYS: i32 = 15;
/// A cycle longer than this many days is marked.
const MISSED_LOG_DAYS: i32 = 60;
/// A cycle longer than this many times the user's median is marked.
const MISSED_LOG_MEDIANS: f64 = 1.75;

/// The days from a start to the next one, as they were when the user was asked about them.
pub(crate) struct AskedGap {
    /// The start that begins it.
    pub(crate) start: NaiveDate,
    /// The start that ended it; none if it was open.
    pub(crate) next_start: Option<NaiveDate>,
    /// When the user answered.
    pub(crate) answered_at: DateTime<Utc>,
}

impl AskedGap {
    /// Whether it is still this gap. One that was open may be closed since, by a start that came
    /// after the answer. A start on a day before contradicts the answer, or is the one that was
    /// missed; then the user may be asked anew.
    pub(crate) fn is(&self, start: NaiveDate, next_start: Option<NaiveDate>) -> bool {
        // West of Greenwich, today may be the day before.
        let answered_on = self.answered_at.date_naive().pred_opt();
        let is_closed_since = self.next_start.is_none() && next_start >= answered_on;
        start == self.start && (next_start == self.next_start || is_closed_since)
    }
}

/// Days from a start to the next one; none for the newest cycle.
pub(crate) fn cycle_length(start: NaiveDate, next_start: Option<NaiveDate>) -> Option<i32> {
    next_start.and_then(|next| days_between(start, next))
}

/// Inclusive days of bleeding; none without an end.
pub(crate) fn period_length(start: NaiveDate, end: Option<NaiveDate>) -> Option<i32> {
    end.and_then(|end| days_between(start, end)).map(|days| days + 1)
}

/// What is odd about a length. `median` is that of all the user's known lengths, this one
/// included, and none while fewer than two are known: one length is no habit. What an episode in it
/// explains is no missed log.
pub(crate) fn marks(
    cycle_length: Option<i32>,
    median: Option<f64>,
    is_explained: bool,
) -> Vec<CycleMark> {
    let Some(length) = cycle_length else { return Vec::new() };
    let is_far_above_usual =
        median.is_some_and(|median| f64::from(length) > MISSED_LOG_MEDIANS * median);
    let mut marks = Vec::new();
    if length < UNUSUALLY_SHORT_DAYS {
        marks.push(CycleMark::UnusuallyShort);
    }
    if !is_explained && (length > MISSED_LOG_DAYS || is_far_above_usual) {
        marks.push(CycleMark::PossibleMissedLog);
    }
    marks
}

/// Days fit into 32 bits: the database's dates lie between 1900 and 9999.
fn days_between(from: NaiveDate, to: NaiveDate) -> Option<i32> {
    i32::try_from((to - from).num_days()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    #[test]
    fn lengths_count_days_over_a_leap_day() {
        let start = day("2024-02-15");
        assert_eq!(cycle_length(start, Some(day("2024-03-14"))), Some(28));
        assert_eq!(cycle_length(start, None), None);
        assert_eq!(period_length(start, Some(start)), Some(1));
        assert_eq!(period_length(start, Some(day("2024-02-20"))), Some(6));
        assert_eq!(period_length(start, None), None);
    }

    #[test]
    fn an_answer_is_about_the_gap_that_was_asked_about() {
        let start = day("2025-01-10");
        let next = Some(day("2025-03-10"));
        let answered_at = "2025-03-20T01:00:00Z".parse().unwrap();
        let closed = AskedGap { start, next_start: next, answered_at };
        assert!(closed.is(start, next));
        assert!(!closed.is(start, None));
        assert!(!closed.is(start, Some(day("2025-02-10"))));
        assert!(!closed.is(start, Some(day("2025-03-25"))));
        assert!(!closed.is(day("2025-01-11"), next));

        let open = AskedGap { start, next_start: None, answered_at };
        assert!(open.is(start, None));
        assert!(open.is(start, Some(day("2025-04-01"))));
        // Where it was still the 19th.
        assert!(open.is(start, Some(day("2025-03-19"))));
        assert!(!open.is(start, Some(day("2025-03-18"))));
        assert!(!open.is(day("2025-01-09"), None));
    }

    #[test]
    fn only_lengths_beyond_the_bounds_are_marked() {
        assert_eq!(marks(None, Some(28.0), false), []);
        assert_eq!(marks(Some(15), None, false), []);
        assert_eq!(marks(Some(14), None, false), [CycleMark::UnusuallyShort]);
        assert_eq!(marks(Some(60), None, false), []);
        assert_eq!(marks(Some(61), None, false), [CycleMark::PossibleMissedLog]);
        assert_eq!(marks(Some(49), Some(28.0), false), []);
        assert_eq!(marks(Some(50), Some(28.0), false), [CycleMark::PossibleMissedLog]);
        let both = [CycleMark::UnusuallyShort, CycleMark::PossibleMissedLog];
        assert_eq!(marks(Some(14), Some(7.5), false), both);
        assert_eq!(marks(Some(280), Some(28.0), true), []);
        assert_eq!(marks(Some(14), Some(7.5), true), [CycleMark::UnusuallyShort]);
    }
}
