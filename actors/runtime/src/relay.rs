//! The relay: carries due outbox rows to the bus. It claims by lease, publishes without holding a
//! lock, and marks what the bus took. A crash anywhere in between means publishing again, which
//! harms nobody.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use contracts::{UserId, Version, events::Topic};
use futures::{FutureExt, StreamExt, stream::FuturesUnordered};
use nats::{Bus, PublishError};
use rand::RngExt;
use sqlx::PgPool;
use tokio::{
    sync::Notify,
    time::{self, Instant},
};
use tokio_util::sync::CancellationToken;

use crate::{
    background::{self, LoopResult},
    database, faults,
    outbox::{self, Claimed},
    supervisor::Child,
};

/// Most rows that are being published at once.
const IN_FLIGHT_MAX: usize = 256;
/// How often the relay looks without being woken, give or take a fifth.
const POLL: Duration = Duration::from_millis(250);
/// How often it compares the stream's position with what it remembers.
const POSITION_CHECK: Duration = Duration::from_secs(30);
/// How long it rests when the broker or the database is away.
const REST: Duration = Duration::from_secs(1);
/// Delays are rounded up to whole steps of this, so that the rows of a batch share a statement.
const DELAY_STEP: Duration = Duration::from_millis(250);

/// Wakes a relay of the same process after a commit.
#[derive(Clone, Default)]
pub struct Poke(Arc<Notify>);

impl Poke {
    /// There is something to publish.
    pub fn poke(&self) {
        self.0.notify_one();
    }
}

/// What a relay works with.
#[derive(Clone)]
pub struct Relay {
    /// The domain's database, with relaxed commits (`database::open_relaxed`).
    pub pool: PgPool,
    /// Where to.
    pub bus: Bus,
    /// Which rows.
    pub topic: Topic,
    /// Wakes it.
    pub poke: Poke,
}

/// What became of one row.
struct Sent {
    user_id: UserId,
    version: Version,
    result: Result<Option<u64>, PublishError>,
}

/// How much is taken on: while the bus is away, one row now and then tries whether it is back, and
/// the others stay where they are.
struct Pace {
    in_flight_max: usize,
    rests_until: Instant,
}

impl Relay {
    /// The relay as a supervised child.
    pub fn child(self) -> Child {
        background::child(format!("relay {}", self.topic.name()), move |stop| {
            let relay = self.clone();
            async move { relay.run(stop).await }
        })
    }

    async fn run(self, stop: CancellationToken) -> LoopResult {
        let mut in_flight = FuturesUnordered::new();
        let mut next_position_check = Instant::now();
        let mut look = true;
        let mut pace = Pace::new();
        loop {
            if Instant::now() >= next_position_check {
                next_position_check = Instant::now() + POSITION_CHECK;
                self.check_position().await;
            }
            let room = pace.room(in_flight.len());
            if look && room > 0 && !stop.is_cancelled() {
                let claimed = self.claim(room).await;
                look = claimed.len() == room;
                for row in claimed {
                    in_flight.push(self.publish(row));
                }
            }
            let nap = POLL.mul_f64(rand::rng().random_range(0.8..1.2));
            tokio::select! {
                Some(first) = in_flight.next(), if !in_flight.is_empty() => {
                    let mut sent = vec![first];
                    while let Some(Some(more)) = in_flight.next().now_or_never() {
                        sent.push(more);
                    }
                    pace.follow(&sent);
                    self.settle(sent).await;
                }
                () = self.poke.0.notified() => look = true,
                () = time::sleep(nap) => look = true,
                () = stop.cancelled(), if in_flight.is_empty() => return Ok(()),
            }
        }
    }

    async fn claim(&self, room: usize) -> Vec<Claimed> {
        let rows_max = i64::try_from(room).unwrap_or(i64::MAX);
        match outbox::claim(&self.pool, self.topic, rows_max).await {
            Ok(claimed) => {
                if !claimed.is_empty() {
                    faults::point("relay.after_claim");
                }
                claimed
            }
            Err(error) => {
                tracing::warn!(topic = self.topic.name(), cause = %database::describe(&error), "could not read the outbox");
                time::sleep(REST).await;
                Vec::new()
            }
        }
    }

    async fn publish(&self, Claimed { event, attempt }: Claimed) -> Sent {
        let (user_id, version) = (event.wake_up.user_id, event.wake_up.version);
        faults::point("relay.before_publish");
        let result = self.bus.publish(&event, attempt).await;
        tracing::debug!(
            topic = self.topic.name(), %user_id, %version, request_id = %event.request_id,
            published = result.is_ok(), "carried an event"
        );
        Sent { user_id, version, result: result.map(|done| done.stream_sequence) }
    }

    async fn settle(&self, sent: Vec<Sent>) {
        let mut published = Vec::with_capacity(sent.len());
        let mut last_sequence = None;
        let mut refused: BTreeMap<Duration, Vec<UserId>> = BTreeMap::new();
        let mut first_error = None;
        for Sent { user_id, version, result } in sent {
            match result {
                Ok(sequence) => {
                    published.push((user_id, version));
                    last_sequence = last_sequence.max(sequence);
                }
                Err(error) => {
                    let delay = in_steps(error.retry_after().unwrap_or(REST));
                    refused.entry(delay).or_default().push(user_id);
                    first_error.get_or_insert(error);
                }
            }
        }
        if let Some(error) = first_error {
            // One line for all of them: an outage must not flood the log.
            let events = refused.values().map(Vec::len).sum::<usize>();
            tracing::warn!(topic = self.topic.name(), events, %error, "events were not taken; they are offered again");
        }
        for (delay, users) in refused {
            self.postpone(&users, delay).await;
        }
        if published.is_empty() {
            return;
        }
        faults::point("relay.after_publish");
        let marked =
            outbox::mark_published(&self.pool, self.topic, &published, last_sequence).await;
        if let Err(error) = marked {
            // Their lease ends and they are published again.
            tracing::warn!(topic = self.topic.name(), cause = %database::describe(&error), "could not mark events as published");
        }
        faults::point("relay.after_mark");
    }

    async fn postpone(&self, users: &[UserId], delay: Duration) {
        if let Err(error) = outbox::postpone(&self.pool, self.topic, users, delay).await {
            // Their lease ends and they are offered again all the same.
            tracing::warn!(topic = self.topic.name(), cause = %database::describe(&error), "could not postpone events");
        }
    }

    /// Publishes the last day again if the stream is shorter than what it acknowledged.
    async fn check_position(&self) {
        // What is remembered is read first: what is published in between must not look like loss.
        let known = match outbox::position(&self.pool, self.topic).await {
            Ok(Some(known)) => known,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(topic = self.topic.name(), cause = %database::describe(&error), "the relay's position is unknown");
                return;
            }
        };
        let stream = match self.bus.stream_position(self.topic).await {
            Ok(Some(position)) => position,
            Ok(None) => return,
            Err(error) => {
                tracing::warn!(topic = self.topic.name(), %error, "the stream's position is unknown");
                return;
            }
        };
        let went_back = stream < known;
        if !went_back {
            return;
        }
        match outbox::republish_recent(&self.pool, self.topic, stream).await {
            Ok(rows) => {
                tracing::warn!(
                    topic = self.topic.name(),
                    rows,
                    "the stream went back; the last day is published again"
                );
            }
            Err(error) => {
                tracing::warn!(topic = self.topic.name(), cause = %database::describe(&error), "could not publish the last day again");
            }
        }
    }
}

impl Pace {
    fn new() -> Self {
        Self { in_flight_max: IN_FLIGHT_MAX, rests_until: Instant::now() }
    }

    /// How many rows may be claimed beside those in flight.
    fn room(&self, in_flight: usize) -> usize {
        if Instant::now() < self.rests_until {
            return 0;
        }
        self.in_flight_max.saturating_sub(in_flight)
    }

    /// Learns from what became of some rows.
    fn follow(&mut self, sent: &[Sent]) {
        let is_away = |sent: &Sent| sent.result.as_ref().is_err_and(PublishError::is_away);
        if sent.iter().any(|sent| sent.result.is_ok()) {
            *self = Self::new();
        } else if sent.iter().any(is_away) {
            self.in_flight_max = 1;
            self.rests_until = Instant::now() + REST;
        }
    }
}

fn in_steps(delay: Duration) -> Duration {
    let steps = delay.as_millis().div_ceil(DELAY_STEP.as_millis());
    DELAY_STEP.saturating_mul(u32::try_from(steps).unwrap_or(u32::MAX))
}

#[cfg(test)]
mod tests {
    use nats::Durable;

    use super::*;

    fn sent(result: Result<Option<u64>, PublishError>) -> Sent {
        Sent { user_id: UserId::new(1), version: Version::new(1), result }
    }

    #[tokio::test(start_paused = true)]
    async fn while_the_bus_is_away_one_row_tries_now_and_then() {
        let mut pace = Pace::new();
        assert_eq!(pace.room(6), IN_FLIGHT_MAX - 6);
        let away = || sent(Err(PublishError::Unavailable("there is no connection")));
        pace.follow(&[away(), away()]);
        assert_eq!(pace.room(0), 0);
        time::advance(REST).await;
        assert_eq!((pace.room(0), pace.room(1)), (1, 0));
        pace.follow(&[away()]);
        assert_eq!(pace.room(0), 0);
        time::advance(REST).await;
        pace.follow(&[sent(Ok(Some(7)))]);
        assert_eq!(pace.room(0), IN_FLIGHT_MAX);
    }

    #[tokio::test(start_paused = true)]
    async fn one_user_who_is_put_off_slows_nobody_down() {
        let mut pace = Pace::new();
        let delay = Duration::from_millis(501);
        let durable = Durable::Analytics;
        pace.follow(&[sent(Err(PublishError::RetryRequested { durable, delay }))]);
        assert_eq!(pace.room(0), IN_FLIGHT_MAX);
        assert_eq!(in_steps(delay), Duration::from_millis(750));
        assert_eq!(in_steps(Duration::from_secs(1)), Duration::from_secs(1));
    }
}
