//! Questions are asked, and their answers reach whoever keeps them.

use std::sync::Arc;

use contracts::{
    CycleId, ErrorKind, QuestionId,
    analytics::{AnswerQuestion, ListQuestions, Question, QuestionAnswered, QuestionList},
    call::{AccessToken, IdempotencyKey},
    cycles::{AnswerGap, Cycle, GapAnswer, GapAnswered},
};

use super::*;

/// Keeps an answer as the cycles group does, without its table of idempotency keys: a key that came
/// before gives the first answer again.
pub(super) fn answer_gap(
    owner: &Owner,
    call: Call,
    request: AnswerGap,
) -> Result<GapAnswered, Refusal> {
    let AnswerGap { user_id, cycle_id, next_start, answer } = request;
    let mut answers = owner.answers.lock().unwrap();
    let before = answers.iter().find(|(before, _)| {
        call.idempotency_key.is_some() && before.idempotency_key == call.idempotency_key
    });
    if let Some((_, first)) = before {
        let is_same = first.cycle_id == cycle_id && first.answer == answer;
        let reused = Refusal::new(ErrorKind::Invalid, "idempotency-key-reused", "reused");
        let version = owner.history(user_id).version;
        return if is_same { Ok(GapAnswered { cycle: None, version }) } else { Err(reused) };
    }
    let cycles = owner.history(user_id).cycles;
    let at = cycles.iter().position(|cycle| cycle.id == cycle_id);
    let at = at.ok_or_else(Refusal::not_found)?;
    if cycles.get(at + 1).map(|next| next.start_date) != next_start {
        return Err(Refusal::new(ErrorKind::Conflict, "gap-changed", "changed"));
    }
    let mut cycle = None;
    let version = match answer {
        GapAnswer::MissedOn(date) if date <= cycles[at].start_date => {
            return Err(Refusal::invalid("/date", "must be after the start that begins the gap"));
        }
        GapAnswer::MissedOn(date) => {
            let version = owner.insert(user_id, date);
            cycle = Some(logged(user_id, owner.history(user_id).cycles[at + 1].id, date));
            version
        }
        // What was said already is nothing new.
        kept if cycles[at].gap_answer == Some(kept) => {
            return Ok(GapAnswered { cycle, version: owner.history(user_id).version });
        }
        kept => owner.say(user_id, at, false, Some(kept)),
    };
    answers.push((call, request));
    Ok(GapAnswered { cycle, version: Version::new(version) })
}

fn logged(user_id: UserId, id: CycleId, start_date: NaiveDate) -> Cycle {
    let at = Clock::Fixed(start_date.and_time(NaiveTime::MIN).and_utc()).now();
    Cycle {
        id,
        user_id,
        start_date,
        end_date: None,
        cycle_length: None,
        period_length: None,
        marks: Vec::new(),
        excluded: false,
        created_at: at,
        updated_at: at,
        symptoms: Vec::new(),
    }
}

async fn questions(process: &Process, whose: UserId) -> QuestionList {
    let request = ListQuestions { user_id: whose, min_version: None };
    process.handle.ask(&call(), request).await.unwrap()
}

async fn answer(
    process: &Process,
    call: &Call,
    whose: UserId,
    question: &Question,
    answer: GapAnswer,
) -> Result<QuestionAnswered, Refusal> {
    let request = AnswerQuestion { user_id: whose, question_id: question.id, answer };
    process.handle.ask(call, request).await
}

fn keyed(key: &str) -> Call {
    Call { idempotency_key: IdempotencyKey::parse(key), ..call() }
}

/// Somebody with a gap of 56 days among cycles of 28, and a newest start that is 41 days ago.
async fn somebody(owner: &Arc<Owner>, place: &TestDatabase, whose: UserId) -> Process {
    for days in [28, 28, 28, 28, 28, 28, 56, 28, 28] {
        owner.append(whose, days);
    }
    let newest = owner.history(whose).cycles[8].start_date;
    let today = newest + chrono::Days::new(41);
    let process = Process::start(place, owner, Settings { today, ..Settings::default() }).await;
    process.wake(whose, 9).await.unwrap();
    process
}

#[tokio::test(flavor = "multi_thread")]
async fn gaps_are_asked_about_newest_first() {
    let (database, owner, whose) = (database().await, Arc::new(Owner::default()), user(1));
    let process = somebody(&owner, &database, whose).await;
    let QuestionList { questions: asked, as_of_version } = questions(&process, whose).await;
    assert_eq!((asked.len(), as_of_version.get()), (2, 9));
    let cycles = owner.history(whose).cycles;
    for (question, at) in asked.iter().zip([8, 5]) {
        assert_eq!((question.cycle_id, question.gap_start), (cycles[at].id, cycles[at].start_date));
        assert_eq!(question.gap_end, cycles.get(at + 1).map(|next| next.start_date));
        assert!(question.probability > 0.5 && question.probability <= 1.0);
        assert!((1..1 << 53).contains(&question.id.get()));
        assert!(question.message.ends_with('?'), "{}", question.message);
    }
    assert!(questions(&process, user(2)).await.questions.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_passed_on_in_the_name_of_its_sender() {
    let (database, owner, whose) = (database().await, Arc::new(Owner::default()), user(1));
    let process = somebody(&owner, &database, whose).await;
    let asked = questions(&process, whose).await.questions;
    let token = AccessToken::parse("a-token");
    let call = Call { principal: Some(whose), token: token.clone(), ..keyed("first") };
    let no = answer(&process, &call, whose, &asked[1], GapAnswer::NoneMissed).await.unwrap();
    assert_eq!((no.question_id, no.cycle_id, no.version.get()), (asked[1].id, None, 10));
    {
        let answers = owner.answers.lock().unwrap();
        let (passed_on, gap) = &answers[0];
        assert_eq!((&passed_on.token, passed_on.principal), (&token, Some(whose)));
        assert_eq!(passed_on.request_id, call.request_id);
        assert!(passed_on.idempotency_key == call.idempotency_key);
        assert_eq!((gap.user_id, gap.cycle_id), (whose, asked[1].cycle_id));
        assert_eq!((gap.next_start, gap.answer), (asked[1].gap_end, GapAnswer::NoneMissed));
    }
    process.wake(whose, 10).await.unwrap();
    let left = questions(&process, whose).await.questions;
    assert_eq!(left.iter().map(|question| question.id).collect::<Vec<_>>(), [asked[0].id]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_was_missed_is_logged() {
    let (database, owner, whose) = (database().await, Arc::new(Owner::default()), user(1));
    let process = somebody(&owner, &database, whose).await;
    let asked = questions(&process, whose).await.questions;
    let missed = asked[1].gap_start + chrono::Days::new(28);
    let before = GapAnswer::MissedOn(asked[1].gap_start);
    let refused = answer(&process, &call(), whose, &asked[1], before).await.err().unwrap();
    assert_eq!(refused.errors[0].pointer, "/missed_start_date");
    let yes = GapAnswer::MissedOn(missed);
    let yes = answer(&process, &call(), whose, &asked[1], yes).await.unwrap();
    let logged = owner.history(whose).cycles[6].clone();
    assert_eq!((logged.start_date, Some(logged.id)), (missed, yes.cycle_id));
    process.wake(whose, yes.version.get()).await.unwrap();
    let left = questions(&process, whose).await.questions;
    assert!(left.iter().all(|question| question.id != asked[1].id));

    let unknown = answer(&process, &call(), whose, &left[0], GapAnswer::MissedUnknown).await;
    let version = unknown.unwrap().version;
    process.wake(whose, version.get()).await.unwrap();
    assert!(questions(&process, whose).await.questions.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_asked_cannot_be_answered() {
    let (database, owner, whose) = (database().await, Arc::new(Owner::default()), user(1));
    let process = somebody(&owner, &database, whose).await;
    let mut asked = questions(&process, whose).await.questions;
    let refusal = |refused: Result<QuestionAnswered, Refusal>| refused.err().unwrap();
    let no = GapAnswer::NoneMissed;
    for call in [call(), keyed("any")] {
        let foreign = answer(&process, &call, user(2), &asked[0], no).await;
        assert_eq!(refusal(foreign), Refusal::not_found());
        let unknown = Question { id: QuestionId::new(12_345), ..asked[0].clone() };
        let unknown = answer(&process, &call, whose, &unknown, no).await;
        assert_eq!(refusal(unknown), Refusal::not_found());
    }
    // A start that analytics has not heard of yet.
    let open = asked.remove(0);
    owner.append(whose, 40);
    let late = refusal(answer(&process, &call(), whose, &open, no).await);
    assert_eq!((late.kind, &*late.code), (ErrorKind::Conflict, "gap-changed"));
    process.wake(whose, 10).await.unwrap();
    assert_eq!(refusal(answer(&process, &call(), whose, &open, no).await), Refusal::not_found());
    assert!(owner.answers.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_sent_again_is_answered_again() {
    let (database, owner, whose) = (database().await, Arc::new(Owner::default()), user(1));
    let process = somebody(&owner, &database, whose).await;
    let asked = questions(&process, whose).await.questions;
    let missed = asked[1].gap_start + chrono::Days::new(28);
    let said = [GapAnswer::NoneMissed, GapAnswer::MissedOn(missed)];
    for ((question, said), key) in asked.iter().zip(said).zip(["one", "two"]) {
        let first = answer(&process, &keyed(key), whose, question, said).await.unwrap();
        // Before and after analytics has heard of it.
        for _ in 0..2 {
            let again = answer(&process, &keyed(key), whose, question, said).await.unwrap();
            assert_eq!(again.version, first.version, "nothing happened twice");
            process.wake(whose, first.version.get()).await.unwrap();
        }
        let other = answer(&process, &keyed(key), whose, question, GapAnswer::MissedUnknown).await;
        assert_eq!(&*other.err().unwrap().code, "idempotency-key-reused");
        // Under no key or another one it is the same answer; but a start is logged once only.
        for call in [call(), keyed(&format!("{key} again"))] {
            let again = answer(&process, &call, whose, question, said).await;
            match said {
                GapAnswer::MissedOn(_) => assert_eq!(&*again.err().unwrap().code, "gap-changed"),
                _ => assert_eq!(again.unwrap().version, first.version),
            }
        }
        let other = answer(&process, &call(), whose, question, GapAnswer::MissedUnknown).await;
        assert_eq!(other.err().unwrap(), Refusal::not_found(), "another answer comes too late");
    }
    assert_eq!(owner.answers.lock().unwrap().len(), 2);
}
