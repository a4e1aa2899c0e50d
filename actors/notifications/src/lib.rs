//! The notifications domain: preferences, and the reminder before a predicted start.
//!
//! Reminders follow from two things: what analytics predicts, which is pulled when
//! `prediction.changed` says that it changed, and what the user prefers. Handing them over is not
//! part of this crate yet; `sending` and what comes after it belong to the dispatcher to come.
#![deny(missing_docs)]

mod actor;
mod applier;
mod consumer;
mod erasure;
mod reminder;
mod service;
mod store;
mod writes;

use std::{sync::Arc, time::Duration};

use actor_runtime::{
    admission::{Admission, AdmissionLimits},
    anti_entropy,
    clock::Clock,
    consume,
    erasure::Erasures,
    group_commit::FaultPoints,
    idempotency,
    mailroom::Slot,
    supervisor::{Child, Plan},
    versions::VersionBoard,
};
use contracts::{
    Handle,
    analytics::AnalyticsMailbox,
    notifications::NotificationsMailbox,
    users::{ErasingGroup, UsersMailbox},
};
use nats::{Bus, Durable};
use ractor::Actor;
use sqlx::PgPool;

use crate::{
    actor::NotificationsActor,
    applier::Applier,
    consumer::{PredictionChanges, PredictionSweeps},
    erasure::NotificationsErasure,
    service::Service,
};

/// The schema of the notifications database.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/notifications");

/// The fault points of both kinds of writers.
const FAULT_POINTS: FaultPoints = FaultPoints {
    before_commit: "notifications.before_commit",
    after_commit: "notifications.after_commit",
};

/// What the notifications group needs from outside.
#[derive(Clone)]
pub struct Dependencies {
    /// Connections to the notifications database.
    pub pool: PgPool,
    /// Where `prediction.changed` is heard.
    pub bus: Bus,
    /// The wall clock.
    pub clock: Clock,
    /// How much may be in flight.
    pub admission: AdmissionLimits,
    /// The owner of the predictions.
    pub analytics: Handle<AnalyticsMailbox>,
    /// Who knows who was erased.
    pub users: Handle<UsersMailbox>,
    /// How often the owners are asked which predictions changed, and who was erased.
    pub anti_entropy_every: Duration,
}

/// The notifications group: its supervised children, and the handle that finds its actor.
pub fn plan(dependencies: Dependencies) -> (Plan, Handle<NotificationsMailbox>) {
    let Dependencies { pool, bus, clock, admission, analytics, users, anti_entropy_every } =
        dependencies;
    let service = Arc::new(Service::new(pool.clone(), clock, VersionBoard::default()));
    let slot = Slot::default();
    let applier_slot = Slot::default();
    let handle = slot.handle(Admission::new(admission));
    let applier = applier_slot.handle(Admission::new(applier::ADMISSION));
    let erase =
        Arc::new(NotificationsErasure { applier: applier.clone(), service: Arc::clone(&service) });
    let erasures = Erasures { group: ErasingGroup::Notifications, users, erase };
    let changes =
        Arc::new(PredictionChanges::new(analytics.clone(), applier, Arc::clone(&service)));
    let sweeps = Arc::new(PredictionSweeps::new(analytics, Arc::clone(&changes)));
    let mut children = vec![
        actor_child(Arc::clone(&service), slot),
        applier_child(service, applier_slot),
        consume::child(bus.clone(), Durable::Notifications, changes),
        anti_entropy::child("notifications", anti_entropy_every, clock, sweeps),
        idempotency::purge_child("notifications", pool),
    ];
    children.extend(erasures.children(bus, anti_entropy_every, clock));
    (Plan::group("notifications", children), handle)
}

fn actor_child(service: Arc<Service>, slot: Slot<NotificationsMailbox>) -> Child {
    Child::new("notifications", move |supervisor| {
        let (service, slot) = (Arc::clone(&service), slot.clone());
        async move {
            let spawned = Actor::spawn_linked(None, NotificationsActor, service, supervisor);
            let (actor, _join) = spawned.await?;
            slot.fill(actor.clone());
            Ok(actor.get_cell())
        }
    })
}

fn applier_child(service: Arc<Service>, slot: Slot<applier::ApplierMailbox>) -> Child {
    Child::new("notifications applier", move |supervisor| {
        let (service, slot) = (Arc::clone(&service), slot.clone());
        async move {
            let (actor, _join) = Actor::spawn_linked(None, Applier, service, supervisor).await?;
            slot.fill(actor.clone());
            Ok(actor.get_cell())
        }
    })
}
