//! Why there is no prediction.

use chrono::NaiveDate;

use crate::EpisodeKind;

/// Why nothing is predicted: said instead of a date that would be wrong.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// No start was logged.
    NothingLogged,
    /// The newest cycle runs into an episode in which cycles do not follow the model.
    Episode {
        /// What it is.
        kind: EpisodeKind,
        /// Its first day.
        start: NaiveDate,
        /// Its last day; none while it lasts. If it is over, no start was logged since.
        end: Option<NaiveDate>,
    },
    /// A date would lie outside what `NaiveDate` holds.
    BeyondCalendar,
}
