//! The notifications group as a process would run it, over a Postgres of its own, with an
//! analytics group that says what the test tells it to.

#[path = "../../../../runtime/tests/support/held.rs"]
pub(crate) mod held;
#[path = "../../../../runtime/tests/support/postgres.rs"]
mod postgres;
#[path = "../../../../runtime/tests/support/erasing_users.rs"]
pub(crate) mod users;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use actor_runtime::{
    admission::AdmissionLimits,
    clock::{Clock, Ids},
    database::{self, DatabaseOptions},
    supervisor::{self, Supervisor},
};
use contracts::{
    Call, CycleId, Handle, PredictionId, Refusal, Request, UserId, Version,
    analytics::{ActivePrediction, AnalyticsMailbox, PredictedStart},
    call::IdempotencyKey,
    events::{ChangedPage, ChangedUser, Event, SCHEMA, Topic, Verb, WakeUp},
    handle::{Opened, Transport},
    notifications::{
        ListNotifications, Notification, NotificationList, NotificationStatus,
        NotificationsMailbox, UpdatePreferences,
    },
    page::PageRequest,
};
use futures::future::BoxFuture;
use lunation_notifications::{Dependencies, MIGRATOR};
use nats::{Bus, Durable, PublishError};
use postgres::TestDatabase;
use ractor::{Actor, ActorRef};
use sqlx::PgPool;
use users::ErasingUsers;

/// Everybody, from the first row on.
pub(crate) const PAGE: PageRequest = PageRequest { limit: 100, offset: 0 };

/// What the test says the analytics group holds.
#[derive(Clone, Default)]
pub(crate) struct FakeAnalytics(Arc<Mutex<BTreeMap<UserId, ActivePrediction>>>);

impl FakeAnalytics {
    pub(crate) fn set(&self, snapshot: ActivePrediction) {
        self.0.lock().unwrap().insert(snapshot.user_id, snapshot);
    }

    fn active(&self, user_id: UserId) -> ActivePrediction {
        let nothing = snapshot(user_id, 0, 0, None);
        self.0.lock().unwrap().get(&user_id).cloned().unwrap_or(nothing)
    }

    fn changed(&self, after: Option<UserId>) -> ChangedPage {
        let held = self.0.lock().unwrap();
        let rest = held.values().filter(|snapshot| Some(snapshot.user_id) > after);
        let users = rest.map(|it| ChangedUser { user_id: it.user_id, version: it.version });
        ChangedPage { users: users.collect() }
    }
}

impl Transport<AnalyticsMailbox> for FakeAnalytics {
    fn deliver(
        &self,
        _call: Call,
        message: AnalyticsMailbox,
    ) -> BoxFuture<'_, Result<Opened, Refusal>> {
        Box::pin(async move {
            let opened = Opened::default();
            opened.mark();
            match message {
                AnalyticsMailbox::GetActivePrediction(request, reply) => {
                    reply.answer(Ok(self.active(request.user_id)));
                }
                AnalyticsMailbox::ListPredictionsChanged(request, reply) => {
                    reply.answer(Ok(self.changed(request.0.after)));
                }
                _ => return Err(Refusal::unavailable()),
            }
            Ok(opened)
        })
    }
}

/// One process's notifications group.
pub(crate) struct Assembly {
    pub(crate) handle: Handle<NotificationsMailbox>,
    pub(crate) bus: Bus,
    supervisor: ActorRef<supervisor::Message>,
}

/// A Postgres, what analytics says, and the assemblies that share both.
pub(crate) struct World {
    pub(crate) analytics: FakeAnalytics,
    /// What users knows of erasures.
    pub(crate) users: ErasingUsers,
    pub(crate) pool: PgPool,
    options: DatabaseOptions,
    database: Option<TestDatabase>,
    assemblies: Vec<Assembly>,
}

impl World {
    pub(crate) async fn start(assemblies: usize) -> Self {
        let database = TestDatabase::start(&MIGRATOR).await;
        let analytics = FakeAnalytics::default();
        let options = DatabaseOptions {
            url: database.url.clone(),
            connections_max: 8,
            application_name: "notifications-test".to_owned(),
        };
        let pool = database::open(&options).unwrap();
        let database = Some(database);
        let users = ErasingUsers::default();
        let mut world = Self { analytics, users, pool, options, database, assemblies: Vec::new() };
        for _ in 0..assemblies {
            world.start_another().await;
        }
        world
    }

    pub(crate) async fn start_another(&mut self) {
        let bus = Bus::memory(&[Durable::Notifications, Durable::NotificationsErase]);
        let (plan, handle) = lunation_notifications::plan(Dependencies {
            pool: database::open(&self.options).unwrap(),
            bus: bus.clone(),
            clock: Clock::System,
            admission: AdmissionLimits::default(),
            analytics: Handle::new(Arc::new(self.analytics.clone())),
            users: self.users.handle(),
            anti_entropy_every: Duration::from_hours(1),
        });
        let (supervisor, _join) = Actor::spawn(None, Supervisor, plan).await.unwrap();
        self.assemblies.push(Assembly { handle, bus, supervisor });
    }

    pub(crate) fn assembly(&self, index: usize) -> &Assembly {
        &self.assemblies[index]
    }

    /// Analytics changes, and its wake-up is delivered and applied.
    pub(crate) async fn predict(&self, snapshot: ActivePrediction) {
        let (user_id, version) = (snapshot.user_id, snapshot.version);
        self.analytics.set(snapshot);
        self.assembly(0).wake(user_id, version).await.unwrap();
    }

    pub(crate) async fn ask<R>(&self, request: R) -> Result<R::Reply, Refusal>
    where
        R: Request<Mailbox = NotificationsMailbox>,
    {
        self.assembly(0).handle.ask(&call(), request).await
    }

    pub(crate) async fn ask_with_key<R>(&self, key: &str, request: R) -> Result<R::Reply, Refusal>
    where
        R: Request<Mailbox = NotificationsMailbox>,
    {
        let call = Call { idempotency_key: IdempotencyKey::parse(key), ..call() };
        self.assembly(0).handle.ask(&call, request).await
    }

    pub(crate) async fn list(&self, user_id: UserId) -> NotificationList {
        let request = ListNotifications { user_id, status: None, min_version: None, page: PAGE };
        self.ask(request).await.unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    /// The one notification of a user.
    pub(crate) async fn only(&self, user_id: UserId) -> Notification {
        let mut list = self.list(user_id).await;
        assert_eq!((list.notifications.len(), list.total), (1, 1));
        list.notifications.remove(0)
    }

    /// Marks the user's reminders as the dispatcher to come will.
    pub(crate) async fn dispatch(&self, user_id: UserId, status: NotificationStatus) {
        sqlx::query!(
            "UPDATE notification SET status = $2 WHERE user_id = $1 AND status = 'pending'",
            user_id.get(),
            status.name(),
        )
        .execute(&self.pool)
        .await
        .unwrap();
    }

    /// Stops the database as a power cut would.
    pub(crate) fn stop_database(&mut self) {
        drop(self.database.take());
    }

    /// As if the database had been dropped and migrated again.
    pub(crate) async fn empty(&self) {
        sqlx::query!("TRUNCATE notification, preferences, subject, idempotency")
            .execute(&self.pool)
            .await
            .unwrap();
    }

    pub(crate) async fn stop(self) {
        for assembly in &self.assemblies {
            assembly.supervisor.stop_and_wait(None, None).await.unwrap();
        }
    }
}

impl Assembly {
    /// Delivers a wake-up; done when it was applied.
    pub(crate) async fn wake(&self, user_id: UserId, version: Version) -> Result<(), PublishError> {
        let event = Event {
            topic: Topic::PredictionChanged,
            wake_up: WakeUp {
                event_id: Ids.event_id(),
                user_id,
                version,
                verb: Verb::Derived,
                schema: SCHEMA,
            },
            request_id: Ids.request_id("test"),
            trace: Ids.trace(),
        };
        loop {
            match self.bus.publish(&event, 1).await {
                // The consumer is about to subscribe.
                Err(PublishError::NotSubscribed(_)) => tokio::task::yield_now().await,
                published => return published.map(|_| ()),
            }
        }
    }
}

pub(crate) fn call() -> Call {
    Call::new(Ids.request_id("test"), Ids.trace(), Duration::from_secs(10))
}

/// A snapshot of analytics: `version` of the predictions, `as_of` of the cycles.
pub(crate) fn snapshot(
    user_id: UserId,
    version: i64,
    as_of: i64,
    active: Option<PredictedStart>,
) -> ActivePrediction {
    ActivePrediction {
        user_id,
        version: Version::new(version),
        as_of_version: Version::new(as_of),
        erased: false,
        forget_before: None,
        active,
    }
}

/// A predicted start.
pub(crate) fn start(anchor: i64, prediction: i64, date: &str) -> PredictedStart {
    PredictedStart {
        prediction_id: PredictionId::new(prediction),
        anchor_cycle_id: CycleId::new(anchor),
        predicted_start_date: date.parse().unwrap(),
    }
}

/// A change of nothing.
pub(crate) fn no_change(user_id: UserId) -> UpdatePreferences {
    UpdatePreferences {
        user_id,
        period_reminder_enabled: None,
        reminder_days_before: None,
        email_enabled: None,
        push_enabled: None,
    }
}

/// What a refused request says.
pub(crate) fn refusal<T>(answer: Result<T, Refusal>) -> Refusal {
    answer.err().expect("a refusal")
}
