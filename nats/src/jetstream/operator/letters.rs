//! The stream of dead letters, as people read it.

use std::time::SystemTime;

use super::{
    super::Link,
    stored::{self, Stored},
};
use crate::{BusError, DeadLetter, streams};

/// A dead letter in its stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeptLetter {
    /// Its sequence in the stream.
    pub id: u64,
    /// When it was written.
    pub kept_at: SystemTime,
    /// Its subject: `dlq.<group>.<class>`.
    pub subject: String,
    /// The record; none if it is not one of ours.
    pub record: Option<DeadLetter>,
}

impl KeptLetter {
    /// The group that gave up.
    pub fn group(&self) -> &str {
        self.subject.split('.').nth(1).unwrap_or_default()
    }

    /// Why, in one word.
    pub fn class(&self) -> &str {
        self.subject.split('.').nth(2).unwrap_or_default()
    }

    fn of(stored: Stored) -> Self {
        let Stored { sequence, subject, headers: _, payload, at } = stored;
        let record = serde_json::from_slice(&payload).ok();
        Self { id: sequence, kept_at: at, subject, record }
    }
}

pub(super) async fn count(link: &Link) -> Result<u64, BusError> {
    let info = link.stream_info(streams::DEAD_LETTERS).await?;
    Ok(info.map_or(0, |info| info.state.messages))
}

/// Read one by one: there is no way to get a batch backwards, and this is a view for people.
pub(in super::super) async fn newest(
    link: &Link,
    group: Option<&str>,
    limit: usize,
) -> Result<Vec<KeptLetter>, BusError> {
    let Some(info) = link.stream_info(streams::DEAD_LETTERS).await? else {
        return Ok(Vec::new());
    };
    let mut letters = Vec::new();
    let mut unseen = info.state.messages;
    let mut sequence = info.state.last_sequence;
    while letters.len() < limit && unseen > 0 && sequence >= info.state.first_sequence.max(1) {
        // A gap: dropped by someone, or expired since.
        if let Some(letter) = get(link, sequence).await? {
            unseen -= 1;
            if group.is_none_or(|group| letter.group() == group) {
                letters.push(letter);
            }
        }
        sequence -= 1;
    }
    Ok(letters)
}

pub(super) async fn next(
    link: &Link,
    group: Option<&str>,
    id: u64,
) -> Result<Option<KeptLetter>, BusError> {
    let filter = group.map_or_else(|| "dlq.>".to_owned(), |group| format!("dlq.{group}.>"));
    let found = stored::next_from(link, streams::DEAD_LETTERS, id, &filter).await?;
    Ok(found.map(KeptLetter::of))
}

pub(super) async fn get(link: &Link, id: u64) -> Result<Option<KeptLetter>, BusError> {
    // The server takes 0 for 'no sequence was given'.
    if id == 0 {
        return Ok(None);
    }
    let found = stored::at(link, streams::DEAD_LETTERS, id).await?;
    Ok(found.map(KeptLetter::of))
}

pub(super) async fn remove(link: &Link, id: u64) -> Result<(), BusError> {
    stored::remove(link, streams::DEAD_LETTERS, id).await
}
