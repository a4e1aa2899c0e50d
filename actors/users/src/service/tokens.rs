//! Personal API tokens.

use std::sync::Arc;

use actor_runtime::{clock::Ids, database};
use chrono::TimeDelta;
use contracts::{
    Call, Refusal, Scope, Scopes, Secret, SessionId,
    users::{
        ApiToken, ApiTokenCreated, ApiTokenList, CreateApiToken, ExchangeApiToken, ExchangedToken,
        ListApiTokens, RevokeApiToken, SessionsEnded,
    },
};

use super::{
    Service, refusal_of,
    sessions::{fresh, hash_of},
};
use crate::{
    store::{self, ApiTokenRow, NewApiToken},
    validate,
    writes::sessions as writes,
};

impl Service {
    /// Makes a token, and tells it this once.
    pub(crate) async fn create_api_token(
        self: Arc<Self>,
        call: Call,
        request: CreateApiToken,
    ) -> Result<ApiTokenCreated, Refusal> {
        validate::api_token(&request)?;
        let CreateApiToken { user_id, name, scopes, expires_in_days } = request;
        let (token, token_hash) = fresh(Secret::API_TOKEN);
        let id = SessionId::new(Ids.event_id());
        let now = self.clock.now();
        let expires_at = now + TimeDelta::days(i64::from(expires_in_days));
        let new = NewApiToken { id, name: &name, scopes, token_hash, now, expires_at };
        writes::create_api_token(&self.pool, &call, user_id, &new).await.map_err(refusal_of)?;
        let (created_at, last_used_at) = (now, None);
        let api_token = ApiToken { id, name, scopes, created_at, last_used_at, expires_at };
        Ok(ApiTokenCreated { api_token, token })
    }

    /// The tokens of a user, none of them in clear.
    pub(crate) async fn list_api_tokens(
        self: Arc<Self>,
        _call: Call,
        request: ListApiTokens,
    ) -> Result<ApiTokenList, Refusal> {
        let ListApiTokens { user_id } = request;
        let now = self.clock.now();
        let rows = database::read(&self.pool, || store::api_tokens_list(&self.pool, user_id, now));
        let rows = rows.await.map_err(|error| database::refusal(&error))?;
        let api_token = |row| {
            let ApiTokenRow { id, name, scopes, created_at, last_used_at, expires_at } = row;
            ApiToken { id, name, scopes, created_at, last_used_at, expires_at }
        };
        Ok(ApiTokenList { tokens: rows.into_iter().map(api_token).collect() })
    }

    /// Ends a token.
    pub(crate) async fn revoke_api_token(
        self: Arc<Self>,
        call: Call,
        request: RevokeApiToken,
    ) -> Result<SessionsEnded, Refusal> {
        let RevokeApiToken { user_id, token_id } = request;
        let now = self.clock.now();
        let revoked = writes::revoke_api_token(&self.pool, &call, user_id, token_id, now).await;
        revoked.map(|()| SessionsEnded { count: 1 }).map_err(refusal_of)
    }

    /// An access token for an API token. Whatever is wrong with it: the one 401.
    pub(crate) async fn exchange_api_token(
        self: Arc<Self>,
        call: Call,
        request: ExchangeApiToken,
    ) -> Result<ExchangedToken, Refusal> {
        let ExchangeApiToken { token } = request;
        if !token.is_well_formed(Secret::API_TOKEN) {
            return Err(Refusal::unauthenticated());
        }
        let now = self.clock.now();
        let found = writes::use_api_token(&self.pool, &call, &hash_of(&token), now).await;
        let found = found.map_err(refusal_of)?;
        let found = found.ok_or_else(Refusal::unauthenticated)?;
        // What is stored is what was checked when it was made; the account is never among it.
        let scopes: Scopes = found.scopes.iter().filter(|it| *it != Scope::Account).collect();
        let expires_at = found.expires_at;
        let issued = self.tokens.issue(found.user_id, found.id, scopes, expires_at, self.clock)?;
        let (access_token, expires_in_seconds) = (issued.text, issued.expires_in_seconds);
        Ok(ExchangedToken { access_token, expires_in_seconds })
    }
}
