//! Erasing a user: the preferences, the reminders and what was heard of predictions.

use std::sync::Arc;

use actor_runtime::{database, erasure::Erase};
use contracts::{Call, Handle, Refusal, UserId};
use futures::future::BoxFuture;

use crate::{
    applier::{ApplierMailbox, EraseSubject},
    service::Service,
    store,
};

/// Erases users.
pub(crate) struct NotificationsErasure {
    pub(crate) applier: Handle<ApplierMailbox>,
    pub(crate) service: Arc<Service>,
}

impl Erase for NotificationsErasure {
    fn erase(&self, call: Call, user_id: UserId) -> BoxFuture<'_, Result<(), Refusal>> {
        Box::pin(async move { self.applier.ask(&call, EraseSubject(user_id)).await })
    }

    fn erased_of(&self, users: Vec<UserId>) -> BoxFuture<'_, Result<Vec<UserId>, Refusal>> {
        Box::pin(async move {
            let pool = self.service.pool();
            let erased = database::read(pool, || store::erased_of(pool, &users));
            erased.await.map_err(|error| database::refusal(&error))
        })
    }
}
