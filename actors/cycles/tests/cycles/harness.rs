//! A database of one's own and groups on it, each as a process would host it.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use actor_runtime::{
    admission::AdmissionLimits,
    clock::{Clock, Ids},
    database::{self, DatabaseOptions},
    seal::{KeyRing, KeySource, create_key_file},
    supervisor::{Message, Supervisor},
};
use chrono::NaiveDate;
use contracts::{
    Call, CycleId, ErrorKind, Handle, Refusal, Request, UserId,
    call::IdempotencyKey,
    cycles::{
        Cycle, CycleWritten, CyclesMailbox, GetHistory, History, ListCycles, LogSymptom,
        RecordCycle,
    },
    page::PageRequest,
};
use lunation_cycles::{Dependencies, MIGRATOR};
use nats::{Bus, Durable};
use ractor::{Actor, ActorRef};
use sqlx::PgPool;
use tempfile::TempDir;

use crate::{postgres::TestDatabase, users::ErasingUsers};

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
pub(crate) const ALL: PageRequest = PageRequest { limit: 100, offset: 0 };
/// Wide enough that a test about something else is never turned away.
pub(crate) const OPEN_DOOR: AdmissionLimits =
    AdmissionLimits { in_flight_max: 4_096, in_flight_per_user_max: 4_096 };

/// Names a civil date.
pub(crate) fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// One group on the test's database.
pub(crate) struct Group {
    pub(crate) handle: Handle<CyclesMailbox>,
    pub(crate) supervisor: ActorRef<Message>,
    /// Where it hears of erasures.
    pub(crate) bus: Bus,
}

/// A database and the first group on it.
pub(crate) struct TestApp {
    pub(crate) group: Group,
    pub(crate) pool: PgPool,
    /// What users knows of erasures.
    pub(crate) users: ErasingUsers,
    /// The keys of what is sealed, where every group reads them.
    pub(crate) key_file: PathBuf,
    options: DatabaseOptions,
    _database: TestDatabase,
    _key_directory: TempDir,
}

impl TestApp {
    pub(crate) async fn start() -> Self {
        Self::start_with(OPEN_DOOR).await
    }

    pub(crate) async fn start_with(limits: AdmissionLimits) -> Self {
        Self::start_on(TestDatabase::start(&MIGRATOR).await, limits).await
    }

    /// On a database that has all migrations.
    pub(crate) async fn start_on(database: TestDatabase, limits: AdmissionLimits) -> Self {
        let options = DatabaseOptions {
            url: database.url.clone(),
            connections_max: 16,
            application_name: "cycles-test".to_owned(),
        };
        let pool = database::open(&options).unwrap();
        let users = ErasingUsers::default();
        let key_directory = tempfile::tempdir().unwrap();
        let key_file = key_directory.path().join("sealing-keys");
        create_key_file(&key_file).unwrap();
        let group = start_group(&options, limits, &users, sealing(&key_file)).await;
        Self {
            group,
            pool,
            users,
            key_file,
            options,
            _database: database,
            _key_directory: key_directory,
        }
    }

    /// Another group on the same database, as another process would host it.
    pub(crate) async fn another_group(&self) -> Group {
        self.group_with(sealing(&self.key_file)).await
    }

    /// Another group with other keys, or one that looks for what is to be sealed as often.
    pub(crate) async fn group_with(&self, sealing: Sealing) -> Group {
        start_group(&self.options, OPEN_DOOR, &self.users, sealing).await
    }

    /// A group whose role the server does not know.
    pub(crate) async fn group_of_nobody(&self) -> Group {
        let url = self.options.url.replacen("owner@", "nobody@", 1);
        let options = DatabaseOptions { url, ..self.options.clone() };
        start_group(&options, OPEN_DOOR, &self.users, sealing(&self.key_file)).await
    }

    /// Waits until something is so.
    pub(crate) async fn until(&self, what: &str, mut is_so: impl AsyncFnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !is_so().await {
            assert!(Instant::now() < deadline, "{what}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until every change was announced.
    pub(crate) async fn settle(&self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let due = sqlx::query_scalar!(
                r#"SELECT count(*) AS "count!" FROM outbox WHERE version > published_version"#
            );
            if due.fetch_one(&self.pool).await.unwrap() == 0 {
                return;
            }
            assert!(Instant::now() < deadline, "the outbox is not carried away");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

/// What a group seals with, and how often it looks for what is to be sealed.
pub(crate) struct Sealing {
    pub(crate) keys: KeyRing,
    pub(crate) every: Duration,
}

/// The keys of a file; after the start nothing is looked for any more.
pub(crate) fn sealing(key_file: &Path) -> Sealing {
    let keys = KeyRing::load(KeySource::File(key_file.to_owned())).unwrap();
    Sealing { keys, every: Duration::from_hours(1) }
}

async fn start_group(
    options: &DatabaseOptions,
    admission: AdmissionLimits,
    users: &ErasingUsers,
    sealing: Sealing,
) -> Group {
    let bus = Bus::memory(&[Durable::CyclesErase]);
    let dependencies = Dependencies {
        pool: database::open(options).unwrap(),
        relay_pool: database::open_relaxed(options).unwrap(),
        bus: bus.clone(),
        clock: Clock::System,
        admission,
        users: users.handle(),
        anti_entropy_every: Duration::from_hours(1),
        retention_every: Duration::from_hours(1),
        sealing_keys: sealing.keys,
        sealing_every: sealing.every,
    };
    let (plan, handle) = lunation_cycles::plan(dependencies);
    let (supervisor, _join) = Actor::spawn(None, Supervisor, plan).await.unwrap();
    Group { handle, supervisor, bus }
}

impl Group {
    pub(crate) async fn ask<R: Request<Mailbox = CyclesMailbox>>(
        &self,
        user_id: UserId,
        request: R,
    ) -> Result<R::Reply, Refusal> {
        self.handle.ask(&call(user_id, PATIENCE, None), request).await
    }

    pub(crate) async fn ask_with_key<R: Request<Mailbox = CyclesMailbox>>(
        &self,
        user_id: UserId,
        key: &str,
        request: R,
    ) -> Result<R::Reply, Refusal> {
        self.handle.ask(&call(user_id, PATIENCE, Some(key)), request).await
    }

    /// Asks again as long as the request was certainly not carried out.
    pub(crate) async fn ask_until_admitted<R: Request<Mailbox = CyclesMailbox>>(
        &self,
        user_id: UserId,
        request: R,
    ) -> Result<R::Reply, Refusal> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.ask(user_id, request.clone()).await {
                Err(refusal)
                    if matches!(refusal.kind, ErrorKind::Overloaded | ErrorKind::Unavailable)
                        && Instant::now() < deadline => {}
                answer => return answer,
            }
        }
    }

    pub(crate) async fn record(
        &self,
        user_id: UserId,
        start: &str,
        end: Option<&str>,
    ) -> Result<CycleWritten, Refusal> {
        self.ask(user_id, record(user_id, start, end)).await
    }

    pub(crate) async fn list(&self, user_id: UserId) -> Vec<Cycle> {
        let request = ListCycles { user_id, from: None, to: None, page: ALL };
        self.ask(user_id, request).await.unwrap().rows
    }

    pub(crate) async fn history(&self, user_id: UserId) -> History {
        self.ask(user_id, GetHistory { user_id }).await.unwrap()
    }
}

pub(crate) fn call(user_id: UserId, patience: Duration, key: Option<&str>) -> Call {
    let mut call = Call::new(Ids.request_id("test"), Ids.trace(), patience);
    call.principal = Some(user_id);
    call.idempotency_key = key.map(|key| IdempotencyKey::parse(key).unwrap());
    call
}

pub(crate) fn record(user_id: UserId, start: &str, end: Option<&str>) -> RecordCycle {
    RecordCycle { user_id, start_date: day(start), end_date: end.map(day) }
}

pub(crate) fn symptom(user_id: UserId, cycle_id: CycleId, date: &str) -> LogSymptom {
    LogSymptom {
        user_id,
        cycle_id,
        date: day(date),
        symptom_type: "mood".to_owned(),
        value: "happy".to_owned(),
        severity: Some(2),
        notes: None,
    }
}

/// The refusal of a request that must not succeed.
pub(crate) fn refused<T>(answer: Result<T, Refusal>) -> Refusal {
    answer.err().expect("this must be refused")
}
