//! Replaying a dead letter: not the old event again, which the broker would know by its id, but a
//! fresh wake-up for the same user and topic. Whoever hears it asks the owner for the current state.

use async_nats::jetstream::message::PublishMessage;
use contracts::{
    UserId, Version,
    call::RequestId,
    events::{Event, SCHEMA, Topic, Verb, WakeUp},
};
use uuid::Uuid;

use super::{
    super::{Link, publish},
    KeptLetter, letters, stored,
};
use crate::{BusError, DeadLetter, Durable, PublishError, streams, wire};

/// How often a replay gives way to the relay, which publishes for the same user.
const TRIES_MAX: usize = 5;

/// What became of a replay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Replayed {
    /// The fresh wake-up is in its stream, and the dead letter is gone.
    Published {
        /// The fresh wake-up.
        event: Event,
        /// Its sequence in its stream.
        sequence: u64,
    },
    /// Nothing was done: the dead letter names no user or none of our topics, so nobody can be
    /// woken up.
    NamesNobody,
}

/// What the broker still has for the user of a dead letter.
struct Last {
    sequence: u64,
    version: Option<Version>,
}

pub(super) async fn replay(
    link: &Link,
    letter: &KeptLetter,
    event_id: Uuid,
) -> Result<Replayed, BusError> {
    let Some((topic, user_id, record)) = letter.record.as_ref().and_then(wakes) else {
        return Ok(Replayed::NamesNobody);
    };
    let (event, sequence) = publish(link, topic, user_id, record, event_id).await?;
    letters::remove(link, letter.id).await?;
    Ok(Replayed::Published { event, sequence })
}

/// Whom the record wakes, if anyone.
fn wakes(record: &DeadLetter) -> Option<(Topic, UserId, &DeadLetter)> {
    let user_id = record.user_id?;
    let topics = Durable::ALL.into_iter().map(Durable::topic);
    let topic = topics.into_iter().find(|topic| topic.subject(user_id) == record.subject)?;
    Some((topic, user_id, record))
}

/// The stream keeps one wake-up per user, so the fresh one takes the place of whatever waits there,
/// and it is published only if nothing has come between.
async fn publish(
    link: &Link,
    topic: Topic,
    user_id: UserId,
    record: &DeadLetter,
    event_id: Uuid,
) -> Result<(Event, u64), BusError> {
    let action = "publish a fresh wake-up";
    let mut last = last(link, topic, user_id).await?;
    for _try in 0..TRIES_MAX {
        let event = fresh(topic, user_id, record, &last, event_id)?;
        let outgoing = wire::encode(&event)
            .map_err(|error| BusError::Refused { action, reason: error.to_string() })?;
        let message = PublishMessage::build()
            .headers(outgoing.headers)
            .payload(outgoing.payload)
            .expected_last_subject_sequence(last.sequence);
        let refused = match publish::send(link, outgoing.subject, message).await {
            Ok(ack) => return Ok((event, ack.sequence)),
            Err(refused @ PublishError::Refused(_)) => refused,
            Err(other) => return Err(publish::failure(action, &other)),
        };
        let now = self::last(link, topic, user_id).await?;
        if now.sequence == last.sequence {
            return Err(publish::failure(action, &refused));
        }
        last = now;
    }
    Err(BusError::Unavailable("others publish for the same user all the time; try again"))
}

async fn last(link: &Link, topic: Topic, user_id: UserId) -> Result<Last, BusError> {
    let subject = topic.subject(user_id);
    let found = stored::last_of(link, streams::name(topic), &subject).await?;
    Ok(found.map_or(Last { sequence: 0, version: None }, |stored| {
        let event = wire::decode(topic, &subject, Some(&stored.headers), &stored.payload);
        let version = event.ok().map(|event| event.wake_up.version);
        Last { sequence: stored.sequence, version }
    }))
}

/// Whoever hears a wake-up asks the owner for the current state; the version says from which one on
/// that is enough. So it is the greatest that was announced: with a lesser one, a consumer that has
/// stored as much would have nothing to do, and the letter, or what waited in the stream, would be
/// gone without its effect. If the owner was set back behind it, the replay fails like the event did,
/// and is a dead letter again; the sweeps apply what the owner has.
fn fresh(
    topic: Topic,
    user_id: UserId,
    record: &DeadLetter,
    last: &Last,
    event_id: Uuid,
) -> Result<Event, BusError> {
    let known = record.version.max(last.version);
    // An older build did not write it, and nothing waits: whatever the owner has is enough.
    let version = known.unwrap_or(Version::new(1));
    let verb = record.verb.unwrap_or(Verb::Edited);
    let request_id = record.request_id.clone();
    let request_id = request_id.or_else(|| RequestId::parse(&format!("replay-{event_id}")));
    let request_id = request_id.ok_or_else(|| BusError::Refused {
        action: "publish a fresh wake-up",
        reason: "it has no request id".to_owned(),
    })?;
    let wake_up = WakeUp { event_id, user_id, version, verb, schema: SCHEMA };
    Ok(Event { topic, wake_up, request_id, trace: wire::trace_of(event_id) })
}
