//! Personal API tokens: `/api/users/tokens`.

use contracts::{
    Handle, Scope, Scopes,
    users::{self as domain, UsersMailbox},
};
use poem_openapi::{Enum, Object, OpenApi, param::Path, payload::Json};

use crate::{
    answer::Created,
    auth::Caller,
    body::Body,
    document::{Extra, Tag},
    scalar::{Count, Instant, Label, Nullable, Scalar, Text, TokenDays, Uuid},
    sessions::session_id,
};

/// What these operations answer besides what follows from their shape.
pub(crate) const EXTRA: &[Extra] =
    &[Extra { operation: "createApiToken", code: "too-many-tokens" }];

/// For how many days a token is good if its owner does not say.
const DAYS_DEFAULT: u16 = 90;

/// The operations on personal API tokens.
pub(crate) struct ApiTokensApi {
    /// The group.
    pub(crate) users: Handle<UsersMailbox>,
}

#[OpenApi(prefix_path = "/api/users", tag = "Tag::Users")]
impl ApiTokensApi {
    /// Make a personal API token
    ///
    /// For a program that is to do some things in one's name. It is sent as a bearer token; what it
    /// may do, its scopes say. The token is in this answer and nowhere else: what was lost is
    /// revoked and made anew, so there is no `Idempotency-Key` here.
    #[oai(path = "/tokens", method = "post", operation_id = "createApiToken")]
    async fn create(
        &self,
        caller: Caller,
        body: Body<CreateApiToken>,
    ) -> poem::Result<Created<ApiTokenCreated>> {
        let CreateApiToken { name: Scalar(name), scopes, expires_in_days } = body.0;
        let request = domain::CreateApiToken {
            user_id: caller.user_id,
            name,
            scopes: scopes.into_iter().map(Scope::from).collect::<Scopes>(),
            expires_in_days: expires_in_days.map_or(DAYS_DEFAULT, |days| days.0),
        };
        let created = caller.ask(&self.users, request).await?;
        let domain::ApiTokenCreated { api_token, token } = created;
        Ok(Created(ApiTokenCreated {
            message: Scalar("Token created successfully".to_owned()),
            token: Scalar(token.expose().to_owned()),
            api_token: api_token.into(),
        }))
    }

    /// List one's personal API tokens, the newest first
    #[oai(path = "/tokens", method = "get", operation_id = "listApiTokens")]
    async fn list(&self, caller: Caller) -> poem::Result<Json<ApiTokenList>> {
        let request = domain::ListApiTokens { user_id: caller.user_id };
        let domain::ApiTokenList { tokens } = caller.ask(&self.users, request).await?;
        let count = Scalar(i64::try_from(tokens.len()).unwrap_or(i64::MAX));
        Ok(Json(ApiTokenList { tokens: tokens.into_iter().map(ApiToken::from).collect(), count }))
    }

    /// Revoke a personal API token
    ///
    /// It is refused everywhere within 5 seconds.
    #[oai(path = "/tokens/:id", method = "delete", operation_id = "revokeApiToken")]
    async fn revoke(
        &self,
        caller: Caller,
        /// The token's id.
        id: Path<Uuid>,
    ) -> poem::Result<Json<ApiTokenRevoked>> {
        let token_id = session_id(&id.0)?;
        let request = domain::RevokeApiToken { user_id: caller.user_id, token_id };
        caller.ask(&self.users, request).await?;
        Ok(Json(ApiTokenRevoked { message: Scalar("Token revoked successfully".to_owned()) }))
    }
}

/// A personal API token that is to be made.
#[derive(Object)]
struct CreateApiToken {
    /// What it is for.
    name: Label,
    /// What it may be used for.
    #[oai(validator(min_items = 1, max_items = 8, unique_items))]
    scopes: Vec<TokenScope>,
    /// For how many days it is good; 90 if it is not said.
    #[oai(nullable)]
    expires_in_days: Option<TokenDays>,
}

/// What a personal API token may be used for. Who signed in may do all of that, and has the account
/// besides: sessions, tokens, password, export, erasure.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Enum)]
enum TokenScope {
    #[oai(rename = "read:profile")]
    ReadProfile,
    #[oai(rename = "write:profile")]
    WriteProfile,
    #[oai(rename = "read:cycles")]
    ReadCycles,
    #[oai(rename = "write:cycles")]
    WriteCycles,
    #[oai(rename = "read:analytics")]
    ReadAnalytics,
    #[oai(rename = "write:analytics")]
    WriteAnalytics,
    #[oai(rename = "read:notifications")]
    ReadNotifications,
    #[oai(rename = "write:notifications")]
    WriteNotifications,
}

/// The token that was made.
#[derive(Object)]
struct ApiTokenCreated {
    /// `Token created successfully`.
    message: Text,
    /// The token itself: send it as `Authorization: Bearer <token>`. It is shown this once.
    token: Text,
    /// What can be read of it later.
    api_token: ApiToken,
}

/// One's personal API tokens.
#[derive(Object)]
struct ApiTokenList {
    /// The newest first.
    tokens: Vec<ApiToken>,
    /// How many there are.
    count: Count,
}

/// A personal API token, without the token.
#[derive(Object)]
pub(crate) struct ApiToken {
    /// Its id.
    id: Uuid,
    /// What it is for.
    name: Text,
    /// What it may be used for.
    scopes: Vec<TokenScope>,
    /// When it was made.
    created_at: Instant,
    /// When it was last used, to about a minute; null if it never was.
    last_used_at: Nullable<Instant>,
    /// When it ends.
    expires_at: Instant,
}

/// A token that is good no more.
#[derive(Object)]
struct ApiTokenRevoked {
    /// `Token revoked successfully`.
    message: Text,
}

impl From<domain::ApiToken> for ApiToken {
    fn from(token: domain::ApiToken) -> Self {
        let domain::ApiToken { id, name, scopes, created_at, last_used_at, expires_at } = token;
        Self {
            id: Scalar(id.to_string()),
            name: Scalar(name),
            scopes: scopes.iter().filter_map(TokenScope::of).collect(),
            created_at: Scalar(created_at),
            last_used_at: last_used_at.into(),
            expires_at: Scalar(expires_at),
        }
    }
}

impl TokenScope {
    fn of(scope: Scope) -> Option<Self> {
        Some(match scope {
            Scope::ReadProfile => Self::ReadProfile,
            Scope::WriteProfile => Self::WriteProfile,
            Scope::ReadCycles => Self::ReadCycles,
            Scope::WriteCycles => Self::WriteCycles,
            Scope::ReadAnalytics => Self::ReadAnalytics,
            Scope::WriteAnalytics => Self::WriteAnalytics,
            Scope::ReadNotifications => Self::ReadNotifications,
            Scope::WriteNotifications => Self::WriteNotifications,
            Scope::Account => return None,
        })
    }
}

impl From<TokenScope> for Scope {
    fn from(scope: TokenScope) -> Self {
        match scope {
            TokenScope::ReadProfile => Self::ReadProfile,
            TokenScope::WriteProfile => Self::WriteProfile,
            TokenScope::ReadCycles => Self::ReadCycles,
            TokenScope::WriteCycles => Self::WriteCycles,
            TokenScope::ReadAnalytics => Self::ReadAnalytics,
            TokenScope::WriteAnalytics => Self::WriteAnalytics,
            TokenScope::ReadNotifications => Self::ReadNotifications,
            TokenScope::WriteNotifications => Self::WriteNotifications,
        }
    }
}
