//! The ledger: a backup of users brings somebody back, and nobody is served before they are erased
//! again.

use std::process::Command;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{complete, erased, fill, outages::sql, rows_of};
use crate::harness::{App, Shape, client::PASSWORD, process};

fn run(app: &App, arguments: &[&str]) -> (bool, String, String) {
    let url = app.database_url("users").replace("postgres@", "users@");
    let mut command: Command = process::binary();
    let output = command
        .arg("erasures")
        .args(arguments)
        .arg("--data-dir")
        .arg(app.data_dir())
        .env("USERS_DATABASE_URL", url)
        .output()
        .unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_erased_since_the_backup_is_erased_again() {
    let mut app = App::start(Shape::Split).await;
    let person = app.client().register("goes-away").await;
    let other = app.client().register("stays-here").await;
    fill(&person, "goes away").await;
    app.kill_group("users");
    sql(&app, "CREATE DATABASE users_backup TEMPLATE users").await;
    app.start_group_again("users").await;
    let receipt = erased(&person).await;
    complete(&app, &receipt).await;
    let late = app.client().register("after-the-backup").await;

    let (done, ledger, errors) = run(&app, &["export"]);
    assert!(done, "{errors}");
    let lines: Vec<Value> =
        ledger.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 2, "{ledger}");
    assert_eq!(lines[0]["last_user_id"], late.id);
    assert_eq!(lines[1]["user_id"], person.id);
    let file = app.data_dir().join("erasures.jsonl");
    std::fs::write(&file, &ledger).unwrap();

    app.kill_group("users");
    for statement in [
        "DROP DATABASE users WITH (FORCE)",
        "ALTER DATABASE users_backup RENAME TO users",
        "ALTER DATABASE users OWNER TO users",
    ] {
        sql(&app, statement).await;
    }
    assert!(rows_of(&app, "users", person.id, "goes-away").await.contains_key("account"));
    let file = file.to_str().unwrap();
    for expected in ["1 erased, 0 were erased already\n", "0 erased, 1 were erased already\n"] {
        let (done, output, errors) = run(&app, &["apply", file]);
        assert!(done, "{errors}");
        assert_eq!(output, expected);
    }
    app.start_group_again("users").await;
    let body = json!({"email": "goes-away@example.org", "password": PASSWORD});
    app.client().post("/api/users/login", &body).await.problem_of(401, "invalid-credentials");
    complete(&app, &receipt).await;
    app.client().login("stays-here@example.org").await;
    // Whoever registered after the backup is not in it; their id is nobody's all the same.
    let anew = app.client().register("somebody-else").await;
    assert!(anew.id > late.id, "{} > {}", anew.id, late.id);
    assert_ne!(anew.id, other.id);
    app.client().get(&receipt).await.expect(StatusCode::OK);

    let (done, _, errors) = run(&app, &["apply", "no such file"]);
    assert!(!done && errors.contains("no such file"), "{errors}");
    app.finish().await;
}
