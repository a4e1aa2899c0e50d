//! How a message becomes an event and the other way round, for the fuzz targets (`fuzz/src/events.rs`):
//! nobody else outside of this crate sees a message.

use async_nats::{HeaderMap, HeaderName, HeaderValue};
use contracts::events::{Event, Topic};

use crate::wire;

/// An event as a message.
pub struct Written {
    /// The subject.
    pub subject: String,
    /// The headers.
    pub headers: Vec<(String, String)>,
    /// The payload.
    pub payload: Vec<u8>,
}

/// The event of a message, if it is one of this topic. Headers that cannot be are left out.
pub fn decode(
    topic: Topic,
    subject: &str,
    headers: &[(&str, &str)],
    payload: &[u8],
) -> Option<Event> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        if let (Ok(name), Ok(value)) = (name.parse::<HeaderName>(), value.parse::<HeaderValue>()) {
            map.append(name, value);
        }
    }
    wire::decode(topic, subject, Some(&map), payload).ok()
}

/// The message of an event.
pub fn encode(event: &Event) -> Option<Written> {
    let wire::Outgoing { subject, headers, payload } = wire::encode(event).ok()?;
    let headers = headers.iter().flat_map(|(name, values)| {
        values.iter().map(|value| (name.to_string(), value.as_str().to_owned()))
    });
    Some(Written { subject, headers: headers.collect(), payload: payload.to_vec() })
}
