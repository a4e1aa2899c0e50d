//! The analytics group over real actors and a real Postgres. The cycles and the users group are played
//! by [`owner::Owner`], which answers from memory and can be told to be slow, stale or broken.

#[path = "../../../runtime/tests/support/held.rs"]
mod held;
#[path = "../../../runtime/tests/support/postgres.rs"]
mod postgres;

mod calendar;
mod coalescing;
mod days;
mod erasure;
mod guards;
mod insights;
mod life;
mod memory;
mod owner;
mod people;
mod places;
mod processes;
mod questions;
mod reads;
mod upgrade;

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
use chrono::{NaiveDate, NaiveTime};
use contracts::{
    Call, Handle, Refusal, UserId, Version,
    analytics::{
        AnalyticsMailbox, CycleAnalyticsList, ListCycleAnalytics, ListPredictions, PredictionList,
    },
    events::{Event, SCHEMA, Topic, Verb, WakeUp},
    page::PageRequest,
};
use nats::{Bus, Durable};
use ractor::{Actor, ActorCell};
use sqlx::PgPool;

use self::{
    owner::{Owner, WayTo, WayToPeople},
    postgres::TestDatabase,
};
use crate::{
    Assembly, Dependencies, MIGRATOR,
    coordinator::Waker,
    derive::{Derived, Person, derive},
    store::subject_reads::subject_read,
    user::Wanted,
};

const PATIENCE: Duration = Duration::from_secs(30);

/// What differs between tests.
#[derive(Clone, Copy)]
struct Settings {
    idle: Duration,
    live_actors_max: usize,
    anti_entropy_every: Duration,
    late_users_every: Duration,
    /// What the process takes for today, for all its life.
    today: NaiveDate,
}

impl Default for Settings {
    /// Today is before all that is logged, so that nobody is late.
    fn default() -> Self {
        let hour = Duration::from_hours(1);
        Self {
            idle: hour,
            live_actors_max: 20_000,
            anti_entropy_every: hour,
            late_users_every: hour,
            today: day("2020-01-01"),
        }
    }
}

/// One process's analytics group.
struct Process {
    handle: Handle<AnalyticsMailbox>,
    waker: Waker,
    bus: Bus,
    pool: PgPool,
    supervisor: ActorCell,
    today: NaiveDate,
}

impl Process {
    async fn start(place: &TestDatabase, owner: &Arc<Owner>, settings: Settings) -> Self {
        let options = database::DatabaseOptions {
            url: place.url.clone(),
            connections_max: 8,
            application_name: "analytics-test".to_owned(),
        };
        let pool = database::open(&options).unwrap();
        let bus =
            Bus::memory(&[Durable::Analytics, Durable::AnalyticsPeople, Durable::AnalyticsErase]);
        let assembly = Assembly::new(Dependencies {
            pool: pool.clone(),
            relay_pool: database::open_relaxed(&options).unwrap(),
            bus: bus.clone(),
            clock: Clock::Fixed(settings.today.and_time(NaiveTime::MIN).and_utc()),
            admission: AdmissionLimits::default(),
            cycles: Handle::new(Arc::new(WayTo(Arc::clone(owner)))),
            users: Handle::new(Arc::new(WayToPeople(Arc::clone(owner)))),
            idle: settings.idle,
            live_actors_max: settings.live_actors_max,
            anti_entropy_every: settings.anti_entropy_every,
            late_users_every: settings.late_users_every,
        });
        let Assembly { plan, handle, waker } = assembly;
        let (supervisor, _join) = Actor::spawn(None, Supervisor, plan).await.unwrap();
        let (supervisor, today) = (supervisor.get_cell(), settings.today);
        Self { handle, waker, bus, pool, supervisor, today }
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

    /// What is stored is exactly what is derived from what the owners have now, as of today.
    async fn assert_stored(&self, owner: &Owner, user: UserId) {
        let derived = derived(owner, user, self.today);
        let (predictions, analytics) =
            (self.predictions(user, None).await, self.analytics(user).await);
        assert_eq!(predictions.as_of_version, derived.key.cycles);
        assert_eq!(analytics.as_of_version, derived.key.cycles);
        let expected = (0..derived.cycles.len()).rev().filter_map(|at| derived.prediction(at));
        assert!(expected.eq(predictions.predictions), "the predictions of user {user} are others");
        assert!(
            derived.cycles.iter().rev().eq(&analytics.analytics),
            "the statistics of user {user} are others"
        );
        self.assert_marked(&derived).await;
    }

    /// The fingerprints that are stored are those of what is stored.
    async fn assert_marked(&self, derived: &Derived) {
        let stored = subject_read(&self.pool, derived.user_id).await.unwrap();
        let Some(believed) = stored.and_then(|stored| stored.believed) else {
            assert!(derived.cycles.is_empty(), "nothing is known of user {}", derived.user_id);
            return;
        };
        let mut stored = believed.marks.to_vec();
        stored.sort_by_key(|mark| mark.cycle_id);
        let mut marks = derived.marks.to_vec();
        marks.sort_by_key(|mark| mark.cycle_id);
        assert_eq!(stored, marks);
    }

    /// The prediction of the newest cycle, as it is stored.
    async fn stored_start(&self, user: UserId) -> Option<(NaiveDate, Option<NaiveDate>)> {
        let row = sqlx::query!(
            "SELECT predicted_start_date, open_until FROM prediction
             WHERE user_id = $1 AND is_active",
            user.get(),
        );
        let row = row.fetch_optional(&self.pool).await.unwrap()?;
        Some((row.predicted_start_date, row.open_until))
    }
}

/// The state of a user from scratch, from what the owners have now.
fn derived(owner: &Owner, user: UserId, today: NaiveDate) -> Derived {
    let contracts::users::Person { user_id: _, version, date_of_birth } = owner.person(user);
    let person = Person { version: Some(version), date_of_birth };
    derive(&owner.history(user), person, today, None).unwrap()
}

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
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

/// Delivers an event as a relay does: again, for as long as somebody asks for that.
async fn deliver(process: &Process, topic: Topic, user_id: UserId, version: i64) {
    let (event_id, version) = (Ids.event_id(), Version::new(version));
    let wake_up = WakeUp { event_id, user_id, version, verb: Verb::Deleted, schema: SCHEMA };
    let event = Event { topic, wake_up, request_id: Ids.request_id("test"), trace: Ids.trace() };
    let mut attempt = 0;
    loop {
        attempt += 1;
        match process.bus.publish(&event, attempt).await {
            Ok(_) => return,
            Err(error) => tokio::time::sleep(error.retry_after().unwrap_or_default()).await,
        }
    }
}

/// Looks again and again, until it holds or too much time has passed.
async fn eventually(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !holds().await {
        assert!(Instant::now() < deadline, "not in time: {what}");
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}
