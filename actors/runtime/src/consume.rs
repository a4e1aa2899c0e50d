//! The consume loop: takes wake-ups off the bus, hands them to the domain, and settles each one
//! by what became of it.

use std::{panic::AssertUnwindSafe, sync::Arc, time::Duration};

use contracts::{Call, ErrorKind, Refusal, events::WakeUp};
use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use nats::{Bus, Delivery, Durable, Undecodable};
use rand::RngExt;
use tokio::time::{self, Instant};
use tokio_util::sync::CancellationToken;

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
/// Longest pause while a dependency is away: it bounds how late its return is noticed.
const PAUSE_MAX: Duration = Duration::from_secs(10);
/// A wake-up that failed this often goes to the dead letters.
const DELIVERIES_MAX: u32 = 5;
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
    Away(Duration),
    Failed,
}

/// A consumer as a supervised child.
pub fn child(bus: Bus, durable: Durable, consumer: Arc<dyn Consumer>) -> Child {
    background::child(format!("consumer {}", durable.name()), move |stop| {
        let (bus, consumer) = (bus.clone(), Arc::clone(&consumer));
        async move { run(bus, durable, consumer, stop).await }
    })
}

async fn run(
    bus: Bus,
    durable: Durable,
    consumer: Arc<dyn Consumer>,
    stop: CancellationToken,
) -> LoopResult {
    let mut subscription = bus.subscribe(durable).await?;
    let mut in_flight = FuturesUnordered::new();
    let mut paused_until = Instant::now();
    // After a dependency was away, one wake-up at a time tries whether it is back.
    let mut room = IN_FLIGHT_MAX;
    loop {
        let paused = Instant::now() < paused_until;
        tokio::select! {
            biased;
            () = stop.cancelled(), if in_flight.is_empty() => return Ok(()),
            Some(settled) = in_flight.next(), if !in_flight.is_empty() => match settled {
                Settled::Done => room = IN_FLIGHT_MAX,
                Settled::Failed => {}
                Settled::Away(delay) => {
                    room = 1;
                    paused_until = Instant::now() + delay;
                }
            },
            () = time::sleep_until(paused_until), if paused => {}
            delivery = subscription.next(),
                if !paused && in_flight.len() < room && !stop.is_cancelled() =>
            {
                let Some(delivery) = delivery else { return Err("the bus was closed".into()) };
                in_flight.push(settle(delivery, durable, Arc::clone(&consumer)));
            }
            () = stop.cancelled(), if !stop.is_cancelled() => {}
        }
    }
}

async fn settle(delivery: Delivery, durable: Durable, consumer: Arc<dyn Consumer>) -> Settled {
    let event = match delivery.content() {
        Ok(event) => event.clone(),
        Err(Undecodable::NewerSchema(schema)) => {
            tracing::warn!(
                durable = durable.name(),
                schema,
                "an event of a newer schema waits for an upgrade"
            );
            delivery.retry(NEWER_SCHEMA_WAIT).await;
            return Settled::Failed;
        }
        Err(Undecodable::Malformed) => return bury(delivery, durable, "undecodable").await,
    };
    let call = Call::new(event.request_id.clone(), event.trace.clone(), PATIENCE);
    let (user_id, version) = (event.wake_up.user_id, event.wake_up.version);
    let work = AssertUnwindSafe(consumer.on_wake_up(call, event.wake_up)).catch_unwind();
    let result = with_keep_alive(&delivery, work).await;
    tracing::debug!(
        durable = durable.name(), %user_id, %version, request_id = %event.request_id,
        applied = matches!(result, Ok(Ok(()))), "consumed an event"
    );
    let attempt = delivery.attempt();
    match result {
        Ok(Ok(())) => {
            faults::point("consumer.before_ack");
            if let Err(error) = delivery.ack().await {
                // It comes again, and is found to be applied.
                tracing::warn!(durable = durable.name(), %error, "an acknowledgement was not heard");
            }
            Settled::Done
        }
        Ok(Err(refusal)) if is_away(&refusal) => {
            let delay = backoff(Duration::from_secs(1), attempt).min(PAUSE_MAX);
            tracing::warn!(
                durable = durable.name(), code = %refusal.code, request_id = %event.request_id,
                "a dependency is away; pulling stops for a while"
            );
            delivery.retry(delay).await;
            Settled::Away(delay)
        }
        Ok(Err(_)) | Err(_) if attempt >= DELIVERIES_MAX => bury(delivery, durable, "failed").await,
        Ok(Err(_)) | Err(_) => {
            tracing::error!(
                durable = durable.name(), %user_id, attempt, request_id = %event.request_id,
                "a wake-up failed; it comes again"
            );
            delivery.retry(backoff(Duration::from_millis(500), attempt)).await;
            Settled::Failed
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

async fn bury(delivery: Delivery, durable: Durable, class: &'static str) -> Settled {
    tracing::error!(durable = durable.name(), class, "a wake-up goes to the dead letters");
    if let Err(error) = delivery.dead_letter(class).await {
        tracing::warn!(durable = durable.name(), %error, "the dead letter was not taken; the wake-up comes again");
    }
    Settled::Failed
}

/// Whether the refusal says that something needed is away, and not that this wake-up is bad.
pub(crate) fn is_away(refusal: &Refusal) -> bool {
    matches!(refusal.kind, ErrorKind::Overloaded | ErrorKind::Unavailable | ErrorKind::Interrupted)
}

/// `first` doubled with each attempt, at most a minute, give or take a fifth.
fn backoff(first: Duration, attempt: u32) -> Duration {
    let exponent = attempt.saturating_sub(1).min(10);
    let delay = first.saturating_mul(1 << exponent).min(Duration::from_mins(1));
    delay.mul_f64(rand::rng().random_range(0.8..1.2))
}
