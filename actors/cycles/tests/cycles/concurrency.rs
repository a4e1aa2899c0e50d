//! Writers that meet: races on overlapping periods, retries, dense versions, readers in between.

use std::time::{Duration, Instant};

use chrono::Days;
use contracts::{
    CycleId, ErrorKind, Patch, Refusal, UserId, Version,
    cycles::{CycleWritten, DeleteCycle, EditCycle, RecordCycle},
};
use futures::future::{join, join_all};
use sqlx::PgPool;

use crate::harness::{Group, PATIENCE, TestApp, day, record, refused, symptom};

const USER: UserId = UserId::new(7);

/// Exactly one of two won; the other was told which.
fn one_won(answers: [Result<CycleWritten, Refusal>; 2]) -> CycleWritten {
    let (won, lost): (Vec<_>, Vec<_>) = answers.into_iter().partition(Result::is_ok);
    let winner = won.into_iter().next().expect("one wins").unwrap();
    let loser = refused(lost.into_iter().next().expect("only one wins"));
    assert_eq!((loser.kind, &*loser.code), (ErrorKind::Conflict, "overlapping-cycle"));
    assert_eq!(loser.conflicting_id, Some(winner.cycle.id.get()));
    winner
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_overlapping_periods_exactly_one_is_recorded() {
    let app = TestApp::start().await;
    // The second group stands for a second process: the two share nothing but the database.
    let other = app.another_group().await;
    for (round, second) in (0..40).zip([&app.group, &other].into_iter().cycle()) {
        let start = day("2020-01-01") + Days::new(40 * round);
        let one =
            RecordCycle { user_id: USER, start_date: start, end_date: Some(start + Days::new(5)) };
        let two = RecordCycle { start_date: start + Days::new(round % 6), ..one.clone() };
        let answers = join(app.group.ask(USER, one), second.ask(USER, two)).await;
        let winner = one_won(answers.into());
        assert_eq!(winner.version, Version::new(i64::try_from(round).unwrap() + 1));
    }
    assert_eq!(app.group.list(USER).await.len(), 40);
    app.settle().await;
}

/// Waits until somebody waits for a lock.
async fn somebody_waits(pool: &PgPool) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let waiting = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM pg_stat_activity WHERE wait_event_type = 'Lock'"#
        );
        if waiting.fetch_one(pool).await.unwrap() > 0 {
            return;
        }
        assert!(Instant::now() < deadline, "nobody waits");
    }
}

/// A row that reaches the table past the group, still uncommitted.
async fn intruder(pool: &PgPool, start: &str) -> (sqlx::PgTransaction<'static>, CycleId) {
    let mut transaction = pool.begin().await.unwrap();
    let id = sqlx::query_scalar!(
        r#"INSERT INTO cycle (user_id, start_date, end_date, input_version, input_changed_at,
                              created_at, updated_at)
           VALUES ($1, $2, NULL, 1, now(), now(), now()) RETURNING id"#,
        USER.get(),
        day(start),
    );
    let id = id.fetch_one(&mut *transaction).await.unwrap();
    (transaction, CycleId::new(id))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_race_that_only_the_constraint_sees_is_a_conflict_too() {
    let app = TestApp::start().await;
    let (first, won) = intruder(&app.pool, "2025-01-12").await;
    let commit = async {
        somebody_waits(&app.pool).await;
        first.commit().await.unwrap();
    };
    let (answer, ()) = join(app.group.record(USER, "2025-01-10", Some("2025-01-15")), commit).await;
    assert_eq!(refused(answer).conflicting_id, Some(won.get()));

    let mine = app.group.record(USER, "2025-03-10", None).await.unwrap().cycle.id;
    let (second, won) = intruder(&app.pool, "2025-03-12").await;
    let commit = async {
        somebody_waits(&app.pool).await;
        second.commit().await.unwrap();
    };
    let end_date = Patch::Set(day("2025-03-15"));
    let edit =
        EditCycle { user_id: USER, cycle_id: mine, start_date: None, end_date, excluded: None };
    let (answer, ()) = join(app.group.ask(USER, edit), commit).await;
    let refusal = refused(answer);
    assert_eq!((refusal.kind, &*refusal.code), (ErrorKind::Conflict, "overlapping-cycle"));
    assert_eq!(refusal.conflicting_id, Some(won.get()));
    assert_eq!(app.group.history(USER).await.version, Version::new(1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_with_the_same_key_has_one_effect_and_one_answer() {
    let app = TestApp::start().await;
    let other = app.another_group().await;
    for round in 0..20_u64 {
        let start = day("2020-01-01") + Days::new(40 * round);
        let request = RecordCycle { user_id: USER, start_date: start, end_date: None };
        let key = format!("key-{round}");
        let both = join(
            app.group.ask_with_key(USER, &key, request.clone()),
            other.ask_with_key(USER, &key, request.clone()),
        );
        let (one, two) = both.await;
        let (one, two) = (one.unwrap(), two.unwrap());
        let later = app.group.ask_with_key(USER, &key, request).await.unwrap();
        for again in [two, later] {
            assert!(one.cycle == again.cycle);
            assert_eq!((one.version.get() - 1, again.version), (round.cast_signed(), one.version));
        }
    }
    let reused = record(USER, "2025-06-01", None);
    let refusal = refused(app.group.ask_with_key(USER, "key-0", reused).await);
    assert_eq!((refusal.kind, &*refusal.code), (ErrorKind::Invalid, "idempotency-key-reused"));
    assert_eq!(app.group.list(USER).await.len(), 20);

    // A deletion, and a symptom, are repeated as harmlessly.
    let cycle_id = app.group.list(USER).await.first().unwrap().id;
    let log = symptom(USER, cycle_id, "2022-02-01");
    let logged = app.group.ask_with_key(USER, "log", log.clone()).await.unwrap();
    let again = app.group.ask_with_key(USER, "log", log).await.unwrap();
    assert!(logged.symptom == again.symptom && logged.version == again.version);
    let delete = DeleteCycle { user_id: USER, cycle_id };
    let deleted = app.group.ask_with_key(USER, "delete", delete.clone()).await.unwrap();
    let again = app.group.ask_with_key(USER, "delete", delete).await.unwrap();
    assert_eq!((deleted.version, again.version), (Version::new(22), Version::new(22)));
}

async fn write_many(group: &Group, user_id: UserId, nth: u64, writes: u64) -> Vec<i64> {
    let mut versions = Vec::new();
    for write in 0..writes {
        let start_date = day("2000-01-01") + Days::new((nth * writes + write) * 3);
        let request = RecordCycle { user_id, start_date, end_date: None };
        versions.push(group.ask_until_admitted(user_id, request).await.unwrap().version.get());
    }
    versions
}

fn dense(groups: impl IntoIterator<Item = Vec<i64>>) -> i64 {
    let mut versions: Vec<i64> = groups.into_iter().flatten().collect();
    versions.sort_unstable();
    let count = i64::try_from(versions.len()).unwrap();
    assert!(versions.iter().copied().eq(1..=count), "a version is missing or was given twice");
    count
}

#[tokio::test(flavor = "multi_thread")]
async fn versions_are_dense_and_a_history_is_of_its_version() {
    let app = TestApp::start().await;
    let other = app.another_group().await;
    // Every write records one cycle, so version and number of cycles must be the same.
    let reader = async {
        loop {
            let history = app.group.history(USER).await;
            assert_eq!(history.version.get(), i64::try_from(history.cycles.len()).unwrap());
            if history.version == Version::new(32 * 8) {
                return history;
            }
        }
    };
    let writers = (0..32).map(|writer| {
        let group = if writer % 2 == 0 { &app.group } else { &other };
        write_many(group, USER, writer, 8)
    });
    let (versions, history) = join(join_all(writers), reader).await;
    assert_eq!(dense(versions), 32 * 8);
    let changed = history.cycles.iter().map(|cycle| cycle.input_version).max();
    assert_eq!(changed, Some(history.version));
    app.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn many_users_share_commits_and_nobody_waits_for_anothers_mistake() {
    let app = TestApp::start().await;
    let other = app.another_group().await;
    let users = (1..=64_i64).map(UserId::new);
    let work = users.map(|user_id| {
        let (app, other) = (&app, &other);
        async move {
            // Both groups write for every user, and one request in four is refused.
            let (one, two) =
                join(write_many(&app.group, user_id, 0, 6), write_many(other, user_id, 1, 6)).await;
            for _ in 0..3 {
                let again = record(user_id, "2000-01-01", None);
                let refusal = refused(app.group.ask_until_admitted(user_id, again).await);
                assert_eq!(refusal.code, "overlapping-cycle");
            }
            dense([one, two])
        }
    });
    let started = Instant::now();
    let counts = join_all(work).await;
    assert!(counts.into_iter().all(|count| count == 12));
    assert!(started.elapsed() < Duration::from_mins(1));
    app.settle().await;
}
