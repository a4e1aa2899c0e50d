//! What was logged: the only input of every function of this crate.

use std::{error::Error, fmt};

use chrono::{Datelike, NaiveDate};

/// The logged cycles of one person, oldest first.
///
/// Starts are strictly ascending and no period ends before it starts: [`History::new`] checks
/// both, so that every length is at least one day and nothing downstream has to ask again.
/// Lengths are otherwise unbounded: a gap of 900 days is a length of 900 days.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct History(Vec<LoggedCycle>);

/// One logged cycle, from the first day of bleeding on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct LoggedCycle {
    /// First day of bleeding, a civil date.
    pub start: NaiveDate,
    /// Last day of bleeding, inclusive; none while it was not logged.
    pub end: Option<NaiveDate>,
}

/// Why logged cycles are no history. Names the position only, never a date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HistoryError {
    /// The cycle at `index` (from 0) does not start after the one before it.
    NotAscending {
        /// Position of the later of the two cycles.
        index: usize,
    },
    /// The period of the cycle at `index` (from 0) ends before it starts.
    EndBeforeStart {
        /// Position of the cycle.
        index: usize,
    },
}

impl History {
    /// Takes cycles, oldest first, and checks what [`History`] promises.
    pub fn new(cycles: Vec<LoggedCycle>) -> Result<Self, HistoryError> {
        if let Some(index) = cycles.windows(2).position(|pair| pair[1].start <= pair[0].start) {
            return Err(HistoryError::NotAscending { index: index + 1 });
        }
        let ends_early = |cycle: &LoggedCycle| cycle.end.is_some_and(|end| end < cycle.start);
        if let Some(index) = cycles.iter().position(ends_early) {
            return Err(HistoryError::EndBeforeStart { index });
        }
        Ok(Self(cycles))
    }

    /// The cycles, oldest first.
    pub fn cycles(&self) -> &[LoggedCycle] {
        &self.0
    }

    /// The number of logged cycles, the newest (still open) one included.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether nothing was logged.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl LoggedCycle {
    /// Inclusive days of bleeding, at least 1; none while the end was not logged.
    pub fn period_length_days(&self) -> Option<i32> {
        self.end.map(|end| days_between(self.start, end) + 1)
    }
}

impl fmt::Display for HistoryError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAscending { index } => {
                write!(f, "cycle {index} does not start after the one before it")
            }
            Self::EndBeforeStart { index } => {
                write!(f, "the period of cycle {index} ends before it starts")
            }
        }
    }
}

impl Error for HistoryError {}

/// Days from `from` to `to`. Every `NaiveDate` lies within 96 million days of year 1, so
/// neither the difference nor one day more overflows.
pub(crate) fn days_between(from: NaiveDate, to: NaiveDate) -> i32 {
    to.num_days_from_ce() - from.num_days_from_ce()
}
