//! The sessions that ended lately, as far as this process has heard. An access token says itself
//! until when it is good; this is what takes it back before.

use std::{
    collections::HashMap,
    sync::{
        PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use contracts::{
    Call, Handle, Refusal, SessionId, limits,
    users::{ListRevocations, RevocationCursor, UsersMailbox},
};
use tokio::sync::Mutex;

use crate::context::{new_request_id, new_trace};

/// How long the users group may take to answer.
const PATIENCE: Duration = Duration::from_secs(1);
/// How long a session is kept in mind after it was heard of: by then the last token of it has
/// expired.
const KEPT: Duration = Duration::from_secs(
    limits::ACCESS_TOKEN_TTL_MAX.as_secs() + limits::TOKEN_LEEWAY.as_secs() + 60,
);

/// What was heard.
pub(crate) struct Revocations {
    users: Handle<UsersMailbox>,
    ended: RwLock<HashMap<SessionId, Instant>>,
    /// How far was read; taken by whoever reads.
    cursor: Mutex<Option<RevocationCursor>>,
    was_heard: AtomicBool,
    is_away: AtomicBool,
}

impl Revocations {
    /// Nothing yet.
    pub(crate) fn new(users: Handle<UsersMailbox>) -> Self {
        Self {
            users,
            ended: RwLock::default(),
            cursor: Mutex::default(),
            was_heard: AtomicBool::new(false),
            is_away: AtomicBool::new(false),
        }
    }

    /// Whether a session has ended.
    pub(crate) fn holds(&self, session_id: SessionId) -> bool {
        self.ended.read().unwrap_or_else(PoisonError::into_inner).contains_key(&session_id)
    }

    /// Whether it was ever heard which sessions ended; hears it if not. Later it may be in vain for a
    /// while: what was heard still holds, and the tokens of the rest run out by themselves.
    pub(crate) async fn have_been_heard(&self) -> bool {
        self.was_heard.load(Ordering::Relaxed) || self.hear().await.is_some()
    }

    /// Hears what is new. Gives the version of the signing keys; none if the users group is away.
    pub(crate) async fn hear(&self) -> Option<String> {
        let mut cursor = self.cursor.lock().await;
        let heard = self.read(&mut cursor).await;
        self.was_heard.fetch_or(heard.is_ok(), Ordering::Relaxed);
        match &heard {
            Ok(_) if self.is_away.swap(false, Ordering::Relaxed) => {
                tracing::info!("it can be heard again which sessions end");
            }
            Err(refusal) if !self.is_away.swap(true, Ordering::Relaxed) => {
                // Asked for again and again: said once.
                tracing::warn!(code = %refusal.code, "it cannot be heard which sessions end");
            }
            Ok(_) | Err(_) => {}
        }
        heard.ok()
    }

    async fn read(&self, cursor: &mut Option<RevocationCursor>) -> Result<String, Refusal> {
        loop {
            let call = Call::new(new_request_id(), new_trace(), PATIENCE);
            let page = self.users.ask(&call, ListRevocations { after: *cursor }).await?;
            *cursor = Some(page.next);
            let now = Instant::now();
            let mut ended = self.ended.write().unwrap_or_else(PoisonError::into_inner);
            ended.extend(page.revoked.into_iter().map(|session_id| (session_id, now)));
            if !page.has_more {
                ended.retain(|_session_id, heard| heard.elapsed() < KEPT);
                return Ok(page.keys_version);
            }
        }
    }
}
