//! How much one user may have. A history and a cycle, which have no pages, have to fit into one message.

use contracts::{
    ErrorKind, Refusal, UserId,
    cycles::{DeleteCycle, ImportedCycle, ImportedRows, ImportedSymptom, LogSymptom, RecordCycle},
    limits::{CYCLES_MAX, SYMPTOMS_PER_CYCLE_MAX},
};

use crate::{
    export::{bring_back, placed},
    harness::{Group, TestApp, day, refused},
};

const USER: UserId = UserId::new(1);
const OTHER: UserId = UserId::new(2);
/// What fits into one message of NATS, as it is configured by default.
const MESSAGE_MAX: usize = 1024 * 1024;

fn is_full(refusal: &Refusal) {
    assert_eq!((refusal.kind, &*refusal.code), (ErrorKind::Invalid, "invalid-input"));
    assert_eq!(refusal.errors.first().unwrap().pointer, "", "it is about no single member");
}

async fn record(group: &Group, user_id: UserId, start: &str) -> Result<i64, Refusal> {
    let start_date = day(start);
    let request = RecordCycle { user_id, start_date, end_date: None };
    Ok(group.ask(user_id, request).await?.cycle.id.get())
}

#[tokio::test(flavor = "multi_thread")]
async fn cycles_are_bounded_by_user() {
    let app = TestApp::start().await;
    let group = &app.group;
    record(group, USER, "2024-01-01").await.unwrap();
    sqlx::query!(
        r#"INSERT INTO cycle (user_id, start_date, end_date, input_version, input_changed_at,
                              created_at, updated_at)
           SELECT $1, day, day + 2, 1, now(), now(), now()
           FROM (SELECT '1950-01-01'::date + 5 * n AS day FROM generate_series(1, $2::int) n) days"#,
        USER.get(),
        i32::try_from(CYCLES_MAX).unwrap() - 2,
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let last = record(group, USER, "2024-02-01").await.unwrap();
    is_full(&refused(record(group, USER, "2024-03-01").await));
    let row = ImportedCycle { start_date: day("2024-03-01"), end_date: None, excluded: false };
    let import = bring_back(group, USER, ImportedRows::Cycles(placed([row]))).await;
    let refusal = refused(import);
    assert_eq!((refusal.kind, &*refusal.errors[0].pointer), (ErrorKind::Invalid, "/cycles/0"));
    record(group, OTHER, "2024-03-01").await.unwrap();

    let history = group.history(USER).await;
    assert_eq!(i64::try_from(history.cycles.len()), Ok(CYCLES_MAX));
    assert_eq!(history.version.get(), 2, "what was refused took no version");
    let message = serde_json::to_vec(&history).unwrap().len();
    assert!(message < MESSAGE_MAX * 3 / 4, "{message}: observations and symptoms need room too");
    let cycle_id = contracts::CycleId::new(last);
    group.ask(USER, DeleteCycle { user_id: USER, cycle_id }).await.unwrap();
    record(group, USER, "2024-03-01").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn symptoms_are_bounded_by_cycle() {
    let app = TestApp::start().await;
    let group = &app.group;
    let cycle = record(group, USER, "2024-01-01").await.unwrap();
    let cycle_id = contracts::CycleId::new(cycle);
    let log = |text: &str| LogSymptom {
        user_id: USER,
        cycle_id,
        date: day("2024-01-02"),
        symptom_type: "mood".to_owned(),
        value: text.to_owned(),
        severity: None,
        notes: None,
    };
    group.ask(USER, log("low")).await.unwrap();
    sqlx::query!(
        r#"INSERT INTO symptom (user_id, cycle_id, date, symptom_type, value_sealed, created_at)
           SELECT symptom.user_id, symptom.cycle_id, date, symptom_type, value_sealed, created_at
           FROM symptom, generate_series(1, $1::int)"#,
        i32::try_from(SYMPTOMS_PER_CYCLE_MAX).unwrap() - 2,
    )
    .execute(&app.pool)
    .await
    .unwrap();
    group.ask(USER, log("low")).await.unwrap();
    is_full(&refused(group.ask(USER, log("low")).await));
    let row = |date: &str| ImportedSymptom {
        cycle_start_date: day("2024-01-01"),
        date: day(date),
        symptom_type: "pain".to_owned(),
        value: "some".to_owned(),
        severity: None,
        notes: None,
        twins_before: 0,
    };
    let rows = ImportedRows::Symptoms(placed([row("2024-01-03")]));
    is_full(&refused(bring_back(group, USER, rows).await));
    // Another cycle has room of its own.
    record(group, USER, "2024-02-01").await.unwrap();
    let elsewhere = ImportedSymptom { cycle_start_date: day("2024-02-01"), ..row("2024-02-02") };
    let rows = ImportedRows::Symptoms(placed([elsewhere]));
    assert_eq!(bring_back(group, USER, rows).await.unwrap().stored, 1);
}
