//! kill −9 at every named point of an erasure: it is done as a whole, or not at all, and then again.
//!
//! One instance dies at several points, one after the other: each time somebody else erases their
//! account, and what the last death interrupted goes on meanwhile. So an erasure may die twice.

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

/// In the order of an erasure's life, each first one for an erasure that nothing else is beside: the
/// third report is the last one, and after it the rest is due.
const LIVES: [&[&str]; 3] = [
    &[
        "erasure.before_report=crash@3",
        "users.erase.before_commit=crash@1",
        "cycles.erase.before_commit=crash@1",
        "erasure.after_report=crash@2",
    ],
    &[
        "users.erasure_done.before_commit=crash@3",
        "users.erase.after_commit=crash@1",
        "cycles.erase.after_commit=crash@1",
        "users.erasure_done.before_commit=crash@1",
    ],
    &[
        "users.erasure_done.after_commit=crash@3",
        "erasure.before_report=crash@1",
        "users.events.before_note=crash@1",
    ],
];

/// Asks for the erasure once. Whether it is known to be done; if the process dies meanwhile, it is not.
async fn is_erased(app: &App, person: &Person) -> bool {
    let request = person.at(app.client()).request(Method::DELETE, "/api/users/account");
    match Answer::try_of(request.json(&json!({"password": PASSWORD}))).await {
        Ok(answer) => {
            // One that is busy says so: nothing was carried out, or perhaps.
            let busy = [StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT]
                .contains(&answer.status);
            let known = [StatusCode::ACCEPTED, StatusCode::UNAUTHORIZED].contains(&answer.status);
            assert!(known || busy, "{}", answer.text);
            known
        }
        Err(_) => false,
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

/// Erases until the process has died at its point.
async fn erases_and_dies(app: &mut App, person: &Person, point: &str) {
    eprintln!("to die at {point}");
    let mut known = false;
    while app.process().lives() && !known {
        known = is_erased(app, person).await;
    }
    wait::until("the process to die at its point", || {
        let dead = !app.process().lives();
        async move { dead.then_some(()) }
    })
    .await;
}

async fn dies_and_erases(shape: Shape, points: &[&str]) {
    let [first, later @ ..] = points else { panic!("no point") };
    let options = Options { faults: Some((*first).to_owned()), ..Options::default() };
    let mut app = App::start_with(shape, options).await;
    let mut people = Vec::new();
    for nth in 0..points.len() {
        let person = app.client().register(&format!("goes-away-{nth}")).await;
        fill(&person, &format!("goes away {nth}")).await;
        people.push(person);
    }
    erases_and_dies(&mut app, &people[0], first).await;
    for (person, point) in people[1..].iter().zip(later) {
        // What goes on may meet the point at once: then this one's turn is at the end.
        if app.start_again_with(point).await {
            erases_and_dies(&mut app, person, point).await;
        }
    }
    app.start_again().await;
    for person in &people {
        wait::until("the erasure to be known", || {
            let erased = is_erased(&app, person);
            async move { erased.await.then_some(()) }
        })
        .await;
    }
    for (nth, person) in people.iter().enumerate() {
        complete(&app, &receipt_of(&app, person).await).await;
        assert_gone(&app, person.id, &format!("goes away {nth}")).await;
    }
    app.finish().await;
}

async fn at_every_point(shape: Shape) {
    join_all(LIVES.map(|points| dies_and_erases(shape, points))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn memory() {
    at_every_point(Shape::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jetstream() {
    at_every_point(Shape::JetStream).await;
}
