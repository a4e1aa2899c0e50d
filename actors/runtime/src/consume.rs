//! The consume loop: takes wake-ups off the bus, hands them to the domain, and settles each one
//! by what became of it.

mod tally;

use std::{
    panic::AssertUnwindSafe,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use contracts::{Call, ErrorKind, Refusal, events::WakeUp};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use nats::{Bus, Delivery, Durable, Undecodable};
use rand::RngExt;
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;

use self::tally::{Failures, Held};
use crate::{
    background::{self, LoopResult},
    faults,
    supervisor::Child,
};

/// Most wake-ups that are worked on at once. Each asks the owner, through the door by which people
/// come too (256 places): a backlog may not take all of them.
const IN_FLIGHT_MAX: usize = 64;
/// How long the work on one wake-up may take.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the broker hears that the work goes on.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// First pause when a dependency is away; each further one without a success in between is twice
/// as long.
const PAUSE_MIN: Duration = Duration::from_millis(500);
/// Longest pause while a dependency is away: it bounds how late its return is noticed.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// How soon a wake-up comes back that found a dependency away. Later than the pause ends: if only
/// this one user's work finds it so, the others have their turn in between.
const AWAY_WAIT_MIN: Duration = Duration::from_secs(1);
/// How late it comes back at the most, however long the dependency was away.
const AWAY_WAIT_MAX: Duration = Duration::from_secs(20);
/// How soon a wake-up comes back after its first failure; after each further one it takes twice as
/// long.
const FAILED_WAIT_MIN: Duration = Duration::from_millis(500);
/// A wake-up that failed this often goes to the dead letters.
const FAILURES_MAX: u32 = 5;
/// How long an event of a newer schema waits for the upgrade of this process.
const NEWER_SCHEMA_WAIT: Duration = Duration::from_mins(1);

/// What a domain does with a wake-up.
pub trait Consumer: Send + Sync + 'static {
    /// Brings the user's derived state up to the owner's current version, at least to the one in
    /// the event. Returns after its commit.
    fn on_wake_up(&self, call: Call, event: WakeUp) -> BoxFuture<'_, Result<(), Refusal>>;
}

/// What became of one delivery.
enum Settled {
    Done,
    /// Something that is needed is away: no use in taking more.
    Away,
    Failed,
}

/// A consumer as a supervised child.
pub fn child(bus: Bus, durable: Durable, consumer: Arc<dyn Consumer>) -> Child {
    // What is remembered of failures outlives an incarnation of the loop.
    let settler = Arc::new(Settler {
        durable,
        consumer,
        failures: Mutex::default(),
        newer_schema: Mutex::default(),
    });
    background::child(format!("consumer {}", durable.name()), move |stop| {
        let (bus, settler) = (bus.clone(), Arc::clone(&settler));
        async move { run(bus, settler, stop).await }
    })
}

async fn run(bus: Bus, settler: Arc<Settler>, stop: CancellationToken) -> LoopResult {
    let mut subscription = bus.subscribe(settler.durable).await?;
    let mut in_flight = FuturesUnordered::new();
    let mut paused_until = Instant::now();
    let mut pauses_in_a_row = 0;
    // After a dependency was away, one wake-up at a time tries whether it is back.
    let mut room = IN_FLIGHT_MAX;
    loop {
        let paused = Instant::now() < paused_until;
        tokio::select! {
            biased;
            () = stop.cancelled(), if in_flight.is_empty() => return Ok(()),
            Some(settled) = in_flight.next(), if !in_flight.is_empty() => match settled {
                Settled::Done => {
                    room = IN_FLIGHT_MAX;
                    pauses_in_a_row = 0;
                }
                Settled::Failed => {}
                // The others that were under way find the same; it is one pause for all of them.
                Settled::Away if paused => {}
                Settled::Away => {
                    room = 1;
                    pauses_in_a_row += 1;
                    paused_until = Instant::now() + backoff(PAUSE_MIN, PAUSE_MAX, pauses_in_a_row);
                }
            },
            () = time::sleep_until(paused_until), if paused => {}
            delivery = subscription.next(),
                if !paused && in_flight.len() < room && !stop.is_cancelled() =>
            {
                let Some(delivery) = delivery else { return Err("the bus was closed".into()) };
                let settler = Arc::clone(&settler);
                in_flight.push(async move { settler.settle(delivery).await });
            }
            () = stop.cancelled(), if !stop.is_cancelled() => {}
        }
    }
}

/// Works on deliveries and settles them.
struct Settler {
    durable: Durable,
    consumer: Arc<dyn Consumer>,
    failures: Mutex<Failures>,
    newer_schema: Mutex<Held>,
}

impl Settler {
    async fn settle(&self, delivery: Delivery) -> Settled {
        let event = match delivery.content() {
            Ok(event) => event.clone(),
            Err(Undecodable::NewerSchema(schema)) => {
                let schema = *schema;
                return self.hold(delivery, schema).await;
            }
            Err(Undecodable::Malformed) => {
                self.bury(delivery, "undecodable").await;
                return Settled::Failed;
            }
        };
        let durable = self.durable.name();
        let call = Call::new(event.request_id.clone(), event.trace.clone(), PATIENCE);
        let (event_id, user_id) = (event.wake_up.event_id, event.wake_up.user_id);
        let version = event.wake_up.version;
        let work = AssertUnwindSafe(self.consumer.on_wake_up(call, event.wake_up)).catch_unwind();
        let result = with_keep_alive(&delivery, work).await;
        tracing::debug!(
            durable, %user_id, %version, request_id = %event.request_id,
            applied = matches!(result, Ok(Ok(()))), "consumed an event"
        );
        match result {
            Ok(Ok(())) => {
                lock(&self.failures).forget(event_id);
                faults::point("consumer.before_ack");
                self.ack(delivery).await;
                Settled::Done
            }
            Ok(Err(refusal)) if is_away(&refusal) => {
                tracing::warn!(
                    durable, code = %refusal.code, request_id = %event.request_id,
                    "a dependency is away; pulling stops for a while"
                );
                let delay = backoff(AWAY_WAIT_MIN, AWAY_WAIT_MAX, delivery.attempt());
                delivery.retry(delay).await;
                Settled::Away
            }
            Ok(Err(_)) | Err(_) => {
                // Not the broker's count of deliveries: that counts outages too, and a wake-up that
                // waited for the end of one has all its tries still before it.
                let failures = lock(&self.failures).count(event_id, Instant::now());
                if failures >= FAILURES_MAX {
                    if self.bury(delivery, "failed").await {
                        lock(&self.failures).forget(event_id);
                    }
                    return Settled::Failed;
                }
                tracing::error!(
                    durable, %user_id, failures, request_id = %event.request_id,
                    "a wake-up failed; it comes again"
                );
                delivery.retry(backoff(FAILED_WAIT_MIN, PAUSE_MAX, failures)).await;
                Settled::Failed
            }
        }
    }

    /// An event of a newer schema waits for an upgraded process. While it waits it takes one of the
    /// places that the durable has for all its processes, so only so many may. Any further one is
    /// let go: the sweeps of an upgraded process find its user.
    async fn hold(&self, delivery: Delivery, schema: u16) -> Settled {
        let durable = self.durable.name();
        if lock(&self.newer_schema).hold(Instant::now()) {
            tracing::warn!(durable, schema, "an event of a newer schema waits for an upgrade");
            delivery.retry(NEWER_SCHEMA_WAIT).await;
        } else {
            tracing::warn!(durable, schema, "an event of a newer schema is left to the sweeps");
            self.ack(delivery).await;
        }
        Settled::Failed
    }

    /// Whether the dead letter was taken; if not, the wake-up comes again.
    async fn bury(&self, delivery: Delivery, class: &'static str) -> bool {
        let durable = self.durable.name();
        tracing::error!(durable, class, "a wake-up goes to the dead letters");
        let taken = delivery.dead_letter(class).await;
        if let Err(error) = &taken {
            tracing::warn!(durable, %error, "the dead letter was not taken; the wake-up comes again");
        }
        taken.is_ok()
    }

    async fn ack(&self, delivery: Delivery) {
        if let Err(error) = delivery.ack().await {
            // It comes again, and is found to be applied.
            let durable = self.durable.name();
            tracing::warn!(durable, %error, "an acknowledgement was not heard");
        }
    }
}
async fn with_keep_alive<T>(delivery: &Delivery, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        match time::timeout(KEEP_ALIVE, &mut work).await {
            Ok(result) => return result,
            Err(_) => delivery.keep_alive().await,
        }
    }
}

/// Whether the refusal says that something needed is away, and not that this wake-up is bad.
pub(crate) fn is_away(refusal: &Refusal) -> bool {
    matches!(refusal.kind, ErrorKind::Overloaded | ErrorKind::Unavailable | ErrorKind::Interrupted)
}

/// `first` doubled with each attempt, at most `longest`, give or take a fifth.
fn backoff(first: Duration, longest: Duration, attempt: u32) -> Duration {
    let exponent = attempt.saturating_sub(1).min(10);
    let delay = first.saturating_mul(1 << exponent).min(longest);
    delay.mul_f64(rand::rng().random_range(0.8..1.2))
}

fn lock<T>(shared: &Mutex<T>) -> MutexGuard<'_, T> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}
