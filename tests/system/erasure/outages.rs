//! Groups that are away hear of an erasure when they are back.

use std::time::Duration;

use reqwest::StatusCode;
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use super::{assert_gone, complete, complete_within, erased, fill, kept_of};
use crate::harness::{App, Shape, wait};

const PARTS: [&str; 3] = ["cycles", "analytics", "notifications"];

async fn away_and_back(group: &'static str) {
    let mut app = App::start(Shape::Split).await;
    let person = app.client().register("goes-away").await;
    fill(&person, "goes away").await;
    app.kill_group(group);
    let receipt = erased(&person).await;
    let client = app.client();
    let others = wait::until("the other groups to erase", || async {
        let progress = client.get(&receipt).await.expect(StatusCode::OK);
        let domains = &progress["domains"];
        let done = PARTS.into_iter().filter(|part| domains[*part]["state"] == "erased").count();
        (done == 2).then_some(progress)
    })
    .await;
    assert_eq!(others["domains"][group]["state"], "pending", "{others}");
    assert_eq!(others["domains"][group]["erased_at"], Value::Null);
    assert_eq!((&others["status"], &others["completed_at"]), (&"in_progress".into(), &Value::Null));
    app.start_group_again(group).await;
    complete(&app, &receipt).await;
    assert_gone(&app, person.id, "goes away").await;
    assert!(kept_of(&app, person.id).await.is_empty());
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cycles() {
    away_and_back("cycles").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn analytics() {
    away_and_back("analytics").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn notifications() {
    away_and_back("notifications").await;
}

/// The event is lost with everything else that the broker had: the sweeps and the saga find it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_broker_loses_its_store() {
    let mut app = App::start(Shape::Split).await;
    let person = app.client().register("goes-away").await;
    fill(&person, "goes away").await;
    app.kill_group("analytics");
    let receipt = erased(&person).await;
    app.nats.as_mut().unwrap().kill();
    app.nats.as_ref().unwrap().wipe();
    app.nats.as_mut().unwrap().restart().await;
    app.start_group_again("analytics").await;
    // Streams are made again within half a minute, and then everything is looked at anew.
    complete_within(Duration::from_mins(2), &app, &receipt).await;
    assert_gone(&app, person.id, "goes away").await;
    app.finish().await;
}

/// A read model that is dropped after an erasure comes back without the one who was erased; one of the
/// facts, restored from a backup with them, is swept.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn databases_that_come_back_bring_nobody_back() {
    let mut app = App::start(Shape::Split).await;
    let person = app.client().register("goes-away").await;
    let other = app.client().register("stays-here").await;
    fill(&person, "goes away").await;
    let version = fill(&other, "stays here").await;
    for group in PARTS {
        app.kill_group(group);
    }
    sql(&app, "CREATE DATABASE cycles_backup TEMPLATE cycles").await;
    for group in PARTS {
        app.start_group_again(group).await;
    }
    complete(&app, &erased(&person).await).await;

    for group in PARTS {
        app.kill_group(group);
    }
    for statement in [
        "DROP DATABASE cycles WITH (FORCE)",
        "ALTER DATABASE cycles_backup RENAME TO cycles",
        "ALTER DATABASE cycles OWNER TO cycles",
        "DROP DATABASE analytics WITH (FORCE)",
        "CREATE DATABASE analytics OWNER analytics",
        "DROP DATABASE notifications WITH (FORCE)",
        "CREATE DATABASE notifications OWNER notifications",
    ] {
        sql(&app, statement).await;
    }
    for group in PARTS {
        app.start_group_again(group).await;
    }
    other.at(app.client()).prediction_at(version).await;
    wait::until_within(super::COMPLETE_WITHIN, "the sweeps to erase again", || async {
        let mut tombstones = 0;
        for (domain, table) in
            [("cycles", "erased"), ("analytics", "subject"), ("notifications", "subject")]
        {
            let rows = super::rows_of(&app, domain, person.id, "goes away").await;
            let alone = rows.len() == 1 && rows.contains_key(table);
            tombstones += usize::from(alone && rows[table][0]["erased_at"].is_string());
        }
        (tombstones == 3).then_some(())
    })
    .await;
    assert_gone(&app, person.id, "goes away").await;
    app.finish().await;
}

#[expect(clippy::disallowed_methods, reason = "a test may do what no domain does")]
pub(crate) async fn sql(app: &App, statement: &str) {
    let mut connection = PgConnection::connect(&app.database_url("postgres")).await.unwrap();
    let statement = sqlx::AssertSqlSafe(statement.to_owned());
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
}
