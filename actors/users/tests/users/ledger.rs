//! The ledger of erasures: kept outside of the database, and enforced on one that was restored.

use std::{path::PathBuf, sync::Arc};

use actor_runtime::clock::Clock;
use chrono::TimeDelta;
use contracts::{
    Handle, SessionId, UserId,
    users::{EraseAccount, Erasure, FindErasure, Password, Session, User, UsersMailbox},
};
use lunation_users::{Enforced, LedgerFile, LedgerText, enforce_ledger, ledger_database};
use sqlx::{Connection, PgConnection, PgPool};

use crate::support::{PASSWORD, Setup, TestUsers, call, eventually, login, register, session_of};

/// A ledger of a test's database, and where it is.
async fn ledger_of(users: &TestUsers, directory: &tempfile::TempDir) -> (Arc<LedgerFile>, PathBuf) {
    let mut connection = PgConnection::connect(users.url()).await.unwrap();
    let name = ledger_database(&mut connection).await.unwrap();
    let path = directory.path().join("erasures.jsonl");
    (Arc::new(LedgerFile::open(path.clone(), name).unwrap()), path)
}

fn ids_in(path: &PathBuf) -> Vec<UserId> {
    let ledger = LedgerText::parse(&std::fs::read_to_string(path).unwrap()).unwrap();
    ledger.entries.into_iter().map(|entry| entry.user_id).collect()
}

async fn erase(group: &Handle<UsersMailbox>, user: &User, session: &Session) -> Erasure {
    let session = Some(session_of(&session.access_token));
    let password = Password::new(PASSWORD.to_owned());
    let request = EraseAccount { user_id: user.id, password, second_factor: None };
    group.ask(&contracts::Call { session, ..call() }, request).await.unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the tables of a test's backup are in no migration")]
async fn run(pool: &PgPool, statements: &[&'static str]) {
    for statement in statements {
        sqlx::query(*statement).execute(pool).await.unwrap();
    }
}

async fn back_up(pool: &PgPool) {
    run(pool, &["CREATE TABLE account_backup AS SELECT * FROM account"]).await;
}

/// As a backup would: whoever was erased since is there again, and nobody knows of it.
async fn restore(pool: &PgPool) {
    run(
        pool,
        &[
            "TRUNCATE erasure, outbox",
            "DELETE FROM account",
            "INSERT INTO account OVERRIDING SYSTEM VALUE SELECT * FROM account_backup",
            "SELECT setval('account_id_seq', (SELECT max(id) FROM account))",
        ],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_is_known_by_what_it_lacks() {
    let users = TestUsers::start().await;
    let directory = tempfile::tempdir().unwrap();
    let (ledger, path) = ledger_of(&users, &directory).await;
    let mut connection = PgConnection::connect(users.url()).await.unwrap();
    let (_kept, _) = users.somebody("kept").await;
    let (ghost, session) = users.somebody("ghost").await;
    back_up(&users.pool).await;
    let (late, _) = users.somebody("late").await;
    let nothing = Enforced { is_restored: false, erased: 0 };
    assert_eq!(enforce_ledger(&mut connection, &ledger).await.unwrap(), nothing);
    // A group that keeps no ledger erases; the next start writes it down.
    erase(&users.handle, &ghost, &session).await;
    assert_eq!(ids_in(&path), []);
    assert_eq!(enforce_ledger(&mut connection, &ledger).await.unwrap(), nothing);
    assert_eq!(ids_in(&path), [ghost.id]);

    restore(&users.pool).await;
    assert!(users.ask(login("ghost@test.com", PASSWORD)).await.is_ok());
    let again = Enforced { is_restored: true, erased: 1 };
    assert_eq!(enforce_ledger(&mut connection, &ledger).await.unwrap(), again);
    assert!(users.ask(login("ghost@test.com", PASSWORD)).await.is_err());
    assert!(users.ask(login("kept@test.com", PASSWORD)).await.is_ok());
    // Whoever registered after the backup is gone, and nobody gets their id, or one that was given in
    // the last seconds, of which no ledger had heard.
    let anew = users.ask(register("new@test.com", "new")).await.unwrap();
    assert!(anew.id.get() > late.id.get() + 1_000);
    assert_eq!(enforce_ledger(&mut connection, &ledger).await.unwrap(), nothing);

    // An older state in which nobody is missing is one all the same.
    run(&users.pool, &["SELECT setval('account_id_seq', 7)"]).await;
    let older = Enforced { is_restored: true, erased: 0 };
    assert_eq!(enforce_ledger(&mut connection, &ledger).await.unwrap(), older);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_is_written_down_before_it_is_answered() {
    let users = TestUsers::start().await;
    let directory = tempfile::tempdir().unwrap();
    let (ledger, path) = ledger_of(&users, &directory).await;
    let (ada, ada_session) = users.somebody("ada").await;
    let (bea, bea_session) = users.somebody("bea").await;
    back_up(&users.pool).await;
    let keeping = users.another_group_as(Setup { ledger: Some(ledger), ..Setup::default() }).await;
    erase(&keeping, &ada, &ada_session).await;
    assert_eq!(ids_in(&path), [ada.id]);
    // What another process erases is heard of.
    erase(&users.handle, &bea, &bea_session).await;
    eventually("it is written down", async || ids_in(&path) == [ada.id, bea.id]).await;
    // A database that is restored under way is known as well.
    restore(&users.pool).await;
    let away = async |email| users.ask(login(email, PASSWORD)).await.is_err();
    eventually("they are erased again", async || {
        away("ada@test.com").await && away("bea@test.com").await
    })
    .await;
    assert_eq!(ids_in(&path), [ada.id, bea.id], "nobody stands in it twice");
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_lost_the_answer_finds_the_receipt_by_the_same_session() {
    let users = TestUsers::start().await;
    let (ada, session) = users.somebody("ada").await;
    let (bea, other) = users.somebody("bea").await;
    let session_id = session_of(&session.access_token);
    let find = |user: &User, session_id: SessionId| FindErasure { user_id: user.id, session_id };
    assert!(users.ask(find(&ada, session_id)).await.is_err(), "nobody was erased");
    let erasure = erase(&users.handle, &ada, &session).await;
    assert_eq!(users.ask(find(&ada, session_id)).await.unwrap().receipt, erasure.receipt);
    let of_others = [find(&bea, session_id), find(&ada, session_of(&other.access_token))];
    for request in of_others {
        assert_eq!(users.ask(request).await.err().unwrap().code, "unauthenticated");
    }
    // When the last token has expired, nobody knows any more in which session it was.
    let later = Clock::Fixed(Clock::System.now() + TimeDelta::minutes(11));
    let later = users.another_group_as(Setup { clock: later, ..Setup::default() }).await;
    assert!(later.ask(&call(), find(&ada, session_id)).await.is_err());
    eventually("the session is forgotten", async || {
        let known = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM erasure WHERE asked_by IS NOT NULL"#
        );
        known.fetch_one(&users.pool).await.unwrap() == 0
    })
    .await;
    users.stop().await;
}
