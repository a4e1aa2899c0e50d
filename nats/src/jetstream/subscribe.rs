//! Pulling. The library's own stream of messages fetches ahead in a task of its own; here nothing
//! is asked for that nobody waits for, and after every way in which a pull can die, the next one is tried.

use std::{sync::Arc, time::Duration};

use async_nats::{
    Client, Message, StatusCode, Subscriber,
    jetstream::{self, AckKind, consumer::pull::BatchConfig},
};
use futures::{FutureExt, StreamExt};
use tokio::{
    sync::watch,
    time::{Instant, sleep_until, timeout_at},
};
use tokio_util::sync::CancellationToken;

use super::{Link, NO_CONNECTION, Receipt};
use crate::{
    Durable,
    delivery::{Delivery, Settler},
    streams::{self, PULL_BATCH, PULL_EXPIRES, PULL_HEARTBEAT},
    wire,
};

/// Two heartbeats missed: the pull is dead.
const SILENCE_MAX: Duration = PULL_HEARTBEAT.saturating_mul(2);
const PAUSE_MIN: Duration = Duration::from_millis(100);
const PAUSE_MAX: Duration = Duration::from_secs(5);

/// A subscription's place in a durable consumer. All its state outlives a cancelled `next`.
pub(crate) struct Puller {
    link: Arc<Link>,
    durable: Durable,
    closed: CancellationToken,
    changes: watch::Receiver<u64>,
    inbox: Option<Inbox>,
    trouble: Option<Trouble>,
}

/// Where the pulls are answered.
struct Inbox {
    client: Client,
    /// Each pull has a subject of its own below this one, so that the end of an older pull is not
    /// taken for the end of the current one.
    prefix: String,
    messages: Subscriber,
    pulls: u64,
    /// How many events the current pull may still bring; at 0 the next pull is due.
    outstanding: usize,
    /// The last sign of life.
    heard: Instant,
}

/// What is kept between failures in a row.
struct Trouble {
    not_before: Instant,
    pause: Duration,
}

impl Puller {
    pub(super) fn new(link: Arc<Link>, durable: Durable, closed: CancellationToken) -> Self {
        let changes = link.watch();
        Self { link, durable, closed, changes, inbox: None, trouble: None }
    }

    pub(crate) async fn next(&mut self) -> Option<Delivery> {
        let closed = self.closed.clone();
        loop {
            let step = tokio::select! {
                biased;
                () = closed.cancelled() => return None,
                step = self.step() => step,
            };
            match step {
                Ok(Some(delivery)) => return Some(delivery),
                Ok(None) => {}
                Err(reason) => self.fail(reason),
            }
        }
    }

    /// Rests after a failure, asks for events if that is due, and takes one message.
    async fn step(&mut self) -> Result<Option<Delivery>, &'static str> {
        self.rest().await;
        let inbox = match &mut self.inbox {
            Some(inbox) => inbox,
            empty @ None => empty.insert(Inbox::open(&self.link).await?),
        };
        if inbox.outstanding == 0 {
            inbox.pull(&self.link, self.durable).await?;
        }
        let message = tokio::select! {
            biased;
            message = timeout_at(inbox.heard + SILENCE_MAX, inbox.messages.next()) => {
                message.map_err(|_elapsed| "the broker is silent")?.ok_or("the inbox was closed")?
            }
            // A new connection knows nothing of the pulls that went over the old one.
            Ok(()) = self.changes.changed() => {
                inbox.outstanding = 0;
                return Ok(None);
            }
        };
        let content = inbox.take(message)?;
        if self.trouble.take().is_some() {
            tracing::info!(durable = self.durable.name(), "events flow again");
        }
        Ok(content.and_then(|message| self.delivery(message)))
    }

    /// After a failure: waits its pause, or for another connection. A stream or a durable that is
    /// missing is not made here: that is the provisioner's, and nobody else may.
    async fn rest(&mut self) {
        let (Some(trouble), None) = (&self.trouble, &self.inbox) else { return };
        tokio::select! {
            () = sleep_until(trouble.not_before) => {}
            Ok(()) = self.changes.changed() => {}
        }
    }

    /// Drops the pull and pauses, twice as long each time.
    fn fail(&mut self, reason: &'static str) {
        let durable = self.durable.name();
        let pause = if let Some(trouble) = &self.trouble {
            tracing::debug!(durable, reason, "pulling fails");
            trouble.pause.saturating_mul(2).min(PAUSE_MAX)
        } else {
            tracing::warn!(durable, reason, "pulling fails; trying until it works");
            PAUSE_MIN
        };
        self.inbox = None;
        self.trouble = Some(Trouble { not_before: Instant::now() + pause, pause });
    }

    fn delivery(&self, message: Message) -> Option<Delivery> {
        let message = jetstream::Message { message, context: self.link.context.clone() };
        let Ok((attempt, sequence)) = message
            .info()
            .map(|info| (u32::try_from(info.delivered).unwrap_or(u32::MAX), info.stream_sequence))
        else {
            tracing::warn!(durable = self.durable.name(), "skipped a message of no stream");
            return None;
        };
        let Message { subject, reply, payload, headers, .. } = message.message;
        let content = wire::decode(self.durable.topic(), &subject, headers.as_ref(), &payload);
        let receipt = Receipt::new(Arc::clone(&self.link), reply?, subject, sequence);
        let settler = Settler::JetStream(Box::new(receipt));
        Some(Delivery::new(self.durable, content, attempt, settler))
    }
}

impl Inbox {
    async fn open(link: &Link) -> Result<Self, &'static str> {
        let prefix = link.client.new_inbox();
        let messages = link
            .client
            .subscribe(format!("{prefix}.*"))
            .await
            .map_err(|_error| "no inbox could be opened")?;
        let client = link.client.clone();
        Ok(Self { client, prefix, messages, pulls: 0, outstanding: 0, heard: Instant::now() })
    }

    /// Asks for the next batch.
    async fn pull(&mut self, link: &Link, durable: Durable) -> Result<(), &'static str> {
        // It would wait in a buffer, and be answered when nobody listens any more.
        if !link.is_connected() {
            return Err(NO_CONNECTION);
        }
        let stream = streams::name(durable.topic());
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{}", durable.name());
        let request = BatchConfig {
            batch: PULL_BATCH,
            expires: Some(PULL_EXPIRES),
            idle_heartbeat: PULL_HEARTBEAT,
            ..BatchConfig::default()
        };
        let payload = serde_json::to_vec(&request).map_err(|_error| "the pull has no JSON")?;
        let next = self.pulls + 1;
        link.client
            .publish_with_reply(subject, format!("{}.{next}", self.prefix), payload.into())
            .await
            .map_err(|_error| "the pull could not be sent")?;
        self.pulls = next;
        self.outstanding = PULL_BATCH;
        self.heard = Instant::now();
        Ok(())
    }

    /// Takes a message of the inbox: an event, or a word of the server about a pull.
    fn take(&mut self, message: Message) -> Result<Option<Message>, &'static str> {
        self.heard = Instant::now();
        let Some(status) = message.status.filter(|status| *status != StatusCode::OK) else {
            self.outstanding = self.outstanding.saturating_sub(1);
            return Ok(Some(message));
        };
        let current = message.subject.as_str() == format!("{}.{}", self.prefix, self.pulls);
        match status {
            StatusCode::IDLE_HEARTBEAT => {}
            // The pull of a connection that is gone.
            _any if !current => {}
            StatusCode::TIMEOUT | StatusCode::NOT_FOUND => self.outstanding = 0,
            StatusCode::REQUEST_TERMINATED => {
                // Newer servers end a pull so when it has brought what it may.
                if message.description.as_deref() != Some("Batch Completed") {
                    return Err("the server ended the pull");
                }
                self.outstanding = 0;
            }
            StatusCode::NO_RESPONDERS => {
                return Err("the durable is not there yet; the provisioner makes it");
            }
            _unknown => return Err("the server refused the pull"),
        }
        Ok(None)
    }
}

impl Drop for Inbox {
    /// Gives back what was fetched and not looked at, so that another replica has it now and not
    /// after the acknowledgement time.
    fn drop(&mut self) {
        while let Some(Some(message)) = self.messages.next().now_or_never() {
            let given_back = message
                .reply
                .map(|reply| self.client.publish(reply, AckKind::Nak(None).into()).now_or_never());
            if let Some(None | Some(Err(_))) = given_back {
                tracing::debug!("an event that was fetched waits for its time");
            }
        }
    }
}
