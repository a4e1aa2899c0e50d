//! The analytics domain: statistics and predictions, derived from a user's cycles and age.
//!
//! ```text
//! event or sweep ─► coordinator ─► the user's actor ─► asks cycles for the history, and users for
//! a day later ─►                         │             the age if it is not known
//!                                        └─► derive (pure) ─► writers: guard, rows, outbox ─► relay
//! request ─► actor ─► service ─► store
//! ```
//! Nothing here is a fact: the database can be dropped, and comes back with the same ids.
#![deny(missing_docs)]

mod actor;
mod anchor;
mod answers;
mod apply;
mod calendar;
mod consumer;
mod coordinator;
mod derive;
mod erasure;
mod ids;
mod insights;
mod known;
mod late;
mod log;
mod obstacles;
mod outlook;
mod patterns;
mod phases;
mod questions;
mod recompute;
mod record;
mod refresh;
mod service;
mod statistics;
mod store;
mod user;
mod writers;

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use actor_runtime::{
    admission::{Admission, AdmissionLimits},
    anti_entropy,
    clock::Clock,
    consume,
    erasure::Erasures,
    group_commit::AfterCommit,
    mailroom::Slot,
    relay::{Poke, Relay},
    supervisor::{Child, Plan},
    versions::VersionBoard,
};
use contracts::{
    Handle,
    analytics::AnalyticsMailbox,
    cycles::CyclesMailbox,
    events::Topic,
    users::{ErasingGroup, UsersMailbox},
};
use nats::{Bus, Durable};
use ractor::Actor;
use sqlx::PgPool;

use crate::{
    actor::AnalyticsActor,
    consumer::{CycleChanges, CycleSweeps, PersonChanges, PersonSweeps},
    coordinator::{Coordinator, CoordinatorArguments, Waker},
    erasure::AnalyticsErasure,
    late::LateUsers,
    recompute::Works,
    service::Service,
    writers::{WritersActor, WritersArguments, WritersMailbox},
};

/// The migrations of the analytics database.
pub static MIGRATOR: sqlx::migrate::Migrator = sqlx::migrate!("../../migrations/analytics");

/// Most derived states that wait for a commit at once: more than consumers, sweeps and requests
/// can have in flight together, so it is reached only if something is wrong.
const APPLIES_IN_FLIGHT_MAX: usize = 1_024;

/// How often users are looked for whose prediction is of an earlier day: it bounds how late after
/// midnight (UTC) their reminders move. What they read is of today all the same.
pub const LATE_USERS_EVERY: Duration = Duration::from_mins(10);

/// What the analytics group needs.
#[derive(Clone)]
pub struct Dependencies {
    /// The domain's database.
    pub pool: PgPool,
    /// The same database with relaxed commits, for the relay (`database::open_relaxed`).
    pub relay_pool: PgPool,
    /// Where events come from and go to.
    pub bus: Bus,
    /// The wall clock.
    pub clock: Clock,
    /// How much may be in flight.
    pub admission: AdmissionLimits,
    /// The owner of what everything here is derived from.
    pub cycles: Handle<CyclesMailbox>,
    /// The owner of the dates of birth. It may be away: predictions are then made without an age.
    pub users: Handle<UsersMailbox>,
    /// A user actor that was not woken for so long is let go.
    pub idle: Duration,
    /// Most user actors at any time.
    pub live_actors_max: usize,
    /// How often the applied versions are compared with the owners'.
    pub anti_entropy_every: Duration,
    /// How often users are looked for who are late; see [`LATE_USERS_EVERY`].
    pub late_users_every: Duration,
}

/// The analytics group: what its supervisor starts, and the handle to ask it.
pub fn plan(dependencies: Dependencies) -> (Plan, Handle<AnalyticsMailbox>) {
    let assembly = Assembly::new(dependencies);
    (assembly.plan, assembly.handle)
}

/// The group, put together.
struct Assembly {
    plan: Plan,
    handle: Handle<AnalyticsMailbox>,
    #[cfg(test)]
    waker: Waker,
}

impl Assembly {
    fn new(dependencies: Dependencies) -> Self {
        let Dependencies {
            pool,
            relay_pool,
            bus,
            clock,
            admission,
            cycles,
            users,
            idle,
            live_actors_max,
            anti_entropy_every,
            late_users_every,
        } = dependencies;
        let (waker, poke, board) = (Waker::default(), Poke::default(), VersionBoard::default());
        let (writers, writers_child) = writers_child(&pool, &board, &poke);
        let works = Works {
            cycles: cycles.clone(),
            users: users.clone(),
            writers,
            pool: pool.clone(),
            clock,
        };
        let works = Arc::new(works);
        let coordinator = CoordinatorArguments { works, idle, live_actors_max };
        let service = Arc::new(Service {
            pool: pool.clone(),
            board,
            waker: waker.clone(),
            cycles: cycles.clone(),
            clock,
        });
        let (handle, front) = front_child(service, admission);
        let changes = Arc::new(CycleChanges { waker: waker.clone() });
        let sweeps = Arc::new(CycleSweeps { waker: waker.clone(), cycles, pool: pool.clone() });
        let person_changes = Arc::new(PersonChanges { waker: waker.clone() });
        let erase = Arc::new(AnalyticsErasure { waker: waker.clone(), pool: pool.clone() });
        let erasures = Erasures { group: ErasingGroup::Analytics, users: users.clone(), erase };
        let person_sweeps =
            Arc::new(PersonSweeps { waker: waker.clone(), users, pool: pool.clone() });
        let late = LateUsers { waker: waker.clone(), pool, clock, every: late_users_every };
        let relay =
            Relay { pool: relay_pool, bus: bus.clone(), topic: Topic::PredictionChanged, poke };
        // They stop in the reverse order: the relay still carries what was applied last.
        let mut children = vec![
            relay.child(),
            writers_child,
            coordinator_child(coordinator, waker.clone()),
            front,
            consume::child(bus.clone(), Durable::Analytics, changes),
            consume::child(bus.clone(), Durable::AnalyticsPeople, person_changes),
            anti_entropy::child("analytics", anti_entropy_every, clock, sweeps),
            anti_entropy::child("analytics people", anti_entropy_every, clock, person_sweeps),
            late.child(),
        ];
        children.extend(erasures.children(bus, anti_entropy_every, clock));
        let plan = Plan::group("analytics group", children);
        Self {
            plan,
            handle,
            #[cfg(test)]
            waker,
        }
    }
}

fn writers_child(
    pool: &PgPool,
    board: &VersionBoard,
    poke: &Poke,
) -> (Handle<WritersMailbox>, Child) {
    let (board, poke) = (board.clone(), poke.clone());
    let after_commit: AfterCommit = Arc::new(move |user_id| {
        board.announce(user_id);
        poke.poke();
    });
    let arguments = WritersArguments { pool: pool.clone(), after_commit };
    let limits = AdmissionLimits {
        in_flight_max: APPLIES_IN_FLIGHT_MAX,
        in_flight_per_user_max: APPLIES_IN_FLIGHT_MAX,
    };
    let slot = Slot::default();
    let handle = slot.handle(Admission::new(limits));
    let child = Child::new("analytics writers", move |supervisor| {
        let (arguments, slot) = (arguments.clone(), slot.clone());
        async move {
            let (actor, _join) =
                Actor::spawn_linked(None, WritersActor, arguments, supervisor).await?;
            slot.fill(actor.clone());
            Ok(actor.get_cell())
        }
    });
    (handle, child)
}

fn coordinator_child(arguments: CoordinatorArguments, waker: Waker) -> Child {
    Child::new("analytics coordinator", move |supervisor| {
        let (arguments, waker) = (arguments.clone(), waker.clone());
        async move {
            let (actor, _join) =
                Actor::spawn_linked(None, Coordinator, arguments, supervisor).await?;
            waker.fill(actor.clone());
            Ok(actor.get_cell())
        }
    })
}

fn front_child(
    service: Arc<Service>,
    limits: AdmissionLimits,
) -> (Handle<AnalyticsMailbox>, Child) {
    let slot = Slot::default();
    let handle = slot.handle(Admission::new(limits));
    let child = Child::new("analytics", move |supervisor| {
        let (service, slot) = (Arc::clone(&service), slot.clone());
        async move {
            let (actor, _join) =
                Actor::spawn_linked(None, AnalyticsActor, service, supervisor).await?;
            slot.fill(actor.clone());
            Ok(actor.get_cell())
        }
    });
    (handle, child)
}
