//! Sessions through the group's handle, over a real Postgres.

use std::collections::HashSet;

use chrono::TimeDelta;
use contracts::{
    ErrorKind, Refusal, Secret, SessionId,
    users::{
        EndSession, ListRevocations, ListSessions, Logout, LogoutEverywhere, RefreshSession,
        RevocationCursor, Session,
    },
};
use futures::future::join_all;

use crate::support::{PASSWORD, TestUsers, claims, eventually, login, session_of};

pub(crate) async fn refresh(users: &TestUsers, token: &Secret) -> Result<Session, Refusal> {
    users.ask(RefreshSession { refresh_token: token.clone() }).await
}

/// The one answer to a refresh token that is not good.
pub(crate) const REFUSED: Option<(ErrorKind, &str)> =
    Some((ErrorKind::Unauthenticated, "invalid-refresh-token"));

pub(crate) fn verdict(answer: &Result<Session, Refusal>) -> Option<(ErrorKind, &str)> {
    answer.as_ref().err().map(|refusal| (refusal.kind, &*refusal.code))
}

/// Every session that ended, read from the beginning.
pub(crate) async fn revoked(users: &TestUsers) -> HashSet<SessionId> {
    let page = users.ask(ListRevocations { after: None }).await.unwrap();
    assert!(!page.has_more);
    page.revoked.into_iter().collect()
}

pub(crate) async fn live_tokens(users: &TestUsers) -> i64 {
    let count = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM refresh_token WHERE spent_at IS NULL"#
    );
    count.fetch_one(&users.pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_says_who_in_which_session_and_what_for() {
    let users = TestUsers::start().await;
    let (user, session) = users.somebody("ada").await;
    let claims = claims(&session.access_token);
    assert_eq!(claims["sub"], user.id.to_string());
    let scopes = claims["scope"].as_str().unwrap();
    assert!(scopes.starts_with("read:profile ") && scopes.ends_with(" account"), "{scopes}");
    let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    assert_eq!(lifetime, 600);
    assert!(session.refresh_token.is_well_formed(Secret::REFRESH_TOKEN));
    // Of the secret only a hash is kept.
    let kept = sqlx::query!(r#"SELECT refresh_token::text AS "row!" FROM refresh_token"#);
    let kept = kept.fetch_one(&users.pool).await.unwrap();
    assert!(!kept.row.contains(session.refresh_token.expose()));
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_by_age_by_idleness_and_with_its_account() {
    let users = TestUsers::start().await;
    for (name, days_old, days_idle, goes_on) in [
        ("fresh", 0, 0, true),
        ("nearly", 29, 13, true),
        ("idle", 20, 15, false),
        ("old", 31, 0, false),
    ] {
        let (_, session) = users.somebody(name).await;
        sqlx::query!(
            r#"UPDATE session SET expires_at = expires_at - make_interval(days => $2),
                                  last_used_at = last_used_at - make_interval(days => $3)
               WHERE id = $1"#,
            session_of(&session.access_token).get(),
            days_old,
            days_idle,
        )
        .execute(&users.pool)
        .await
        .unwrap();
        let refreshed = refresh(&users, &session.refresh_token).await;
        assert_eq!(refreshed.is_ok(), goes_on, "{name}");
        if name == "nearly" {
            let refreshed = refreshed.unwrap();
            assert_eq!(refreshed.expires_in_seconds, 600);
        }
    }
    let (user, session) = users.somebody("inactive").await;
    sqlx::query!("UPDATE account SET is_active = false WHERE id = $1", user.id.get())
        .execute(&users.pool)
        .await
        .unwrap();
    assert_eq!(verdict(&refresh(&users, &session.refresh_token).await), REFUSED);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_signed_in_sees_where_and_ends_it() {
    let users = TestUsers::start().await;
    let (user, here) = users.somebody("ada").await;
    let (stranger, _) = users.somebody("bob").await;
    let there = users.ask(login("ada@test.com", PASSWORD)).await.unwrap();
    let (here_id, there_id) = (session_of(&here.access_token), session_of(&there.access_token));
    let list = users.ask_in(here_id, ListSessions { user_id: user.id }).await.unwrap().sessions;
    let seen: Vec<_> = list.iter().map(|session| (session.id, session.is_current)).collect();
    assert_eq!(seen, [(there_id, false), (here_id, true)]);
    for session in &list {
        assert_eq!(session.device.as_deref(), Some("test/1"));
        assert_eq!(session.expires_at - session.last_used_at, TimeDelta::days(14));
    }
    // Nobody ends, or sees, somebody else's.
    let not_theirs = EndSession { user_id: stranger.id, session_id: there_id };
    let refusal = users.ask_in(here_id, not_theirs).await.err();
    assert_eq!(refusal, Some(Refusal::unauthenticated()), "and none of bob's sessions asks");
    let end = EndSession { user_id: user.id, session_id: there_id };
    assert_eq!(users.ask_in(here_id, end.clone()).await.unwrap().count, 1);
    assert_eq!(users.ask_in(here_id, end).await.err(), Some(Refusal::not_found()));
    assert_eq!(verdict(&refresh(&users, &there.refresh_token).await), REFUSED);
    assert_eq!(revoked(&users).await, HashSet::from([there_id]));
    // A session that has ended does nothing to the account, whatever token it still has.
    let refusals = [
        users.ask_in(there_id, ListSessions { user_id: user.id }).await.err(),
        users.ask_in(there_id, LogoutEverywhere { user_id: user.id }).await.err(),
        users.ask(LogoutEverywhere { user_id: user.id }).await.err(),
    ];
    assert!(refusals.iter().all(|refusal| *refusal == Some(Refusal::unauthenticated())));
    assert!(refresh(&users, &here.refresh_token).await.is_ok());
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn logging_out_ends_this_session_and_everywhere_all() {
    let users = TestUsers::start().await;
    let (user, one) = users.somebody("ada").await;
    let two = users.ask(login("ada@test.com", PASSWORD)).await.unwrap();
    let three = users.ask(login("ada@test.com", PASSWORD)).await.unwrap();
    let (_, other) = users.somebody("bob").await;
    let ids = [&one, &two, &three].map(|session| session_of(&session.access_token));
    assert_eq!(users.ask_in(ids[0], Logout { user_id: user.id }).await.unwrap().count, 1);
    assert_eq!(revoked(&users).await, HashSet::from([ids[0]]));
    assert_eq!(verdict(&refresh(&users, &one.refresh_token).await), REFUSED);
    let two = refresh(&users, &two.refresh_token).await.unwrap();
    let ended = users.ask_in(ids[1], LogoutEverywhere { user_id: user.id }).await.unwrap();
    assert_eq!(ended.count, 2);
    assert_eq!(revoked(&users).await, HashSet::from(ids));
    for session in [&two, &three] {
        assert_eq!(verdict(&refresh(&users, &session.refresh_token).await), REFUSED);
    }
    assert!(refresh(&users, &other.refresh_token).await.is_ok());
    assert!(users.ask(login("ada@test.com", PASSWORD)).await.is_ok(), "one may come back");
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_those_who_end_every_session_at_once_one_does() {
    let users = TestUsers::start().await;
    let (user, session) = users.somebody("ada").await;
    let mut ids = vec![session_of(&session.access_token)];
    for _ in 0..3 {
        let session = users.ask(login("ada@test.com", PASSWORD)).await.unwrap();
        ids.push(session_of(&session.access_token));
    }
    let ends = ids.iter().map(|id| users.ask_in(*id, LogoutEverywhere { user_id: user.id }));
    let answers = join_all(ends).await;
    let ended: Vec<u64> = answers.iter().flatten().map(|ended| ended.count).collect();
    // The others came too late; nobody waited for somebody who waited for them.
    let refusals: Vec<Refusal> = answers.into_iter().filter_map(Result::err).collect();
    assert_eq!(ended, [4], "{refusals:?}");
    assert!(refusals.iter().all(|it| *it == Refusal::unauthenticated()), "{refusals:?}");
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_by_credentials_that_changed_meanwhile_opens_nothing() {
    let users = TestUsers::start().await;
    let (user, _) = users.somebody("ada").await;
    // The password is right when it is looked at; before the session is written it is another one.
    let mut changing = users.pool.begin().await.unwrap();
    sqlx::query!(
        "UPDATE account SET credentials_version = credentials_version + 1 WHERE id = $1",
        user.id.get(),
    )
    .execute(&mut *changing)
    .await
    .unwrap();
    let signing_in = users.ask(login("ada@test.com", PASSWORD));
    let change = async {
        let waits = || {
            sqlx::query_scalar!(
                r#"SELECT count(*) AS "count!" FROM pg_stat_activity
                   WHERE wait_event_type = 'Lock' AND query LIKE '%FOR SHARE%'"#
            )
        };
        while waits().fetch_one(&users.pool).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        changing.commit().await.unwrap();
    };
    let (signed_in, ()) = tokio::join!(signing_in, change);
    assert_eq!(signed_in.err().unwrap().code, "invalid-credentials");
    assert_eq!(live_tokens(&users).await, 1, "the one from before");
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn revocations_are_read_page_by_page_and_none_is_missed() {
    let users = TestUsers::start().await;
    let insert = |count: i32| {
        sqlx::query!(
            "INSERT INTO revocation (session_id) SELECT gen_random_uuid() FROM generate_series(1, $1)",
            count,
        )
    };
    insert(4_500).execute(&users.pool).await.unwrap();
    // A transaction that began before the reader and ends after: its row has a lower number.
    let mut late = users.pool.begin().await.unwrap();
    insert(1).execute(&mut *late).await.unwrap();
    insert(10).execute(&users.pool).await.unwrap();
    let mut cursor = None;
    let mut heard: HashSet<SessionId> = HashSet::new();
    for (has_more, count) in [(true, 2_000), (true, 2_000), (false, 510)] {
        let page = users.ask(ListRevocations { after: cursor }).await.unwrap();
        assert_eq!((page.has_more, page.revoked.len()), (has_more, count));
        heard.extend(page.revoked);
        cursor = Some(page.next);
    }
    assert_eq!(heard.len(), 4_510);
    late.commit().await.unwrap();
    let page = users.ask(ListRevocations { after: cursor }).await.unwrap();
    heard.extend(page.revoked);
    assert_eq!(heard.len(), 4_511, "the late one is heard");
    assert!(!page.has_more);
    let page = users.ask(ListRevocations { after: Some(page.next) }).await.unwrap();
    assert_eq!(page.revoked, [], "nothing is told again and again");
    // A database that was restored counts anew: everything is read again.
    let from_before = RevocationCursor { transaction: i64::MAX, place: 0, floor: i64::MAX };
    let page = users.ask(ListRevocations { after: Some(from_before) }).await.unwrap();
    assert_eq!((page.revoked.len(), page.has_more), (2_000, true));
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_places_are_enough() {
    let users = TestUsers::start().await;
    let (user, first) = users.somebody("ada").await;
    sqlx::query!(
        r#"INSERT INTO session (id, user_id, kind, created_at, last_used_at, expires_at)
           SELECT gen_random_uuid(), $1, 'sign_in', now(), now() + make_interval(secs => place),
                  now() + interval '1 day'
           FROM generate_series(1, 99) AS place"#,
        user.id.get(),
    )
    .execute(&users.pool)
    .await
    .unwrap();
    users.ask(login("ada@test.com", PASSWORD)).await.unwrap();
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM session"#);
    assert_eq!(count.fetch_one(&users.pool).await.unwrap(), 100);
    assert_eq!(revoked(&users).await, HashSet::from([session_of(&first.access_token)]));
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_expired_is_dropped() {
    let users = TestUsers::start().await;
    let (_, live) = users.somebody("ada").await;
    for (name, column) in [("old", "expires_at"), ("idle", "last_used_at")] {
        let (_, session) = users.somebody(name).await;
        let id = session_of(&session.access_token).get();
        let aged = match column {
            "expires_at" => sqlx::query!(
                "UPDATE session SET expires_at = now() - interval '1 second' WHERE id = $1",
                id,
            ),
            _ => sqlx::query!(
                "UPDATE session SET last_used_at = now() - interval '15 days' WHERE id = $1",
                id,
            ),
        };
        aged.execute(&users.pool).await.unwrap();
    }
    sqlx::query!(
        r#"INSERT INTO revocation (session_id, revoked_at)
           VALUES (gen_random_uuid(), now() - interval '16 minutes'),
                  (gen_random_uuid(), now() - interval '13 minutes')"#
    )
    .execute(&users.pool)
    .await
    .unwrap();
    // It does so first thing.
    let _another = users.another_group().await;
    let dropped = async || {
        let left = sqlx::query!(
            r#"SELECT (SELECT count(*) FROM session) AS "sessions!",
                          (SELECT count(*) FROM revocation) AS "revocations!""#
        );
        let left = left.fetch_one(&users.pool).await.unwrap();
        (left.sessions, left.revocations) == (1, 1)
    };
    eventually("what has run out is dropped", dropped).await;
    assert!(refresh(&users, &live.refresh_token).await.is_ok());
    users.stop().await;
}
