//! Sessions: opened by a sign-in, continued by refresh tokens, ended by their owner.

use std::sync::Arc;

use actor_runtime::{clock::Ids, database};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Call, ErrorKind, Refusal, Scopes, Secret, SessionId,
    users::{
        EndSession, ListRevocations, ListSessions, Logout, LogoutEverywhere, RefreshSession,
        RevocationPage, Session, SessionList, SessionsEnded, SignedIn, User,
    },
};
use sha2::{Digest, Sha256};

use super::{Service, refusal_of};
use crate::{
    store::{self, FoundSession, NewSignIn, SecretHash, SignInRow},
    writes::sessions::{self as writes, Refreshed},
};

/// Revocations of one page: about 160 KB as JSON, well below what one message holds.
const REVOCATIONS_MAX: i64 = 2_000;
/// For how long they are told: longer than any access token is good for, whatever clocks say.
const REVOCATIONS_KEPT: TimeDelta = TimeDelta::minutes(15);

impl Service {
    /// Opens a session for somebody who has just proved by these credentials who they are; none if
    /// the credentials changed meanwhile.
    pub(crate) async fn open_session(
        &self,
        call: &Call,
        user: User,
        credentials_version: i64,
        device: Option<&str>,
    ) -> Result<Option<Session>, Refusal> {
        let id = SessionId::new(Ids.event_id());
        let (refresh_token, refresh_hash) = fresh(Secret::REFRESH_TOKEN);
        let now = self.clock.now();
        let network = store::network_of(call.origin);
        let network = network.as_deref();
        let session = NewSignIn { id, credentials_version, device, refresh_hash, network, now };
        let opened = store::sign_in_insert(&self.pool, user.id, &session).await;
        if !opened.map_err(|error| database::refusal(&error))? {
            return Ok(None);
        }
        let expires_at = now + store::SIGN_IN_MAX;
        self.session_of(user, id, expires_at, refresh_token).map(Some)
    }

    /// Spends a refresh token for the next one. Whatever is wrong with it: one answer.
    pub(crate) async fn refresh_session(
        self: Arc<Self>,
        call: Call,
        request: RefreshSession,
    ) -> Result<Session, Refusal> {
        let RefreshSession { refresh_token } = request;
        if !refresh_token.is_well_formed(Secret::REFRESH_TOKEN) {
            return Err(invalid_refresh_token());
        }
        let (successor, successor_hash) = fresh(Secret::REFRESH_TOKEN);
        let spent = hash_of(&refresh_token);
        let now = self.clock.now();
        let refreshed = writes::refresh(&self.pool, &call, &spent, &successor_hash, now).await;
        let Refreshed::Session(session, user) = refreshed.map_err(refusal_of)? else {
            return Err(invalid_refresh_token());
        };
        let FoundSession { id, expires_at, .. } = session;
        self.session_of(user, id, expires_at, successor)
    }

    /// Ends the session of the call.
    pub(crate) async fn logout(
        self: Arc<Self>,
        call: Call,
        request: Logout,
    ) -> Result<SessionsEnded, Refusal> {
        let Logout { user_id } = request;
        let ended = writes::logout(&self.pool, &call, user_id, self.clock.now()).await;
        ended.map(|count| SessionsEnded { count }).map_err(refusal_of)
    }

    /// Ends every session.
    pub(crate) async fn logout_everywhere(
        self: Arc<Self>,
        call: Call,
        request: LogoutEverywhere,
    ) -> Result<SessionsEnded, Refusal> {
        let LogoutEverywhere { user_id } = request;
        let now = self.clock.now();
        let ended = writes::logout_everywhere(&self.pool, &call, user_id, now).await;
        ended.map(|count| SessionsEnded { count }).map_err(refusal_of)
    }

    /// Where somebody is signed in. A session that has ended is not told of the others.
    pub(crate) async fn list_sessions(
        self: Arc<Self>,
        call: Call,
        request: ListSessions,
    ) -> Result<SessionList, Refusal> {
        let ListSessions { user_id } = request;
        let now = self.clock.now();
        let rows = database::read(&self.pool, || store::sign_ins_list(&self.pool, user_id, now));
        let rows = rows.await.map_err(|error| database::refusal(&error))?;
        let signed_in = |row| {
            let SignInRow { id, label, created_at, last_used_at, expires_at } = row;
            let expires_at = expires_at.min(last_used_at + store::IDLE_MAX);
            let is_current = call.session == Some(id);
            SignedIn { id, device: label, created_at, last_used_at, expires_at, is_current }
        };
        let sessions: Vec<SignedIn> = rows.into_iter().map(signed_in).collect();
        if sessions.iter().any(|session| session.is_current) {
            Ok(SessionList { sessions })
        } else {
            Err(Refusal::unauthenticated())
        }
    }

    /// Ends one session.
    pub(crate) async fn end_session(
        self: Arc<Self>,
        call: Call,
        request: EndSession,
    ) -> Result<SessionsEnded, Refusal> {
        let EndSession { user_id, session_id } = request;
        let now = self.clock.now();
        let ended = writes::end_session(&self.pool, &call, user_id, session_id, now).await;
        ended.map(|()| SessionsEnded { count: 1 }).map_err(refusal_of)
    }

    /// Which sessions ended lately, for whoever verifies tokens.
    pub(crate) async fn list_revocations(
        self: Arc<Self>,
        _call: Call,
        request: ListRevocations,
    ) -> Result<RevocationPage, Refusal> {
        let ListRevocations { after } = request;
        let read = || store::revocations_list(&self.pool, after, REVOCATIONS_MAX);
        let found = database::read(&self.pool, read).await;
        let store::Revocations { rows, next, has_more } =
            found.map_err(|error| database::refusal(&error))?;
        let keys_version = self.tokens.signing_keys(self.clock.now())?.version();
        let revoked = rows.into_iter().map(|row| row.session_id).collect();
        Ok(RevocationPage { revoked, next, has_more, keys_version })
    }

    /// Drops what counts no longer: attempts and links, sessions, revocations that nobody needs any more,
    /// and old entries of the audit log. Says whether that was all.
    pub(crate) async fn purge(&self, batch: i64) -> Result<bool, sqlx::Error> {
        let now = self.clock.now();
        let attempts = store::credentials_purge(&self.pool, now, batch).await?;
        let entries = store::audit_purge(&self.pool, now - self.audit_kept, batch).await?;
        let (idle_since, revoked_before) = (now - store::IDLE_MAX, now - REVOCATIONS_KEPT);
        let was_all =
            store::expired_purge(&self.pool, now, idle_since, revoked_before, batch).await?;
        Ok(was_all && attempts.max(entries) < batch.unsigned_abs())
    }

    fn session_of(
        &self,
        user: User,
        session_id: SessionId,
        expires_at: DateTime<Utc>,
        refresh_token: Secret,
    ) -> Result<Session, Refusal> {
        let token = self.tokens.issue(user.id, session_id, Scopes::ALL, expires_at, self.clock)?;
        Ok(Session {
            access_token: token.text,
            expires_in_seconds: token.expires_in_seconds,
            refresh_token,
            user,
        })
    }
}

/// A fresh secret of a kind, and what is stored of it.
pub(super) fn fresh(prefix: &str) -> (Secret, SecretHash) {
    let secret = Secret::from_random(prefix, &rand::random());
    let hash = hash_of(&secret);
    (secret, hash)
}

/// What is stored of a secret. It has 256 random bits, so a fast hash protects it well.
pub(super) fn hash_of(secret: &Secret) -> SecretHash {
    Sha256::digest(secret.expose()).into()
}

fn invalid_refresh_token() -> Refusal {
    Refusal::new(
        ErrorKind::Unauthenticated,
        "invalid-refresh-token",
        "The refresh token is not good (any more): sign in again.",
    )
}
