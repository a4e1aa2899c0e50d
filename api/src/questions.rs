//! Questions about starts that may be missing in the log: `/api/analytics/questions`.

use contracts::{
    CycleId, FieldError, Handle, QuestionId,
    analytics::{self as domain, AnalyticsMailbox},
    cycles::GapAnswer,
};
use poem_openapi::{Enum, Object, OpenApi, param::Path, payload::Json};

use crate::{
    answer::Written,
    auth::Caller,
    body::Body,
    document::{Extra, Tag},
    error::Problem,
    page::count,
    parameter::{Idempotency, Query},
    predictions::version,
    scalar::{Count, Date, Id, Nullable, Probability, Scalar, StateVersion, Text},
};

/// What these operations answer besides what follows from their shape.
pub(crate) const EXTRA: &[Extra] = &[
    Extra { operation: "answerQuestion", code: "overlapping-cycle" },
    Extra { operation: "answerQuestion", code: "gap-changed" },
];

/// The operations on questions.
pub(crate) struct QuestionsApi {
    /// The group.
    pub(crate) analytics: Handle<AnalyticsMailbox>,
}

#[OpenApi(prefix_path = "/api/analytics", tag = "Tag::Analytics")]
impl QuestionsApi {
    /// List one's open questions, newest gap first
    ///
    /// A gap between two starts, or since the newest one, is asked about while it is more probable
    /// than not that a start in it was not logged and the user has not answered. The one since the
    /// newest start comes back, with the same id, once a start was probably missed after the day of
    /// the answer `no`. At most 100.
    #[oai(path = "/questions", method = "get", operation_id = "listQuestions")]
    async fn list(
        &self,
        caller: Caller,
        /// Wait up to 2 seconds until this version of the cycles is reflected.
        min_version: Query<Option<StateVersion>>,
    ) -> poem::Result<Json<QuestionList>> {
        let request =
            domain::ListQuestions { user_id: caller.user_id, min_version: version(min_version) };
        let domain::QuestionList { questions, as_of_version } =
            caller.ask(&self.analytics, request).await?;
        Ok(Json(QuestionList {
            count: count(&questions),
            questions: questions.into_iter().map(Question::from).collect(),
            as_of_version: Scalar(as_of_version.get()),
        }))
    }

    /// Answer a question
    ///
    /// `no`: no start was missed, the gap is one long cycle; of the gap since the newest start, that
    /// none was missed up to today (UTC). `yes`: at least one start was not
    /// logged; with `missed_start_date` it is logged as a cycle, and there are two gaps. Statistics
    /// and predictions follow. To say once more, with or without a key, what was said already
    /// changes nothing, and the version stays. Otherwise a question that is not open, or not one's
    /// own, is not found; one whose gap has become another one in the meantime is refused (409): so
    /// is a `missed_start_date` that is logged already.
    #[oai(path = "/questions/:id/answer", method = "post", operation_id = "answerQuestion")]
    async fn answer(
        &self,
        caller: Caller,
        /// The question's id.
        id: Path<Id>,
        #[oai(name = "Idempotency-Key")] key: Idempotency,
        body: Body<NewAnswer>,
    ) -> poem::Result<Written<QuestionAnswered, 200>> {
        let request = domain::AnswerQuestion {
            user_id: caller.user_id,
            question_id: QuestionId::new(id.0.0),
            answer: body.0.gap_answer()?,
        };
        let domain::QuestionAnswered { question_id, cycle_id, version } =
            caller.write(&self.analytics, key.0, request).await?;
        let body = QuestionAnswered {
            message: Scalar("Answer recorded successfully".to_owned()),
            question_id: Scalar(question_id.get()),
            cycle_id: cycle_id.map(CycleId::get).into(),
            version: Scalar(version.get()),
        };
        Ok(Written { body, version })
    }
}

/// 'Did you miss one?'
#[derive(Object)]
struct Question {
    /// Derived from the gap that is asked about; below 2^53.
    id: Id,
    /// The cycle whose start begins the gap.
    cycle_id: Id,
    /// That start.
    gap_start: Date,
    /// The start that ends the gap; null while nothing was logged since.
    gap_end: Nullable<Date>,
    /// The probability, from 0 to 1, that at least one start in between was not logged.
    probability: Probability,
    /// The question, as a sentence.
    message: Text,
}

/// One's open questions.
#[derive(Object)]
struct QuestionList {
    /// Newest gap first.
    questions: Vec<Question>,
    /// How many there are: at most 100.
    count: Count,
    /// The version of the user's cycles that this reflects.
    as_of_version: StateVersion,
}

/// An answer to a question.
#[derive(Object)]
struct NewAnswer {
    /// Whether a start was missed.
    answer: YesOrNo,
    /// The first day of bleeding of the start that was missed, if it is known: after `gap_start`
    /// and before `gap_end`. Only with `yes`.
    #[oai(nullable)]
    missed_start_date: Option<Date>,
}

/// Yes or no.
#[derive(Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
enum YesOrNo {
    Yes,
    No,
}

/// The answer is kept.
#[derive(Object)]
struct QuestionAnswered {
    /// `Answer recorded successfully`.
    message: Text,
    /// The question that was answered.
    question_id: Id,
    /// The cycle that was logged by the answer; null if it named no date.
    cycle_id: Nullable<Id>,
    /// The user's new version: read analytics with `min_version` set to it to see its effect.
    version: StateVersion,
}

impl NewAnswer {
    fn gap_answer(self) -> Result<GapAnswer, Problem> {
        match (self.answer, self.missed_start_date) {
            (YesOrNo::Yes, Some(Scalar(date))) => Ok(GapAnswer::MissedOn(date)),
            (YesOrNo::Yes, None) => Ok(GapAnswer::MissedUnknown),
            (YesOrNo::No, None) => Ok(GapAnswer::NoneMissed),
            (YesOrNo::No, Some(_)) => Err(Problem::invalid(vec![FieldError {
                pointer: "/missed_start_date".into(),
                detail: "must be left out with the answer no".into(),
            }])),
        }
    }
}

impl From<domain::Question> for Question {
    fn from(question: domain::Question) -> Self {
        let domain::Question { id, cycle_id, gap_start, gap_end, probability, message } = question;
        Self {
            id: Scalar(id.get()),
            cycle_id: Scalar(cycle_id.get()),
            gap_start: Scalar(gap_start),
            gap_end: gap_end.into(),
            probability: Scalar(probability),
            message: Scalar(message),
        }
    }
}
