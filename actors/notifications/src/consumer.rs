//! How the group learns of predictions: a wake-up says that one changed, the owner says what it
//! is now. The sweeps of anti-entropy find what no wake-up told.

use std::sync::Arc;

use actor_runtime::{anti_entropy::Reconcile, consume::Consumer};
use contracts::{
    Call, ErrorKind, Handle, Refusal, UserId, Version,
    analytics::{AnalyticsMailbox, GetActivePrediction, ListPredictionsChanged},
    events::{ChangedPage, ChangedSince, ChangedUser, WakeUp},
};
use futures::future::BoxFuture;

use crate::{
    applier::{ApplierMailbox, Apply},
    service::Service,
};

/// Pulls the current prediction of a user and applies it.
pub(crate) struct PredictionChanges {
    analytics: Handle<AnalyticsMailbox>,
    applier: Handle<ApplierMailbox>,
    service: Arc<Service>,
}

impl PredictionChanges {
    /// Asks `analytics`, applies through `applier`.
    pub(crate) fn new(
        analytics: Handle<AnalyticsMailbox>,
        applier: Handle<ApplierMailbox>,
        service: Arc<Service>,
    ) -> Self {
        Self { analytics, applier, service }
    }

    async fn catch_up(&self, call: Call, user_id: UserId, to: Version) -> Result<(), Refusal> {
        let snapshot = self.analytics.ask(&call, GetActivePrediction { user_id }).await?;
        // Here they are erased by their own event.
        if snapshot.erased {
            return Ok(());
        }
        if snapshot.version < to {
            // The owner was set back behind what it announced. Waiting helps nobody else, so this
            // is the wake-up's own failure; the sweeps apply whatever the owner has.
            return Err(Refusal::new(
                ErrorKind::Internal,
                "snapshot-older-than-event",
                "The owner's state is older than what it announced.",
            ));
        }
        self.applier.ask(&call, Apply(snapshot)).await
    }
}

impl Consumer for PredictionChanges {
    fn on_wake_up(&self, call: Call, event: WakeUp) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(self.catch_up(call, event.user_id, event.version))
    }
}

/// Compares what was applied with what analytics has.
pub(crate) struct PredictionSweeps {
    analytics: Handle<AnalyticsMailbox>,
    changes: Arc<PredictionChanges>,
}

impl PredictionSweeps {
    /// Asks `analytics`, catches up through `changes`.
    pub(crate) fn new(
        analytics: Handle<AnalyticsMailbox>,
        changes: Arc<PredictionChanges>,
    ) -> Self {
        Self { analytics, changes }
    }
}

impl Reconcile for PredictionSweeps {
    fn list_changed(
        &self,
        call: Call,
        request: ChangedSince,
    ) -> BoxFuture<'_, Result<ChangedPage, Refusal>> {
        Box::pin(async move { self.analytics.ask(&call, ListPredictionsChanged(request)).await })
    }

    fn behind(&self, users: Vec<ChangedUser>) -> BoxFuture<'_, Result<Vec<ChangedUser>, Refusal>> {
        Box::pin(self.changes.service.behind(users))
    }

    fn wake(&self, call: Call, user: ChangedUser) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(self.changes.catch_up(call, user.user_id, user.version))
    }
}
