//! What wakes the user actors: events of the cycles and the users group, and the sweeps that make
//! the loss of an event harmless.

use actor_runtime::{anti_entropy::Reconcile, consume::Consumer, database};
use contracts::{
    Call, Handle, Refusal,
    cycles::{CyclesMailbox, ListCyclesChanged},
    events::{ChangedPage, ChangedSince, ChangedUser, WakeUp},
    users::{ListUsersChanged, UsersMailbox},
};
use futures::future::BoxFuture;
use sqlx::PgPool;

use crate::{
    coordinator::Waker,
    store::subject_reads::{subject_list_behind, subject_list_person_behind},
    user::Wanted,
};

/// Brings a user's state up to the version that an event announces.
pub(crate) struct CycleChanges {
    pub(crate) waker: Waker,
}

impl Consumer for CycleChanges {
    fn on_wake_up(&self, call: Call, event: WakeUp) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            let wanted = Wanted::AtLeast(event.version);
            self.waker.wake(&call, event.user_id, wanted).await.map(drop)
        })
    }
}

/// Compares what is applied with what the cycles group has.
pub(crate) struct CycleSweeps {
    pub(crate) waker: Waker,
    pub(crate) cycles: Handle<CyclesMailbox>,
    pub(crate) pool: PgPool,
}

impl Reconcile for CycleSweeps {
    fn list_changed(
        &self,
        call: Call,
        request: ChangedSince,
    ) -> BoxFuture<'_, Result<ChangedPage, Refusal>> {
        Box::pin(async move { self.cycles.ask(&call, ListCyclesChanged(request)).await })
    }

    fn behind(&self, users: Vec<ChangedUser>) -> BoxFuture<'_, Result<Vec<ChangedUser>, Refusal>> {
        Box::pin(async move {
            let behind = subject_list_behind(&self.pool, &users).await;
            behind.map_err(|error| database::refusal(&error))
        })
    }

    /// Asks for the current state and not for a version: the user is behind by what the database
    /// says, so what an actor believes to be stored does not count.
    fn wake(&self, call: Call, user: ChangedUser) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(
            async move { self.waker.wake(&call, user.user_id, Wanted::Current).await.map(drop) },
        )
    }
}

/// Brings a user's state up to the version of the person that an event announces.
pub(crate) struct PersonChanges {
    pub(crate) waker: Waker,
}

impl Consumer for PersonChanges {
    fn on_wake_up(&self, call: Call, event: WakeUp) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            let wanted = Wanted::PersonAtLeast(event.version);
            self.waker.wake(&call, event.user_id, wanted).await.map(drop)
        })
    }
}

/// Compares what is known of people with what the users group has.
pub(crate) struct PersonSweeps {
    pub(crate) waker: Waker,
    pub(crate) users: Handle<UsersMailbox>,
    pub(crate) pool: PgPool,
}

impl Reconcile for PersonSweeps {
    fn list_changed(
        &self,
        call: Call,
        request: ChangedSince,
    ) -> BoxFuture<'_, Result<ChangedPage, Refusal>> {
        Box::pin(async move { self.users.ask(&call, ListUsersChanged(request)).await })
    }

    fn behind(&self, users: Vec<ChangedUser>) -> BoxFuture<'_, Result<Vec<ChangedUser>, Refusal>> {
        Box::pin(async move {
            let behind = subject_list_person_behind(&self.pool, &users).await;
            behind.map_err(|error| database::refusal(&error))
        })
    }

    fn wake(&self, call: Call, user: ChangedUser) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move {
            self.waker.wake(&call, user.user_id, Wanted::CurrentPerson).await.map(drop)
        })
    }
}
