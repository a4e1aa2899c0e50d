//! The ledger: a backup of users brings somebody back, and nobody is served before they are erased
//! again.

use std::process::Command;

use reqwest::StatusCode;
use serde_json::{Value, json};

use super::{complete, erased, fill, outages::sql, rows_of};
use crate::harness::{
    App, Shape,
    client::{Answer, PASSWORD},
    process, wait,
};

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

/// Puts the backup in the place of the users database, whose group does not run.
async fn restore(app: &App) {
    for statement in [
        "DROP DATABASE users WITH (FORCE)",
        "ALTER DATABASE users_backup RENAME TO users",
        "ALTER DATABASE users OWNER TO users",
    ] {
        sql(app, statement).await;
    }
}

async fn back_up(app: &mut App) {
    app.kill_group("users");
    sql(app, "CREATE DATABASE users_backup TEMPLATE users").await;
    app.start_group_again("users").await;
}

async fn assert_erased_again(app: &App, receipt: &str) {
    sign_in(app, "goes-away").await.problem_of(401, "invalid-credentials");
    complete(app, receipt).await;
    sign_in(app, "stays-here").await.expect(StatusCode::OK);
}

/// A machine that is busy may say 503 or 504.
async fn sign_in(app: &App, name: &str) -> Answer {
    let body = json!({"email": format!("{name}@example.org"), "password": PASSWORD});
    wait::until("a sign-in to be answered", || async {
        let answer = app.client().post("/api/users/login", &body).await;
        (!answer.status.is_server_error()).then_some(answer)
    })
    .await
}

/// Nobody has to remember anything: the group keeps a ledger, and looks into it before it serves.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_database_is_served_without_those_who_were_erased() {
    let mut app = App::start(Shape::Split).await;
    let person = app.client().register("goes-away").await;
    app.client().register("stays-here").await;
    back_up(&mut app).await;
    let late = app.client().register("after-the-backup").await;
    let receipt = erased(&person).await;
    // It stands there when it is answered.
    let ledger = std::fs::read_to_string(app.data_dir().join("erasures.jsonl")).unwrap();
    assert!(ledger.contains(&format!("{{\"user_id\":{},", person.id)), "{ledger}");
    assert!(!ledger.contains("goes-away"), "{ledger}");
    app.kill_group("users");
    restore(&app).await;
    assert!(rows_of(&app, "users", person.id, "goes-away").await.contains_key("account"));
    app.start_group_again("users").await;
    assert_erased_again(&app, &receipt).await;
    assert!(app.output().contains("is older than the ledger of erasures"));
    let anew = app.client().register("somebody-else").await;
    assert!(anew.id > late.id, "{} > {}", anew.id, late.id);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_was_erased_since_the_backup_is_erased_again() {
    let mut app = App::start(Shape::Split).await;
    let person = app.client().register("goes-away").await;
    let other = app.client().register("stays-here").await;
    fill(&person, "goes away").await;
    back_up(&mut app).await;
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
    let file = app.data_dir().join("exported.jsonl");
    std::fs::write(&file, &ledger).unwrap();

    app.kill_group("users");
    restore(&app).await;
    // The one that the group keeps by itself is lost too.
    std::fs::remove_file(app.data_dir().join("erasures.jsonl")).unwrap();
    assert!(rows_of(&app, "users", person.id, "goes-away").await.contains_key("account"));
    let file = file.to_str().unwrap();
    for expected in ["1 erased, 0 were erased already\n", "0 erased, 1 were erased already\n"] {
        let (done, output, errors) = run(&app, &["apply", file]);
        assert!(done, "{errors}");
        assert_eq!(output, expected);
    }
    app.start_group_again("users").await;
    assert_erased_again(&app, &receipt).await;
    // Whoever registered after the backup is not in it; their id is nobody's all the same.
    let anew = app.client().register("somebody-else").await;
    assert!(anew.id > late.id, "{} > {}", anew.id, late.id);
    assert_ne!(anew.id, other.id);
    app.client().get(&receipt).await.expect(StatusCode::OK);

    let (done, _, errors) = run(&app, &["apply", "no such file"]);
    assert!(!done && errors.contains("no such file"), "{errors}");
    // Ids of another database are other people's.
    let name = lines[0]["database"].as_str().unwrap();
    let foreign = ledger.replace(name, "0c7b1a55-6a1b-4f0e-9d3c-2f6f1f5c9b3a");
    std::fs::write(file, foreign).unwrap();
    let (done, _, errors) = run(&app, &["apply", file]);
    assert!(!done && errors.contains("of another database"), "{errors}");
    sign_in(&app, "stays-here").await.expect(StatusCode::OK);
    app.finish().await;
}
