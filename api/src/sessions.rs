//! Sessions: `/api/users/refresh`, `/logout`, `/sessions`.

use contracts::{
    Handle, Refusal, Secret, SessionId,
    users::{self as domain, UsersMailbox},
};
use poem_openapi::{Object, OpenApi, param::Path, payload::Json};

use crate::{
    auth::Caller,
    body::Body,
    context::Context,
    document::{Extra, Tag},
    error::Problem,
    scalar::{Count, Flag, Instant, Nullable, RefreshToken, Scalar, Text, Uuid},
    users::LoggedIn,
};

/// What these operations answer besides what follows from their shape.
pub(crate) const EXTRA: &[Extra] =
    &[Extra { operation: "refreshSession", code: "invalid-refresh-token" }];

/// The operations on sessions.
pub(crate) struct SessionsApi {
    /// The group.
    pub(crate) users: Handle<UsersMailbox>,
}

#[OpenApi(prefix_path = "/api/users", tag = "Tag::Users")]
impl SessionsApi {
    /// Go on with a session
    ///
    /// Spends the refresh token for a new access token and the next refresh token. One whose answer
    /// was lost may be sent again, if the next one was not used: within a minute as often as it takes,
    /// and once later. Any other spent token that comes again was stolen from somebody: it ends the
    /// session. A session ends after 30 days, or 14 days without a refresh.
    #[oai(path = "/refresh", method = "post", operation_id = "refreshSession")]
    async fn refresh(
        &self,
        context: Context,
        body: Body<RefreshSession>,
    ) -> poem::Result<Json<LoggedIn>> {
        let RefreshSession { refresh_token: Scalar(refresh_token) } = body.0;
        let request = domain::RefreshSession { refresh_token: Secret::new(refresh_token) };
        let session = context.ask(&self.users, request).await?;
        Ok(Json(LoggedIn::of(session, "Session refreshed successfully")))
    }

    /// End this session
    ///
    /// Its refresh token is good no more at once, its access tokens within 5 seconds.
    #[oai(path = "/logout", method = "post", operation_id = "logout")]
    async fn logout(&self, caller: Caller) -> poem::Result<Json<LoggedOut>> {
        let request = domain::Logout { user_id: caller.user_id };
        Ok(Json(caller.ask(&self.users, request).await?.into()))
    }

    /// End every session
    ///
    /// This one, all others, and all personal API tokens.
    #[oai(path = "/logout-all", method = "post", operation_id = "logoutEverywhere")]
    async fn logout_everywhere(&self, caller: Caller) -> poem::Result<Json<LoggedOut>> {
        let request = domain::LogoutEverywhere { user_id: caller.user_id };
        Ok(Json(caller.ask(&self.users, request).await?.into()))
    }

    /// List where one is signed in, the latest used first
    #[oai(path = "/sessions", method = "get", operation_id = "listSessions")]
    async fn sessions(&self, caller: Caller) -> poem::Result<Json<SessionList>> {
        let request = domain::ListSessions { user_id: caller.user_id };
        Ok(Json(caller.ask(&self.users, request).await?.into()))
    }

    /// End one of one's sessions
    #[oai(path = "/sessions/:id", method = "delete", operation_id = "endSession")]
    async fn end_session(
        &self,
        caller: Caller,
        /// The session's id.
        id: Path<Uuid>,
    ) -> poem::Result<Json<LoggedOut>> {
        let request =
            domain::EndSession { user_id: caller.user_id, session_id: session_id(&id.0)? };
        Ok(Json(caller.ask(&self.users, request).await?.into()))
    }
}

/// The id of a path; what is none names nothing.
pub(crate) fn session_id(Scalar(text): &Uuid) -> Result<SessionId, Problem> {
    SessionId::parse(text).ok_or_else(|| Refusal::not_found().into())
}

/// A refresh token that is to be spent.
#[derive(Object)]
struct RefreshSession {
    /// The refresh token of the last sign-in or refresh.
    refresh_token: RefreshToken,
}

/// What was ended.
#[derive(Object)]
struct LoggedOut {
    /// `Logged out successfully`.
    message: Text,
    /// How many sessions and personal API tokens were ended.
    count: Count,
}

/// Where one is signed in.
#[derive(Object)]
struct SessionList {
    /// The latest used first.
    sessions: Vec<Session>,
    /// How many there are.
    count: Count,
}

/// A place where one is signed in.
#[derive(Object)]
pub(crate) struct Session {
    /// The session's id.
    id: Uuid,
    /// What the client called itself (`User-Agent`) when it signed in.
    device: Nullable<Text>,
    /// When it signed in.
    created_at: Instant,
    /// When it was last refreshed.
    last_used_at: Instant,
    /// When it ends unless it is refreshed before, or ends in any case.
    expires_at: Instant,
    /// Whether it is the one that asks.
    is_current: Flag,
}

impl From<domain::SessionsEnded> for LoggedOut {
    fn from(ended: domain::SessionsEnded) -> Self {
        let domain::SessionsEnded { count } = ended;
        Self {
            message: Scalar("Logged out successfully".to_owned()),
            count: Scalar(i64::try_from(count).unwrap_or(i64::MAX)),
        }
    }
}

impl From<domain::SessionList> for SessionList {
    fn from(list: domain::SessionList) -> Self {
        let domain::SessionList { sessions } = list;
        let count = Scalar(i64::try_from(sessions.len()).unwrap_or(i64::MAX));
        Self { sessions: sessions.into_iter().map(Session::from).collect(), count }
    }
}

impl From<domain::SignedIn> for Session {
    fn from(session: domain::SignedIn) -> Self {
        let domain::SignedIn { id, device, created_at, last_used_at, expires_at, is_current } =
            session;
        Self {
            id: Scalar(id.to_string()),
            device: device.into(),
            created_at: Scalar(created_at),
            last_used_at: Scalar(last_used_at),
            expires_at: Scalar(expires_at),
            is_current: Scalar(is_current),
        }
    }
}
