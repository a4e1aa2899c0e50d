//! What a consumer holds: a subscription, the deliveries that come out of it, and the record that
//! is left of one that could not be taken.

use std::time::Duration;

use contracts::{
    UserId, Version,
    call::RequestId,
    events::{Event, Verb},
};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{BusError, Durable, Undecodable, jetstream, memory, streams};

/// How soon an event comes back that was dropped without a word (a panic, a cancelled task).
pub(crate) const UNSETTLED_RETRY: Duration = Duration::from_secs(1);

/// A place in a durable. Nothing is fetched ahead beyond one batch, so whoever wants to stop
/// pulling simply does not call [`Subscription::next`]. What was fetched and not looked at is given
/// back when it is dropped; an event that was just then on its way comes back after 30 s.
pub struct Subscription(pub(crate) Source);

/// Where the deliveries come from.
pub(crate) enum Source {
    JetStream(Box<jetstream::Puller>),
    Memory(memory::Inbox),
}

/// One event, handed to one consumer until it is settled. A delivery that is dropped unsettled
/// comes back.
pub struct Delivery {
    content: Result<Event, Undecodable>,
    attempt: u32,
    durable: Durable,
    settler: Settler,
}

/// How the outcome gets back.
pub(crate) enum Settler {
    JetStream(Box<jetstream::Receipt>),
    Memory(memory::Receipt),
}

/// What is kept of an event that a consumer could not take: ids only.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeadLetter {
    /// The stream that it came from.
    pub stream: String,
    /// Its sequence there; none on the memory bus.
    pub sequence: Option<u64>,
    /// Its subject.
    pub subject: String,
    /// The group that gave up on it.
    pub group: String,
    /// The event, if it could be decoded.
    pub event_id: Option<Uuid>,
    /// Whose state it is about, if it could be decoded.
    pub user_id: Option<UserId>,
    /// What version it announced, if it could be decoded.
    #[serde(default)]
    pub version: Option<Version>,
    /// What it said had happened, if it could be decoded.
    #[serde(default)]
    pub verb: Option<Verb>,
    /// The request that caused it, if it could be decoded.
    #[serde(default)]
    pub request_id: Option<RequestId>,
    /// Why, in one word.
    pub class: String,
    /// How often it was delivered.
    pub deliveries: u32,
    /// The version of the build that gave up.
    pub build: String,
}

impl Subscription {
    /// The next delivery. None only after the bus was closed: a lost broker, and a stream or a
    /// durable that is not there, are waited for. Cancel-safe.
    pub async fn next(&mut self) -> Option<Delivery> {
        match &mut self.0 {
            Source::JetStream(puller) => puller.next().await,
            Source::Memory(inbox) => inbox.next().await,
        }
    }
}

impl Delivery {
    pub(crate) fn new(
        durable: Durable,
        content: Result<Event, Undecodable>,
        attempt: u32,
        settler: Settler,
    ) -> Self {
        Self { content, attempt, durable, settler }
    }

    /// The event, or why there is none.
    pub fn content(&self) -> &Result<Event, Undecodable> {
        &self.content
    }

    /// How often it has been delivered: 1 the first time.
    pub fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Says that the work goes on. Due every 10 s: after 30 s of silence the event is taken away.
    pub async fn keep_alive(&self) {
        match &self.settler {
            Settler::JetStream(receipt) => receipt.keep_alive().await,
            Settler::Memory(receipt) => receipt.keep_alive(),
        }
    }

    /// Done: to be called after the commit. The broker confirms; if it does not, the event comes
    /// back, which is harmless.
    pub async fn ack(self) -> Result<(), BusError> {
        match self.settler {
            Settler::JetStream(receipt) => receipt.ack().await,
            Settler::Memory(receipt) => {
                receipt.ack();
                Ok(())
            }
        }
    }

    /// Not now: the event comes back after `delay`.
    pub async fn retry(self, delay: Duration) {
        match self.settler {
            Settler::JetStream(receipt) => receipt.retry(delay).await,
            Settler::Memory(receipt) => receipt.retry(delay),
        }
    }

    /// Never: leaves a record under `dlq.<group>.<class>` and, once that is safe, ends the event.
    pub async fn dead_letter(self, class: &'static str) -> Result<(), BusError> {
        if !is_token(class) {
            return Err(BusError::InvalidClass(class));
        }
        let record = self.record(class);
        match self.settler {
            Settler::JetStream(receipt) => receipt.dead_letter(&record).await,
            Settler::Memory(receipt) => {
                receipt.dead_letter(record);
                Ok(())
            }
        }
    }

    fn record(&self, class: &'static str) -> DeadLetter {
        let event = self.content.as_ref().ok();
        let wake_up = event.map(|event| &event.wake_up);
        let (sequence, subject) = match &self.settler {
            Settler::JetStream(receipt) => (Some(receipt.sequence()), receipt.subject()),
            Settler::Memory(receipt) => (None, receipt.subject()),
        };
        DeadLetter {
            stream: streams::name(self.durable.topic()).to_owned(),
            sequence,
            subject: subject.to_owned(),
            group: self.durable.group().to_owned(),
            event_id: wake_up.map(|wake_up| wake_up.event_id),
            user_id: wake_up.map(|wake_up| wake_up.user_id),
            version: wake_up.map(|wake_up| wake_up.version),
            verb: wake_up.map(|wake_up| wake_up.verb),
            request_id: event.map(|event| event.request_id.clone()),
            class: class.to_owned(),
            deliveries: self.attempt,
            build: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

/// Whether a word can be one token of a subject.
fn is_token(word: &str) -> bool {
    let plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    !word.is_empty() && word.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::is_token;

    #[test]
    fn a_class_is_one_token_of_a_subject() {
        for class in ["undecodable", "panicked", "newer-schema", "x_1"] {
            assert!(is_token(class), "{class}");
        }
        for class in ["", "two words", "a.b", "*", ">", "Ä", "line\nbreak", "UPPER"] {
            assert!(!is_token(class), "{class}");
        }
    }
}
