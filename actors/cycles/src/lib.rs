//! The cycles domain: cycles, symptoms, episodes and answers, the facts that everything else is
//! derived from.
//!
//! `actor` is the shell, `service` the logic, `validate`, `timeline` and `observation` its pure
//! parts, `writes` what happens inside a transaction, `store` all SQL.
#![deny(missing_docs)]

mod actor;
mod error;
mod observation;
mod service;
mod store;
mod timeline;
mod validate;
mod writes;

use std::sync::Arc;

use actor_runtime::{
    admission::{Admission, AdmissionLimits},
    clock::Clock,
    group_commit::AfterCommit,
    idempotency,
    mailroom::Slot,
    relay::{Poke, Relay},
    supervisor::{Child, Plan},
};
use contracts::{Handle, cycles::CyclesMailbox, events::Topic};
use nats::Bus;
use ractor::Actor;
use sqlx::PgPool;

use crate::{
    actor::{CyclesActor, CyclesArguments},
    service::Service,
};

/// The schema of this domain's database.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/cycles");

/// What the group works with.
pub struct Dependencies {
    /// The domain's database.
    pub pool: PgPool,
    /// The same database with relaxed commits, for the relay (`database::open_relaxed`).
    pub relay_pool: PgPool,
    /// Where changes are announced.
    pub bus: Bus,
    /// What time it is.
    pub clock: Clock,
    /// How much may be in flight.
    pub admission: AdmissionLimits,
}

/// The supervised children of the group, and the handle that finds its actor.
pub fn plan(dependencies: Dependencies) -> (Plan, Handle<CyclesMailbox>) {
    let Dependencies { pool, relay_pool, bus, clock, admission } = dependencies;
    let poke = Poke::default();
    let relay =
        Relay { pool: relay_pool.clone(), bus, topic: Topic::CycleChanged, poke: poke.clone() };
    let after_commit: AfterCommit = Arc::new(move |_user_id| poke.poke());
    let service = Arc::new(Service::new(pool.clone(), clock));

    let slot = Slot::default();
    let handle = slot.handle(Admission::new(admission));
    let actor = Child::new("cycles", move |supervisor| {
        let slot = slot.clone();
        let arguments = CyclesArguments {
            service: Arc::clone(&service),
            pool: pool.clone(),
            after_commit: Arc::clone(&after_commit),
        };
        async move {
            let (actor, _join) =
                Actor::spawn_linked(None, CyclesActor, arguments, supervisor).await?;
            slot.fill(actor.clone());
            Ok(actor.get_cell())
        }
    });
    // They stop in the reverse order: the relay still carries what the actor wrote last.
    let children = vec![relay.child(), idempotency::purge_child("cycles", relay_pool), actor];
    (Plan::group("cycles group", children), handle)
}
