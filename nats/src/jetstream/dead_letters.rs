//! Reading the stream of dead letters.

use async_nats::jetstream::{ErrorCode, stream::LastRawMessageErrorKind};

use super::{Link, refused};
use crate::{BusError, DeadLetter, streams};

/// The newest records, newest first. Read one by one: on servers before 2.11 there is no way to
/// get a batch backwards, and this is a view for people.
pub(super) async fn newest(link: &Link, limit: usize) -> Result<Vec<DeadLetter>, BusError> {
    let Some(info) = link.stream_info(streams::DEAD_LETTERS).await? else {
        return Ok(Vec::new());
    };
    let action = "read a dead letter";
    let stream = link
        .context
        .get_stream_no_info(streams::DEAD_LETTERS)
        .await
        .map_err(|error| BusError::Refused { action, reason: error.kind().to_string() })?;
    let mut letters = Vec::new();
    let first = info.state.first_sequence.max(1);
    for sequence in (first..=info.state.last_sequence).rev() {
        if letters.len() == limit {
            break;
        }
        match stream.get_raw_message(sequence).await {
            Ok(message) => match serde_json::from_slice(&message.payload) {
                Ok(letter) => letters.push(letter),
                Err(_error) => tracing::warn!(sequence, "a dead letter is not readable"),
            },
            // Dropped by someone, or expired since.
            Err(error) => match error.kind() {
                LastRawMessageErrorKind::NoMessageFound => {}
                LastRawMessageErrorKind::JetStream(error)
                    if error.error_code() == ErrorCode::NO_MESSAGE_FOUND => {}
                LastRawMessageErrorKind::JetStream(error) => return Err(refused(action, &error)),
                _other => return Err(BusError::Unavailable("a dead letter could not be read")),
            },
        }
    }
    Ok(letters)
}
