//! Where planted texts may be, and the search for them everywhere else.

use std::{collections::BTreeSet, path::Path};

use sqlx::{Connection as _, PgConnection};

use crate::harness::{
    App,
    canaries::{self, ACCESS_TOKEN, MARK},
    client::PASSWORD,
};

/// The databases that hold a kind of text in clear. No other kind may be in any: values and notes are
/// sealed, passwords and keys hashed, and what is wrong is not kept at all. The last three are what the
/// harness plants in everybody.
const BELONGS: [(&str, &[&str]); 9] = [
    ("email", &["users"]),
    ("username", &["users"]),
    ("name", &["users"]),
    ("device", &["users"]),
    ("label", &["users"]),
    // Searched by, and told of in insights.
    ("type", &["cycles", "analytics"]),
    ("somebody", &["users"]),
    ("first", &["users"]),
    ("last", &["users"]),
];
/// The write-ahead log is that of all databases.
const WAL: &str = "pg_wal";
/// Years in which people were born or bled here: no day of theirs is outside of the databases.
const DAYS: &str = "1987-06-05|2003-0[1-9]-[0-9]";

/// Fails the test if a text is where it does not belong.
pub(super) async fn search(app: &App, secrets: &[String]) {
    let databases = checkpoint(app).await;
    let cluster = app.data_dir().join("postgres/data");
    let place_of = |path: &str| {
        let below = Path::new(path).strip_prefix(&cluster).unwrap();
        let parts: Vec<&str> = below.iter().map(|part| part.to_str().unwrap()).collect();
        let database = databases.iter().find(|(oid, _)| parts[0] == "base" && parts[1] == *oid);
        database.map_or_else(|| parts[0].to_owned(), |(_, name)| name.clone())
    };
    let pattern = format!("{MARK}-[a-z]+(-[0-9]+)?");
    let mut found = BTreeSet::new();
    let mut astray = BTreeSet::new();
    for line in canaries::matches(&pattern, &[&cluster], None) {
        let (path, text) = line.rsplit_once(':').unwrap();
        let (kind, place) = (text.split('-').nth(1).unwrap().to_owned(), place_of(path));
        let belongs = BELONGS.iter().find(|(it, _)| *it == kind);
        let homes = belongs.map_or(&[][..], |(_, homes)| homes);
        let at_home = homes.contains(&&*place) || (place == WAL && !homes.is_empty());
        if !at_home {
            astray.insert(format!("{text} in {place} ({path})"));
        }
        found.insert((kind, place));
    }
    assert!(astray.is_empty(), "{astray:#?}");
    // The search finds what is there.
    for (kind, homes) in BELONGS.iter().filter(|(_, homes)| !homes.is_empty()) {
        for place in [homes[0], WAL] {
            let pair = ((*kind).to_owned(), place.to_owned());
            assert!(found.contains(&pair), "{kind} was not found in {place}: {found:?}");
        }
    }

    // Secrets are in no database either; days are there, and nowhere else.
    let known = secrets.join("|");
    let token = "lun[rp]?_[A-Za-z0-9_-]{43}";
    let pattern = format!("{PASSWORD}|{ACCESS_TOKEN}|{token}|{known}");
    let root = app.data_dir().parent().unwrap().to_owned();
    let store = app.nats.as_ref().unwrap().store().to_owned();
    let everywhere = [root, store];
    assert_eq!(canaries::matches(&pattern, &everywhere, None), Vec::<String>::new());
    let days = canaries::matches(DAYS, &everywhere, Some("postgres"));
    assert_eq!(days, Vec::<String>::new());
}

/// Has everything written to files; the databases with the names of their directories.
#[expect(clippy::disallowed_methods, reason = "a test asks the server for what is where")]
async fn checkpoint(app: &App) -> Vec<(String, String)> {
    let mut connection = PgConnection::connect(&app.database_url("postgres")).await.unwrap();
    sqlx::raw_sql("CHECKPOINT").execute(&mut connection).await.unwrap();
    sqlx::query_as("SELECT oid::text, datname::text FROM pg_database")
        .fetch_all(&mut connection)
        .await
        .unwrap()
}
