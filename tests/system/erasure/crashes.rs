//! kill −9 at every named point of an erasure: it is done as a whole, or not at all, and then again.

use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::json;
use sqlx::{Connection, PgConnection};

use super::{assert_gone, complete, fill};
use crate::harness::{
    App, Options, Person, Shape,
    client::{Answer, PASSWORD},
    wait,
};

/// In the order of an erasure's life. The third report is the last one: after it the rest is due.
const POINTS: &[&str] = &[
    "users.erase.before_commit=crash@1",
    "users.erase.after_commit=crash@1",
    "cycles.erase.before_commit=crash@1",
    "cycles.erase.after_commit=crash@1",
    "erasure.before_report=crash@1",
    "erasure.before_report=crash@3",
    "erasure.after_report=crash@2",
    "users.erasure_done.before_commit=crash@1",
    "users.erasure_done.before_commit=crash@3",
    "users.erasure_done.after_commit=crash@3",
    "users.events.before_note=crash@1",
];

/// Erases, again if the process died, until it is known to be erased.
async fn erase_until_known(app: &mut App, person: &Person) {
    loop {
        let request = person.at(app.client()).request(Method::DELETE, "/api/users/account");
        match Answer::try_of(request.json(&json!({"password": PASSWORD}))).await {
            Ok(answer) => {
                let known = [StatusCode::ACCEPTED, StatusCode::UNAUTHORIZED];
                assert!(known.contains(&answer.status), "{}", answer.text);
                return;
            }
            Err(_) if app.process().lives() => {}
            Err(_) => app.start_again().await,
        }
    }
}

/// The receipt, which the answer that was lost would have held.
#[expect(clippy::disallowed_methods, reason = "a test looks where nobody else may")]
async fn receipt_of(app: &App, person: &Person) -> String {
    let mut connection = PgConnection::connect(&app.database_url("users")).await.unwrap();
    let receipt: String =
        sqlx::query_scalar("SELECT receipt::text FROM erasure WHERE user_id = $1")
            .bind(person.id)
            .fetch_one(&mut connection)
            .await
            .unwrap();
    format!("/api/erasures/{receipt}")
}

async fn dies_and_erases(shape: Shape, point: &str) {
    let options = Options { faults: Some(point.to_owned()), ..Options::default() };
    let mut app = App::start_with(shape, options).await;
    let person = app.client().register("goes-away").await;
    fill(&person, "goes away").await;
    erase_until_known(&mut app, &person).await;
    if app.restarts == 0 {
        wait::until("the process to die at its point", || {
            let dead = !app.process().lives();
            async move { dead.then_some(()) }
        })
        .await;
        app.start_again().await;
    }
    let receipt = receipt_of(&app, &person).await;
    eprintln!("after {point}:");
    complete(&app, &receipt).await;
    assert_gone(&app, person.id, "goes away").await;
    app.finish().await;
}

/// A few at a time: each has a Postgres of its own.
async fn at_every_point(shape: Shape) {
    for points in POINTS.chunks(4) {
        join_all(points.iter().map(|point| dies_and_erases(shape, point))).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory() {
    at_every_point(Shape::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream() {
    at_every_point(Shape::JetStream).await;
}
