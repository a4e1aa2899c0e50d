//! Publishing: an event is out when its stream has acknowledged it.

use std::error::Error;

use async_nats::jetstream::{
    self, ErrorCode,
    context::{PublishError as LibraryError, PublishErrorKind},
    message::PublishMessage,
    publish::PublishAck,
};

use super::{ANSWER_TIMEOUT, Link, NO_CONNECTION};
use crate::{BusError, PublishError, Published, wire};
use contracts::events::Event;

/// 'Store failed': the limit on bytes, a full disk.
const STORE_FAILED: ErrorCode = ErrorCode(10_077);
/// 'Insufficient storage resources available'.
const STORAGE_EXCEEDED: ErrorCode = ErrorCode(10_047);

pub(super) async fn event(link: &Link, event: &Event) -> Result<Published, PublishError> {
    let outgoing = wire::encode(event).map_err(|error| PublishError::Refused(error.to_string()))?;
    let message = PublishMessage::build().headers(outgoing.headers).payload(outgoing.payload);
    let ack = send(link, outgoing.subject, message).await?;
    Ok(Published { stream_sequence: Some(ack.sequence) })
}

/// Publishes and waits for the acknowledgement: nothing else counts.
pub(super) async fn send(
    link: &Link,
    subject: String,
    message: PublishMessage,
) -> Result<PublishAck, PublishError> {
    let acknowledged = async { link.context.send_publish(subject, message).await?.await };
    match tokio::time::timeout(ANSWER_TIMEOUT, link.answer(acknowledged)).await {
        Ok(Some(answer)) => answer.map_err(|error| translate(&error)),
        Ok(None) => Err(PublishError::Unavailable(NO_CONNECTION)),
        Err(_elapsed) => Err(PublishError::Unavailable("timed out")),
    }
}

/// The same failure, of something that is no event of the relay.
pub(super) fn failure(action: &'static str, error: &PublishError) -> BusError {
    match error {
        PublishError::Unavailable(reason) => BusError::Unavailable(reason),
        other => BusError::Refused { action, reason: other.to_string() },
    }
}

fn translate(error: &LibraryError) -> PublishError {
    match error.kind() {
        PublishErrorKind::StreamNotFound => PublishError::NoStream,
        PublishErrorKind::TimedOut => PublishError::Unavailable("timed out"),
        PublishErrorKind::BrokenPipe => PublishError::Unavailable(NO_CONNECTION),
        PublishErrorKind::MaxAckPending => {
            PublishError::Unavailable("too many events wait for their acknowledgement")
        }
        kind @ (PublishErrorKind::WrongLastMessageId
        | PublishErrorKind::WrongLastSequence
        | PublishErrorKind::MaxPayloadExceeded) => PublishError::Refused(kind.to_string()),
        PublishErrorKind::Other => {
            let source = error.source().and_then(|source| source.downcast_ref());
            source.map_or(PublishError::Unavailable("the publish failed"), translate_answer)
        }
    }
}

fn translate_answer(error: &jetstream::Error) -> PublishError {
    let full = [
        STORE_FAILED,
        STORAGE_EXCEEDED,
        ErrorCode::INSUFFICIENT_RESOURCES,
        ErrorCode::ACCOUNT_RESOURCES_EXCEEDED,
    ];
    if full.contains(&error.error_code()) {
        PublishError::StreamFull
    } else {
        PublishError::Refused(error.to_string())
    }
}
