//! Who is erased leaves a tombstone and nothing else, and nothing that is late brings anything back.

use std::collections::BTreeSet;

use contracts::{
    ErrorKind, UserId, Version,
    cycles::{
        AnswerGap, EpisodeKind, GapAnswer, GetRetention, RecordEpisode, Retention, SetRetention,
    },
    users::ErasingGroup,
};
use futures::future::join_all;
use sqlx::PgPool;

use crate::{
    harness::{Group, TestApp, day, record, refused, symptom},
    users::tell_erased,
};

const USER: UserId = UserId::new(7);
const OTHER: UserId = UserId::new(8);

/// Something in every table.
async fn fill(group: &Group, user_id: UserId) {
    let cycle = group.record(user_id, "2025-01-10", Some("2025-01-15")).await.unwrap().cycle.id;
    let keyed = record(user_id, "2025-02-07", None);
    group.ask_with_key(user_id, "a-key", keyed).await.unwrap();
    group.ask(user_id, symptom(user_id, cycle, "2025-01-11")).await.unwrap();
    let episode = RecordEpisode {
        user_id,
        kind: EpisodeKind::Pause,
        start_date: day("2024-01-01"),
        end_date: Some(day("2024-02-01")),
    };
    group.ask(user_id, episode).await.unwrap();
    let (next_start, answer) = (Some(day("2025-02-07")), GapAnswer::NoneMissed);
    group.ask(user_id, AnswerGap { user_id, cycle_id: cycle, next_start, answer }).await.unwrap();
    group.ask(user_id, SetRetention { user_id, months: Some(600) }).await.unwrap();
}

/// The tables that hold something of a user, from the catalogue, so that a new one cannot be
/// forgotten.
#[expect(clippy::disallowed_methods, reason = "a test asks the catalogue for its tables")]
async fn tables_with(pool: &PgPool, user_id: UserId) -> BTreeSet<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.columns
         WHERE table_schema = 'public' AND column_name = 'user_id'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut found = BTreeSet::new();
    for table in tables {
        let count = format!("SELECT count(*) FROM {table} WHERE user_id = $1");
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(count))
            .bind(user_id.get())
            .fetch_one(pool)
            .await
            .unwrap();
        if count > 0 {
            found.insert(table);
        }
    }
    found
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_but_a_tombstone_and_others_are_untouched() {
    let app = TestApp::start().await;
    for user in [USER, OTHER] {
        fill(&app.group, user).await;
    }
    let everything = tables_with(&app.pool, OTHER).await;
    assert!(everything.len() >= 6, "{everything:?}");
    tell_erased(&app.group.bus, USER).await;
    assert_eq!(tables_with(&app.pool, USER).await, BTreeSet::from(["erased".to_owned()]));
    assert_eq!(tables_with(&app.pool, OTHER).await, everything);
    assert_eq!(app.users.reports(), [(USER, ErasingGroup::Cycles)]);

    let history = app.group.history(USER).await;
    assert!(history.erased && history.cycles.is_empty());
    assert_eq!(history.version, Version::ZERO);
    assert!(!app.group.history(OTHER).await.erased);
    // Once more is as good as once, and is reported again.
    tell_erased(&app.group.bus, USER).await;
    assert_eq!(tables_with(&app.pool, USER).await, BTreeSet::from(["erased".to_owned()]));
    assert_eq!(app.users.reports().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_write_is_taken_after_the_tombstone() {
    let app = TestApp::start().await;
    fill(&app.group, USER).await;
    tell_erased(&app.group.bus, USER).await;
    let again = record(USER, "2025-03-07", None);
    for answer in [
        app.group.ask(USER, again.clone()).await,
        app.group.ask_with_key(USER, "a-key", record(USER, "2025-02-07", None)).await,
        app.another_group().await.ask(USER, again).await,
    ] {
        assert_eq!(refused(answer).kind, ErrorKind::Unauthenticated);
    }
    let set = SetRetention { user_id: USER, months: Some(24) };
    assert_eq!(refused(app.group.ask(USER, set).await).kind, ErrorKind::Unauthenticated);
    let kept = app.group.ask(USER, GetRetention { user_id: USER }).await.unwrap();
    assert!(kept == Retention { months: None, forget_before: None });
    assert_eq!(tables_with(&app.pool, USER).await, BTreeSet::from(["erased".to_owned()]));
}

/// Writes of the user are under way in two processes while the erasure comes, twice.
#[tokio::test(flavor = "multi_thread")]
async fn writes_that_race_with_the_erasure_leave_nothing() {
    let app = TestApp::start().await;
    let other = app.another_group().await;
    for round in 1..=25 {
        let user = UserId::new(1_000 + round);
        let writes = (0..8_u64).map(|nth| {
            let group = if nth % 2 == 0 { &app.group } else { &other };
            let start = (day("2024-01-01") + chrono::Days::new(28 * nth)).to_string();
            async move { group.record(user, &start, None).await.is_ok() }
        });
        let erased = async {
            if round % 3 == 0 {
                app.group.record(user, "2020-01-01", None).await.unwrap();
            }
            futures::join!(tell_erased(&app.group.bus, user), tell_erased(&other.bus, user));
        };
        futures::join!(join_all(writes), erased);
        let left = tables_with(&app.pool, user).await;
        assert_eq!(left, BTreeSet::from(["erased".to_owned()]), "round {round}");
    }
}

/// As after a restore: users knows of erasures that this database does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_is_swept_at_the_start() {
    let app = TestApp::start().await;
    fill(&app.group, USER).await;
    fill(&app.group, OTHER).await;
    app.users.erase(USER);
    let _later = app.another_group().await;
    app.users.reported().await;
    assert_eq!(tables_with(&app.pool, USER).await, BTreeSet::from(["erased".to_owned()]));
    assert!(tables_with(&app.pool, OTHER).await.contains("cycle"));
}

/// It is settled only when users has heard of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_is_reported_once_users_is_back() {
    let app = TestApp::start().await;
    fill(&app.group, USER).await;
    app.users.set_away(true);
    let telling = tell_erased(&app.group.bus, USER);
    let back = async {
        app.until("it is erased all the same", async || {
            tables_with(&app.pool, USER).await == BTreeSet::from(["erased".to_owned()])
        })
        .await;
        assert!(app.users.reports().is_empty());
        app.users.set_away(false);
    };
    futures::join!(telling, back);
    assert!(!app.users.reports().is_empty());
}
