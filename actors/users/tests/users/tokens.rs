//! Personal API tokens through the group's handle, over a real Postgres.

use contracts::{
    ErrorKind, Refusal, Scope, Scopes, Secret, UserId,
    users::{
        ApiTokenCreated, CreateApiToken, ExchangeApiToken, ListApiTokens, ListRevocations,
        LogoutEverywhere, RevokeApiToken,
    },
};

use crate::support::{TestUsers, claims, session_of};

fn create(user_id: UserId) -> CreateApiToken {
    let scopes = [Scope::ReadCycles, Scope::ReadAnalytics].into_iter().collect();
    CreateApiToken { user_id, name: "My calendar".to_owned(), scopes, expires_in_days: 30 }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_is_told_once_and_stands_for_access_tokens_of_its_scopes() {
    let users = TestUsers::start().await;
    let (user, session) = users.somebody("ada").await;
    let here = session_of(&session.access_token);
    let made = users.ask_in(here, create(user.id)).await.unwrap();
    let ApiTokenCreated { api_token, token } = made;
    assert!(token.is_well_formed(Secret::API_TOKEN));
    assert_eq!((api_token.expires_at - api_token.created_at).num_days(), 30);
    let row =
        sqlx::query!(r#"SELECT session::text AS "row!" FROM session WHERE kind = 'api_token'"#);
    assert!(!row.fetch_one(&users.pool).await.unwrap().row.contains(token.expose()));

    let exchange = ExchangeApiToken { token };
    let exchanged = users.ask(exchange.clone()).await.unwrap();
    assert_eq!(exchanged.expires_in_seconds, 600);
    let claims = claims(&exchanged.access_token);
    assert_eq!(claims["scope"], "read:cycles read:analytics");
    assert_eq!(claims["sub"], user.id.to_string());
    assert_eq!(session_of(&exchanged.access_token), api_token.id);

    let list = users.ask_in(here, ListApiTokens { user_id: user.id }).await.unwrap().tokens;
    let [listed] = &list[..] else { panic!("{} tokens", list.len()) };
    assert_eq!((listed.id, &*listed.name), (api_token.id, "My calendar"));
    assert!(listed.last_used_at.is_some());

    let revoke = RevokeApiToken { user_id: user.id, token_id: api_token.id };
    assert!(users.ask_in(here, revoke.clone()).await.is_ok());
    assert_eq!(users.ask_in(here, revoke).await.err(), Some(Refusal::not_found()));
    let refusal = users.ask(exchange).await.err();
    assert_eq!(refusal, Some(Refusal::unauthenticated()));
    let page = users.ask(ListRevocations { after: None }).await.unwrap();
    assert_eq!(page.revoked, [api_token.id]);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_api_token_cannot_have() {
    let users = TestUsers::start().await;
    let (user, session) = users.somebody("ada").await;
    let here = session_of(&session.access_token);
    let good = create(user.id);
    let named = |name: &str| CreateApiToken { name: name.to_owned(), ..good.clone() };
    let for_days = |expires_in_days| CreateApiToken { expires_in_days, ..good.clone() };
    let with = |scopes| CreateApiToken { scopes, ..good.clone() };
    for (request, pointer) in [
        (named(""), "/name"),
        (named("a\nb"), "/name"),
        (named(&"a".repeat(101)), "/name"),
        (with(Scopes::NONE), "/scopes"),
        (with(Scopes::ALL), "/scopes"),
        (with([Scope::Account].into_iter().collect()), "/scopes"),
        (for_days(0), "/expires_in_days"),
        (for_days(367), "/expires_in_days"),
    ] {
        let refusal = users.ask_in(here, request).await.err().unwrap();
        assert_eq!(refusal.kind, ErrorKind::Invalid);
        assert_eq!(refusal.errors[0].pointer, pointer);
    }
    // What got into the database by another way is not granted either.
    let token = users.ask_in(here, good).await.unwrap().token;
    sqlx::query!("UPDATE session SET scopes = 'read:cycles account' WHERE kind = 'api_token'")
        .execute(&users.pool)
        .await
        .unwrap();
    let exchanged = users.ask(ExchangeApiToken { token }).await.unwrap();
    assert_eq!(claims(&exchanged.access_token)["scope"], "read:cycles");
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tokens_are_the_owner_s_own_and_not_without_end() {
    let users = TestUsers::start().await;
    let (user, session) = users.somebody("ada").await;
    let (stranger, other) = users.somebody("bob").await;
    let here = session_of(&session.access_token);
    let there = session_of(&other.access_token);
    let made = users.ask_in(here, create(user.id)).await.unwrap();
    let theirs = RevokeApiToken { user_id: stranger.id, token_id: made.api_token.id };
    assert_eq!(users.ask_in(there, theirs).await.err(), Some(Refusal::not_found()));
    let list = users.ask_in(there, ListApiTokens { user_id: stranger.id }).await.unwrap();
    assert!(list.tokens.is_empty());
    // Neither a session of somebody else nor an API token makes API tokens.
    for session_id in [there, made.api_token.id] {
        let refusal = users.ask_in(session_id, create(user.id)).await.err();
        assert_eq!(refusal, Some(Refusal::unauthenticated()));
    }
    for _ in 1..50 {
        users.ask_in(here, create(user.id)).await.unwrap();
    }
    let refusal = users.ask_in(here, create(user.id)).await.err().unwrap();
    assert_eq!((refusal.kind, &*refusal.code), (ErrorKind::Conflict, "too-many-tokens"));
    assert_eq!(users.ask_in(here, LogoutEverywhere { user_id: user.id }).await.unwrap().count, 51);
    let refusal = users.ask(ExchangeApiToken { token: made.token }).await.err();
    assert_eq!(refusal, Some(Refusal::unauthenticated()));
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_ends_and_never_outlives_its_account() {
    let users = TestUsers::start().await;
    let (user, session) = users.somebody("ada").await;
    let here = session_of(&session.access_token);
    let made = users.ask_in(here, create(user.id)).await.unwrap();
    let exchange = ExchangeApiToken { token: made.token };
    let ends_in = async |seconds: f64| {
        sqlx::query!(
            r#"UPDATE session SET expires_at = now() + make_interval(secs => $1)
               WHERE kind = 'api_token'"#,
            seconds,
        )
        .execute(&users.pool)
        .await
        .unwrap();
    };
    ends_in(300.0).await;
    assert!(users.ask(exchange.clone()).await.unwrap().expires_in_seconds <= 300);
    ends_in(-1.0).await;
    assert_eq!(users.ask(exchange.clone()).await.err(), Some(Refusal::unauthenticated()));
    ends_in(300.0).await;
    assert!(users.ask(exchange.clone()).await.is_ok());
    sqlx::query!("UPDATE account SET is_active = false WHERE id = $1", user.id.get())
        .execute(&users.pool)
        .await
        .unwrap();
    assert_eq!(users.ask(exchange).await.err(), Some(Refusal::unauthenticated()));
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_erased_meanwhile_gets_none() {
    let users = TestUsers::start().await;
    let (user, session) = users.somebody("ada").await;
    let here = session_of(&session.access_token);
    // The session is good when it is looked for; before the token is written the account is gone.
    let mut erasing = users.pool.begin().await.unwrap();
    sqlx::query!("DELETE FROM account WHERE id = $1", user.id.get())
        .execute(&mut *erasing)
        .await
        .unwrap();
    let erase = async {
        let waits = || {
            sqlx::query_scalar!(
                r#"SELECT count(*) AS "count!" FROM pg_stat_activity
                   WHERE wait_event_type = 'Lock' AND query LIKE '%INTO audit%'"#
            )
        };
        while waits().fetch_one(&users.pool).await.unwrap() == 0 {
            tokio::task::yield_now().await;
        }
        erasing.commit().await.unwrap();
    };
    let (made, ()) = tokio::join!(users.ask_in(here, create(user.id)), erase);
    assert_eq!(made.err(), Some(Refusal::unauthenticated()));
    users.stop().await;
}
