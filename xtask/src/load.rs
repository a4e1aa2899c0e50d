//! People who write all the time, each one thing after the other.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use tokio::{sync::watch, task::JoinSet, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    http::{Answer, Http, Person, Request, WRITE_PATIENCE},
    ledger::{Contradiction, Ledger, Operation},
    random::Random,
    tally::Tally,
    watch::{Watched, watch_on},
};

/// The pause before a failed write is tried again.
const RETRY_PAUSE: Duration = Duration::from_millis(30);
/// How often progress is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How many watchers read beside the writers.
const WATCHERS: usize = 4;

/// Where the system is reached now, as base URLs. Each request goes to the next of its kind.
#[derive(Clone, Debug)]
pub struct Addresses {
    /// A gateway, through which everything is read in the end.
    pub gateway: String,
    /// What takes writes.
    pub writes: Vec<String>,
    /// Where analytics is read.
    pub analytics: Vec<String>,
    /// Where notifications are read.
    pub notifications: Vec<String>,
}

impl Addresses {
    /// One gateway for everything.
    pub fn one(gateway: String) -> Self {
        let one = || vec![gateway.clone()];
        Self { writes: one(), analytics: one(), notifications: one(), gateway }
    }
}

/// How a load is.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The same seed, the same writes.
    pub seed: u64,
    /// What everybody rests between two writes.
    pub rest: Duration,
    /// Whether connections are used again. A server that stops closes idle ones, and a client that
    /// uses one at that very moment cannot know whether its request arrived.
    pub keep_alive: bool,
    /// How long a write may go on failing after the end of the load.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        let (rest, patience) = (Duration::from_millis(20), Duration::from_secs(30));
        Self { seed: 1, rest, keep_alive: true, patience }
    }
}

/// A load that runs.
pub struct Load {
    addresses: watch::Sender<Addresses>,
    stop: CancellationToken,
    acknowledged: Arc<AtomicU64>,
    looks: Arc<AtomicU64>,
    writers: JoinSet<Written>,
    watchers: JoinSet<Watched>,
    http: Http,
}

/// A load that has ended.
pub struct Outcome {
    pub(crate) written: Vec<Written>,
    pub(crate) watched: Vec<Watched>,
    pub(crate) base: String,
    pub(crate) http: Http,
}

/// What one person has to tell.
pub(crate) struct Written {
    pub(crate) person: Person,
    pub(crate) ledger: Ledger,
    pub(crate) tally: Tally,
    pub(crate) contradictions: Vec<Contradiction>,
    pub(crate) problems: Vec<String>,
    /// A write whose outcome is unknown to the end.
    pub(crate) open: Option<Operation>,
}

struct Writer {
    written: Written,
    http: Http,
    addresses: watch::Receiver<Addresses>,
    stop: CancellationToken,
    acknowledged: Arc<AtomicU64>,
    settings: Settings,
    turn: usize,
}

impl Load {
    /// Starts it. Everybody must have an empty ledger: nobody has logged anything yet.
    ///
    /// # Errors
    /// There is no HTTP client to be had.
    pub fn start(addresses: Addresses, people: &[Person], settings: &Settings) -> Result<Self> {
        let http = Http::new(settings.keep_alive)?;
        let (addresses, follow) = watch::channel(addresses);
        let stop = CancellationToken::new();
        let (acknowledged, looks) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let (mut writers, mut watchers) = (JoinSet::new(), JoinSet::new());
        let random = Random::new(settings.seed);
        for (number, person) in (1..).zip(people) {
            let writer = Writer {
                written: Written::nothing(person),
                http: http.clone(),
                addresses: follow.clone(),
                stop: stop.clone(),
                acknowledged: Arc::clone(&acknowledged),
                settings: settings.clone(),
                turn: number,
            };
            let random = random.fork(u64::try_from(number)?);
            writers.spawn(writer.write_on(random));
        }
        for nth in 0..WATCHERS {
            let (people, follow) = (people.to_vec(), follow.clone());
            let watched = Watched::counted_in(&looks);
            watchers.spawn(watch_on(http.clone(), people, follow, stop.clone(), nth, watched));
        }
        Ok(Self { addresses, stop, acknowledged, looks, writers, watchers, http })
    }

    /// From now on the system is reached here.
    pub fn moved(&self, addresses: Addresses) {
        self.addresses.send_replace(addresses);
    }

    /// How many writes were acknowledged so far.
    pub fn acknowledged(&self) -> u64 {
        self.acknowledged.load(Ordering::Relaxed)
    }

    /// Waits until so many more writes are acknowledged.
    ///
    /// # Errors
    /// That does not happen in time.
    pub async fn goes_on(&self, writes: u64, patience: Duration) -> Result<()> {
        grows_by(&self.acknowledged, writes, patience).await.context("writes that are acknowledged")
    }

    /// Waits until the watchers have had so many more answers.
    ///
    /// # Errors
    /// That does not happen in time.
    pub async fn is_watched(&self, looks: u64, patience: Duration) -> Result<()> {
        grows_by(&self.looks, looks, patience).await.context("looks that are answered")
    }

    /// Ends it: everybody finishes the write that they are at.
    pub async fn stop(self) -> Outcome {
        let Self { addresses, stop, acknowledged: _, looks: _, writers, watchers, http } = self;
        stop.cancel();
        let written = writers.join_all().await;
        let watched = watchers.join_all().await;
        let base = addresses.borrow().gateway.clone();
        Outcome { written, watched, base, http }
    }
}

/// Waits until a count is by so much greater than now.
async fn grows_by(count: &AtomicU64, more: u64, patience: Duration) -> Result<()> {
    let (begun, goal) = (Instant::now(), count.load(Ordering::Relaxed) + more);
    loop {
        let had = count.load(Ordering::Relaxed);
        if had >= goal {
            return Ok(());
        }
        ensure!(
            begun.elapsed() < patience,
            "{} of {more} are missing after {patience:?}",
            goal - had
        );
        sleep(LOOK_EVERY).await;
    }
}

impl Written {
    fn nothing(person: &Person) -> Self {
        Self {
            person: person.clone(),
            ledger: Ledger::default(),
            tally: Tally::default(),
            contradictions: Vec::new(),
            problems: Vec::new(),
            open: None,
        }
    }
}

impl Writer {
    async fn write_on(mut self, mut random: Random) -> Written {
        while !self.stop.is_cancelled() && self.written.problems.is_empty() {
            let operation = self.written.ledger.next(&mut random);
            self.write(operation).await;
            sleep(self.settings.rest).await;
        }
        self.written
    }

    /// Writes until it is acknowledged, always with the same key.
    async fn write(&mut self, operation: Operation) {
        let (method, path, body, success) = operation.request();
        let key = format!("drill-{}-{}", self.written.person.id, self.written.ledger.acknowledged);
        let mut given_up_at = None;
        for attempt in 0_u64.. {
            let base = self.next_base();
            let request_id = format!("{key}-{attempt}");
            let request = Request {
                base: &base,
                method: method.clone(),
                path: &path,
                body: body.as_ref(),
                idempotency_key: Some(&key),
                id: Some(&request_id),
                patience: WRITE_PATIENCE,
            };
            match self.http.send(&self.written.person, request).await {
                Ok(answer) if answer.status.as_u16() == success => {
                    self.enter(&operation, &answer);
                    return;
                }
                Ok(Answer { status, body }) => {
                    let problem = format!("{method} {path} answers {status}: {body}");
                    self.written.problems.push(problem);
                    return;
                }
                Err((failure, said)) => self.written.tally.count(failure, &said, &request_id),
            }
            if self.stop.is_cancelled() {
                let patience = self.settings.patience;
                let end = *given_up_at.get_or_insert_with(|| Instant::now() + patience);
                if Instant::now() > end {
                    self.written.open = Some(operation);
                    return;
                }
            }
            sleep(RETRY_PAUSE).await;
        }
    }

    fn enter(&mut self, operation: &Operation, answer: &Answer) {
        self.acknowledged.fetch_add(1, Ordering::Relaxed);
        let before = self.written.ledger.version;
        if let Err(contradiction) = self.written.ledger.enter(operation, &answer.body) {
            let id = self.written.person.id;
            let said = &answer.body["version"];
            self.written.problems.push(format!(
                "user {id}: version {said} was acknowledged after {before} ({contradiction:?})"
            ));
            self.written.contradictions.push(contradiction);
        }
    }

    fn next_base(&mut self) -> String {
        self.turn = self.turn.wrapping_add(1);
        let addresses = self.addresses.borrow();
        let writes = &addresses.writes;
        writes.get(self.turn % writes.len().max(1)).cloned().unwrap_or_default()
    }
}
