//! The users group: sessions and personal API tokens.

use contracts::{
    Scope, Secret, SessionId,
    users::{
        ApiToken, ApiTokenCreated, ApiTokenList, CreateApiToken, EndSession, ExchangeApiToken,
        ExchangedToken, ListApiTokens, ListRevocations, ListSessions, Logout, LogoutEverywhere,
        RefreshSession, RevocationCursor, RevocationPage, RevokeApiToken, Session, SessionList,
        SessionsEnded, SignedIn,
    },
};
use serde_json::Value;

use super::support::{USER, exchange, time};

fn session_id() -> SessionId {
    SessionId::parse("5f0c2f9e-2a3b-4a52-9d0e-0f6f5a3f7c11").expect("a UUID")
}

/// What people ask.
pub(super) fn people() -> Vec<Value> {
    let (user_id, session_id) = (USER, session_id());
    let ended = SessionsEnded { count: 1 };
    let signed_in = SignedIn {
        id: session_id,
        device: Some("curl/8.5.0".to_owned()),
        created_at: time(),
        last_used_at: time(),
        expires_at: time(),
        is_current: true,
    };
    let scopes = [Scope::ReadCycles, Scope::WriteCycles].into_iter().collect();
    let create =
        CreateApiToken { user_id, name: "My calendar".to_owned(), scopes, expires_in_days: 90 };
    let api_token = ApiToken {
        id: session_id,
        name: "My calendar".to_owned(),
        scopes,
        created_at: time(),
        last_used_at: None,
        expires_at: time(),
    };
    let token = Secret::from_random(Secret::API_TOKEN, &[7; 32]);
    let created = ApiTokenCreated { api_token: api_token.clone(), token };
    vec![
        exchange(Logout { user_id }, &ended),
        exchange(LogoutEverywhere { user_id }, &ended),
        exchange(ListSessions { user_id }, &SessionList { sessions: vec![signed_in] }),
        exchange(EndSession { user_id, session_id }, &ended),
        exchange(create, &created),
        exchange(ListApiTokens { user_id }, &ApiTokenList { tokens: vec![api_token] }),
        exchange(RevokeApiToken { user_id, token_id: session_id }, &ended),
    ]
}

/// What whoever has a secret of theirs asks, or whoever verifies tokens.
pub(super) fn open(session: &Session) -> Vec<Value> {
    let refresh = RefreshSession { refresh_token: session.refresh_token.clone() };
    let token = Secret::from_random(Secret::API_TOKEN, &[7; 32]);
    let exchanged = ExchangedToken { access_token: "a.b.c".to_owned(), expires_in_seconds: 600 };
    let cursor = RevocationCursor { transaction: 1_234, place: 56, floor: 1_200 };
    let page = RevocationPage {
        revoked: vec![session_id()],
        next: cursor,
        has_more: false,
        keys_version: "key-1,key-2".to_owned(),
    };
    vec![
        exchange(refresh, session),
        exchange(ExchangeApiToken { token }, &exchanged),
        exchange(ListRevocations { after: Some(cursor) }, &page),
    ]
}

/// A users group of the release before says nothing of refresh tokens.
#[test]
fn a_session_without_a_refresh_token_is_understood() {
    let text = r#"{"access_token": "a.b.c", "expires_in_seconds": 3600, "user": {"id": 7,
        "email": "ada@example.org", "username": "ada", "first_name": null, "last_name": null,
        "date_of_birth": null, "created_at": "2026-03-02T07:00:00Z", "is_active": true}}"#;
    let session: Session = serde_json::from_str(text).expect("it is understood");
    assert_eq!(session.refresh_token.expose(), "");
}
