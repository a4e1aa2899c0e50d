//! What travels with every request: who asked, until when, and under which trace.

use std::{
    fmt,
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use serde::{Deserialize, Serialize};

use crate::{Scopes, SessionId, UserId};

/// The context of one request. It is passed on explicitly, from the HTTP edge to the outbox row,
/// and from there through the event to the consumer.
#[derive(Clone, Debug)]
pub struct Call {
    /// `X-Request-Id`: the client's if it was sane, ours otherwise.
    pub request_id: RequestId,
    /// The W3C trace that this request belongs to.
    pub trace: TraceContext,
    /// When the one who asked stops waiting. Work not begun by then is dropped unbegun.
    pub deadline: Instant,
    /// Who asked, once the token was verified; none for a part of the system itself.
    pub principal: Option<UserId>,
    /// The session that the verified token is of: what an operation on the account looks at.
    pub session: Option<SessionId>,
    /// The token that proved it: a group in another process verifies it again.
    pub token: Option<AccessToken>,
    /// `Idempotency-Key` of a write, if the client sent one.
    pub idempotency_key: Option<IdempotencyKey>,
    /// The client's address, as far as it is known: whoever guesses passwords is slowed down by it.
    pub origin: Option<IpAddr>,
}

impl Call {
    /// A call with `patience` from now and no idempotency key.
    pub fn new(request_id: RequestId, trace: TraceContext, patience: Duration) -> Self {
        let deadline = Instant::now() + patience;
        Self {
            request_id,
            trace,
            deadline,
            principal: None,
            session: None,
            token: None,
            idempotency_key: None,
            origin: None,
        }
    }

    /// The same request with a fresh deadline, for work that goes on behind an event. It is the
    /// system's own from here on: neither person nor token, key or address go with it.
    #[must_use]
    pub fn with_patience(&self, patience: Duration) -> Self {
        Self {
            request_id: self.request_id.clone(),
            trace: self.trace.clone(),
            deadline: Instant::now() + patience,
            principal: None,
            session: None,
            token: None,
            idempotency_key: None,
            origin: None,
        }
    }
}

/// What a verified access token proves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Whom it was issued to.
    pub user_id: UserId,
    /// In which session.
    pub session_id: SessionId,
    /// What it may be used for.
    pub scopes: Scopes,
}

/// An id of one HTTP request: 1 to 64 characters of `A-Z a-z 0-9 . _ -`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RequestId(String);

impl RequestId {
    /// The longest request id that is taken from a client, in bytes.
    pub const LENGTH_MAX: usize = 64;

    /// Takes a client's id if it is sane; anything else is refused, so that nobody writes into
    /// our logs through it.
    pub fn parse(text: &str) -> Option<Self> {
        let sane = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'_' | b'-');
        let fits = (1..=Self::LENGTH_MAX).contains(&text.len());
        (fits && text.bytes().all(sane)).then(|| Self(text.to_owned()))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

/// A W3C `traceparent` of version 00 (<https://www.w3.org/TR/trace-context/>).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TraceContext(String);

impl TraceContext {
    /// Builds a sampled `traceparent` from a trace id and a span id.
    pub fn from_ids(trace_id: u128, span_id: u64) -> Self {
        Self(format!("00-{trace_id:032x}-{span_id:016x}-01"))
    }

    /// Takes a `traceparent` header if it is well-formed and not all zeros.
    pub fn parse(text: &str) -> Option<Self> {
        let lower_hex = |part: &str, length: usize| {
            part.len() == length
                && part.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let parts: Vec<&str> = text.split('-').collect();
        let &[version, trace_id, span_id, flags] = parts.as_slice() else { return None };
        let well_formed = version == "00"
            && lower_hex(trace_id, 32)
            && lower_hex(span_id, 16)
            && lower_hex(flags, 2)
            && trace_id.bytes().any(|byte| byte != b'0')
            && span_id.bytes().any(|byte| byte != b'0');
        well_formed.then(|| Self(text.to_owned()))
    }

    /// The header's value.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// An `Idempotency-Key`: 1 to 255 visible ASCII characters.
#[derive(Clone, PartialEq, Eq)]
pub struct IdempotencyKey(String);

impl IdempotencyKey {
    /// The longest key, in bytes.
    pub const LENGTH_MAX: usize = 255;

    /// Takes a key if it is well-formed.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::LENGTH_MAX).contains(&text.len());
        (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Self(text.to_owned()))
    }

    /// The key as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for IdempotencyKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("IdempotencyKey(…)")
    }
}

/// An access token as it came: 1 to 4,096 visible ASCII characters. `Debug` hides it.
#[derive(Clone, PartialEq, Eq)]
pub struct AccessToken(Arc<str>);

impl AccessToken {
    /// The longest token, in bytes.
    pub const LENGTH_MAX: usize = 4 * 1024;

    /// Takes a token if it is well-formed. Whether it is good is for others to say.
    pub fn parse(text: &str) -> Option<Self> {
        let fits = (1..=Self::LENGTH_MAX).contains(&text.len());
        (fits && text.bytes().all(|byte| byte.is_ascii_graphic())).then(|| Self(text.into()))
    }

    /// The token itself: for whoever verifies it or passes it on, and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for AccessToken {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("AccessToken(…)")
    }
}
