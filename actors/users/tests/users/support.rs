//! The users group as a process would run it, over a Postgres of its own.

use std::time::Duration;

use actor_runtime::{
    admission::AdmissionLimits,
    clock::{Clock, Ids},
    database::{self, DatabaseOptions},
    supervisor::{Message, Supervisor},
    tasks,
};
use chrono::NaiveDate;
use contracts::{
    Call, Handle, Patch, Refusal, Request, UserId,
    call::IdempotencyKey,
    events::Event,
    users::{Login, Password, Register, UpdateProfile, UsersMailbox},
};
use lunation_users::{self as users, Argon2Parameters, Dependencies, MIGRATOR, SigningKey};
use nats::{Bus, Durable};
use ractor::{Actor, ActorRef};
use sqlx::PgPool;
use tempfile::TempDir;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::postgres::TestDatabase;

/// More than anything here takes: a test that waits so long has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) const ISSUER: &str = "https://lunation.test";
pub(crate) const AUDIENCE: &str = "lunation";
pub(crate) const PASSWORD: &str = "pass123";
/// Cheap enough for many tests; a real configuration has a floor.
pub(crate) const CHEAP: (u32, u32, u32) = (64, 1, 1);

/// A running users group.
pub(crate) struct TestUsers {
    pub(crate) handle: Handle<UsersMailbox>,
    pub(crate) pool: PgPool,
    /// What was told over the bus.
    events: UnboundedReceiver<Event>,
    bus: Bus,
    options: DatabaseOptions,
    database: Option<TestDatabase>,
    supervisor: ActorRef<Message>,
    data_dir: TempDir,
}

impl TestUsers {
    pub(crate) async fn start() -> Self {
        Self::start_with(CHEAP).await
    }

    pub(crate) async fn start_with(argon2: (u32, u32, u32)) -> Self {
        Self::start_on(TestDatabase::start(&MIGRATOR).await, argon2).await
    }

    /// On a database that has all migrations.
    pub(crate) async fn start_on(database: TestDatabase, argon2: (u32, u32, u32)) -> Self {
        let _installed_by_another_test =
            jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.install_default();
        let options = options(&database);
        let data_dir = tempfile::tempdir().unwrap();
        let bus = Bus::memory(&[Durable::AnalyticsPeople]);
        let events = listen(&bus).await;
        let (handle, supervisor) = start_group(&options, &bus, &data_dir, argon2).await;
        Self {
            handle,
            pool: database::open(&options).unwrap(),
            events,
            bus,
            options,
            database: Some(database),
            supervisor,
            data_dir,
        }
    }

    /// Another group on the same database, as another process would host it.
    pub(crate) async fn another_group(&self) -> Handle<UsersMailbox> {
        start_group(&self.options, &self.bus, &self.data_dir, CHEAP).await.0
    }

    /// What is told next.
    pub(crate) async fn next_event(&mut self) -> Event {
        let event = tokio::time::timeout(PATIENCE, self.events.recv()).await;
        event.expect("an event in time").expect("somebody listens")
    }

    /// Waits until everything was told, and says how many events there were since the last look.
    pub(crate) async fn settle(&mut self) -> usize {
        let settled = async {
            let due = || {
                sqlx::query_scalar!(
                    r#"SELECT count(*) AS "count!" FROM outbox WHERE version > published_version"#
                )
            };
            while due().fetch_one(&self.pool).await.unwrap() > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("the outbox is carried away");
        std::iter::from_fn(|| self.events.try_recv().ok()).count()
    }

    pub(crate) async fn ask<R: Request<Mailbox = UsersMailbox>>(
        &self,
        request: R,
    ) -> Result<R::Reply, Refusal> {
        self.handle.ask(&call(), request).await
    }

    pub(crate) async fn ask_with_key<R: Request<Mailbox = UsersMailbox>>(
        &self,
        key: &str,
        request: R,
    ) -> Result<R::Reply, Refusal> {
        let call = Call { idempotency_key: IdempotencyKey::parse(key), ..call() };
        self.handle.ask(&call, request).await
    }

    pub(crate) async fn accounts(&self) -> i64 {
        let count = sqlx::query_scalar!("SELECT count(*) FROM account").fetch_one(&self.pool);
        count.await.unwrap().unwrap()
    }

    /// Stops the database as a power cut would.
    pub(crate) fn stop_database(&mut self) {
        drop(self.database.take());
    }

    /// Stops everything in the order of a process's end.
    pub(crate) async fn stop(self) {
        self.supervisor.stop_and_wait(None, None).await.unwrap();
        self.pool.close().await;
    }
}

pub(crate) fn options(database: &TestDatabase) -> DatabaseOptions {
    DatabaseOptions {
        url: database.url.clone(),
        connections_max: 8,
        application_name: "users-test".to_owned(),
    }
}

async fn start_group(
    options: &DatabaseOptions,
    bus: &Bus,
    data_dir: &TempDir,
    (memory_kib, iterations, parallelism): (u32, u32, u32),
) -> (Handle<UsersMailbox>, ActorRef<Message>) {
    let dependencies = Dependencies {
        pool: database::open(options).unwrap(),
        relay_pool: database::open_relaxed(options).unwrap(),
        bus: bus.clone(),
        clock: Clock::System,
        admission: AdmissionLimits::default(),
        password_length_min: 7,
        argon2: Argon2Parameters::new(memory_kib, iterations, parallelism).unwrap(),
        signing_key: SigningKey::load_or_create(&data_dir.path().join("key.pem")).unwrap(),
        issuer: ISSUER.to_owned(),
        audience: AUDIENCE.to_owned(),
        access_token_ttl: Duration::from_mins(10),
    };
    let (plan, handle) = users::plan(dependencies);
    let (supervisor, _join) = Actor::spawn(None, Supervisor, plan).await.unwrap();
    (handle, supervisor)
}

/// Takes every event, as a consumer would.
async fn listen(bus: &Bus) -> UnboundedReceiver<Event> {
    let mut inbox = bus.subscribe(Durable::AnalyticsPeople).await.unwrap();
    let (told, events) = mpsc::unbounded_channel();
    tasks::spawn(async move {
        while let Some(delivery) = inbox.next().await {
            let event = delivery.content().clone().unwrap();
            // A test may end before everything was told.
            let _nobody_listens = told.send(event);
            delivery.ack().await.unwrap();
        }
    });
    events
}

pub(crate) fn call() -> Call {
    Call::new(Ids.request_id("test"), Ids.trace(), Duration::from_secs(20))
}

pub(crate) fn register(email: &str, username: &str) -> Register {
    Register {
        email: email.to_owned(),
        username: username.to_owned(),
        password: Password::new(PASSWORD.to_owned()),
        first_name: Some("Test".to_owned()),
        last_name: None,
        date_of_birth: NaiveDate::from_ymd_opt(1990, 2, 28),
    }
}

pub(crate) fn keep_all(user_id: UserId) -> UpdateProfile {
    UpdateProfile {
        user_id,
        first_name: Patch::Keep,
        last_name: Patch::Keep,
        date_of_birth: Patch::Keep,
    }
}

pub(crate) fn login(email: &str, password: &str) -> Login {
    Login { email: email.to_owned(), password: Password::new(password.to_owned()) }
}
