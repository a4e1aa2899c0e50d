//! Reading what a stream keeps, message by message. Every server since 2.9 can, and it needs no
//! consumer.

use std::time::SystemTime;

use async_nats::{
    HeaderMap,
    jetstream::{self, ErrorCode, message::StreamMessage, stream::RawMessage},
};
use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::super::{Link, refused};
use crate::BusError;

/// A message that a stream keeps.
pub(super) struct Stored {
    pub(super) sequence: u64,
    pub(super) subject: String,
    pub(super) headers: HeaderMap,
    pub(super) payload: Bytes,
    /// When the stream took it.
    pub(super) at: SystemTime,
}

/// Which message; the members are those of the server's API.
#[derive(Serialize)]
#[serde(untagged)]
enum Which<'a> {
    At { seq: u64 },
    NextFrom { seq: u64, next_by_subj: &'a str },
    LastOf { last_by_subj: &'a str },
}

#[derive(Serialize)]
struct Deletion {
    seq: u64,
}

#[derive(Deserialize)]
struct Deleted {
    success: bool,
}

#[derive(Deserialize)]
struct Answer {
    message: RawMessage,
}

/// The message with this sequence.
pub(super) async fn at(
    link: &Link,
    stream: &str,
    sequence: u64,
) -> Result<Option<Stored>, BusError> {
    get(link, stream, Which::At { seq: sequence }).await
}

/// The first message with at least this sequence whose subject matches.
pub(super) async fn next_from(
    link: &Link,
    stream: &str,
    sequence: u64,
    filter: &str,
) -> Result<Option<Stored>, BusError> {
    // There is no message 0, and the server takes it for 'no sequence was given'.
    get(link, stream, Which::NextFrom { seq: sequence.max(1), next_by_subj: filter }).await
}

/// The last message of a subject.
pub(super) async fn last_of(
    link: &Link,
    stream: &str,
    subject: &str,
) -> Result<Option<Stored>, BusError> {
    get(link, stream, Which::LastOf { last_by_subj: subject }).await
}

/// Removes a message and overwrites it on the disk: that is the server's default.
pub(super) async fn remove(link: &Link, stream: &str, sequence: u64) -> Result<(), BusError> {
    let action = "remove a message of a stream";
    let answer: Result<Deleted, jetstream::Error> = link
        .command(action, format!("STREAM.MSG.DELETE.{stream}"), &Deletion { seq: sequence })
        .await?;
    match answer {
        Ok(Deleted { success: true }) => Ok(()),
        Ok(Deleted { success: false }) => {
            Err(BusError::Refused { action, reason: "it did not say why".to_owned() })
        }
        Err(error) => Err(refused(action, &error)),
    }
}

/// A stream that is not there keeps nothing.
async fn get(link: &Link, stream: &str, which: Which<'_>) -> Result<Option<Stored>, BusError> {
    let action = "read a message of a stream";
    let answer: Result<Answer, jetstream::Error> =
        link.command(action, format!("STREAM.MSG.GET.{stream}"), &which).await?;
    let message = match answer {
        Ok(Answer { message }) => message,
        Err(error) => {
            let absent = [ErrorCode::NO_MESSAGE_FOUND, ErrorCode::STREAM_NOT_FOUND];
            if absent.contains(&error.error_code()) {
                return Ok(None);
            }
            return Err(refused(action, &error));
        }
    };
    let message = StreamMessage::try_from(message)
        .map_err(|_error| BusError::Refused { action, reason: "it is not readable".to_owned() })?;
    let StreamMessage { subject, sequence, headers, payload, time } = message;
    Ok(Some(Stored { sequence, subject: subject.to_string(), headers, payload, at: time.into() }))
}
