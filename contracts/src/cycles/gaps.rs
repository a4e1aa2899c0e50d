//! Gaps: what the user says about the days between two logged starts, or since the newest.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use super::Cycle;
use crate::{CycleId, UserId, Version};

/// Keep what the user said about the gap that a cycle begins.
#[derive(Clone, Serialize, Deserialize)]
pub struct AnswerGap {
    /// Whose.
    pub user_id: UserId,
    /// The cycle whose start begins the gap.
    pub cycle_id: CycleId,
    /// The start that ended the gap when it was asked about; none: it was open. If the gap is
    /// another one by now, the answer is refused.
    pub next_start: Option<NaiveDate>,
    /// What was said.
    pub answer: GapAnswer,
}

/// What was said about a gap.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapAnswer {
    /// No start was missed.
    NoneMissed,
    /// At least one start was not logged, and its date is not known.
    MissedUnknown,
    /// A start on this day was not logged: it is logged now, and there are two gaps.
    MissedOn(NaiveDate),
}

/// The answer is kept.
#[derive(Clone, Serialize, Deserialize)]
pub struct GapAnswered {
    /// The cycle that was logged by the answer, if it named a date.
    pub cycle: Option<Cycle>,
    /// The user's new version.
    pub version: Version,
}
