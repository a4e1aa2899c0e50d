//! Personal API tokens: what somebody gives to a program, so that it may do some things for them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Scopes, Secret, SessionId, UserId};

/// Make a personal API token.
#[derive(Clone, Serialize, Deserialize)]
pub struct CreateApiToken {
    /// Whose.
    pub user_id: UserId,
    /// What it is for, in the person's words.
    pub name: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// How many days it is good for.
    pub expires_in_days: u16,
}

/// Read one's personal API tokens.
#[derive(Clone, Serialize, Deserialize)]
pub struct ListApiTokens {
    /// Whose.
    pub user_id: UserId,
}

/// End a personal API token.
#[derive(Clone, Serialize, Deserialize)]
pub struct RevokeApiToken {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub token_id: SessionId,
}

/// Open, since the token is the proof: have a short access token for a personal API token. The
/// gateway does so; what is behind it never sees the API token.
#[derive(Clone, Serialize, Deserialize)]
pub struct ExchangeApiToken {
    /// The API token.
    pub token: Secret,
}

/// A personal API token, without the token.
#[derive(Clone, Serialize, Deserialize)]
pub struct ApiToken {
    /// Which.
    pub id: SessionId,
    /// What it is for, in the person's words.
    pub name: String,
    /// What it may be used for.
    pub scopes: Scopes,
    /// When it was made.
    pub created_at: DateTime<Utc>,
    /// When it was last used, to about a minute.
    pub last_used_at: Option<DateTime<Utc>>,
    /// When it ends.
    pub expires_at: DateTime<Utc>,
}

/// A personal API token that was just made.
#[derive(Clone, Serialize, Deserialize)]
pub struct ApiTokenCreated {
    /// What it is.
    pub api_token: ApiToken,
    /// The token itself: nobody is ever told again.
    pub token: Secret,
}

/// One's personal API tokens, the newest first.
#[derive(Clone, Serialize, Deserialize)]
pub struct ApiTokenList {
    /// All of them.
    pub tokens: Vec<ApiToken>,
}

/// An access token that stands for a personal API token.
#[derive(Clone, Serialize, Deserialize)]
pub struct ExchangedToken {
    /// The signed access token.
    pub access_token: String,
    /// How long it is good for, in seconds.
    pub expires_in_seconds: u64,
}
