//! Erasing an account: what goes at once, who is told, and how its end is reached.

use std::collections::BTreeSet;

use chrono::TimeDelta;
use contracts::{
    ErrorKind, Refusal, SessionId, UserId, Version,
    events::{ChangedSince, Topic},
    users::{
        EraseAccount, ErasingGroup, Erasure, GetErasure, GetPerson, GetProfile, ListErased,
        Password, RefreshSession, ReportErased, Session, User,
    },
};
use lunation_users::{LedgerEntry, last_user_id, ledger_apply, ledger_page, pass_user_id};
use sqlx::{Connection, PgConnection, PgPool};

use crate::support::{PASSWORD, TestUsers, eventually, login, register, session_of};

fn erase(user: &User, password: &str) -> EraseAccount {
    let password = Password::new(password.to_owned());
    EraseAccount { user_id: user.id, password, second_factor: None }
}

async fn erased(users: &TestUsers, user: &User, session: &Session) -> Erasure {
    let session_id: SessionId = session_of(&session.access_token);
    users.ask_in(session_id, erase(user, PASSWORD)).await.unwrap()
}

async fn progress(users: &TestUsers, erasure: &Erasure) -> Erasure {
    users.ask(GetErasure { receipt: erasure.receipt }).await.unwrap()
}

async fn list_erased(users: &TestUsers, after: Option<UserId>) -> Vec<UserId> {
    let request = ListErased(ChangedSince { since: None, after, limit: 1_000 });
    let page = users.ask(request).await.unwrap();
    page.users.into_iter().map(|user| user.user_id).collect()
}

async fn report_all(users: &TestUsers, user_id: UserId) {
    for group in ErasingGroup::ALL {
        users.ask(ReportErased { user_id, group }).await.unwrap();
    }
}

/// The tables that name a user in a column of theirs, from the catalogue; and the ones that hold a
/// text that is only theirs, with a letter that no hash is written with.
#[expect(clippy::disallowed_methods, reason = "a test asks the catalogue for its tables")]
async fn tables_with(pool: &PgPool, user: &User) -> BTreeSet<String> {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.tables
         WHERE table_schema = 'public' AND table_name <> '_sqlx_migrations'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut found = BTreeSet::new();
    for table in tables {
        let rows = format!(
            "SELECT count(*) FROM (SELECT to_jsonb(t) AS row FROM {table} t) rows
             WHERE row ->> 'user_id' = $1 OR ('{table}' = 'account' AND row ->> 'id' = $1)
                OR row #>> '{{answer,user_id}}' = $1 OR row::text LIKE '%' || $2 || '%'"
        );
        let count: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(rows))
            .bind(user.id.to_string())
            .bind(&user.username)
            .fetch_one(pool)
            .await
            .unwrap();
        if count > 0 {
            found.insert(table);
        }
    }
    found
}

fn is_refused<T>(answer: Result<T, Refusal>, code: &str) {
    let refusal = answer.err().expect("this must be refused");
    assert_eq!((refusal.kind, &*refusal.code), (ErrorKind::Unauthenticated, code));
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_of_the_person_goes_in_one_transaction_and_the_groups_are_told() {
    let mut users = TestUsers::start().await;
    let (other, _session) = users.somebody("stays").await;
    let user = users.ask_with_key("a-key", register("goes@test.com", "goes")).await.unwrap();
    let session = users.ask(login("goes@test.com", PASSWORD)).await.unwrap();
    users.settle().await;
    let before = tables_with(&users.pool, &other).await;
    let erasure = erased(&users, &user, &session).await;

    // The row of the outbox tells the groups, and goes when they are done.
    let left = BTreeSet::from(["erasure".to_owned(), "outbox".to_owned()]);
    assert_eq!(tables_with(&users.pool, &user).await, left);
    assert_eq!(tables_with(&users.pool, &other).await, before);
    let event = users.next_event().await;
    assert_eq!(event.topic, Topic::UserErased);
    assert_eq!((event.wake_up.user_id, event.wake_up.version), (user.id, Version::FIRST));
    assert_eq!(list_erased(&users, None).await, [user.id]);
    assert_eq!(list_erased(&users, Some(user.id)).await, []);

    let missing = users.ask(GetProfile { user_id: user.id }).await;
    is_refused(missing, "unauthenticated");
    let person = users.ask(GetPerson { user_id: user.id }).await.unwrap();
    assert_eq!((person.version, person.date_of_birth), (Version::ZERO, None));
    is_refused(users.ask(login("goes@test.com", PASSWORD)).await, "invalid-credentials");
    let refresh = RefreshSession { refresh_token: session.refresh_token.clone() };
    is_refused(users.ask(refresh).await, "invalid-refresh-token");
    let again = users.ask_in(session_of(&session.access_token), erase(&user, PASSWORD)).await;
    is_refused(again, "unauthenticated");

    // The same address, the same name, even the same key: somebody new.
    let anew = users.ask_with_key("a-key", register("goes@test.com", "goes")).await.unwrap();
    assert!(anew.id > user.id);
    assert_eq!(progress(&users, &erasure).await, erasure);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_password_is_asked_for_and_the_session_has_to_be_one() {
    let users = TestUsers::start().await;
    let (user, session) = users.somebody("ada").await;
    let session_id = session_of(&session.access_token);
    let wrong = users.ask_in(session_id, erase(&user, "wrong")).await;
    assert_eq!(wrong.as_ref().err().unwrap().detail, "The password is wrong.");
    is_refused(wrong, "invalid-credentials");
    is_refused(users.ask(erase(&user, PASSWORD)).await, "unauthenticated");
    let (other, _) = users.somebody("bea").await;
    is_refused(users.ask_in(session_id, erase(&other, PASSWORD)).await, "unauthenticated");
    assert_eq!(list_erased(&users, None).await, []);
    users.ask(login("ada@test.com", PASSWORD)).await.unwrap();
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_receipt_shows_each_group_and_the_end() {
    let mut users = TestUsers::start().await;
    let (user, session) = users.somebody("ada").await;
    let begun = erased(&users, &user, &session).await;
    users.settle().await;
    let times = |it: &Erasure| {
        [it.cycles_done_at, it.analytics_done_at, it.notifications_done_at, it.events_done_at]
            .map(|at| at.is_some())
    };
    assert_eq!(times(&begun), [false; 4]);
    users.ask(ReportErased { user_id: user.id, group: ErasingGroup::Analytics }).await.unwrap();
    let first = progress(&users, &begun).await;
    assert_eq!(times(&first), [false, true, false, false]);
    report_all(&users, user.id).await;
    let all = progress(&users, &begun).await;
    assert_eq!(times(&all)[..3], [true; 3]);
    assert_eq!(all.analytics_done_at, first.analytics_done_at, "the first answer counts");
    // What remains is the tombstone; the events are looked at a moment later.
    let left = BTreeSet::from(["erasure".to_owned()]);
    assert_eq!(tables_with(&users.pool, &user).await, left);
    eventually("the events are removed", async || {
        progress(&users, &begun).await.events_done_at.is_some()
    })
    .await;
    assert_eq!(users.settle().await, 0, "nobody is told again");

    let unknown = GetErasure::parse("0c7b1a55-6a1b-4f0e-9d3c-2f6f1f5c9b3a").unwrap();
    assert_eq!(users.ask(unknown).await.err().unwrap().kind, ErrorKind::NotFound);
    // Somebody who was never erased.
    report_all(&users, UserId::new(i64::MAX)).await;
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_do_not_answer_are_told_again() {
    let mut users = TestUsers::start().await;
    let (user, session) = users.somebody("ada").await;
    erased(&users, &user, &session).await;
    users.settle().await;
    for version in 2..=3 {
        sqlx::query!("UPDATE erasure SET next_look_at = now()").execute(&users.pool).await.unwrap();
        let event = users.next_event().await;
        assert_eq!((event.topic, event.wake_up.version.get()), (Topic::UserErased, version));
    }
    let row = sqlx::query!(
        r#"SELECT looks, next_look_at - now() AS "wait!: sqlx::postgres::types::PgInterval"
           FROM erasure"#
    );
    let row = row.fetch_one(&users.pool).await.unwrap();
    assert_eq!(row.looks, 2);
    let wait = TimeDelta::microseconds(row.wait.microseconds);
    assert!(wait > TimeDelta::seconds(60) && wait <= TimeDelta::seconds(120), "{wait}");
    users.stop().await;
}

/// A backup brings somebody back; the ledger erases them again, and nobody gets their id.
#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_erases_who_was_restored() {
    let mut users = TestUsers::start().await;
    let mut connection = PgConnection::connect(users.url()).await.unwrap();
    assert_eq!(last_user_id(&mut connection).await.unwrap(), UserId::new(0));
    let (kept, _) = users.somebody("kept").await;
    let (user, session) = users.somebody("ghost").await;
    let erasure = erased(&users, &user, &session).await;
    let ledger = ledger_page(&mut connection, None).await.unwrap();
    let (user_id, receipt, erased_at) = (user.id, erasure.receipt, erasure.erased_at);
    assert_eq!(ledger, [LedgerEntry { user_id, receipt, erased_at }]);
    assert_eq!(ledger_page(&mut connection, Some(user_id)).await.unwrap(), []);
    let last = last_user_id(&mut connection).await.unwrap();
    assert_eq!(last, user_id);
    users.settle().await;

    // The backup is of before the erasure.
    sqlx::query!("TRUNCATE erasure, outbox").execute(&users.pool).await.unwrap();
    let (restored, _) = users.somebody("ghost").await;
    let entry = LedgerEntry { user_id: restored.id, ..ledger[0].clone() };
    assert!(ledger_apply(&mut connection, &entry).await.unwrap());
    assert!(!ledger_apply(&mut connection, &entry).await.unwrap(), "once is enough");
    let left = BTreeSet::from(["erasure".to_owned(), "outbox".to_owned()]);
    assert_eq!(tables_with(&users.pool, &restored).await, left);
    assert_eq!(progress(&users, &erasure).await.erased_at, erased_at, "under its receipt");
    loop {
        let event = users.next_event().await;
        if event.topic == Topic::UserErased {
            assert_eq!(event.wake_up.user_id, restored.id);
            break;
        }
    }
    let far = UserId::new(restored.id.get() + 100);
    pass_user_id(&mut connection, far).await.unwrap();
    pass_user_id(&mut connection, kept.id).await.unwrap();
    let (next, _) = users.somebody("bea").await;
    assert_eq!(next.id.get(), far.get() + 1);
    users.ask(login("kept@test.com", PASSWORD)).await.unwrap();
    users.stop().await;
}
