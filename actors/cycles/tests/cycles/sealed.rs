//! What users write in their own words is nowhere in clear, and can be opened where it stands alone.

use actor_runtime::seal::create_key_file;
use contracts::{
    CycleId, ErrorKind, Patch, Refusal, SymptomId, UserId,
    cycles::{
        DeleteSymptom, EditCycle, EditSymptom, GetCycle, ListSymptoms, LogSymptom, Symptom,
        SymptomWritten, TEMPERATURE,
    },
};
use futures::future::join_all;
use sqlx::PgPool;

use crate::harness::{ALL, Group, TestApp, day, refused, sealing, symptom};

pub(crate) const USER: UserId = UserId::new(7);
pub(crate) const OTHER: UserId = UserId::new(8);
/// What is looked for everywhere.
pub(crate) const VALUE: &str = "canary-value-3f9a";
pub(crate) const NOTES: &str = "canary-notes-77c1";

/// Every row of every table, as text: bytes are in hexadecimal digits there.
#[expect(clippy::disallowed_methods, reason = "a test asks the catalogue for its tables")]
pub(crate) async fn dump(pool: &PgPool) -> String {
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
            .fetch_all(pool)
            .await
            .unwrap();
    assert!(tables.len() > 6, "{tables:?}");
    let mut dump = String::new();
    for table in tables {
        let rows = sqlx::AssertSqlSafe(format!("SELECT t::text FROM \"{table}\" t"));
        let rows: Vec<String> = sqlx::query_scalar(rows).fetch_all(pool).await.unwrap();
        dump.extend(rows);
    }
    dump
}

/// Whether a text is there, as it is or as bytes.
pub(crate) fn holds(dump: &str, text: &str) -> bool {
    let hex = text.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"));
    dump.contains(text) || dump.contains(&hex)
}

pub(crate) fn canary(user_id: UserId, cycle_id: CycleId, date: &str) -> LogSymptom {
    let (value, notes) = (VALUE.to_owned(), Some(NOTES.to_owned()));
    LogSymptom { value, notes, ..symptom(user_id, cycle_id, date) }
}

pub(crate) async fn a_cycle(group: &Group, user_id: UserId) -> CycleId {
    group.record(user_id, "2025-01-01", None).await.unwrap().cycle.id
}

pub(crate) async fn list(group: &Group, user_id: UserId) -> Result<Vec<Symptom>, Refusal> {
    let list = ListSymptoms {
        user_id,
        cycle_id: None,
        symptom_type: None,
        from: None,
        to: None,
        page: ALL,
    };
    group.ask(user_id, list).await.map(|page| page.rows)
}

pub(crate) fn edit(user_id: UserId, symptom_id: SymptomId, notes: &str) -> EditSymptom {
    EditSymptom {
        user_id,
        symptom_id,
        date: None,
        symptom_type: None,
        value: None,
        severity: Patch::Keep,
        notes: Patch::Set(notes.to_owned()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_table_holds_in_clear_what_was_written() {
    let app = TestApp::start().await;
    let group = &app.group;
    let cycle_id = a_cycle(group, USER).await;
    let request = canary(USER, cycle_id, "2025-01-03");
    let logged = group.ask_with_key(USER, "log", request.clone()).await.unwrap();
    let edited = group
        .ask_with_key(USER, "edit", edit(USER, logged.symptom.id, &format!("{NOTES} again")))
        .await
        .unwrap();
    // Its answer shows the symptom.
    let exclude = EditCycle {
        user_id: USER,
        cycle_id,
        start_date: None,
        end_date: Patch::Keep,
        excluded: Some(true),
    };
    let cycle = group.ask_with_key(USER, "cycle", exclude.clone()).await.unwrap().cycle;
    assert!(cycle.symptoms == std::slice::from_ref(&edited.symptom));
    let read = group.ask(USER, GetCycle { user_id: USER, cycle_id }).await.unwrap();
    assert!(read.symptoms == cycle.symptoms && list(group, USER).await.unwrap() == read.symptoms);

    let dump = dump(&app.pool).await;
    assert!(holds(&dump, "mood"), "what is not sealed is found, so that the search is one");
    assert!(!holds(&dump, VALUE) && !holds(&dump, NOTES));
    // Nor could it be guessed from a hash.
    let body = serde_json::to_vec(&request).unwrap();
    let plain = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM idempotency
           WHERE request_hash = sha256('log_symptom'::bytea || '\x00'::bytea || $1)"#,
        body,
    );
    assert_eq!(plain.fetch_one(&app.pool).await.unwrap(), 0);

    // Answered as the first time, and to the same request alone.
    let again: SymptomWritten = group.ask_with_key(USER, "log", request.clone()).await.unwrap();
    assert!(again.symptom == logged.symptom && again.version == logged.version);
    let again = group.ask_with_key(USER, "cycle", exclude).await.unwrap().cycle;
    assert!(again == cycle);
    let other = LogSymptom { value: "other".to_owned(), ..request };
    let refusal = refused(group.ask_with_key(USER, "log", other).await);
    assert_eq!(&*refusal.code, "idempotency-key-reused");
    let refusal = refused(
        group
            .ask_with_key(
                USER,
                "log",
                DeleteSymptom { user_id: USER, symptom_id: read.symptoms[0].id },
            )
            .await,
    );
    assert_eq!(&*refusal.code, "idempotency-key-reused");
    assert_eq!(list(group, USER).await.unwrap().len(), 1);
    app.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_an_earlier_version_kept_is_found() {
    let app = TestApp::start().await;
    let cycle_id = a_cycle(&app.group, USER).await;
    let request = canary(USER, cycle_id, "2025-01-03");
    let logged = app.group.ask_with_key(USER, "log", request.clone()).await.unwrap();
    let body = serde_json::to_vec(&request).unwrap();
    sqlx::query!(
        r#"UPDATE idempotency SET answer = $1,
               request_hash = sha256('log_symptom'::bytea || '\x00'::bytea || $2)"#,
        serde_json::to_value(&logged).unwrap(),
        body,
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let again = app.group.ask_with_key(USER, "log", request).await.unwrap();
    assert!(again.symptom == logged.symptom);
    assert_eq!(list(&app.group, USER).await.unwrap().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_texts_fit() {
    let app = TestApp::start().await;
    let cycle_id = a_cycle(&app.group, USER).await;
    let longest = LogSymptom {
        value: "🌒".repeat(100),
        notes: Some("🌘".repeat(4_000)),
        ..symptom(USER, cycle_id, "2025-01-02")
    };
    let written = app.group.ask(USER, longest.clone()).await.unwrap().symptom;
    assert!(written.value == longest.value && written.notes == longest.notes);
    assert!(list(&app.group, USER).await.unwrap() == [written]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_put_elsewhere_costs_that_row_alone() {
    let app = TestApp::start().await;
    let group = &app.group;
    let (mine, theirs) = (a_cycle(group, USER).await, a_cycle(group, OTHER).await);
    let sign = |date: &str, value: &str| LogSymptom {
        symptom_type: TEMPERATURE.to_owned(),
        value: value.to_owned(),
        ..symptom(USER, mine, date)
    };
    let good = group.ask(USER, sign("2025-01-02", "36.40")).await.unwrap().symptom;
    let bad = group.ask(USER, sign("2025-01-03", "36.60")).await.unwrap().symptom;
    let foreign = group.ask(OTHER, canary(OTHER, theirs, "2025-01-02")).await.unwrap().symptom;
    assert_eq!(group.history(USER).await.observations.len(), 2);
    // Puts into the value, or into the note, what is sealed of another row's value.
    let put = async |column: &str, from: SymptomId| {
        let done = if column == "value" {
            sqlx::query!(
                "UPDATE symptom SET value_sealed = other.value_sealed FROM symptom other
                 WHERE symptom.id = $1 AND other.id = $2",
                bad.id.get(),
                from.get(),
            )
            .execute(&app.pool)
            .await
        } else {
            sqlx::query!(
                "UPDATE symptom SET notes_sealed = other.value_sealed FROM symptom other
                 WHERE symptom.id = $1 AND other.id = $2",
                bad.id.get(),
                from.get(),
            )
            .execute(&app.pool)
            .await
        };
        assert_eq!(done.unwrap().rows_affected(), 1);
    };
    let only = |date: &str| ListSymptoms {
        user_id: USER,
        cycle_id: None,
        symptom_type: None,
        from: Some(day(date)),
        to: Some(day(date)),
        page: ALL,
    };
    for (what, column, from) in [
        ("the note from the value", "notes", bad.id),
        ("of another row", "value", good.id),
        ("of another user", "value", foreign.id),
    ] {
        put(column, from).await;
        for refusal in [
            refused(list(group, USER).await),
            refused(group.ask(USER, only("2025-01-03")).await),
            refused(group.ask(USER, edit(USER, bad.id, "new")).await),
        ] {
            assert_eq!(refusal, Refusal::internal(), "{what}");
        }
        let rest = group.ask(USER, only("2025-01-02")).await.unwrap().rows;
        assert!(rest == std::slice::from_ref(&good), "{what}");
        assert!(list(group, OTHER).await.unwrap() == std::slice::from_ref(&foreign));
        // Predictions go on without a sign that cannot be opened; a note is nothing to them.
        let observed = if column == "value" { 1 } else { 2 };
        assert_eq!(group.history(USER).await.observations.len(), observed, "{what}");
    }
    let gone = DeleteSymptom { user_id: USER, symptom_id: bad.id };
    group.ask(USER, gone).await.unwrap();
    assert!(list(group, USER).await.unwrap() == [good]);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_key_nothing_is_read_and_nothing_new_is_sealed() {
    let app = TestApp::start().await;
    let cycle_id = a_cycle(&app.group, USER).await;
    let logged = app.group.ask(USER, canary(USER, cycle_id, "2025-01-02")).await.unwrap().symptom;
    let file = app.key_file.with_file_name("other-keys");
    create_key_file(&file).unwrap();
    let stranger = app.group_with(sealing(&file)).await;
    assert_eq!(refused(list(&stranger, USER).await).kind, ErrorKind::Internal);
    let request = canary(USER, cycle_id, "2025-01-03");
    assert_eq!(refused(stranger.ask(USER, request).await).kind, ErrorKind::Internal);
    // Cycles are in clear.
    stranger.record(USER, "2025-02-01", None).await.unwrap();
    assert!(list(&app.group, USER).await.unwrap() == [logged]);
}

#[tokio::test(flavor = "multi_thread")]
async fn first_symptoms_that_meet_share_one_key() {
    let app = TestApp::start().await;
    let other = app.another_group().await;
    let cycle_id = a_cycle(&app.group, USER).await;
    let logs = (0..10).map(|index| {
        let group = if index % 2 == 0 { &app.group } else { &other };
        group.ask(USER, canary(USER, cycle_id, "2025-01-02"))
    });
    assert!(join_all(logs).await.iter().all(Result::is_ok));
    let rows = list(&other, USER).await.unwrap();
    assert!(rows.len() == 10 && rows.iter().all(|row| row.value == VALUE));
    let keys = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM data_key"#);
    assert_eq!(keys.fetch_one(&app.pool).await.unwrap(), 1);
}
