//! Refresh tokens through the group's handle, over a real Postgres.

use std::collections::HashSet;

use actor_runtime::clock::Clock;
use chrono::TimeDelta;
use contracts::{
    ErrorKind, Handle, Refusal, Secret,
    users::{RefreshSession, Session, UsersMailbox},
};
use futures::future::join_all;

use crate::{
    sessions::{REFUSED, live_tokens, refresh, revoked, verdict},
    support::{Setup, TestUsers, call, session_of},
};

async fn refresh_at(handle: &Handle<UsersMailbox>, token: &Secret) -> Result<Session, Refusal> {
    handle.ask(&call(), RefreshSession { refresh_token: token.clone() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_spent_for_the_next() {
    let users = TestUsers::start().await;
    let (user, first) = users.somebody("ada").await;
    let mut token = first.refresh_token.clone();
    let mut seen = HashSet::from([token.expose().to_owned()]);
    for _ in 0..5 {
        let next = refresh(&users, &token).await.unwrap();
        assert!(next.user == user);
        assert_eq!(session_of(&next.access_token), session_of(&first.access_token));
        token = next.refresh_token;
        assert!(seen.insert(token.expose().to_owned()), "each is another one");
    }
    assert_eq!(live_tokens(&users).await, 1);
    assert!(revoked(&users).await.is_empty());
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spent_token_that_comes_again_ends_the_session() {
    let users = TestUsers::start().await;
    let (_, first) = users.somebody("ada").await;
    let (_, other) = users.somebody("bob").await;
    let second = refresh(&users, &first.refresh_token).await.unwrap();
    let third = refresh(&users, &second.refresh_token).await.unwrap();
    // The thief comes with the first; whoever holds the third is turned out too.
    assert_eq!(verdict(&refresh(&users, &first.refresh_token).await), REFUSED);
    for token in [&first.refresh_token, &second.refresh_token, &third.refresh_token] {
        assert_eq!(verdict(&refresh(&users, token).await), REFUSED);
    }
    let session_id = session_of(&first.access_token);
    assert_eq!(revoked(&users).await, HashSet::from([session_id]));
    assert!(refresh(&users, &other.refresh_token).await.is_ok(), "other sessions go on");
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_may_be_lost() {
    let users = TestUsers::start().await;
    let (_, first) = users.somebody("ada").await;
    let lost = refresh(&users, &first.refresh_token).await.unwrap();
    // Nobody has used the successor: the same token is good once more.
    let second = refresh(&users, &first.refresh_token).await.unwrap();
    assert_ne!(lost.refresh_token.expose(), second.refresh_token.expose());
    let third = refresh(&users, &second.refresh_token).await.unwrap();
    // What was put aside is as spent as any: who comes with it now stole it.
    assert_eq!(verdict(&refresh(&users, &lost.refresh_token).await), REFUSED);
    assert_eq!(verdict(&refresh(&users, &third.refresh_token).await), REFUSED);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn while_a_server_is_too_busy_several_answers_may_be_lost() {
    let users = TestUsers::start().await;
    let (_, first) = users.somebody("ada").await;
    let mut answers = Vec::new();
    for _ in 0..5 {
        answers.push(refresh(&users, &first.refresh_token).await.unwrap());
    }
    assert_eq!(live_tokens(&users).await, 1);
    // Later it is one more.
    let later = two_minutes_later(&users).await;
    let newest = refresh_at(&later, &first.refresh_token).await.unwrap();
    assert!(revoked(&users).await.is_empty(), "nobody did anything wrong");
    let next = refresh_at(&later, &newest.refresh_token).await.unwrap();
    // What was put aside is as spent as any.
    let lost = answers.pop().unwrap();
    assert_eq!(verdict(&refresh(&users, &lost.refresh_token).await), REFUSED);
    assert_eq!(verdict(&refresh(&users, &next.refresh_token).await), REFUSED);

    let (_, other) = users.somebody("bob").await;
    refresh(&users, &other.refresh_token).await.unwrap();
    refresh_at(&later, &other.refresh_token).await.unwrap();
    assert_eq!(verdict(&refresh_at(&later, &other.refresh_token).await), REFUSED);
    users.stop().await;
}

/// The group, two minutes from now.
async fn two_minutes_later(users: &TestUsers) -> Handle<UsersMailbox> {
    let moment = Clock::System.now() + TimeDelta::minutes(2);
    users.another_group_as(Setup { clock: Clock::Fixed(moment), ..Setup::default() }).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_that_fails_spends_nothing() {
    let users = TestUsers::start().await;
    let (_, first) = users.somebody("ada").await;
    // What is read of the account for the answer cannot be read.
    let rename = sqlx::query!("ALTER TABLE account RENAME COLUMN first_name TO given_name");
    rename.execute(&users.pool).await.unwrap();
    let failed = refresh(&users, &first.refresh_token).await.err().unwrap();
    assert_eq!(failed.kind, ErrorKind::Internal);
    let rename = sqlx::query!("ALTER TABLE account RENAME COLUMN given_name TO first_name");
    rename.execute(&users.pool).await.unwrap();
    let spent = sqlx::query_scalar!(r#"SELECT count(spent_at) AS "count!" FROM refresh_token"#);
    assert_eq!(spent.fetch_one(&users.pool).await.unwrap(), 0);
    assert!(refresh(&users, &first.refresh_token).await.is_ok());
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_successor_that_was_used_makes_its_parent_a_stolen_one() {
    let users = TestUsers::start().await;
    let (_, first) = users.somebody("ada").await;
    let second = refresh(&users, &first.refresh_token).await.unwrap();
    let third = refresh(&users, &second.refresh_token).await.unwrap();
    assert!(refresh(&users, &second.refresh_token).await.is_ok(), "the third was never used");
    assert_eq!(verdict(&refresh(&users, &third.refresh_token).await), REFUSED);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_fifty_at_once_no_two_chains_go_on() {
    let users = TestUsers::start().await;
    let another = users.another_group().await;
    let (_, first) = users.somebody("ada").await;
    let call = call();
    let refreshes = (0..50).map(|turn| {
        let request = RefreshSession { refresh_token: first.refresh_token.clone() };
        let handle = if turn % 2 == 0 { &users.handle } else { &another };
        handle.ask(&call, request)
    });
    let answers = join_all(refreshes).await;
    assert!(live_tokens(&users).await <= 1);
    let tokens: Vec<Secret> =
        answers.into_iter().flatten().map(|session| session.refresh_token).collect();
    assert!(!tokens.is_empty());
    // At most one of those that were given out is good, and the others end it.
    let mut good = 0;
    for token in &tokens {
        good += u32::from(refresh(&users, token).await.is_ok());
    }
    assert!(good <= 1, "{good}");
    if tokens.len() > 1 {
        assert_eq!(live_tokens(&users).await, 0);
    }
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_refresh_token_is_refused_alike() {
    let users = TestUsers::start().await;
    let (_, session) = users.somebody("ada").await;
    let unknown = Secret::from_random(Secret::REFRESH_TOKEN, &[7; 32]);
    let api_token = Secret::from_random(Secret::API_TOKEN, &[7; 32]);
    let text = |text: &str| Secret::new(text.to_owned());
    let access_token = text(&session.access_token);
    let mut refusals = Vec::new();
    for token in [unknown, api_token, text(""), text("nul\0"), access_token] {
        refusals.push(refresh(&users, &token).await.err());
    }
    assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{refusals:?}");
    assert_eq!(refusals[0].as_ref().unwrap().code, "invalid-refresh-token");
    assert!(refresh(&users, &session.refresh_token).await.is_ok());
    users.stop().await;
}
