//! What users say about gaps, and how long it counts.

use actor_runtime::clock::Clock;
use chrono::{Days, NaiveDate};
use contracts::{
    CycleId, ErrorKind, Patch, Refusal, UserId,
    cycles::{
        AnswerGap, DeleteCycle, EditCycle, GapAnswer, GapAnswered, History, HistoryCycle,
        RecordCycle,
    },
};
use futures::future::join;

use crate::harness::{Group, TestApp, day, refused};

const USER: UserId = UserId::new(7);
const OTHER: UserId = UserId::new(8);

fn answer(cycle_id: CycleId, next_start: Option<&str>, answer: GapAnswer) -> AnswerGap {
    AnswerGap { user_id: USER, cycle_id, next_start: next_start.map(day), answer }
}

fn moved(cycle_id: CycleId, start: &str) -> EditCycle {
    EditCycle {
        user_id: USER,
        cycle_id,
        start_date: Some(day(start)),
        end_date: Patch::Keep,
        excluded: None,
    }
}

/// The first cycle of the history.
async fn first(group: &Group) -> HistoryCycle {
    let History { cycles, .. } = group.history(USER).await;
    cycles.into_iter().next().unwrap()
}

fn is_changed_gap(refusal: &Refusal) -> bool {
    refusal.kind == ErrorKind::Conflict && refusal.code == "gap-changed"
}

/// Two starts with 61 days between them.
async fn two_starts(group: &Group) -> (CycleId, CycleId) {
    let one = group.record(USER, "2025-01-10", Some("2025-01-15")).await.unwrap().cycle.id;
    let two = group.record(USER, "2025-03-12", None).await.unwrap().cycle.id;
    (one, two)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_kept_and_changes_what_predictions_are_made_from() {
    let app = TestApp::start().await;
    let group = &app.group;
    let (one, two) = two_starts(group).await;
    let none = answer(one, Some("2025-03-12"), GapAnswer::NoneMissed);
    let GapAnswered { cycle, version } = group.ask(USER, none.clone()).await.unwrap();
    assert!(cycle.is_none());
    assert_eq!(version.get(), 3);
    let told = first(group).await;
    assert_eq!((told.gap_answer, told.input_version.get()), (Some(GapAnswer::NoneMissed), 3));
    // The same once more, under a key of its own or none: no version and no event, and nobody's
    // predictions are made from anything else. A retry is answered by its key alone.
    assert_eq!(group.ask(USER, none.clone()).await.unwrap().version.get(), 3);
    assert_eq!(group.ask_with_key(USER, "again", none.clone()).await.unwrap().version.get(), 3);
    assert_eq!(group.ask_with_key(USER, "again", none.clone()).await.unwrap().version.get(), 3);
    let other = answer(one, Some("2025-03-12"), GapAnswer::MissedUnknown);
    let reused = refused(group.ask_with_key(USER, "again", other).await);
    assert_eq!(reused.code, "idempotency-key-reused");
    assert_eq!(group.history(USER).await.version.get(), 3);
    assert_eq!(first(group).await.input_version.get(), 3);
    // Of another gap it is no answer, whoever gave it for this one.
    let another = answer(one, Some("2025-03-11"), GapAnswer::NoneMissed);
    assert!(is_changed_gap(&refused(group.ask(USER, another).await)));
    let unknown = answer(one, Some("2025-03-12"), GapAnswer::MissedUnknown);
    group.ask(USER, unknown).await.unwrap();
    let told = first(group).await;
    assert_eq!((told.gap_answer, told.input_version.get()), (Some(GapAnswer::MissedUnknown), 4));
    // The gap that the newest cycle begins is open.
    group.ask(USER, answer(two, None, GapAnswer::NoneMissed)).await.unwrap();
    let last = group.history(USER).await.cycles.pop().unwrap();
    assert_eq!((last.gap_answer, last.input_version.get()), (Some(GapAnswer::NoneMissed), 5));
    assert_eq!(last.gap_answered_on, Some(last.input_changed_at.date_naive()));
    app.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_missed_start_is_logged() {
    let app = TestApp::start().await;
    let group = &app.group;
    let (one, two) = two_starts(group).await;
    let unknown = answer(one, Some("2025-03-12"), GapAnswer::MissedUnknown);
    group.ask(USER, unknown).await.unwrap();
    let on = |date: &str| GapAnswer::MissedOn(day(date));
    for outside in ["2025-01-10", "2025-01-01", "2025-03-12", "2025-04-01", "2999-01-01"] {
        let refusal = refused(group.ask(USER, answer(one, Some("2025-03-12"), on(outside))).await);
        assert_eq!(refusal.kind, ErrorKind::Invalid, "{outside}");
        assert_eq!(refusal.errors.first().unwrap().pointer, "/date");
    }
    // While one still bleeds, no period begins.
    let refusal = refused(group.ask(USER, answer(one, Some("2025-03-12"), on("2025-01-15"))).await);
    assert_eq!((&*refusal.code, refusal.conflicting_id), ("overlapping-cycle", Some(one.get())));

    let missed = answer(one, Some("2025-03-12"), on("2025-02-09"));
    let both = join(
        group.ask_with_key(USER, "key", missed.clone()),
        group.ask_with_key(USER, "key", missed.clone()),
    );
    let (logged, again) = both.await;
    let (logged, again) = (logged.unwrap(), again.unwrap());
    assert!(logged.cycle == again.cycle && logged.version == again.version);
    let cycle = logged.cycle.unwrap();
    assert_eq!((cycle.start_date, cycle.cycle_length), (day("2025-02-09"), Some(31)));
    let history = group.history(USER).await;
    assert_eq!(history.version.get(), 4);
    // What was said of the long gap does not count for either of the short ones.
    assert!(history.cycles.iter().all(|cycle| cycle.gap_answer.is_none()));
    let versions: Vec<i64> = history.cycles.iter().map(|it| it.input_version.get()).collect();
    assert_eq!(versions, [4, 4, 4]);
    // The question is no more.
    assert!(is_changed_gap(&refused(group.ask(USER, missed).await)));
    let open = answer(two, None, on("2025-04-09"));
    let logged = group.ask(USER, open).await.unwrap().cycle.unwrap();
    assert_eq!(logged.cycle_length, None);
    app.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_another_gap_is_refused() {
    let app = TestApp::start().await;
    let group = &app.group;
    let (one, two) = two_starts(group).await;
    for stale in [
        answer(one, None, GapAnswer::NoneMissed),
        answer(one, Some("2025-03-11"), GapAnswer::NoneMissed),
        answer(two, Some("2025-04-11"), GapAnswer::MissedUnknown),
        answer(one, None, GapAnswer::MissedOn(day("2025-02-09"))),
    ] {
        assert!(is_changed_gap(&refused(group.ask(USER, stale).await)));
    }
    let foreign = AnswerGap { user_id: OTHER, ..answer(two, None, GapAnswer::NoneMissed) };
    assert_eq!(refused(group.ask(OTHER, foreign).await), Refusal::not_found());
    let history = group.history(USER).await;
    assert_eq!(history.version.get(), 2);
    assert!(history.cycles.iter().all(|cycle| cycle.gap_answer.is_none()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_goes_when_its_gap_becomes_another_one() {
    let app = TestApp::start().await;
    let group = &app.group;
    let (one, two) = two_starts(group).await;
    let none = answer(one, Some("2025-03-12"), GapAnswer::NoneMissed);
    let keep = async || {
        group.ask(USER, none.clone()).await.unwrap();
        assert!(first(group).await.gap_answer.is_some());
    };
    // An edit that moves neither start leaves it.
    keep().await;
    let ends = EditCycle { start_date: None, end_date: Patch::Clear, ..moved(one, "2025-01-10") };
    group.ask(USER, ends).await.unwrap();
    assert!(first(group).await.gap_answer.is_some());

    let gone = async |version: i64| {
        let told = first(group).await;
        assert_eq!((told.gap_answer, told.input_version.get()), (None, version));
    };
    // The start that ends it moves, and moving it back does not bring the answer back.
    let version = group.ask(USER, moved(two, "2025-03-11")).await.unwrap().version.get();
    gone(version).await;
    group.ask(USER, moved(two, "2025-03-12")).await.unwrap();
    assert!(first(group).await.gap_answer.is_none());
    // The start that begins it moves.
    keep().await;
    let version = group.ask(USER, moved(one, "2025-01-11")).await.unwrap().version.get();
    gone(version).await;
    group.ask(USER, moved(one, "2025-01-10")).await.unwrap();
    // A start comes in between, and goes.
    keep().await;
    let between = group.record(USER, "2025-02-09", None).await.unwrap();
    gone(between.version.get()).await;
    let delete = |cycle_id| DeleteCycle { user_id: USER, cycle_id };
    group.ask(USER, delete(between.cycle.id)).await.unwrap();
    // The start that ends it goes.
    keep().await;
    let version = group.ask(USER, delete(two)).await.unwrap().version.get();
    gone(version).await;
    // Its own cycle goes, and the answer with it.
    group.ask(USER, answer(one, None, GapAnswer::NoneMissed)).await.unwrap();
    group.ask(USER, delete(one)).await.unwrap();
    let kept = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM gap_answer"#);
    assert_eq!(kept.fetch_one(&app.pool).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_an_open_gap_outlives_its_end_if_that_came_later() {
    let app = TestApp::start().await;
    let group = &app.group;
    let today = Clock::System.now().date_naive();
    let days_ago = |days: u64| -> NaiveDate { today - Days::new(days) };
    let start = async |start_date| {
        let request = RecordCycle { user_id: USER, start_date, end_date: None };
        group.ask(USER, request).await.unwrap().cycle.id
    };
    let one = start(days_ago(70)).await;
    group.ask(USER, answer(one, None, GapAnswer::MissedUnknown)).await.unwrap();
    // A day on which the answer was not given yet: the start that was missed, or a contradiction.
    let earlier = start(days_ago(35)).await;
    let told = first(group).await;
    assert_eq!((told.gap_answer, told.input_version.get()), (None, 3));
    group.ask(USER, DeleteCycle { user_id: USER, cycle_id: earlier }).await.unwrap();

    group.ask(USER, answer(one, None, GapAnswer::NoneMissed)).await.unwrap();
    let answered = first(group).await.input_version;
    start(today).await;
    let told = first(group).await;
    assert_eq!(told.gap_answer, Some(GapAnswer::NoneMissed));
    assert_eq!(told.input_version, answered, "what is known of the first cycle is the same");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_no_about_an_open_gap_speaks_of_more_days_when_it_is_said_again() {
    let app = TestApp::start().await;
    let group = &app.group;
    let (one, two) = two_starts(group).await;
    let closed = answer(one, Some("2025-03-12"), GapAnswer::NoneMissed);
    let open = answer(two, None, GapAnswer::NoneMissed);
    for said in [&closed, &open] {
        group.ask(USER, said.clone()).await.unwrap();
    }
    let before = group.history(USER).await;
    let days = sqlx::query!("UPDATE gap_answer SET answered_at = answered_at - interval '3 days'");
    days.execute(&app.pool).await.unwrap();
    // That of a closed gap is final.
    group.ask(USER, closed).await.unwrap();
    assert_eq!(group.history(USER).await.version, before.version);
    let version = group.ask(USER, open).await.unwrap().version;
    let after = group.history(USER).await;
    assert_eq!((after.version, version.get()), (version, before.version.get() + 1));
    let newest = &after.cycles[1];
    assert_eq!((newest.gap_answer, newest.input_version), (Some(GapAnswer::NoneMissed), version));
    let said_on = newest.gap_answered_on.unwrap();
    assert_eq!(said_on, newest.input_changed_at.date_naive());
    assert!(after.cycles[0].gap_answered_on.unwrap() < said_on);
    assert_eq!(after.cycles[0].input_version, before.cycles[0].input_version);
}
