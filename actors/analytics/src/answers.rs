//! The questions of a user, and what is said to them. The answers are facts, so they are kept by the
//! cycles group; what was asked is known here.

use actor_runtime::database;
use contracts::{
    Call, FieldError, Refusal,
    analytics::{AnswerQuestion, ListQuestions, QuestionAnswered, QuestionList},
    cycles::{AnswerGap, GapAnswered},
};

use crate::{
    known::{Known, KnownQuestion},
    questions::{answered_before, asked, questions},
    service::Service,
    store::{readings::starts_for_user, subject_reads::subject_known},
};

/// Where the cycles group sees the date of an answer, and where the one who answers wrote it.
const DATE_POINTERS: (&str, &str) = ("/date", "/missed_start_date");

impl Service {
    pub(crate) async fn list_questions(
        &self,
        call: &Call,
        request: ListQuestions,
    ) -> Result<QuestionList, Refusal> {
        let ListQuestions { user_id, min_version } = request;
        let today = self.today();
        self.read_at_least(call, user_id, min_version, || async move {
            let known = database::read(&self.pool, || subject_known(&self.pool, user_id));
            let (as_of_version, known) = known.await?;
            let questions = known.map(|known| questions(&known, today)).unwrap_or_default();
            Ok((as_of_version, QuestionList { questions, as_of_version }))
        })
        .await
    }

    /// Passes the answer on to the cycles group in the name of the one who answers, with their
    /// token and idempotency key.
    pub(crate) async fn answer_question(
        &self,
        call: &Call,
        request: AnswerQuestion,
    ) -> Result<QuestionAnswered, Refusal> {
        let AnswerQuestion { user_id, question_id, answer } = request;
        let known = database::read(&self.pool, || subject_known(&self.pool, user_id)).await;
        let (_, known) = known.map_err(|error| database::refusal(&error))?;
        let known = known.unwrap_or_else(|| Known::nothing(user_id));
        let asked = asked(&known, self.today(), question_id);
        let gap = if let Some(KnownQuestion { cycle_id, gap_end, .. }) = asked {
            AnswerGap { user_id, cycle_id, next_start: gap_end, answer }
        } else {
            let starts = database::read(&self.pool, || starts_for_user(&self.pool, user_id));
            let starts = starts.await.map_err(|error| database::refusal(&error))?;
            answered_before(user_id, &known, &starts, question_id, answer)
        };
        let answered = self.cycles.ask(call, gap).await;
        let GapAnswered { cycle, version } = answered.map_err(in_the_words_of_a_question)?;
        Ok(QuestionAnswered { question_id, cycle_id: cycle.map(|cycle| cycle.id), version })
    }
}

/// A refusal of the cycles group, for the one who answered a question.
fn in_the_words_of_a_question(refusal: Refusal) -> Refusal {
    let (theirs, ours) = DATE_POINTERS;
    let renamed = |FieldError { pointer, detail }| {
        let pointer = if pointer == theirs { ours.into() } else { pointer };
        FieldError { pointer, detail }
    };
    Refusal { errors: refusal.errors.into_iter().map(renamed).collect(), ..refusal }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_date_is_named_as_its_sender_named_it() {
        let pointers = |refusal: Refusal| {
            let refused = in_the_words_of_a_question(refusal);
            refused.errors.into_iter().map(|error| error.pointer.into_owned()).collect::<Vec<_>>()
        };
        assert_eq!(pointers(Refusal::invalid("/date", "no")), ["/missed_start_date"]);
        assert_eq!(pointers(Refusal::invalid("/else", "no")), ["/else"]);
    }
}
