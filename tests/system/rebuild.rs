//! The read models are expendable: dropped, they come back the same.

use actor_runtime::clock::Clock;
use chrono::Days;
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use crate::harness::{App, Person, Shape, in_every_shape};

async fn everything_derived(person: &Person, version: i64) -> Value {
    person.prediction_at(version).await;
    let mut all = Vec::new();
    for path in [
        "/api/analytics/predictions?limit=100",
        "/api/analytics/analytics?limit=100",
        "/api/analytics/insights",
        "/api/notifications/notifications?limit=100&status=pending",
    ] {
        let separator = if path.contains('?') { '&' } else { '?' };
        all.push(
            person.reflected(&format!("{path}{separator}min_version={version}"), version).await,
        );
    }
    Value::Array(all)
}

#[expect(clippy::disallowed_methods, reason = "a test may do what no domain does")]
async fn execute(database_url: &str, statement: String) {
    let mut connection = PgConnection::connect(database_url).await.unwrap();
    let statement = sqlx::AssertSqlSafe(statement);
    sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
}

/// An embedded database is made anew at the next start; any other by whoever runs the server.
async fn drop_database(app: &App, database: &str) {
    let statement = format!("DROP DATABASE {database} WITH (FORCE)");
    execute(&app.database_url("postgres"), statement).await;
    if app.shape == Shape::Split {
        let statement = format!("CREATE DATABASE {database} OWNER {database}");
        execute(&app.database_url("postgres"), statement).await;
    }
}

/// A date. The newest starts are so near that nobody is late: who is late is told another date on
/// another day.
fn days_ago(days: u64) -> String {
    (Clock::System.now().date_naive() - Days::new(days)).to_string()
}

/// Runs in every shape, but needs the app mutably.
async fn dropped_and_rebuilt(shape: Shape) {
    let mut app = App::start(shape).await;
    let mut people = Vec::new();
    for (index, starts) in
        [vec![97, 68, 41, 10], vec![12], vec![138, 106, 10]].into_iter().enumerate()
    {
        let person = app.client().somebody().await;
        let mut version = 0;
        for start in starts {
            version = person.log_cycle(&days_ago(start), None).await.1;
        }
        if index == 0 {
            // A back-dated cycle and an edit, so that the history is not just appended to.
            version = person.log_cycle(&days_ago(126), Some(&days_ago(122))).await.1;
        }
        people.push((person, version));
    }
    let mut before = Vec::new();
    for (person, version) in &people {
        before.push(everything_derived(person, *version).await);
    }
    drop_database(&app, "analytics").await;
    drop_database(&app, "notifications").await;
    app.kill();
    app.start_again().await;
    for ((person, version), before) in people.iter().zip(&before) {
        let after = everything_derived(&person.at(app.client()), *version).await;
        assert_eq!(without_times_of_creation(&after), without_times_of_creation(before));
    }
    app.finish().await;
}

/// A notification's own row was made anew; everything else is the same to the letter.
fn without_times_of_creation(derived: &Value) -> Value {
    let mut derived = derived.clone();
    for notification in derived[3]["notifications"].as_array_mut().unwrap() {
        notification.as_object_mut().unwrap().remove("created_at");
    }
    derived
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory() {
    dropped_and_rebuilt(Shape::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream() {
    dropped_and_rebuilt(Shape::JetStream).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn split() {
    dropped_and_rebuilt(Shape::Split).await;
}

in_every_shape! {
    /// Rows that vanish while everything runs come back with the user's next write.
    async fn rows_lost_while_running_come_back(app: &App) {
        let person = app.client().somebody().await;
        let (_, version) = person.log_cycle("2024-01-01", None).await;
        person.prediction_at(version).await;
        let statement = "DELETE FROM prediction; DELETE FROM cycle_analytics; \
                         UPDATE subject SET applied_version = 0";
        execute(&app.database_url("analytics"), statement.to_owned()).await;
        let (_, version) = person.log_cycle("2024-01-29", None).await;
        let predictions = person.prediction_at(version).await;
        assert_eq!(predictions["count"], 1);
        let analytics = person.get("/api/analytics/analytics").await;
        assert_eq!(analytics.body["count"], 2, "{}", analytics.text);
    }
}
