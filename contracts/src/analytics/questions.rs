//! Questions: where a start may have gone unlogged, the user is asked and not corrected.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{CycleId, QuestionId, UserId, Version, cycles::GapAnswer};

/// Read one's open questions, newest gap first.
#[derive(Clone, Serialize, Deserialize)]
pub struct ListQuestions {
    /// Whose.
    pub user_id: UserId,
    /// Wait up to 2 s for this version.
    pub min_version: Option<Version>,
}

/// Answer a question.
#[derive(Clone, Serialize, Deserialize)]
pub struct AnswerQuestion {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub question_id: QuestionId,
    /// What is said.
    pub answer: GapAnswer,
}

/// One's open questions.
#[derive(Clone, Serialize, Deserialize)]
pub struct QuestionList {
    /// Newest gap first.
    pub questions: Vec<Question>,
    /// The version of the user's cycles that this reflects.
    pub as_of_version: Version,
}

/// 'Did you miss one?'
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct Question {
    /// Derived from (user, cycle, next start).
    pub id: QuestionId,
    /// The cycle whose start begins the gap.
    pub cycle_id: CycleId,
    /// That start.
    pub gap_start: NaiveDate,
    /// The start that ends the gap; none while nothing was logged since.
    pub gap_end: Option<NaiveDate>,
    /// The probability that at least one start in between went unlogged.
    pub probability: f64,
    /// The question, as a sentence.
    pub message: String,
}

/// The answer is kept.
#[derive(Clone, Serialize, Deserialize)]
pub struct QuestionAnswered {
    /// The question that was answered.
    pub question_id: QuestionId,
    /// The cycle that was logged by the answer, if it named a date.
    pub cycle_id: Option<CycleId>,
    /// The user's new version.
    pub version: Version,
}
