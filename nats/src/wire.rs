//! An event as a message: the `CloudEvents` NATS binding in binary mode
//! (<https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/nats-protocol-binding.md>).
//!
//! There is no `ce-time`: no payload and no header says when anything happened.

use async_nats::{HeaderMap, HeaderValue, header::NATS_MESSAGE_ID};
use bytes::Bytes;
use contracts::{
    call::{RequestId, TraceContext},
    events::{Event, SCHEMA, Topic, WakeUp},
};
use serde::Deserialize;
use uuid::Uuid;

const CONTENT_TYPE: &str = "content-type";
const REQUEST_ID: &str = "ce-requestid";
const TRACEPARENT: &str = "traceparent";

/// Why a message holds no event that this build understands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Undecodable {
    /// It never was one.
    Malformed,
    /// It is of this newer schema: a rolling upgrade is under way.
    NewerSchema(u16),
}

/// A message to be published.
pub(crate) struct Outgoing {
    pub(crate) subject: String,
    pub(crate) headers: HeaderMap,
    pub(crate) payload: Bytes,
}

/// The one member that every schema has.
#[derive(Deserialize)]
struct SchemaOnly {
    schema: u16,
}

/// The message of an event.
pub(crate) fn encode(event: &Event) -> Result<Outgoing, serde_json::Error> {
    let Event { topic, wake_up, request_id, trace } = event;
    let event_id = wake_up.event_id.to_string();
    let mut headers = HeaderMap::new();
    headers.insert("ce-specversion", "1.0");
    headers.insert("ce-id", event_id.as_str());
    headers.insert("ce-source", format!("/lunation/{}", topic.owner()));
    headers.insert("ce-type", format!("{}.v1", topic.name()));
    headers.insert("ce-subject", wake_up.user_id.to_string());
    headers.insert(REQUEST_ID, request_id.as_str());
    headers.insert(CONTENT_TYPE, "application/json");
    headers.insert(TRACEPARENT, trace.as_str());
    headers.insert(NATS_MESSAGE_ID, event_id.as_str());
    Ok(Outgoing {
        subject: topic.subject(wake_up.user_id),
        headers,
        payload: serde_json::to_vec(wake_up)?.into(),
    })
}

/// The event of a message. The payload decides; of the headers only the request id and the trace
/// are read, and replaced where they are missing or not sane.
pub(crate) fn decode(
    topic: Topic,
    subject: &str,
    headers: Option<&HeaderMap>,
    payload: &[u8],
) -> Result<Event, Undecodable> {
    let SchemaOnly { schema } =
        serde_json::from_slice(payload).map_err(|_error| Undecodable::Malformed)?;
    if schema > SCHEMA {
        return Err(Undecodable::NewerSchema(schema));
    }
    let wake_up: WakeUp =
        serde_json::from_slice(payload).map_err(|_error| Undecodable::Malformed)?;
    let possible = schema >= 1 && wake_up.version.get() >= 1 && wake_up.user_id.get() >= 1;
    if !possible || subject != topic.subject(wake_up.user_id) {
        return Err(Undecodable::Malformed);
    }
    let request_id = request_id(headers)
        .or_else(|| RequestId::parse(&format!("event-{}", wake_up.event_id)))
        .ok_or(Undecodable::Malformed)?;
    let trace = headers
        .and_then(|headers| headers.get(TRACEPARENT))
        .map(HeaderValue::as_str)
        .and_then(TraceContext::parse)
        .unwrap_or_else(|| trace_of(wake_up.event_id));
    Ok(Event { topic, wake_up, request_id, trace })
}

/// The request that caused the event, if the header is there and sane.
pub(crate) fn request_id(headers: Option<&HeaderMap>) -> Option<RequestId> {
    RequestId::parse(headers?.get(REQUEST_ID)?.as_str())
}

/// A trace of the event's own, so that a redelivery falls into the same one. Neither id may be
/// zero (W3C Trace Context §3.2.2).
pub(crate) fn trace_of(event_id: Uuid) -> TraceContext {
    let (_high, low) = event_id.as_u64_pair();
    TraceContext::from_ids(event_id.as_u128().max(1), low.max(1))
}

#[cfg(test)]
mod tests;
