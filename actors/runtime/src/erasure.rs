//! Erasing a user in a group: what wakes it, and how it says that it is done.
//!
//! `user.erased` says of whom to ask, as every event does; the sweeps find whoever was missed, also by
//! a database that was restored or made anew. The group erases in a transaction of its own and leaves
//! a tombstone. Then it tells users, and only when that has heard of it the wake-up is settled. Every
//! step can be done again.

use std::{collections::HashSet, sync::Arc, time::Duration};

use contracts::{
    Call, Handle, Refusal, UserId,
    events::{ChangedPage, ChangedSince, ChangedUser, WakeUp},
    users::{ErasingGroup, ListErased, ReportErased, UsersMailbox},
};
use futures::future::BoxFuture;
use nats::{Bus, Durable};

use crate::{
    anti_entropy::{self, Reconcile},
    clock::Clock,
    consume::{self, Consumer},
    faults,
    supervisor::Child,
};

/// What a group does about users who were erased.
pub trait Erase: Send + Sync + 'static {
    /// Erases everything of a user, from memory too, and leaves a tombstone. Returns after its
    /// commit; once more is as good as once.
    fn erase(&self, call: Call, user_id: UserId) -> BoxFuture<'_, Result<(), Refusal>>;

    /// Those of these users who have a tombstone.
    fn erased_of(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<Vec<UserId>, Refusal>>;
}

/// The erasing part of a group.
pub struct Erasures {
    /// Which group.
    pub group: ErasingGroup,
    /// Who knows who was erased, and hears that it is done.
    pub users: Handle<UsersMailbox>,
    /// What the group does.
    pub erase: Arc<dyn Erase>,
}

impl Erasures {
    /// The consumer of `user.erased` and the sweeps, as supervised children.
    pub fn children(self, bus: Bus, sweep_every: Duration, clock: Clock) -> [Child; 2] {
        let (durable, sweeps) = match self.group {
            ErasingGroup::Cycles => (Durable::CyclesErase, "cycles erasures"),
            ErasingGroup::Analytics => (Durable::AnalyticsErase, "analytics erasures"),
            ErasingGroup::Notifications => (Durable::NotificationsErase, "notifications erasures"),
        };
        let this = Arc::new(self);
        let (consumer, reconcile) = (Arc::clone(&this), this);
        [
            consume::child(bus, durable, consumer),
            anti_entropy::child(sweeps, sweep_every, clock, reconcile),
        ]
    }

    /// What is erased is gone for good, so nobody's event is believed: not one that a broker kept of
    /// another database, nor one of whoever else may publish there.
    async fn erase_if_so(&self, call: Call, user_id: UserId) -> Result<(), Refusal> {
        // The page that begins with this user.
        let after = Some(UserId::new(user_id.get().saturating_sub(1)));
        let page = ListErased(ChangedSince { since: None, after, limit: 1 });
        let page = self.users.ask(&call, page).await?;
        if page.users.iter().all(|user| user.user_id != user_id) {
            tracing::error!(
                group = self.group.name(), %user_id, request_id = %call.request_id,
                "an event says that a user was erased, and users says otherwise: nothing is erased"
            );
            return Ok(());
        }
        self.erase_and_report(call, user_id).await
    }

    async fn erase_and_report(&self, call: Call, user_id: UserId) -> Result<(), Refusal> {
        self.erase.erase(call.clone(), user_id).await?;
        faults::point("erasure.before_report");
        self.users.ask(&call, ReportErased { user_id, group: self.group }).await?;
        faults::point("erasure.after_report");
        tracing::info!(group = self.group.name(), %user_id, "erased a user");
        Ok(())
    }
}

impl Consumer for Erasures {
    fn on_wake_up(&self, call: Call, event: WakeUp) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(self.erase_if_so(call, event.user_id))
    }
}

impl Reconcile for Erasures {
    fn list_changed(
        &self,
        call: Call,
        request: ChangedSince,
    ) -> BoxFuture<'_, Result<ChangedPage, Refusal>> {
        Box::pin(async move { self.users.ask(&call, ListErased(request)).await })
    }

    fn behind(&self, users: Vec<ChangedUser>) -> BoxFuture<'_, Result<Vec<ChangedUser>, Refusal>> {
        Box::pin(async move {
            let ids = users.iter().map(|user| user.user_id).collect();
            let erased: HashSet<UserId> = self.erase.erased_of(ids).await?.into_iter().collect();
            Ok(users.into_iter().filter(|user| !erased.contains(&user.user_id)).collect())
        })
    }

    fn wake(&self, call: Call, user: ChangedUser) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(self.erase_and_report(call, user.user_id))
    }
}
