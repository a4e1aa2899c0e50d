//! What becomes of an erasure after its commit: groups that do not answer are told again, and when
//! all have answered, the user's events are removed from the broker.

use std::time::Duration;

use actor_runtime::{
    background,
    clock::{Clock, Ids},
    database, faults,
    relay::Poke,
    supervisor::Child,
};
use chrono::TimeDelta;
use contracts::{Call, Refusal, UserId};
use nats::Bus;
use sqlx::PgPool;

use crate::{service::erasure::ASKED_FOR, store, writes::erasure as writes};

/// How often erasures are looked at for which there is something to do.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Erasures of one look.
const PAGE: i64 = 200;
/// From here on it is worth a warning each time: a group is away, or cannot erase.
const LATE: TimeDelta = TimeDelta::hours(1);

/// Follows erasures to their end.
#[derive(Clone)]
pub(crate) struct ErasureJob {
    pub(crate) pool: PgPool,
    pub(crate) bus: Bus,
    pub(crate) clock: Clock,
    /// Wakes the relay of `user.erased`.
    pub(crate) poke: Poke,
}

impl ErasureJob {
    /// As a supervised child.
    pub(crate) fn child(self) -> Child {
        background::every("users erasures", LOOK_EVERY, move || {
            let job = self.clone();
            async move {
                if let Err(refusal) = job.look().await {
                    tracing::warn!(code = %refusal.code, "erasures could not be followed");
                }
            }
        })
    }

    async fn look(&self) -> Result<(), Refusal> {
        let now = self.clock.now();
        let forgotten = store::erasures_forget_sessions(&self.pool, now - ASKED_FOR).await;
        forgotten.map_err(|error| database::refusal(&error))?;
        let due = database::read(&self.pool, || store::erasures_due(&self.pool, now, PAGE));
        let due = due.await.map_err(|error| database::refusal(&error))?;
        let (done, waiting): (Vec<_>, Vec<_>) = due.into_iter().partition(|it| it.is_done);
        for erasure in waiting {
            let user_id = erasure.user_id;
            if now - erasure.erased_at > LATE {
                tracing::warn!(%user_id, "an erasure waits for a group for more than an hour");
            }
            let call = Call::new(Ids.request_id("erasure"), Ids.trace(), LOOK_EVERY);
            let told = writes::tell_again(&self.pool, &call, user_id, now).await;
            told.map_err(|error| database::refusal(&error))?;
            self.poke.poke();
        }
        let users: Vec<UserId> = done.iter().map(|erasure| erasure.user_id).collect();
        if users.is_empty() {
            return Ok(());
        }
        // A broker that is away keeps the erasure open; the next look tries again.
        let removed = self.bus.forget(&users).await.map_err(|error| {
            tracing::warn!(%error, "the events of erased users could not be removed");
            Refusal::unavailable()
        })?;
        tracing::debug!(removed, users = users.len(), "removed the events of erased users");
        faults::point("users.events.before_note");
        let noted = store::erasures_events_done(&self.pool, &users, now).await;
        noted.map_err(|error| database::refusal(&error))
    }
}
