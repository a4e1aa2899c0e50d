//! The analytics group over real actors and a real Postgres. The cycles group is played by
//! [`owner::Owner`], which answers from memory and can be told to be slow, stale or broken.

#[path = "../../../runtime/tests/support/postgres.rs"]
mod postgres;

mod coalescing;
mod guards;
mod memory;
mod owner;
mod places;
mod processes;
mod reads;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actor_runtime::{
    admission::AdmissionLimits,
    clock::{Clock, Ids},
    database,
    supervisor::Supervisor,
};
use contracts::{
    Call, Handle, Refusal, UserId, Version,
    analytics::{
        AnalyticsMailbox, CycleAnalyticsList, ListCycleAnalytics, ListPredictions, PredictionList,
    },
    page::PageRequest,
};
use nats::{Bus, Durable};
use ractor::{Actor, ActorCell};
use sqlx::PgPool;

use self::{
    owner::{Owner, WayTo},
    postgres::TestDatabase,
};
use crate::{Assembly, Dependencies, MIGRATOR, coordinator::Waker, derive::derive, user::Wanted};

const PATIENCE: Duration = Duration::from_secs(30);

/// What differs between tests.
#[derive(Clone, Copy)]
struct Settings {
    idle: Duration,
    live_actors_max: usize,
    anti_entropy_every: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let hour = Duration::from_hours(1);
        Self { idle: hour, live_actors_max: 20_000, anti_entropy_every: hour }
    }
}

/// One process's analytics group.
struct Process {
    handle: Handle<AnalyticsMailbox>,
    waker: Waker,
    bus: Bus,
    pool: PgPool,
    supervisor: ActorCell,
}

impl Process {
    async fn start(place: &TestDatabase, owner: &Arc<Owner>, settings: Settings) -> Self {
        let options = database::DatabaseOptions {
            url: place.url.clone(),
            connections_max: 8,
            application_name: "analytics-test".to_owned(),
        };
        let pool = database::open(&options).unwrap();
        let bus = Bus::memory(&[Durable::Analytics]);
        let assembly = Assembly::new(Dependencies {
            pool: pool.clone(),
            relay_pool: database::open_relaxed(&options).unwrap(),
            bus: bus.clone(),
            clock: Clock::System,
            admission: AdmissionLimits::default(),
            cycles: Handle::new(Arc::new(WayTo(Arc::clone(owner)))),
            idle: settings.idle,
            live_actors_max: settings.live_actors_max,
            anti_entropy_every: settings.anti_entropy_every,
        });
        let Assembly { plan, handle, waker } = assembly;
        let (supervisor, _join) = Actor::spawn(None, Supervisor, plan).await.unwrap();
        Self { handle, waker, bus, pool, supervisor: supervisor.get_cell() }
    }

    async fn wake(&self, user: UserId, version: i64) -> Result<Version, Refusal> {
        self.waker.wake(&call(), user, Wanted::AtLeast(Version::new(version))).await
    }

    async fn predictions(&self, user: UserId, active: Option<bool>) -> PredictionList {
        let page = PageRequest { limit: 100, offset: 0 };
        let request = ListPredictions { user_id: user, active, min_version: None, page };
        self.handle.ask(&call(), request).await.unwrap()
    }

    async fn analytics(&self, user: UserId) -> CycleAnalyticsList {
        let page = PageRequest { limit: 100, offset: 0 };
        let request = ListCycleAnalytics { user_id: user, min_version: None, page };
        self.handle.ask(&call(), request).await.unwrap()
    }

    /// The user actors that live now.
    fn live(&self) -> Vec<ActorCell> {
        self.waker.coordinator().unwrap().get_cell().get_children()
    }

    /// What is stored is exactly what is derived from the owner's current history.
    async fn assert_stored(&self, owner: &Owner, user: UserId) {
        let history = owner.history(user);
        let derived = derive(&history).unwrap();
        let (predictions, analytics) =
            (self.predictions(user, None).await, self.analytics(user).await);
        assert_eq!(predictions.as_of_version, history.version);
        assert_eq!(analytics.as_of_version, history.version);
        let expected = derived.cycles.iter().rev();
        assert!(
            expected
                .clone()
                .filter_map(|cycle| cycle.prediction.as_ref())
                .eq(&predictions.predictions),
            "the predictions of user {user} are others"
        );
        assert!(
            expected.map(|cycle| &cycle.analytics).eq(&analytics.analytics),
            "the statistics of user {user} are others"
        );
    }
}

async fn database() -> TestDatabase {
    TestDatabase::start(&MIGRATOR).await
}

fn call() -> Call {
    Call::new(Ids.request_id("test"), Ids.trace(), PATIENCE)
}

fn user(number: i64) -> UserId {
    UserId::new(number)
}

/// Looks again and again, until it holds or too much time has passed.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
