//! The cycles domain: cycles, symptoms, episodes and answers, the facts that everything else is
//! derived from.
//!
//! `actor` is the shell, `service` the logic, `validate`, `timeline` and `observation` its pure
//! parts, `writes` what happens inside a transaction, `store` all SQL.
#![deny(missing_docs)]

mod actor;
mod erasure;
mod error;
mod import;
mod observation;
mod retention;
mod sealed;
mod sealing;
mod service;
mod store;
mod timeline;
mod validate;
mod writes;

use std::{sync::Arc, time::Duration};

use actor_runtime::{
    admission::{Admission, AdmissionLimits},
    clock::Clock,
    erasure::Erasures,
    group_commit::AfterCommit,
    idempotency,
    mailroom::Slot,
    relay::{Poke, Relay},
    seal::{KeyId, KeyRing},
    supervisor::{Child, Plan},
};
use contracts::{
    Handle,
    cycles::CyclesMailbox,
    events::Topic,
    users::{ErasingGroup, UsersMailbox},
};
use nats::Bus;
use ractor::Actor;
use sqlx::{PgConnection, PgPool};

use crate::{
    actor::{CyclesActor, CyclesArguments},
    erasure::CyclesErasure,
    retention::RetentionJob,
    sealing::SealingJob,
    service::Service,
};

pub use crate::{retention::RETENTION_EVERY, sealing::SEALING_EVERY};

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
    /// Who knows who was erased.
    pub users: Handle<UsersMailbox>,
    /// How often users are asked who was erased.
    pub anti_entropy_every: Duration,
    /// How often what is too old is looked for; see [`RETENTION_EVERY`].
    pub retention_every: Duration,
    /// The keys from outside the database, under which the users' data keys are wrapped.
    pub sealing_keys: KeyRing,
    /// How often it is looked for what is to be sealed, or wrapped anew; see [`SEALING_EVERY`].
    pub sealing_every: Duration,
}

/// How many data keys are wrapped under a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyUse {
    /// The key.
    pub key: KeyId,
    /// The data keys.
    pub data_keys: i64,
}

/// Which keys are needed to open what is sealed in a database of this domain. Quick, however many
/// users there are.
///
/// # Errors
///
/// The database's.
pub async fn keys_needed(connection: &mut PgConnection) -> Result<Vec<KeyId>, sqlx::Error> {
    store::data_key_wrapped_under(connection).await
}

/// How far sealing is: the keys that are needed, each with how many users need it, and how many
/// symptoms stand in clear still.
///
/// # Errors
///
/// The database's.
pub async fn sealing_state(
    connection: &mut PgConnection,
) -> Result<(Vec<KeyUse>, i64), sqlx::Error> {
    let mut uses = Vec::new();
    for key in keys_needed(&mut *connection).await? {
        let data_keys = store::data_key_count(&mut *connection, key).await?;
        uses.push(KeyUse { key, data_keys });
    }
    Ok((uses, store::in_clear_count(connection).await?))
}

/// The supervised children of the group, and the handle that finds its actor.
pub fn plan(dependencies: Dependencies) -> (Plan, Handle<CyclesMailbox>) {
    let Dependencies {
        pool,
        relay_pool,
        bus,
        clock,
        admission,
        users,
        anti_entropy_every,
        retention_every,
        sealing_keys: keys,
        sealing_every,
    } = dependencies;
    let poke = Poke::default();
    let relay = Relay {
        pool: relay_pool.clone(),
        bus: bus.clone(),
        topic: Topic::CycleChanged,
        poke: poke.clone(),
    };
    let after_commit: AfterCommit = Arc::new(move |_user_id| poke.poke());
    let service = Arc::new(Service::new(pool.clone(), clock, keys.clone()));

    let retention = RetentionJob {
        pool: pool.clone(),
        clock,
        keys: keys.clone(),
        every: retention_every,
        after_commit: Arc::clone(&after_commit),
    };
    let sealing = SealingJob { pool: pool.clone(), clock, keys, every: sealing_every };
    let erase = Arc::new(CyclesErasure { pool: pool.clone(), clock });
    let erasures = Erasures { group: ErasingGroup::Cycles, users, erase };

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
    let mut children = vec![
        relay.child(),
        idempotency::purge_child("cycles", relay_pool),
        actor,
        retention.child(),
        sealing.child(),
    ];
    children.extend(erasures.children(bus, anti_entropy_every, clock));
    (Plan::group("cycles group", children), handle)
}
