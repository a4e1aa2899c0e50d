//! Questions about gaps: where a start may have gone unlogged, the user is asked and not corrected.

use chrono::NaiveDate;
use contracts::{
    CycleId, QuestionId, UserId,
    analytics::Question,
    cycles::{AnswerGap, GapAnswer},
};

use crate::{
    ids::question_id,
    known::{Known, KnownQuestion},
};

/// Most questions that are asked at a time.
const QUESTIONS_MAX: usize = 100;
/// No cycle has this id: a gap of it is none.
const NO_CYCLE: CycleId = CycleId::new(0);

/// The open questions on a day, newest gap first.
pub(crate) fn questions(known: &Known, today: NaiveDate) -> Vec<Question> {
    let open = known.open_question(today).into_iter();
    let all = open.chain(known.questions.iter().rev().copied()).take(QUESTIONS_MAX);
    all.map(|asked| question(&asked, today)).collect()
}

/// The gap that a question is about, if it is open on a day.
pub(crate) fn asked(known: &Known, today: NaiveDate, id: QuestionId) -> Option<KnownQuestion> {
    let open = known.open_question(today).into_iter();
    open.chain(known.questions.iter().copied()).find(|asked| asked.id == id)
}

/// What the cycles group is asked when a question is answered that is no longer open, perhaps by
/// somebody whose first answer was not heard: about the gap that this very answer was given for, if
/// the log shows that it was given, and about none otherwise. Either way the group gives its first
/// answer to an idempotency key, or refuses the key for another request, or knows nothing of it; and
/// to say once more what was said already changes nothing.
pub(crate) fn answered_before(
    user_id: UserId,
    known: &Known,
    starts: &[(CycleId, NaiveDate)],
    id: QuestionId,
    answer: GapAnswer,
) -> AnswerGap {
    let gap = match answer {
        GapAnswer::NoneMissed | GapAnswer::MissedUnknown => starts
            .iter()
            .zip(starts.iter().skip(1).map(|(_, next)| Some(*next)).chain([None]))
            .filter(|((cycle, _), _)| known.answers.contains(&(*cycle, answer)))
            .map(|((cycle, _), next_start)| (*cycle, next_start))
            .find(|(cycle, next_start)| question_id(user_id, *cycle, *next_start) == id),
        GapAnswer::MissedOn(date) => {
            let place = starts.partition_point(|(_, start)| *start < date);
            let before = place.checked_sub(1).and_then(|place| starts.get(place));
            let is_logged = starts.get(place).is_some_and(|(_, start)| *start == date);
            let next_start = starts.get(place + 1).map(|(_, start)| *start);
            let gap = before.filter(|_| is_logged).map(|(cycle, _)| (*cycle, next_start));
            gap.filter(|(cycle, next_start)| question_id(user_id, *cycle, *next_start) == id)
        }
    };
    let (cycle_id, next_start) = gap.unwrap_or((NO_CYCLE, None));
    AnswerGap { user_id, cycle_id, next_start, answer }
}

fn question(asked: &KnownQuestion, today: NaiveDate) -> Question {
    let KnownQuestion { id, cycle_id, gap_start, gap_end, probability } = *asked;
    let days = |until: NaiveDate| (until - gap_start).num_days();
    let message = match gap_end {
        Some(end) => format!(
            "There are {} days between the starts on {gap_start} and {end}. Did a period in between \
             go unlogged?",
            days(end)
        ),
        None => format!(
            "The newest start, on {gap_start}, was {} days ago. Has a period started since that was \
             not logged?",
            days(today)
        ),
    };
    Question { id, cycle_id, gap_start, gap_end, probability: probability.clamp(0.0, 1.0), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    const USER: UserId = UserId::new(7);
    const NONE: GapAnswer = GapAnswer::NoneMissed;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    fn starts() -> Vec<(CycleId, NaiveDate)> {
        let starts = ["2025-01-01", "2025-01-29", "2025-03-26"];
        (1..).map(CycleId::new).zip(starts.map(date)).collect()
    }

    fn asked_again(known: &Known, id: QuestionId, answer: GapAnswer) -> (i64, Option<NaiveDate>) {
        let gap = answered_before(USER, known, &starts(), id, answer);
        assert!(gap.user_id == USER && gap.answer == answer);
        (gap.cycle_id.get(), gap.next_start)
    }

    #[test]
    fn an_answer_that_shows_is_about_its_gap() {
        let mut known = Known::nothing(USER);
        known.answers = vec![(CycleId::new(2), NONE), (CycleId::new(3), GapAnswer::MissedUnknown)];
        let end = Some(date("2025-03-26"));
        let closed = question_id(USER, CycleId::new(2), end);
        let open = question_id(USER, CycleId::new(3), None);
        assert_eq!(asked_again(&known, closed, NONE), (2, end));
        assert_eq!(asked_again(&known, open, GapAnswer::MissedUnknown), (3, None));
        // Another answer than the one that was given, and another question.
        assert_eq!(asked_again(&known, closed, GapAnswer::MissedUnknown), (0, None));
        assert_eq!(asked_again(&known, open, NONE), (0, None));
        let stale = question_id(USER, CycleId::new(2), None);
        assert_eq!(asked_again(&known, stale, NONE), (0, None));
    }

    #[test]
    fn a_start_that_was_logged_by_an_answer_is_found_again() {
        let known = Known::nothing(USER);
        let (missed, end) = (date("2025-01-29"), date("2025-03-26"));
        let closed = question_id(USER, CycleId::new(1), Some(end));
        assert_eq!(asked_again(&known, closed, GapAnswer::MissedOn(missed)), (1, Some(end)));
        let open = question_id(USER, CycleId::new(2), None);
        assert_eq!(asked_again(&known, open, GapAnswer::MissedOn(end)), (2, None));
        // There is no start on that day, or none before it.
        let other = date("2025-02-10");
        assert_eq!(asked_again(&known, closed, GapAnswer::MissedOn(other)), (0, None));
        let first = date("2025-01-01");
        assert_eq!(asked_again(&known, closed, GapAnswer::MissedOn(first)), (0, None));
    }

    #[test]
    fn questions_are_asked_in_words() {
        let asked = |gap_end: Option<&str>| KnownQuestion {
            id: QuestionId::new(1),
            cycle_id: CycleId::new(2),
            gap_start: date("2025-01-29"),
            gap_end: gap_end.map(date),
            probability: 0.98,
        };
        let today = date("2025-05-01");
        assert_eq!(
            question(&asked(Some("2025-03-26")), today).message,
            "There are 56 days between the starts on 2025-01-29 and 2025-03-26. Did a period in \
             between go unlogged?"
        );
        assert_eq!(
            question(&asked(None), today).message,
            "The newest start, on 2025-01-29, was 92 days ago. Has a period started since that was \
             not logged?"
        );
    }
}
