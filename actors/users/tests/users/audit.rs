//! The audit log through the group's handle: bounded, forgotten in time, and for its owner alone.

use std::net::IpAddr;

use actor_runtime::clock::Clock;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Call, ErrorKind, Scope, Secret, SessionId, UserId,
    users::{
        AuditEntry, AuditKind, AuditPage, CreateApiToken, EndSession, EraseAccount,
        ExchangeApiToken, ListAudit, Logout, Password, RefreshSession, Session,
    },
};
use futures::future::join_all;

use crate::support::{
    PASSWORD, Setup, TestUsers, call, eventually, login, register, session_of, until,
};

fn list(user_id: UserId) -> ListAudit {
    ListAudit { user_id, kind: None, from: None, to: None, after: None, limit: 100 }
}

async fn entries(
    users: &TestUsers,
    user_id: UserId,
    session: SessionId,
    kind: AuditKind,
) -> Vec<AuditEntry> {
    let request = ListAudit { kind: Some(kind), ..list(user_id) };
    users.ask_in(session, request).await.unwrap().entries
}

async fn count(users: &TestUsers, user_id: UserId) -> i64 {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM audit WHERE user_id = $1"#,
        user_id.get(),
    );
    count.fetch_one(&users.pool).await.unwrap()
}

fn from(address: [u8; 4]) -> Call {
    Call { origin: Some(IpAddr::from(address)), ..call() }
}

async fn api_token(users: &TestUsers, user_id: UserId, session: SessionId) -> Secret {
    let request = CreateApiToken {
        user_id,
        name: "calendar".to_owned(),
        scopes: [Scope::ReadCycles].into_iter().collect(),
        expires_in_days: 30,
    };
    users.ask_in(session, request).await.unwrap().token
}

#[tokio::test(flavor = "multi_thread")]
async fn failures_are_counted_by_where_they_come_from() {
    let users = TestUsers::start().await;
    let (user, session) = users.somebody("ada").await;
    let session = session_of(&session.access_token);
    let wrong = || login("ada@test.com", "pass124");
    for address in [[203, 0, 113, 7], [203, 0, 113, 8], [198, 51, 100, 1]] {
        let answer = users.handle.ask(&from(address), wrong()).await;
        assert_eq!(answer.err().unwrap().kind, ErrorKind::Unauthenticated);
    }
    let failed = until("three failures", async || {
        let failed = entries(&users, user.id, session, AuditKind::SignInFailed).await;
        (failed.iter().map(|entry| entry.times).sum::<u32>() == 3).then_some(failed)
    })
    .await;
    let mut told: Vec<_> =
        failed.iter().map(|entry| (entry.network.as_deref().unwrap(), entry.times)).collect();
    told.sort_unstable();
    assert_eq!(told, [("198.51.100.0/24", 1), ("203.0.113.0/24", 2)]);
    assert!(failed.iter().all(|it| it.device.as_deref() == Some("test/1")));
    assert!(failed.iter().all(|it| it.session_id.is_none() && it.last_at >= it.at));
    // Whoever is nobody leaves nothing.
    users.ask(login("nobody@test.com", PASSWORD)).await.err().unwrap();
    let others = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM audit WHERE user_id <> $1"#,
        user.id.get(),
    );
    assert_eq!(others.fetch_one(&users.pool).await.unwrap(), 0);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_of_somebody_else_has_few_entries() {
    let users = TestUsers::start().await;
    let another = users.another_group().await;
    let (user, session) = users.somebody("ada").await;
    let session = session_of(&session.access_token);
    let token = api_token(&users, user.id, session).await;
    // Twice from each of 24 networks, several at once, by two processes.
    let turns: Vec<u8> = (0..48).collect();
    for some in turns.chunks(6) {
        let exchanges = some.iter().map(|&turn| {
            let handle = if turn % 2 == 0 { &users.handle } else { &another };
            let token = &token;
            // A busy database may turn one away.
            until("an exchange", move || async move {
                let request = ExchangeApiToken { token: token.clone() };
                handle.ask(&from([10, 0, turn / 2, turn]), request).await.ok()
            })
        });
        join_all(exchanges).await;
    }
    let told = entries(&users, user.id, session, AuditKind::ApiTokenUsed).await;
    assert_eq!(told.len(), 20);
    let times: u32 = told.iter().map(|entry| entry.times).sum();
    assert!(times >= 48, "none is lost: {times}");
    // An hour later there is room for others.
    let later = Clock::Fixed(Clock::System.now() + TimeDelta::minutes(61));
    let later = users.another_group_as(Setup { clock: later, ..Setup::default() }).await;
    later.ask(&from([10, 9, 9, 9]), ExchangeApiToken { token }).await.unwrap();
    let told = entries(&users, user.id, session, AuditKind::ApiTokenUsed).await;
    assert_eq!(told[0].network.as_deref(), Some("10.9.9.0/24"));
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_read_page_by_page_by_its_owner() {
    let users = TestUsers::start().await;
    let (ada, session) = users.somebody("ada").await;
    let session = session_of(&session.access_token);
    let (bob, of_bob) = users.somebody("bob").await;
    let of_bob = session_of(&of_bob.access_token);
    for _ in 0..6 {
        users.ask(login("ada@test.com", PASSWORD)).await.unwrap();
    }
    let mut read = Vec::new();
    let mut after = None;
    loop {
        let request = ListAudit { after, limit: 3, ..list(ada.id) };
        let AuditPage { entries, next } = users.ask_in(session, request).await.unwrap();
        assert!((1..=3).contains(&entries.len()));
        read.extend(entries);
        after = next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(read.len(), 7);
    assert!(read.windows(2).all(|pair| pair[0].at >= pair[1].at && pair[0].id > pair[1].id));
    assert!(read.iter().all(|it| it.kind == AuditKind::SignedIn && it.times == 1));
    assert_eq!(read[6].session_id, Some(session));
    // Another's id is as one that never was.
    let request = ListAudit { after: Some(read[0].id), ..list(bob.id) };
    assert!(users.ask_in(of_bob, request).await.unwrap().entries.is_empty());
    assert_eq!(users.ask_in(of_bob, list(bob.id)).await.unwrap().entries.len(), 1);
    // Nor is a session told that has ended, or is another's.
    for session in [None, Some(of_bob)] {
        let answer = users.handle.ask(&Call { session, ..call() }, list(ada.id)).await;
        assert_eq!(answer.err().unwrap().kind, ErrorKind::Unauthenticated);
    }
    users.ask_in(session, Logout { user_id: ada.id }).await.unwrap();
    let answer = users.ask_in(session, list(ada.id)).await;
    assert_eq!(answer.err().unwrap().kind, ErrorKind::Unauthenticated);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_refused_is_not_told_as_done() {
    let users = TestUsers::start().await;
    let (user, session) = users.somebody("ada").await;
    let id = session_of(&session.access_token);
    let session_id = SessionId::new(uuid::Uuid::from_u128(7));
    let nothing = EndSession { user_id: user.id, session_id };
    assert_eq!(users.ask_in(id, nothing).await.unwrap_err().kind, ErrorKind::NotFound);
    users.ask_in(id, Logout { user_id: user.id }).await.unwrap();
    // A session that is over does not end again.
    assert_eq!(users.ask_in(id, Logout { user_id: user.id }).await.unwrap().count, 0);
    assert_eq!(count(&users, user.id).await, 2, "signed in, signed out");
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn old_entries_are_forgotten() {
    let users = TestUsers::start().await;
    let user = users.ask(register("ada@test.com", "ada")).await.unwrap();
    let now = Clock::System.now();
    let note = async |at: DateTime<Utc>| {
        let entry = sqlx::query!(
            "INSERT INTO audit (user_id, at, kind, last_at) VALUES ($1, $2, 'signed_in', $2)",
            user.id.get(),
            at,
        );
        entry.execute(&users.pool).await.unwrap();
    };
    for days in [9, 11, 12, 400] {
        note(now - TimeDelta::days(days)).await;
    }
    let audit_kept = std::time::Duration::from_hours(10 * 24);
    users.another_group_as(Setup { audit_kept, ..Setup::default() }).await;
    eventually("what is old to be gone", async || count(&users, user.id).await == 1).await;
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_goes_with_the_account_and_does_not_come_back() {
    let users = TestUsers::start().await;
    let (user, session) = users.somebody("ada").await;
    let id = session_of(&session.access_token);
    let token = api_token(&users, user.id, id).await;
    let erase = EraseAccount {
        user_id: user.id,
        password: Password::new(PASSWORD.to_owned()),
        second_factor: None,
    };
    // What is under way at the same time notes nothing afterwards.
    let exchanges = (0..10).map(|_| users.ask(ExchangeApiToken { token: token.clone() }));
    let failures = (0..3).map(|_| users.ask(login("ada@test.com", "pass124")));
    let (erased, _, _) =
        tokio::join!(users.ask_in(id, erase), join_all(exchanges), join_all(failures));
    erased.unwrap();
    assert_eq!(count(&users, user.id).await, 0);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_answer_may_not_be_lost_before_the_session_goes_on() {
    let users = TestUsers::start().await;
    let (user, first) = users.somebody("ada").await;
    let refresh = async |session: &Session| {
        users.ask(RefreshSession { refresh_token: session.refresh_token.clone() }).await
    };
    let lost = refresh(&first).await.unwrap();
    let second = refresh(&first).await.unwrap();
    let third = refresh(&second).await.unwrap();
    // It went on: the next answer may be lost again, and be asked for again at leisure.
    let fourth = refresh(&third).await.unwrap();
    let moment = Clock::System.now() + TimeDelta::minutes(2);
    let later =
        users.another_group_as(Setup { clock: Clock::Fixed(moment), ..Setup::default() }).await;
    let asked_again = RefreshSession { refresh_token: third.refresh_token.clone() };
    let fifth = later.ask(&call(), asked_again).await.unwrap();
    // And not twice: whoever comes with the same token all the time is two.
    for session in [&third, &lost, &second, &fourth, &fifth] {
        let refused = refresh(session).await.err().unwrap();
        assert_eq!(refused.code, "invalid-refresh-token");
    }
    // Its owner is told of the session that it was.
    let again = users.ask(login("ada@test.com", PASSWORD)).await.unwrap();
    let again = session_of(&again.access_token);
    let told = entries(&users, user.id, again, AuditKind::RefreshTokenReused).await;
    let told: Vec<_> = told.iter().map(|it| (it.session_id, it.device.as_deref())).collect();
    assert_eq!(told, [(Some(session_of(&first.access_token)), Some("test/1"))]);
    users.stop().await;
}
