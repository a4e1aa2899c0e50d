//! What every request carries: its id, its trace, its time limit, and what all operations share.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use contracts::{
    Call, Handle, Refusal, Request as Ask,
    call::{IdempotencyKey, RequestId, TraceContext},
};
use poem::{FromRequest, Request, RequestBody, http::header};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::{error::Problem, origin::TrustedProxies, schema::Schemas, tokens::Verifier};

/// How long an ask may take. Less than the request's own time limit, so that the answer to a
/// group that is silent is ours to word.
const ASK_PATIENCE: Duration = Duration::from_secs(3);
/// How long a group may take to say how it is.
const HEALTH_PATIENCE: Duration = Duration::from_secs(2);

/// The most characters of a `User-Agent` that are passed on.
const DEVICE_LENGTH_MAX: usize = 200;

/// The header that names a request.
pub(crate) const REQUEST_ID: &str = "x-request-id";

/// The context of one request, cheap to clone.
#[derive(Clone)]
pub(crate) struct Context(Arc<Inner>);

struct Inner {
    request_id: RequestId,
    trace: TraceContext,
    expires: Instant,
    origin: Option<IpAddr>,
    shared: Shared,
}

/// What all requests share.
#[derive(Clone)]
pub(crate) struct Shared {
    /// Knows who a token was issued to.
    pub(crate) verifier: Arc<Verifier>,
    /// Knows what a body may hold.
    pub(crate) schemas: Arc<Schemas>,
    /// Knows whose word counts on where a request comes from.
    pub(crate) proxies: Arc<TrustedProxies>,
    /// How many imports may be under way: each holds its whole document in memory.
    pub(crate) imports: Arc<Semaphore>,
}

impl Context {
    /// The context of a request that has just come in: ids are taken if they are sane, or made.
    pub(crate) fn arriving(request: &Request, time_limit: Duration, shared: Shared) -> Self {
        let request_id = request.header(REQUEST_ID).and_then(RequestId::parse);
        let trace = request.header("traceparent").and_then(TraceContext::parse);
        Self(Arc::new(Inner {
            request_id: request_id.unwrap_or_else(new_request_id),
            trace: trace.unwrap_or_else(new_trace),
            expires: Instant::now() + time_limit,
            origin: shared.proxies.origin_of(request),
            shared,
        }))
    }

    /// The context that the edge put into a request.
    pub(crate) fn of(request: &Request) -> Result<&Self, Problem> {
        request.data::<Self>().ok_or_else(|| Refusal::internal().into())
    }

    /// The request's id.
    pub(crate) fn request_id(&self) -> &RequestId {
        &self.0.request_id
    }

    /// Knows who a token was issued to.
    pub(crate) fn verifier(&self) -> &Verifier {
        &self.0.shared.verifier
    }

    /// Knows what a body may hold.
    pub(crate) fn schemas(&self) -> &Schemas {
        &self.0.shared.schemas
    }

    /// How long the request may still take.
    pub(crate) fn time_left(&self) -> Duration {
        self.0.expires.saturating_duration_since(Instant::now())
    }

    /// The call that an ask is made with.
    pub(crate) fn call(&self) -> Call {
        self.call_within(ASK_PATIENCE)
    }

    /// The call that a group's health is asked with.
    pub(crate) fn health_call(&self) -> Call {
        self.call_within(HEALTH_PATIENCE)
    }

    /// Asks a group to read something.
    pub(crate) async fn ask<R: Ask>(
        &self,
        group: &Handle<R::Mailbox>,
        request: R,
    ) -> Result<R::Reply, Problem> {
        Ok(group.ask(&self.call(), request).await?)
    }

    /// Asks a group to write something, once for each idempotency key.
    pub(crate) async fn write<R: Ask>(
        &self,
        group: &Handle<R::Mailbox>,
        idempotency_key: Option<IdempotencyKey>,
        request: R,
    ) -> Result<R::Reply, Problem> {
        let call = Call { idempotency_key, ..self.call() };
        Ok(group.ask(&call, request).await?)
    }

    fn call_within(&self, patience: Duration) -> Call {
        let Inner { request_id, trace, expires, origin, shared: _ } = &*self.0;
        let call = Call::new(request_id.clone(), trace.clone(), patience);
        Call { deadline: call.deadline.min(*expires), origin: *origin, ..call }
    }
}

impl<'a> FromRequest<'a> for Context {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        Ok(Self::of(request)?.clone())
    }
}

/// What a client calls itself, for the list of sessions; the users group makes it presentable.
pub(crate) struct Device(pub(crate) Option<String>);

impl<'a> FromRequest<'a> for Device {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        let text = request.header(header::USER_AGENT).unwrap_or_default();
        let start: String = text.chars().take(DEVICE_LENGTH_MAX).collect();
        Ok(Self((!start.is_empty()).then_some(start)))
    }
}

/// The leave to read the document of an import. It is had before the body is read.
pub(crate) struct ImportPlace(#[expect(dead_code, reason = "held, not read")] OwnedSemaphorePermit);

impl<'a> FromRequest<'a> for ImportPlace {
    async fn from_request(request: &'a Request, _body: &mut RequestBody) -> poem::Result<Self> {
        let imports = Arc::clone(&Context::of(request)?.0.shared.imports);
        let place = imports.try_acquire_owned();
        Ok(Self(place.map_err(|_| Problem::from(Refusal::overloaded()))?))
    }
}

/// 128 random bits in hexadecimal, which is always a sane id.
pub(crate) fn new_request_id() -> RequestId {
    let text = format!("{:032x}", rand::random::<u128>());
    RequestId::parse(&text).unwrap_or_else(|| unreachable!("32 hexadecimal digits are sane"))
}

/// A new sampled trace; the lowest bits keep both ids from being zero, which the standard forbids.
pub(crate) fn new_trace() -> TraceContext {
    TraceContext::from_ids(rand::random::<u128>() | 1, rand::random::<u64>() | 1)
}
