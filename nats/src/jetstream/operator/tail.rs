//! What passes, as it passes. Live by a plain subscription; what was before by reading the streams,
//! which keep the last event of each user.

use std::{collections::VecDeque, sync::Arc, time::SystemTime};

use async_nats::{HeaderMap, Message, Subscriber};
use contracts::{call::RequestId, events::WakeUp};
use futures::{
    StreamExt,
    stream::{SelectAll, select_all},
};
use uuid::Uuid;

use super::{
    super::Link,
    Past,
    stored::{self, Stored},
};
use crate::{BusError, DeadLetter, streams, wire};

/// Matches every message of a stream.
const ANY: &str = ">";

/// How many of the events that were read are remembered. Only the youngest can be heard too: those
/// that were published while the tail began.
const TOLD_MAX: usize = 4_096;

/// What is published, in the order of its publication.
pub struct Tail {
    link: Arc<Link>,
    past: Vec<Stretch>,
    live: SelectAll<Subscriber>,
    told: Told,
}

/// The events that were read from the streams, the youngest last, and may be heard too.
#[derive(Default)]
struct Told(VecDeque<Uuid>);

/// One message that was published.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its subject.
    pub subject: String,
    /// When a stream took it; none if it was heard live.
    pub kept_at: Option<SystemTime>,
    /// What it says.
    pub content: Content,
}

/// What a message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// A wake-up, and the request that caused it.
    WakeUp(WakeUp, Option<RequestId>),
    /// A record of one that was given up.
    DeadLetter(Box<DeadLetter>),
    /// Neither; so many bytes, which are not shown.
    Other(usize),
}

/// What is still to be read of one stream.
struct Stretch {
    stream: &'static str,
    filter: String,
    /// The last sequence before the subscription began.
    end: u64,
    next: Option<Stored>,
}

impl Tail {
    pub(super) async fn open(
        link: Arc<Link>,
        subject: Option<&str>,
        past: Past,
    ) -> Result<Self, BusError> {
        let kept = streams::all(1);
        let subjects: Vec<String> = match subject {
            Some(subject) => vec![subject.to_owned()],
            None => kept.iter().flat_map(|stream| stream.subjects.clone()).collect(),
        };
        let mut live = Vec::new();
        for subject in subjects {
            let subscriber = link.client.subscribe(subject).await;
            live.push(subscriber.map_err(|error| BusError::Refused {
                action: "subscribe",
                reason: error.to_string(),
            })?);
        }
        // The server answers in order: what it says from here on, it says after it has begun to
        // send what is published.
        let mut stretches = Vec::new();
        for stream in streams::NAMES {
            let Some(info) = link.stream_info(stream).await? else { continue };
            let (first, end) = (info.state.first_sequence, info.state.last_sequence);
            let first = match past {
                Past::Nothing => continue,
                Past::Everything => first,
                Past::Since(instant) => first_since(&link, stream, first, end, instant).await?,
            };
            let filter = subject.unwrap_or(ANY).to_owned();
            let mut stretch = Stretch { stream, filter, end, next: None };
            stretch.next = stretch.first_from(&link, first).await?;
            stretches.push(stretch);
        }
        Ok(Self { link, past: stretches, live: select_all(live), told: Told::default() })
    }

    /// The next message. None only when the connection was closed for good. Cancel-safe.
    pub async fn next(&mut self) -> Result<Option<Seen>, BusError> {
        if let Some(stored) = self.oldest().await? {
            let Stored { subject, headers, payload, at, .. } = stored;
            let content = Content::of(&subject, Some(&headers), &payload);
            if let Content::WakeUp(wake_up, _) = &content {
                self.told.remember(wake_up.event_id);
            }
            return Ok(Some(Seen { subject, kept_at: Some(at), content }));
        }
        while let Some(message) = self.live.next().await {
            let Message { subject, headers, payload, .. } = message;
            let content = Content::of(&subject, headers.as_ref(), &payload);
            if !self.was_told(&content) {
                return Ok(Some(Seen { subject: subject.to_string(), kept_at: None, content }));
            }
        }
        Ok(None)
    }

    /// Whether it was read from a stream already; the second time it counts.
    fn was_told(&mut self, content: &Content) -> bool {
        matches!(content, Content::WakeUp(wake_up, _) if self.told.forget(wake_up.event_id))
    }

    /// Takes the oldest message that is still to be read, and only once its successor is known: a
    /// wait that is cut short loses nothing.
    async fn oldest(&mut self) -> Result<Option<Stored>, BusError> {
        let waiting = self.past.iter_mut().filter(|stretch| stretch.next.is_some());
        let oldest = waiting.min_by_key(|stretch| stretch.next.as_ref().map(|stored| stored.at));
        let Some(stretch) = oldest else { return Ok(None) };
        let sequence = stretch.next.as_ref().map_or(0, |stored| stored.sequence);
        let successor = stretch.first_from(&self.link, sequence + 1).await?;
        Ok(std::mem::replace(&mut stretch.next, successor))
    }
}

impl Told {
    fn remember(&mut self, event_id: Uuid) {
        if self.0.len() == TOLD_MAX {
            self.0.pop_front();
        }
        self.0.push_back(event_id);
    }

    /// Whether it was remembered.
    fn forget(&mut self, event_id: Uuid) -> bool {
        let place = self.0.iter().rposition(|told| *told == event_id);
        place.and_then(|place| self.0.remove(place)).is_some()
    }
}

impl Content {
    fn of(subject: &str, headers: Option<&HeaderMap>, payload: &[u8]) -> Self {
        if subject.starts_with("dlq.")
            && let Ok(letter) = serde_json::from_slice(payload)
        {
            return Self::DeadLetter(letter);
        }
        match serde_json::from_slice(payload) {
            Ok(wake_up) => Self::WakeUp(wake_up, wire::request_id(headers)),
            Err(_error) => Self::Other(payload.len()),
        }
    }
}

impl Stretch {
    /// The first message from this sequence on, unless it is heard anyway.
    async fn first_from(&self, link: &Link, sequence: u64) -> Result<Option<Stored>, BusError> {
        let found = stored::next_from(link, self.stream, sequence, &self.filter).await?;
        Ok(found.filter(|stored| stored.sequence <= self.end))
    }
}

/// The first sequence whose message is not older than `instant`, by halving: a stream's times rise
/// with its sequences.
async fn first_since(
    link: &Link,
    stream: &str,
    first: u64,
    last: u64,
    instant: SystemTime,
) -> Result<u64, BusError> {
    let (mut from, mut to) = (first, last + 1);
    while from < to {
        let middle = from + (to - from) / 2;
        match stored::next_from(link, stream, middle, ANY).await? {
            Some(stored) if stored.at < instant => from = stored.sequence + 1,
            _younger_or_none => to = middle,
        }
    }
    Ok(from)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_youngest_are_remembered_and_each_once() {
        let mut told = Told::default();
        let (count, id) = (u128::try_from(TOLD_MAX).unwrap(), Uuid::from_u128);
        for number in 0..=count {
            told.remember(id(number));
        }
        assert_eq!(told.0.len(), TOLD_MAX);
        assert!(!told.forget(id(0)), "the oldest made room");
        for number in [1, count / 2, count] {
            assert!(told.forget(id(number)));
            assert!(!told.forget(id(number)), "the second time it is another publication");
        }
    }
}
