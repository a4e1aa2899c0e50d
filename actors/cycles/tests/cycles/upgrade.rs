//! An upgrade: what the program before has stored, and what a process of it stores meanwhile.

use contracts::{
    CycleId, Patch, UserId,
    cycles::{
        AnswerGap, EditSymptom, EpisodeKind, GapAnswer, ListSymptoms, ObservationKind,
        RecordEpisode,
    },
};
use lunation_cycles::MIGRATOR;
use sqlx::{PgPool, migrate::Migrator};

use crate::{
    harness::{ALL, Group, OPEN_DOOR, TestApp, day, refused},
    postgres::TestDatabase,
};

const USER: UserId = UserId::new(7);

/// A cycle, as the program before inserts it: it names none of the new columns.
async fn cycle_of_before(pool: &PgPool, start: &str, end: Option<&str>, version: i64) -> CycleId {
    let id = sqlx::query_scalar!(
        r#"INSERT INTO cycle (user_id, start_date, end_date, input_version, input_changed_at,
                              created_at, updated_at)
           VALUES ($1, $2, $3, $4, now(), now(), now()) RETURNING id"#,
        USER.get(),
        day(start),
        end.map(day),
        version,
    );
    let id = id.fetch_one(pool).await.unwrap();
    sqlx::query!(
        r#"INSERT INTO outbox (topic, user_id, version, event_id, verb, request_id, traceparent)
           VALUES ('cycle.changed', $1, $2, gen_random_uuid(), 'recorded', 'request', 'trace')
           ON CONFLICT (topic, user_id) DO UPDATE SET version = excluded.version"#,
        USER.get(),
        version,
    )
    .execute(pool)
    .await
    .unwrap();
    CycleId::new(id)
}

async fn symptom_of_before(pool: &PgPool, cycle: CycleId, date: &str, kind: &str, value: &str) {
    sqlx::query!(
        r#"INSERT INTO symptom (user_id, cycle_id, date, symptom_type, value, created_at)
           VALUES ($1, $2, $3, $4, $5, now())"#,
        USER.get(),
        cycle.get(),
        day(date),
        kind,
        value,
    )
    .execute(pool)
    .await
    .unwrap();
}

/// Whether each cycle of the history has an answer, oldest first.
async fn answers(group: &Group) -> Vec<Option<GapAnswer>> {
    group.history(USER).await.cycles.iter().map(|cycle| cycle.gap_answer).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_logged_before_the_migration_stays_and_goes_on() {
    let of_before = MIGRATOR.iter().filter(|migration| migration.version < 4).cloned();
    let database = TestDatabase::start(&Migrator::with_migrations(of_before.collect())).await;
    let pool = PgPool::connect(&database.url).await.unwrap();
    let first = cycle_of_before(&pool, "2024-01-01", Some("2024-01-05"), 1).await;
    cycle_of_before(&pool, "2024-01-29", None, 2).await;
    for (date, kind, value) in [
        ("2024-01-02", "mood", "calm"),
        ("2024-01-03", "ovulation_test", "two lines"),
        ("2024-01-04", "basal_body_temperature", "36.5"),
    ] {
        symptom_of_before(&pool, first, date, kind, value).await;
    }
    MIGRATOR.run(&pool).await.unwrap();
    pool.close().await;

    let app = TestApp::start_on(database, OPEN_DOOR).await;
    let history = app.group.history(USER).await;
    assert_eq!((history.version.get(), history.episodes.len()), (2, 0));
    let inputs: Vec<_> = history
        .cycles
        .iter()
        .map(|it| (it.input_version.get(), it.excluded, it.gap_answer))
        .collect();
    assert_eq!(inputs, [(1, false, None), (2, false, None)], "predictions keep their ids");
    let [seen] = history.observations.as_slice() else { panic!("what says nothing is not told") };
    assert!(seen.kind == ObservationKind::BasalBodyTemperature(36.5));
    assert_eq!(history.symptoms.len(), 1);

    // A value of before the rules stays as long as nobody touches it.
    let list = ListSymptoms {
        user_id: USER,
        cycle_id: None,
        symptom_type: Some("ovulation_test".to_owned()),
        from: None,
        to: None,
        page: ALL,
    };
    let odd = app.group.ask(USER, list).await.unwrap().rows.remove(0);
    let edit = EditSymptom {
        user_id: USER,
        symptom_id: odd.id,
        date: None,
        symptom_type: None,
        value: None,
        severity: Patch::Set(3),
        notes: Patch::Keep,
    };
    app.group.ask(USER, edit.clone()).await.unwrap();
    let touched = EditSymptom { value: Some("three lines".to_owned()), ..edit };
    let refusal = refused(app.group.ask(USER, touched).await);
    assert_eq!(refusal.errors.first().unwrap().pointer, "/value");
    let pause = RecordEpisode {
        user_id: USER,
        kind: EpisodeKind::Pause,
        start_date: day("2024-03-01"),
        end_date: None,
    };
    assert_eq!(app.group.ask(USER, pause).await.unwrap().version.get(), 4);
    app.settle().await;
}

/// It knows nothing of answers: a start that it logs or removes leaves them, and they count no more.
#[tokio::test(flavor = "multi_thread")]
async fn a_process_of_the_program_before_writes_on() {
    let app = TestApp::start().await;
    let cycle_id = cycle_of_before(&app.pool, "2024-01-01", None, 1).await;
    cycle_of_before(&app.pool, "2024-02-26", None, 2).await;
    let answer = AnswerGap {
        user_id: USER,
        cycle_id,
        next_start: Some(day("2024-02-26")),
        answer: GapAnswer::NoneMissed,
    };
    app.group.ask(USER, answer).await.unwrap();
    assert_eq!(answers(&app.group).await, [Some(GapAnswer::NoneMissed), None]);

    let between = cycle_of_before(&app.pool, "2024-01-29", None, 4).await;
    assert_eq!(answers(&app.group).await, [None, None, None]);
    let removed = sqlx::query!("DELETE FROM cycle WHERE id = $1", between.get());
    removed.execute(&app.pool).await.unwrap();
    let removed = sqlx::query!("DELETE FROM cycle WHERE id = $1", cycle_id.get());
    assert_eq!(removed.execute(&app.pool).await.unwrap().rows_affected(), 1, "answered or not");
    assert_eq!(answers(&app.group).await, [None]);
}
