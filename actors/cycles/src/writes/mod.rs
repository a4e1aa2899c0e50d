//! What happens inside a write's transaction: the first answer of a retried request, the new
//! version, the change, and the answer that a retry will get.

mod cycles;
mod episodes;
mod gaps;
mod import;
mod retention;
mod symptoms;

pub(crate) use cycles::CycleChange;
pub(crate) use episodes::EpisodeChange;
pub(crate) use import::placed;
pub(crate) use retention::ForgetOld;
pub(crate) use symptoms::SymptomChange;

use actor_runtime::{
    clock::{Clock, Ids},
    group_commit::{Write, WriteError},
    idempotency::Fingerprint,
    outbox,
    seal::KeyRing,
};
use chrono::{DateTime, Utc};
use contracts::{
    Call, Refusal, UserId, Version,
    cycles::{DeleteCycle, DeleteEpisode, DeleteSymptom, Deleted},
    events::{Topic, Verb},
};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::PgConnection;

use crate::{sealed::UserKey, store};

/// A change of a user's state that gets a version of its own.
pub(crate) struct Versioned<C> {
    pub(crate) change: C,
    pub(crate) call: Call,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) clock: Clock,
    pub(crate) keys: KeyRing,
}

/// The version that a change gets, and when.
#[derive(Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) version: Version,
    pub(crate) at: DateTime<Utc>,
}

/// A change, valid as far as its request alone can tell.
pub(crate) trait Change: Send + Sync + 'static {
    /// What the asker gets.
    type Answer: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Whose state it changes.
    fn user_id(&self) -> UserId;

    /// What it is called in the event.
    fn verb(&self) -> Verb;

    /// What is answered if all is already as the change would have it: then it gets no version and
    /// makes no event. Asked before any lock is had, so it may say nothing of what is just being
    /// written, and [`Change::carry_out`] has to stand it.
    fn answer_if_done(
        &self,
        _connection: &mut PgConnection,
        _at: DateTime<Utc>,
    ) -> impl Future<Output = Result<Option<Self::Answer>, WriteError>> + Send {
        std::future::ready(Ok(None))
    }

    /// Whether the request or its answer holds what is sealed where it is stored: then the answer is
    /// kept sealed too, and of the request nothing that it could be guessed from.
    fn is_private(&self, _answer: &Self::Answer) -> bool {
        false
    }

    /// Carries it out; the user's outbox row is locked, so no other write of the user is under way.
    fn carry_out(
        &self,
        connection: &mut PgConnection,
        stamp: Stamp,
        key: &mut UserKey<'_>,
    ) -> impl Future<Output = Result<Self::Answer, WriteError>> + Send;
}

/// Changes after which something is no more.
pub(crate) enum Removal {
    Cycle(DeleteCycle),
    Symptom(DeleteSymptom),
    Episode(DeleteEpisode),
}

impl<C: Change> Write for Versioned<C> {
    type Answer = C::Answer;

    fn user_id(&self) -> UserId {
        self.change.user_id()
    }

    async fn apply_in_txn(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Self::Answer, WriteError> {
        let Self { change, call, fingerprint, clock, keys } = self;
        let user_id = change.user_id();
        let mut key = UserKey::new(keys, user_id);
        if let Some(fingerprint) = fingerprint
            && let Some(first) = first_answer(connection, user_id, &mut key, fingerprint).await?
        {
            return Ok(first);
        }
        if let Some(answer) = change.answer_if_done(connection, clock.now()).await? {
            // To keep an answer is a write too. Erasing takes the outbox row away; one that is under
            // way is waited for.
            if fingerprint.is_some() && !store::user_lock_in_txn(connection, user_id).await? {
                return Err(Refusal::unauthenticated().into());
            }
            return self.kept(connection, &mut key, clock.now(), answer).await;
        }
        let topic = Topic::CycleChanged;
        let version =
            outbox::bump_in_txn(connection, user_id, topic, change.verb(), call, Ids).await?;
        // Erasing took the outbox row away, so only a user who seems to be new can be an erased one.
        if version == Version::FIRST && store::erased_is(&mut *connection, user_id).await? {
            return Err(Refusal::unauthenticated().into());
        }
        let stamp = Stamp { version, at: clock.now() };
        let answer = match change.carry_out(connection, stamp, &mut key).await {
            Err(WriteError::Refused(refusal)) => {
                // Another process may have carried out this very request while this one waited
                // for the user's row. Then the refusal is about its own effect.
                if let Some(fingerprint) = fingerprint
                    && fingerprint.kept(connection, user_id).await?.is_some()
                {
                    return Err(WriteError::Raced);
                }
                return Err(refusal.into());
            }
            carried_out => carried_out?,
        };
        self.kept(connection, &mut key, stamp.at, answer).await
    }
}

impl<C: Change> Versioned<C> {
    /// Keeps an answer for retries of the request.
    async fn kept(
        &self,
        connection: &mut PgConnection,
        key: &mut UserKey<'_>,
        at: DateTime<Utc>,
        answer: C::Answer,
    ) -> Result<C::Answer, WriteError> {
        let Some(fingerprint) = &self.fingerprint else { return Ok(answer) };
        let user_id = self.change.user_id();
        if self.change.is_private(&answer) {
            store::data_key_require(connection, user_id, key, at).await?;
            let key = key.known().ok_or_else(Refusal::internal)?;
            fingerprint.keep_sealed(connection, user_id, key, &answer).await?;
        } else {
            fingerprint.keep_answer(connection, user_id, &answer).await?;
        }
        Ok(answer)
    }
}

/// The first answer to a key, whether it is sealed or not.
async fn first_answer<A: DeserializeOwned>(
    connection: &mut PgConnection,
    user_id: UserId,
    key: &mut UserKey<'_>,
    fingerprint: &Fingerprint,
) -> Result<Option<A>, WriteError> {
    let Some(kept) = fingerprint.kept(connection, user_id).await? else { return Ok(None) };
    if !kept.is_sealed() {
        return fingerprint.read(kept).map(Some);
    }
    let wrapped = store::data_key_get(connection, user_id).await?;
    key.learn(wrapped.as_deref())?;
    let key = key.known().ok_or_else(Refusal::internal)?;
    fingerprint.open(user_id, key, &kept).map(Some)
}

impl Change for Removal {
    type Answer = Deleted;

    fn user_id(&self) -> UserId {
        match self {
            Self::Cycle(request) => request.user_id,
            Self::Symptom(request) => request.user_id,
            Self::Episode(request) => request.user_id,
        }
    }

    fn verb(&self) -> Verb {
        Verb::Deleted
    }

    async fn carry_out(
        &self,
        connection: &mut PgConnection,
        stamp: Stamp,
        _key: &mut UserKey<'_>,
    ) -> Result<Deleted, WriteError> {
        match self {
            Self::Cycle(request) => cycles::delete(connection, request, stamp).await?,
            Self::Symptom(request) => symptoms::delete(connection, request, stamp).await?,
            Self::Episode(request) => episodes::delete(connection, request, stamp).await?,
        }
        Ok(Deleted { version: stamp.version })
    }
}
