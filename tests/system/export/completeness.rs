//! Nothing that is held is forgotten: every column of every database stands in `columns.txt`, with its
//! place in an export or the reason why it has none.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use serde_json::Value;
use sqlx::{Connection, PgConnection};

use super::{CANARY, export, live};
use crate::harness::{App, Person, Shape, app::DOMAINS};

const COLUMNS: &str = include_str!("columns.txt");

/// A column: domain, table, name.
type Column = (String, String, String);

/// What becomes of a column.
enum Fate {
    /// Its values stand at one of these places.
    At(Vec<String>),
    /// They do, opened: a text of the test is there.
    Opened(String),
    /// They would, and the test has none.
    WithoutValue(String),
    /// It has no place.
    Exempt,
}

fn fates() -> BTreeMap<Column, Fate> {
    let lines = COLUMNS.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let mut fates = BTreeMap::new();
    for line in lines {
        let mut words = line.splitn(4, ' ').map(str::to_owned);
        let mut word = || words.next().unwrap_or_else(|| panic!("{line}"));
        let (column, fate) = ((word(), word(), word()), word());
        let fate = if let Some(reason) = fate.strip_prefix("- ") {
            assert!(reason.len() > 5, "a reason for {column:?}");
            Fate::Exempt
        } else if let Some(place) = fate.strip_prefix('=') {
            Fate::Opened(place.to_owned())
        } else if let Some(place) = fate.strip_prefix('?') {
            Fate::WithoutValue(place.to_owned())
        } else {
            assert!(fate.starts_with('/'), "{line}");
            Fate::At(fate.split(' ').map(str::to_owned).collect())
        };
        assert!(fates.insert(column, fate).is_none(), "twice: {line}");
    }
    fates
}

/// The columns of a database, from the catalogue.
#[expect(clippy::disallowed_methods, reason = "a test asks the catalogue for its columns")]
async fn columns(app: &App, domain: &str) -> Vec<Column> {
    let mut connection = PgConnection::connect(&app.database_url(domain)).await.unwrap();
    let found: Vec<(String, String)> = sqlx::query_as(
        "SELECT table_name::text, column_name::text FROM information_schema.columns
         WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'",
    )
    .fetch_all(&mut connection)
    .await
    .unwrap();
    found.into_iter().map(|(table, column)| (domain.to_owned(), table, column)).collect()
}

/// The values of a column that are a person's, as JSON.
#[expect(
    clippy::disallowed_methods,
    reason = "a test reads columns whose names it has just learned"
)]
async fn values(app: &App, (domain, table, column): &Column, id: i64) -> Vec<Value> {
    let mut connection = PgConnection::connect(&app.database_url(domain)).await.unwrap();
    let owner = if table == "account" { "id" } else { "user_id" };
    let statement = format!(
        "SELECT to_jsonb(\"{column}\") FROM \"{table}\"
         WHERE \"{column}\" IS NOT NULL AND \"{owner}\" = $1"
    );
    sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
        .bind(id)
        .fetch_all(&mut connection)
        .await
        .unwrap()
}

/// What stands at a place of the document.
fn at<'a>(document: &'a Value, place: &str) -> Vec<&'a Value> {
    place.split('/').skip(1).fold(vec![document], |found, name| {
        let below = |value: &'a Value| -> Vec<&'a Value> {
            match name {
                "*" => value.as_array().into_iter().flatten().collect(),
                name => value.get(name).into_iter().collect(),
            }
        };
        found.into_iter().flat_map(below).collect()
    })
}

/// Whether a stored value is the one of the document. Means are told to a tenth.
fn is_same(stored: &Value, told: &Value) -> bool {
    if let (Some(stored), Some(told)) = (stored.as_f64(), told.as_f64()) {
        return (stored - told).abs() <= 0.051;
    }
    let instant = |value: &Value| value.as_str()?.parse::<DateTime<Utc>>().ok();
    if let (Some(stored), Some(told)) = (instant(stored), instant(told)) {
        return stored == told;
    }
    if stored.is_array() {
        let count = |value: &Value| value.as_array().map_or(0, Vec::len);
        return count(stored) > 0 && count(stored) == count(told);
    }
    stored == told
}

/// What no request of a test can bring about: a reminder that could not be sent, a second factor.
#[expect(clippy::disallowed_methods, reason = "a test writes what no request can")]
async fn seed(app: &App, person: &Person) {
    for (domain, statement) in [
        (
            "users",
            format!(
                "INSERT INTO second_factor (user_id, secret_sealed, created_at, confirmed_at)
                     VALUES ({id}, decode(repeat('00', 60), 'hex'), now(), now());
                 INSERT INTO recovery_code VALUES ({id}, decode(repeat('00', 32), 'hex'))",
                id = person.id
            ),
        ),
        (
            "notifications",
            format!(
                "UPDATE notification SET sent_at = now(), error_message = '{CANARY}'
                 WHERE user_id = {}",
                person.id
            ),
        ),
    ] {
        let mut connection = PgConnection::connect(&app.database_url(domain)).await.unwrap();
        let statement = sqlx::AssertSqlSafe(statement);
        sqlx::raw_sql(statement).execute(&mut connection).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_column_is_taken_along_or_has_a_reason() {
    let app = App::start(Shape::Memory).await;
    let person = app.client().somebody().await;
    live(&person).await;
    seed(&app, &person).await;
    let document = export(&person).await;
    let fates = fates();
    let mut there = BTreeSet::new();
    for domain in DOMAINS {
        there.extend(columns(&app, domain).await);
    }
    let named: BTreeSet<Column> = fates.keys().cloned().collect();
    let forgotten: Vec<_> = there.difference(&named).collect();
    assert!(forgotten.is_empty(), "not in columns.txt: {forgotten:#?}");
    let gone: Vec<_> = named.difference(&there).collect();
    assert!(gone.is_empty(), "in no database: {gone:#?}");
    for (column, fate) in &fates {
        match fate {
            Fate::Exempt => {}
            Fate::WithoutValue(place) => assert!(!at(&document, place).is_empty(), "{column:?}"),
            Fate::Opened(place) => {
                assert!(!values(&app, column, person.id).await.is_empty(), "{column:?}");
                let told = at(&document, place);
                let is_canary = |told: &&Value| told.as_str().is_some_and(|it| it.contains(CANARY));
                assert!(told.iter().any(is_canary), "{column:?} is not at {place}");
            }
            Fate::At(places) => {
                let stored = values(&app, column, person.id).await;
                assert!(!stored.is_empty(), "the test has no value of {column:?}");
                let told: Vec<&Value> = places.iter().flat_map(|it| at(&document, it)).collect();
                let is_told = |stored: &&Value| told.iter().any(|told| is_same(stored, told));
                // The active prediction is told as of today, and a session ends when it is not used.
                let some_suffice = column.0 == "analytics" || column.2 == "expires_at";
                let (found, all) = (stored.iter().filter(is_told).count(), stored.len());
                let is_complete = found == all || some_suffice && found > 0;
                assert!(is_complete, "{column:?}: {found} of {all} at {places:?}");
            }
        }
    }
    app.finish().await;
}
