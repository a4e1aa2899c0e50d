//! What travels beside a request and its answer, as headers.

use std::{
    net::IpAddr,
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use async_nats::{
    HeaderMap, HeaderName, HeaderValue,
    service::{NATS_SERVICE_ERROR, NATS_SERVICE_ERROR_CODE},
};
use contracts::{
    Call, ErrorKind, Refusal,
    call::{AccessToken, IdempotencyKey, RequestId, TraceContext},
    wire::{Audience, Op},
};

const REQUEST_ID: HeaderName = HeaderName::from_static("Lunation-Request-Id");
const DEADLINE: HeaderName = HeaderName::from_static("Lunation-Deadline");
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");
const AUTHORIZATION: HeaderName = HeaderName::from_static("Authorization");
const IDEMPOTENCY_KEY: HeaderName = HeaderName::from_static("Idempotency-Key");
const ORIGIN: HeaderName = HeaderName::from_static("Lunation-Origin");
const ERROR: HeaderName = HeaderName::from_static(NATS_SERVICE_ERROR);
const ERROR_CODE: HeaderName = HeaderName::from_static(NATS_SERVICE_ERROR_CODE);

const BEARER: &str = "Bearer ";
/// How long a request is worked on that names no deadline: one that a person sends by hand.
const PATIENCE: Duration = Duration::from_secs(3);
/// The longest that any request is worked on, whatever it says and however clocks differ.
const PATIENCE_MAX: Duration = Duration::from_mins(1);

/// The headers of a request.
pub(super) fn seal(call: &Call, op: Op) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(REQUEST_ID, call.request_id.as_str());
    headers.insert(TRACEPARENT, call.trace.as_str());
    headers.insert(DEADLINE, unix_ms_of(call.deadline).to_string());
    if let (Audience::People, Some(token)) = (op.audience, &call.token) {
        headers.insert(AUTHORIZATION, format!("{BEARER}{}", token.expose()));
    }
    if let Some(key) = &call.idempotency_key {
        headers.insert(IDEMPOTENCY_KEY, key.as_str());
    }
    // Services ask for themselves: no client's address is theirs.
    if let (Audience::People | Audience::Open, Some(origin)) = (op.audience, call.origin) {
        headers.insert(ORIGIN, origin.to_string());
    }
    headers
}

/// The call of a request that came in. `fresh` names a request that has no sane name.
pub(super) fn open(headers: Option<&HeaderMap>, fresh: impl FnOnce() -> String) -> Option<Call> {
    let header = |name: HeaderName| headers?.get(name).map(HeaderValue::as_str);
    let request_id = match header(REQUEST_ID).and_then(RequestId::parse) {
        Some(request_id) => request_id,
        None => RequestId::parse(&fresh())?,
    };
    let trace = header(TRACEPARENT).and_then(TraceContext::parse);
    let token = header(AUTHORIZATION).and_then(|value| value.strip_prefix(BEARER));
    let patience = header(DEADLINE).and_then(|value| value.parse().ok()).map_or(PATIENCE, left_of);
    let call = Call::new(request_id, trace.unwrap_or_else(unknown_trace), patience);
    Some(Call {
        token: token.and_then(AccessToken::parse),
        idempotency_key: header(IDEMPOTENCY_KEY).and_then(IdempotencyKey::parse),
        origin: header(ORIGIN).and_then(|value| value.parse::<IpAddr>().ok()),
        ..call
    })
}

/// The headers of a refusal, which mark it as one for whoever knows the micro protocol.
pub(super) fn mark(refusal: &Refusal) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(ERROR, &*refusal.code);
    headers.insert(ERROR_CODE, micro_code(refusal.kind).to_string());
    headers
}

/// Whether an answer is a refusal.
pub(super) fn is_refusal(headers: Option<&HeaderMap>) -> bool {
    headers.is_some_and(|headers| headers.get(ERROR_CODE).is_some())
}

/// The number of a kind: by the custom of the micro protocol, one that people know from HTTP.
pub(super) const fn micro_code(kind: ErrorKind) -> u16 {
    match kind {
        ErrorKind::Invalid => 422,
        ErrorKind::Unauthenticated => 401,
        ErrorKind::Forbidden => 403,
        ErrorKind::NotFound => 404,
        ErrorKind::Conflict => 409,
        ErrorKind::Throttled => 429,
        ErrorKind::Internal => 500,
        ErrorKind::Overloaded | ErrorKind::Unavailable => 503,
        ErrorKind::Interrupted => 504,
    }
}

/// The trace of a request that has none: one that all of them share, and that is valid.
fn unknown_trace() -> TraceContext {
    TraceContext::from_ids(1, 1)
}

/// A deadline as it travels: milliseconds since 1970, since an `Instant` means nothing to another
/// process. The clocks of the machines must agree to a fraction of a second.
fn unix_ms_of(deadline: Instant) -> u64 {
    let left = deadline.saturating_duration_since(Instant::now());
    u64::try_from((since_1970() + left).as_millis()).unwrap_or(u64::MAX)
}

/// How much is left of a deadline that came in.
fn left_of(unix_ms: u64) -> Duration {
    Duration::from_millis(unix_ms).saturating_sub(since_1970()).min(PATIENCE_MAX)
}

#[expect(clippy::disallowed_methods, reason = "deadlines travel between processes as wall time")]
fn since_1970() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use contracts::Scope;

    use super::*;

    const OP: Op = Op::people("op", Scope::ReadCycles);

    fn call() -> Call {
        let request_id = RequestId::parse("request-1").unwrap();
        let call = Call::new(request_id, TraceContext::from_ids(7, 8), Duration::from_secs(2));
        Call {
            token: AccessToken::parse("a.b.c"),
            idempotency_key: IdempotencyKey::parse("key"),
            origin: "2001:db8::7".parse().ok(),
            ..call
        }
    }

    fn opened(headers: &HeaderMap) -> Call {
        open(Some(headers), || "fresh-1".to_owned()).unwrap()
    }

    #[test]
    fn a_call_comes_out_as_it_went_in() {
        let (sent, received) = (call(), opened(&seal(&call(), OP)));
        assert_eq!(received.request_id, sent.request_id);
        assert_eq!(received.trace, sent.trace);
        assert_eq!(received.token, sent.token);
        assert_eq!(received.idempotency_key, sent.idempotency_key);
        assert_eq!(received.origin, sent.origin);
        assert_eq!(received.principal, None, "a principal has to be proved");
        let difference =
            sent.deadline.max(received.deadline) - sent.deadline.min(received.deadline);
        assert!(difference < Duration::from_millis(100), "{difference:?}");
    }

    #[test]
    fn only_what_is_asked_for_a_person_carries_the_token() {
        for op in [Op::services("op"), Op::open("op")] {
            assert_eq!(opened(&seal(&call(), op)).token, None);
        }
        assert_eq!(opened(&seal(&call(), Op::services("op"))).origin, None);
        assert_eq!(opened(&seal(&call(), Op::open("op"))).origin, call().origin);
    }

    #[test]
    fn strange_headers_are_replaced() {
        let mut headers = HeaderMap::new();
        headers.insert(REQUEST_ID, "two words");
        headers.insert(TRACEPARENT, "nonsense");
        headers.insert(DEADLINE, "soon");
        headers.insert(AUTHORIZATION, "Basic abc");
        let call = opened(&headers);
        assert_eq!(call.request_id.as_str(), "fresh-1");
        assert!(TraceContext::parse(call.trace.as_str()).is_some());
        assert_eq!((call.token, call.idempotency_key), (None, None));
        assert!(call.deadline > Instant::now());
    }

    #[test]
    fn no_deadline_lasts_for_ever_and_a_past_one_is_past() {
        for (unix_ms, left) in [(0, Duration::ZERO), (u64::MAX, PATIENCE_MAX)] {
            assert_eq!(left_of(unix_ms), left);
        }
    }
}
