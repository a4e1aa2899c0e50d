//! What an operator sees and does on the broker, without taking part in the work: dead letters,
//! the events as they pass, and how streams, durables and services fare.
//!
//! It leaves nothing behind: what streams keep is read message by message, what passes is heard by
//! a plain subscription, and no consumer is ever made.

mod forget;
mod letters;
mod replay;
mod status;
mod stored;
mod tail;

use std::{sync::Arc, time::SystemTime};

use uuid::Uuid;

pub(super) use forget::forget;
pub use letters::KeptLetter;
pub(super) use letters::newest;
pub use replay::Replayed;
pub use status::{ConsumerFigures, EndpointFigures, ServiceFigures, Status, StreamFigures};
pub use tail::{Content, Seen, Tail};

use super::Link;
use crate::{BusError, Connection};

/// An operator's connection to the broker.
#[derive(Clone)]
pub struct Operator(Arc<Link>);

/// How far back a [`Tail`] begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Past {
    /// With what is published from now on.
    Nothing,
    /// With what streams still keep of the time since this instant: the last event of each user.
    Since(SystemTime),
    /// With everything that streams still keep.
    Everything,
}

impl Operator {
    /// An operator of the server of this connection.
    pub fn new(connection: Connection) -> Self {
        Self(Arc::new(Link::new(connection, 1)))
    }

    /// How many dead letters are kept.
    pub async fn dead_letter_count(&self) -> Result<u64, BusError> {
        letters::count(&self.0).await
    }

    /// The newest dead letters, newest first, at most `limit`; of one durable, if one is named.
    pub async fn newest_dead_letters(
        &self,
        group: Option<&str>,
        limit: usize,
    ) -> Result<Vec<KeptLetter>, BusError> {
        letters::newest(&self.0, group, limit).await
    }

    /// The oldest dead letter with at least this id; of one durable, if one is named.
    pub async fn next_dead_letter(
        &self,
        group: Option<&str>,
        id: u64,
    ) -> Result<Option<KeptLetter>, BusError> {
        letters::next(&self.0, group, id).await
    }

    /// The dead letter with this id, if it is there.
    pub async fn dead_letter(&self, id: u64) -> Result<Option<KeptLetter>, BusError> {
        letters::get(&self.0, id).await
    }

    /// Publishes a fresh wake-up for the user and the topic of a dead letter, waits until the
    /// broker has it, and then removes the dead letter.
    pub async fn replay(&self, letter: &KeptLetter, event_id: Uuid) -> Result<Replayed, BusError> {
        replay::replay(&self.0, letter, event_id).await
    }

    /// Removes a dead letter, on the disk too.
    pub async fn drop_dead_letter(&self, id: u64) -> Result<(), BusError> {
        letters::remove(&self.0, id).await
    }

    /// Listens to what is published; on `subject` if one is named, or else to all events and dead
    /// letters.
    pub async fn tail(&self, subject: Option<&str>, past: Past) -> Result<Tail, BusError> {
        Tail::open(Arc::clone(&self.0), subject, past).await
    }

    /// How streams, durables and services fare.
    pub async fn status(&self) -> Result<Status, BusError> {
        status::of(&self.0).await
    }
}
