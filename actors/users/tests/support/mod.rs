//! The users group as a process would run it, over a Postgres of its own.

#[path = "../../../runtime/tests/support/postgres.rs"]
mod postgres;

use std::time::Duration;

use actor_runtime::{
    admission::AdmissionLimits,
    clock::{Clock, Ids},
    database::{self, DatabaseOptions},
    supervisor::Supervisor,
};
use chrono::NaiveDate;
use contracts::{
    Call, Handle, Refusal, Request,
    call::IdempotencyKey,
    users::{Login, Password, Register, UsersMailbox},
};
use lunation_users::{self as users, Argon2Parameters, Dependencies, MIGRATOR, SigningKey};
use ractor::{Actor, ActorRef};
use sqlx::PgPool;
use tempfile::TempDir;

use postgres::TestDatabase;

pub(crate) const ISSUER: &str = "https://lunation.test";
pub(crate) const AUDIENCE: &str = "lunation";
pub(crate) const PASSWORD: &str = "pass123";
/// Cheap enough for many tests; a real configuration has a floor.
pub(crate) const CHEAP: (u32, u32, u32) = (64, 1, 1);

/// A running users group.
pub(crate) struct TestUsers {
    pub(crate) handle: Handle<UsersMailbox>,
    pub(crate) pool: PgPool,
    database: Option<TestDatabase>,
    supervisor: ActorRef<actor_runtime::supervisor::Message>,
    _data_dir: TempDir,
}

impl TestUsers {
    pub(crate) async fn start() -> Self {
        Self::start_with(CHEAP).await
    }

    pub(crate) async fn start_with((memory_kib, iterations, parallelism): (u32, u32, u32)) -> Self {
        let _installed_by_another_test =
            jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.install_default();
        let database = TestDatabase::start(&MIGRATOR).await;
        let options = DatabaseOptions {
            url: database.url.clone(),
            connections_max: 8,
            application_name: "users-test".to_owned(),
        };
        let pool = database::open(&options).unwrap();
        let data_dir = tempfile::tempdir().unwrap();
        let dependencies = Dependencies {
            pool: pool.clone(),
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
        Self { handle, pool, database: Some(database), supervisor, _data_dir: data_dir }
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

pub(crate) fn login(email: &str, password: &str) -> Login {
    Login { email: email.to_owned(), password: Password::new(password.to_owned()) }
}
