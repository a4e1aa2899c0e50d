//! What users write in their own words is in no dump of a database; the keys that open it are looked
//! after from outside.

use std::{
    collections::BTreeMap,
    fs,
    os::unix::fs::PermissionsExt,
    process::{Command, Output},
};

use futures::TryStreamExt as _;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection};

use crate::harness::{
    App, Person, Shape, app::DOMAINS, client::Answer, in_every_shape, process, wait,
};

const VALUE: &str = "canary-value-5d02";
const NOTES: &str = "canary-notes-b81e";

/// Every table of a database, as `COPY` writes it: bytes are in hexadecimal digits there.
#[expect(clippy::disallowed_methods, reason = "a test asks the catalogue for its tables")]
async fn dump(app: &App, database: &str) -> BTreeMap<String, String> {
    let mut connection = PgConnection::connect(&app.database_url(database)).await.unwrap();
    let tables: Vec<String> =
        sqlx::query_scalar("SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let mut dump = BTreeMap::new();
    for table in tables {
        let copy = format!("COPY public.\"{table}\" TO STDOUT");
        let chunks: Vec<_> =
            connection.copy_out_raw(&copy).await.unwrap().try_collect().await.unwrap();
        dump.insert(table, String::from_utf8(chunks.concat()).unwrap());
    }
    dump
}

fn hex(text: &str) -> String {
    text.bytes().fold(String::new(), |hex, byte| format!("{hex}{byte:02x}"))
}

async fn log_symptom(person: &Person, cycle: i64) -> Value {
    let symptom = json!({
        "cycle_id": cycle, "date": "2025-01-03", "symptom_type": "mood", "value": VALUE,
        "notes": NOTES,
    });
    let request = person.request(Method::POST, "/api/cycles/symptoms").json(&symptom);
    let request = request.header("Idempotency-Key", "sealed-0001");
    Answer::of(request).await.expect(StatusCode::CREATED)
}

async fn symptoms(person: &Person) -> Value {
    person.get("/api/cycles/symptoms").await.expect(StatusCode::OK)["symptoms"].clone()
}

in_every_shape! {
    /// Their owner reads them; whoever has a copy of every table does not.
    async fn no_dump_holds_a_value_or_a_note(app: &App) {
        let person = app.client().somebody().await;
        let (cycle, _) = person.log_cycle("2025-01-01", None).await;
        let written = log_symptom(&person, cycle).await;
        let version = written["version"].as_i64().unwrap();
        person.prediction_at(version).await;
        assert_eq!(log_symptom(&person, cycle).await, written, "a retry is answered as the first");
        let edit = json!({"notes": format!("{NOTES}, again")});
        let path = format!("/api/cycles/symptoms/{}", written["symptom"]["id"]);
        person.put(&path, &edit).await.expect(StatusCode::OK);
        let read = symptoms(&person).await;
        assert_eq!((&read[0]["value"], &read[0]["notes"]), (&json!(VALUE), &edit["notes"]));

        let mut tables = 0;
        for database in DOMAINS {
            for (table, rows) in dump(app, database).await {
                tables += 1;
                for text in [VALUE, NOTES] {
                    let found = rows.contains(text) || rows.contains(&hex(text));
                    assert!(!found, "{text} is in {database}.{table}");
                }
                if table == "symptom" {
                    assert!(rows.contains("mood"), "what is not sealed is found there");
                }
            }
        }
        assert!(tables > 20, "{tables} tables were looked at");
        assert!(!app.output().contains("canary-"));
    }
}

fn keys(app: &App, arguments: &[&str]) -> Output {
    let mut command: Command = process::binary();
    command.arg("keys").args(arguments).args(["--of", "cycles", "--data-dir"]);
    command.arg(app.data_dir()).output().unwrap()
}

/// Stage and number of data keys of each key, as `keys status` shows them.
fn status(app: &App) -> Vec<(String, String)> {
    let shown = keys(app, &["status"]);
    assert!(shown.status.success(), "{}", String::from_utf8_lossy(&shown.stderr));
    let shown = String::from_utf8(shown.stdout).unwrap();
    let rows = shown.lines().filter(|line| line.starts_with("cycles "));
    let cell = |line: &str, nth: usize| line.split_whitespace().nth(nth).unwrap().to_owned();
    rows.map(|line| (cell(line, 2), cell(line, 3))).collect()
}

fn pair(stage: &str, count: &str) -> (String, String) {
    (stage.to_owned(), count.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_are_exchanged_and_a_lost_one_is_told_at_the_start() {
    let mut app = App::start(Shape::Memory).await;
    let file = app.data_dir().join("sealing-keys-cycles");
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    let person = app.client().somebody().await;
    let (cycle, _) = person.log_cycle("2025-01-01", None).await;
    log_symptom(&person, cycle).await;
    let before = symptoms(&person).await;
    assert_eq!(status(&app), [pair("seals", "1")]);

    let former = fs::read_to_string(&file).unwrap();
    let rotated = keys(&app, &["rotate-kek"]);
    assert!(rotated.status.success(), "{}", String::from_utf8_lossy(&rotated.stderr));
    let both = fs::read_to_string(&file).unwrap();
    assert!(both.ends_with(&former) && both.len() > former.len());
    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(symptoms(&person).await, before);
    // The next look is at the start.
    app.kill();
    app.start_again().await;
    let person = person.at(app.client());
    wait::until("the data key is wrapped anew", || async {
        (status(&app) == [pair("seals", "1"), pair("opens", "0")]).then_some(())
    })
    .await;
    assert_eq!(symptoms(&person).await, before);

    // The former key is needed no more; without the new one nothing starts, and nothing is lost.
    for (text, starts) in [(&*former, false), (both.lines().next().unwrap(), true)] {
        app.process().signal("TERM");
        app.process().ended().await;
        fs::write(&file, text).unwrap();
        if starts {
            app.start_again().await;
        } else {
            let mut start = process::binary();
            start.args(["serve", "--listen", "127.0.0.1:0", "--admin-listen", "none"]);
            let refused = start.arg("--data-dir").arg(app.data_dir()).output().unwrap();
            assert_eq!(refused.status.code(), Some(1));
            let said = String::from_utf8_lossy(&refused.stderr).into_owned();
            assert!(said.contains("the database of cycles holds what is sealed under"), "{said}");
            assert!(said.contains("not among those of cycles.sealing_key_file"), "{said}");
            assert!(said.contains(file.to_str().unwrap()), "{said}");
            // So that there is something to stop in the next round.
            fs::write(&file, &both).unwrap();
            app.start_again().await;
        }
    }
    assert_eq!(symptoms(&person.at(app.client())).await, before);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_an_earlier_version_wrote_is_sealed_after_the_upgrade() {
    let mut app = App::start(Shape::Memory).await;
    let person = app.client().somebody().await;
    let (cycle, _) = person.log_cycle("2025-01-01", None).await;
    let symptom = log_symptom(&person, cycle).await["symptom"]["id"].clone();
    let before = symptoms(&person).await;
    // As an earlier version left it.
    let statement = format!(
        "UPDATE symptom SET value = '{VALUE}', notes = '{NOTES}', value_sealed = NULL,
                            notes_sealed = NULL WHERE id = {symptom}; DELETE FROM data_key"
    );
    execute(&app, statement).await;
    assert!(dump(&app, "cycles").await["symptom"].contains(VALUE));
    assert_eq!(symptoms(&person).await, before);
    app.kill();
    app.start_again().await;
    wait::until("it is sealed", || async {
        (!dump(&app, "cycles").await["symptom"].contains("canary-")).then_some(())
    })
    .await;
    assert_eq!(symptoms(&person.at(app.client())).await, before);
    app.finish().await;
}

#[expect(clippy::disallowed_methods, reason = "a test may do what no domain does")]
async fn execute(app: &App, statement: String) {
    let mut connection = PgConnection::connect(&app.database_url("cycles")).await.unwrap();
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await.unwrap();
}
