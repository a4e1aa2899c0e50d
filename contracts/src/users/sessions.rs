//! Sessions: what somebody signed in to, and how it ends.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::{Secret, SessionId, UserId};

use super::User;

/// Go on with a session: spend its refresh token for the next one.
#[derive(Clone, Serialize, Deserialize)]
pub struct RefreshSession {
    /// The refresh token that the last sign-in or refresh gave.
    pub refresh_token: Secret,
}

/// End the session that the token of this very call is of.
#[derive(Clone, Serialize, Deserialize)]
pub struct Logout {
    /// Whose.
    pub user_id: UserId,
}

/// End every session of the person, personal API tokens among them.
#[derive(Clone, Serialize, Deserialize)]
pub struct LogoutEverywhere {
    /// Whose.
    pub user_id: UserId,
}

/// Read where one is signed in.
#[derive(Clone, Serialize, Deserialize)]
pub struct ListSessions {
    /// Whose.
    pub user_id: UserId,
}

/// End one session.
#[derive(Clone, Serialize, Deserialize)]
pub struct EndSession {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub session_id: SessionId,
}

/// Open, and without any secret: read which sessions ended lately. Whoever verifies tokens does not
/// take those of such a session.
#[derive(Clone, Serialize, Deserialize)]
pub struct ListRevocations {
    /// How far one has read; none for everything that still matters.
    pub after: Option<RevocationCursor>,
}

/// What a successful sign-in gives.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    /// The signed access token.
    pub access_token: String,
    /// How long it is good for, in seconds.
    pub expires_in_seconds: u64,
    /// What the next access token is had with; good once. Empty from a users group of the release
    /// that had none.
    #[serde(default)]
    pub refresh_token: Secret,
    /// Whose it is.
    pub user: User,
}

/// Where somebody is signed in, the latest used first.
#[derive(Clone, Serialize, Deserialize)]
pub struct SessionList {
    /// All of them.
    pub sessions: Vec<SignedIn>,
}

/// A place where somebody is signed in.
#[derive(Clone, Serialize, Deserialize)]
pub struct SignedIn {
    /// The session.
    pub id: SessionId,
    /// What the client called itself when it signed in.
    pub device: Option<String>,
    /// When it signed in.
    pub created_at: DateTime<Utc>,
    /// When it was last refreshed.
    pub last_used_at: DateTime<Utc>,
    /// When it ends, if it is used until then.
    pub expires_at: DateTime<Utc>,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

/// How many sessions were ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SessionsEnded {
    /// How many.
    pub count: u64,
}

/// Sessions that ended lately.
#[derive(Clone, Serialize, Deserialize)]
pub struct RevocationPage {
    /// Each of them; one may come again in the next page.
    pub revoked: Vec<SessionId>,
    /// From where to go on.
    pub next: RevocationCursor,
    /// Whether there is more already.
    pub has_more: bool,
    /// Changes whenever the signing keys do: then they are to be fetched again.
    pub keys_version: String,
}

/// How far a reader of revocations has come. Transactions become visible in another order than
/// they began in, so it is not the last row alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RevocationCursor {
    /// The transaction of the last row that was read.
    pub transaction: i64,
    /// Its place in the order of rows.
    pub place: i64,
    /// What was written by transactions before this one was all there when the pass began: the
    /// next pass begins with it.
    pub floor: i64,
}
