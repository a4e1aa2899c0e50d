//! The bus as its users see it: one type, whichever implementation carries it.

use contracts::{
    UserId,
    events::{Event, Topic},
};

use crate::{
    BusError, Connection, DeadLetter, Durable, PublishError, Subscription, jetstream::JetStreamBus,
    memory::MemoryBus,
};

/// The event bus. Clones share one connection; it closes when the last clone is dropped.
#[derive(Clone)]
pub struct Bus(Carrier);

/// What carries the events.
#[derive(Clone)]
enum Carrier {
    JetStream(JetStreamBus),
    Memory(MemoryBus),
}

/// Which implementation a bus is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BusKind {
    /// NATS `JetStream`.
    JetStream,
    /// Hand-over within the process.
    Memory,
}

/// A stream or durable that is there as it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asserted {
    /// `stream CYCLES`, `consumer analytics`…
    pub object: String,
    /// What had to be done for it.
    pub change: Change,
}

/// What had to be done for a stream or a durable.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Nothing: it was there.
    None,
    /// It was missing.
    Created,
    /// Its settings differed.
    Corrected,
}

/// An event has arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Published {
    /// Its sequence in its stream; none on the memory bus, which keeps nothing.
    pub stream_sequence: Option<u64>,
}

impl Bus {
    /// A bus within this process. `expected` are the durables that this process hosts: an event
    /// is published when each of them that hears its topic has acknowledged it.
    pub fn memory(expected: &[Durable]) -> Self {
        Self(Carrier::Memory(MemoryBus::new(expected)))
    }

    /// The bus on a NATS server. `replicas` are the copies of each stream: 1 on a single server, 3
    /// in a cluster.
    pub fn jetstream(connection: Connection, replicas: usize) -> Self {
        Self(Carrier::JetStream(JetStreamBus::new(connection, replicas)))
    }

    /// Makes sure that every stream and durable exists with the settings that the design needs.
    /// Idempotent: call it at the start, every 30 s and after every outage, so that a wiped broker
    /// heals. It takes the credential of the provisioner, or of all: the others wait for what it
    /// makes. Says what was done; on the memory bus there is nothing to do.
    pub async fn provision(&self) -> Result<Vec<Asserted>, BusError> {
        match &self.0 {
            Carrier::JetStream(bus) => bus.provision().await,
            Carrier::Memory(_) => Ok(Vec::new()),
        }
    }

    /// Publishes an event and waits until it is safe: stored by the broker (5 s at most), or
    /// acknowledged by every consumer of this process. `attempt` counts from 1; only the memory
    /// bus passes it on, since it has no count of its own.
    ///
    /// An event that was not published may have arrived all the same. Publishing it again is
    /// harmless: its id is known to the broker, its version to the consumer.
    pub async fn publish(&self, event: &Event, attempt: u32) -> Result<Published, PublishError> {
        match &self.0 {
            Carrier::JetStream(bus) => bus.publish(event).await,
            Carrier::Memory(bus) => bus.publish(event, attempt).await,
        }
    }

    /// Joins a durable. Several subscriptions of one durable share its events. On the memory bus,
    /// one that was not expected hears nothing and ends at once.
    #[expect(clippy::unused_async, reason = "a bus may have to ask its broker first")]
    pub async fn subscribe(&self, durable: Durable) -> Result<Subscription, BusError> {
        match &self.0 {
            Carrier::JetStream(bus) => Ok(bus.subscribe(durable)),
            Carrier::Memory(bus) => Ok(bus.subscribe(durable)),
        }
    }

    /// The last sequence of the topic's stream; none on the memory bus. If it is lower than a
    /// sequence that `publish` returned, the broker has lost events.
    pub async fn stream_position(&self, topic: Topic) -> Result<Option<u64>, BusError> {
        match &self.0 {
            Carrier::JetStream(bus) => bus.stream_position(topic).await.map(Some),
            Carrier::Memory(_) => Ok(None),
        }
    }

    /// The newest dead letters, newest first, at most `limit`.
    pub async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, BusError> {
        match &self.0 {
            Carrier::JetStream(bus) => bus.dead_letters(limit).await,
            Carrier::Memory(bus) => Ok(bus.dead_letters(limit)),
        }
    }

    /// Removes what is still kept of users who were erased: their last wake-ups, and the dead letters
    /// that name them. Says how many messages that was. It takes the credential of users, or of all.
    pub async fn forget(&self, users: &[UserId]) -> Result<usize, BusError> {
        match &self.0 {
            Carrier::JetStream(bus) => bus.forget(users).await,
            Carrier::Memory(bus) => Ok(bus.forget(users)),
        }
    }

    /// Whether events can flow now: the broker answers and has the streams, or every expected
    /// durable has subscribed.
    pub async fn is_healthy(&self) -> bool {
        match &self.0 {
            Carrier::JetStream(bus) => bus.is_healthy().await,
            Carrier::Memory(bus) => bus.is_healthy(),
        }
    }

    /// Resolves when the connection to the broker is lost or made again; never on the memory bus. A
    /// broker that comes back may have lost everything: whoever provisions does so then.
    pub async fn connection_changed(&self) {
        match &self.0 {
            Carrier::JetStream(bus) => bus.connection_changed().await,
            Carrier::Memory(_) => std::future::pending().await,
        }
    }

    /// Which implementation this is.
    pub const fn kind(&self) -> BusKind {
        match &self.0 {
            Carrier::JetStream(_) => BusKind::JetStream,
            Carrier::Memory(_) => BusKind::Memory,
        }
    }
}

impl BusKind {
    /// The name in logs and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::JetStream => "jetstream",
            Self::Memory => "memory",
        }
    }
}
