//! What happens inside a write's transaction: the first answer of a retried request, the new
//! version, the change, and the answer that a retry will get.

mod cycles;
mod episodes;
mod gaps;
mod symptoms;

pub(crate) use cycles::CycleChange;
pub(crate) use episodes::EpisodeChange;
pub(crate) use symptoms::SymptomChange;

use actor_runtime::{
    clock::{Clock, Ids},
    group_commit::{Write, WriteError},
    idempotency::Fingerprint,
    outbox,
};
use chrono::{DateTime, Utc};
use contracts::{
    Call, UserId, Version,
    cycles::{DeleteCycle, DeleteEpisode, DeleteSymptom, Deleted},
    events::{Topic, Verb},
};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::PgConnection;

/// A change of a user's state that gets a version of its own.
pub(crate) struct Versioned<C> {
    pub(crate) change: C,
    pub(crate) call: Call,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) clock: Clock,
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

    /// Carries it out; the user's outbox row is locked, so no other write of the user is under way.
    fn carry_out(
        &self,
        connection: &mut PgConnection,
        stamp: Stamp,
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
        let Self { change, call, fingerprint, clock } = self;
        let user_id = change.user_id();
        if let Some(fingerprint) = fingerprint
            && let Some(first) = fingerprint.first_answer(connection, user_id).await?
        {
            return Ok(first);
        }
        if let Some(answer) = change.answer_if_done(connection, clock.now()).await? {
            return kept(fingerprint.as_ref(), connection, user_id, answer).await;
        }
        let topic = Topic::CycleChanged;
        let version =
            outbox::bump_in_txn(connection, user_id, topic, change.verb(), call, Ids).await?;
        let stamp = Stamp { version, at: clock.now() };
        let answer = match change.carry_out(connection, stamp).await {
            Err(WriteError::Refused(refusal)) => {
                // Another process may have carried out this very request while this one waited
                // for the user's row. Then the refusal is about its own effect.
                if let Some(fingerprint) = fingerprint
                    && fingerprint.first_answer::<C::Answer>(connection, user_id).await?.is_some()
                {
                    return Err(WriteError::Raced);
                }
                return Err(refusal.into());
            }
            carried_out => carried_out?,
        };
        kept(fingerprint.as_ref(), connection, user_id, answer).await
    }
}

/// Keeps an answer for retries of the request.
async fn kept<Answer: Serialize + Sync>(
    fingerprint: Option<&Fingerprint>,
    connection: &mut PgConnection,
    user_id: UserId,
    answer: Answer,
) -> Result<Answer, WriteError> {
    if let Some(fingerprint) = fingerprint {
        fingerprint.keep_answer(connection, user_id, &answer).await?;
    }
    Ok(answer)
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
    ) -> Result<Deleted, WriteError> {
        match self {
            Self::Cycle(request) => cycles::delete(connection, request, stamp).await?,
            Self::Symptom(request) => symptoms::delete(connection, request, stamp).await?,
            Self::Episode(request) => episodes::delete(connection, request, stamp).await?,
        }
        Ok(Deleted { version: stamp.version })
    }
}
