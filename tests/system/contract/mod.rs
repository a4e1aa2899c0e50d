//! Every row of the HTTP contract, section by section. The shape of each answer is held against
//! the API document by the client itself; here is what a document cannot say.

mod analytics;
mod credentials;
mod cycles;
mod episodes;
mod every_endpoint;
mod forgeries;
mod idempotency;
mod notifications;
mod sessions;
mod symptoms;
mod tokens;
mod users;
mod versions;

use chrono::NaiveDate;
use serde_json::Value;

use crate::harness::{App, in_every_shape};

in_every_shape! {
    async fn of_accounts_and_of_every_endpoint(app: &App) {
        users::all(app).await;
        tokens::all(app).await;
        sessions::all(app).await;
        credentials::all(app).await;
        every_endpoint::all(app).await;
    }

    async fn of_cycles_and_symptoms(app: &App) {
        cycles::all(app).await;
        symptoms::all(app).await;
        episodes::all(app).await;
        idempotency::all(app).await;
    }

    async fn of_what_follows_from_them(app: &App) {
        analytics::all(app).await;
        notifications::all(app).await;
        versions::all(app).await;
    }
}

/// The names of an object's members, sorted.
fn members(value: &Value) -> Vec<&str> {
    let mut names: Vec<&str> = value.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    names
}

/// A list in the order of the answer, one member of each row.
fn column<'a>(list: &'a Value, member: &str) -> Vec<&'a Value> {
    list.as_array().unwrap().iter().map(|row| &row[member]).collect()
}

fn date(value: &Value) -> NaiveDate {
    value.as_str().unwrap().parse().unwrap()
}

/// A problem without what names the very request: all that may differ between two alike.
fn alike(mut problem: Value) -> Value {
    let members = problem.as_object_mut().unwrap();
    members.remove("request_id").unwrap();
    members.remove("instance").unwrap();
    problem
}
