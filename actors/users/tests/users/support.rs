//! The users group as a process would run it, over a Postgres of its own.

use std::{path::PathBuf, sync::Arc, time::Duration};

use actor_runtime::{
    admission::AdmissionLimits,
    clock::{Clock, Ids},
    database::{self, DatabaseOptions},
    seal,
    supervisor::{Message, Supervisor},
    tasks,
};
use chrono::NaiveDate;
use contracts::{
    Call, Handle, Patch, Refusal, Request, SessionId, UserId,
    call::IdempotencyKey,
    events::Event,
    users::{Login, Password, Register, Session, UpdateProfile, User, UsersMailbox},
};
use lunation_users::{
    self as users, AddressLimits, Argon2Parameters, Dependencies, KeyRing, LedgerFile, MIGRATOR,
    Mailer, PasswordPolicy,
};
use nats::{Bus, Durable};
use ractor::{Actor, ActorRef};
use serde_json::{Map, Value};
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

/// What a test may want otherwise.
#[derive(Clone)]
pub(crate) struct Setup {
    pub(crate) argon2: (u32, u32, u32),
    pub(crate) clock: Clock,
    pub(crate) password_policy: PasswordPolicy,
    pub(crate) address_limits: AddressLimits,
    pub(crate) audit_kept: Duration,
    pub(crate) mailer: Option<Mailer>,
    pub(crate) ledger: Option<Arc<LedgerFile>>,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            argon2: CHEAP,
            clock: Clock::System,
            password_policy: PasswordPolicy::DEVELOPMENT,
            address_limits: AddressLimits { per_minute: 1_000, per_hour: 10_000 },
            audit_kept: Duration::from_hours(180 * 24),
            mailer: None,
            ledger: None,
        }
    }
}

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

    pub(crate) async fn start_as(setup: Setup) -> Self {
        Self::start_over(TestDatabase::start(&MIGRATOR).await, setup).await
    }

    /// On a database that has all migrations.
    pub(crate) async fn start_on(database: TestDatabase, argon2: (u32, u32, u32)) -> Self {
        Self::start_over(database, Setup { argon2, ..Setup::default() }).await
    }

    async fn start_over(database: TestDatabase, setup: Setup) -> Self {
        let _installed_by_another_test =
            jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.install_default();
        let options = options(&database);
        let data_dir = tempfile::tempdir().unwrap();
        let bus = Bus::memory(&[Durable::AnalyticsPeople, Durable::CyclesErase]);
        let events = listen(&bus).await;
        let (handle, supervisor) = start_group(&options, &bus, &data_dir, setup).await;
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
        self.another_group_as(Setup::default()).await
    }

    /// The same, with other settings: at another time, for one.
    pub(crate) async fn another_group_as(&self, setup: Setup) -> Handle<UsersMailbox> {
        start_group(&self.options, &self.bus, &self.data_dir, setup).await.0
    }

    /// The file of the sealing keys.
    pub(crate) fn sealing_keys(&self) -> PathBuf {
        self.data_dir.path().join("sealing-keys")
    }

    /// The database.
    pub(crate) fn url(&self) -> &str {
        &self.options.url
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

    /// Asks as the gateway does for somebody whose token is of this session.
    pub(crate) async fn ask_in<R: Request<Mailbox = UsersMailbox>>(
        &self,
        session_id: SessionId,
        request: R,
    ) -> Result<R::Reply, Refusal> {
        self.handle.ask(&Call { session: Some(session_id), ..call() }, request).await
    }

    /// Registers somebody and signs them in.
    pub(crate) async fn somebody(&self, name: &str) -> (User, Session) {
        let email = format!("{name}@test.com");
        let user = self.ask(register(&email, name)).await.unwrap();
        let session = self.ask(login(&email, PASSWORD)).await.unwrap();
        (user, session)
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

/// Looks again and again until something is so.
pub(crate) async fn eventually(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let so = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, so).await.unwrap_or_else(|_| panic!("in vain: {what}"));
}

/// Asks again and again until there is a value.
pub(crate) async fn until<T, Looking>(what: &str, mut look: impl FnMut() -> Looking) -> T
where
    Looking: Future<Output = Option<T>>,
{
    let found = async {
        loop {
            if let Some(value) = look().await {
                return value;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, found).await.unwrap_or_else(|_| panic!("in vain for {what}"))
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
    setup: Setup,
) -> (Handle<UsersMailbox>, ActorRef<Message>) {
    let Setup { argon2, clock, password_policy, address_limits, audit_kept, mailer, ledger } =
        setup;
    let (memory_kib, iterations, parallelism) = argon2;
    let sealing_keys = data_dir.path().join("sealing-keys");
    seal::create_key_file(&sealing_keys).unwrap();
    let dependencies = Dependencies {
        pool: database::open(options).unwrap(),
        relay_pool: database::open_relaxed(options).unwrap(),
        bus: bus.clone(),
        clock,
        admission: AdmissionLimits::default(),
        password_policy,
        sealing_keys: seal::KeyRing::load(seal::KeySource::File(sealing_keys)).unwrap(),
        sealing_every: Duration::from_millis(100),
        address_limits,
        audit_kept,
        ledger,
        mailer,
        argon2: Argon2Parameters::new(memory_kib, iterations, parallelism).unwrap(),
        signing_keys: KeyRing::load_or_create(&data_dir.path().join("key.pem")).unwrap(),
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
    let (told, events) = mpsc::unbounded_channel();
    for durable in [Durable::AnalyticsPeople, Durable::CyclesErase] {
        let mut inbox = bus.subscribe(durable).await.unwrap();
        let told = told.clone();
        tasks::spawn(async move {
            while let Some(delivery) = inbox.next().await {
                let event = delivery.content().clone().unwrap();
                // A test may end before everything was told.
                let _nobody_listens = told.send(event);
                delivery.ack().await.unwrap();
            }
        });
    }
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
    Login {
        email: email.to_owned(),
        password: Password::new(password.to_owned()),
        device: Some("test/1".to_owned()),
        second_factor: None,
    }
}

/// The claims of an access token, unverified.
pub(crate) fn claims(access_token: &str) -> Map<String, Value> {
    jsonwebtoken::dangerous::insecure_decode(access_token).unwrap().claims
}

/// The session of an access token.
pub(crate) fn session_of(access_token: &str) -> SessionId {
    SessionId::parse(claims(access_token)["sid"].as_str().unwrap()).unwrap()
}
