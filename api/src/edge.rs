//! Where every request comes in and every answer goes out: id, span, time limit, panic, problem
//! document, headers, one log line.

use std::{
    panic::AssertUnwindSafe,
    sync::Arc,
    time::{Duration, Instant},
};

use contracts::Refusal;
use futures::FutureExt;
use poem::{
    Endpoint, Request, Response,
    http::{HeaderValue, Method, StatusCode, Version, header},
};
use tokio::time;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use crate::{
    app::Mounted,
    auth::RequiredScope,
    context::{Context, REQUEST_ID, Shared, new_request_id},
    error::Problem,
    headers::{self, CrossOrigin},
    routes::{Route, Routes},
};

/// The name of a path that is none of ours, in logs and metrics.
const UNMATCHED: &str = "unmatched";
/// Longest path with its query, in bytes.
const URI_LENGTH_MAX: usize = 4 * 1024;
/// The operations that may take longer than others, and how long: one stores thousands of rows, the
/// other waits for a core, and whoever leaves is not sent away for a crowd.
const IMPORT: &str = "/api/users/import";
const IMPORT_TIMEOUT: Duration = Duration::from_mins(1);
const ACCOUNT: &str = "/api/users/account";
const ACCOUNT_TIMEOUT: Duration = Duration::from_secs(15);
/// The status that nobody was answered with, in logs and metrics: the client left before. (nginx
/// has this number for it.)
const CLIENT_LEFT: u16 = 499;

/// The outermost endpoint. It answers always, and an error never leaves it.
pub(crate) struct Edge<E> {
    /// What answers.
    pub(crate) inner: E,
    /// Which paths there are.
    pub(crate) routes: Routes,
    /// Which of them are served here.
    pub(crate) mounted: Mounted,
    /// What all requests share.
    pub(crate) shared: Shared,
    /// How long a request may take in all.
    pub(crate) request_timeout: Duration,
    /// Who may read answers from another origin.
    pub(crate) cross_origin: CrossOrigin,
    /// Cancelled when the process is about to stop.
    pub(crate) stopping: CancellationToken,
}

impl<E: Endpoint<Output = Response>> Endpoint for Edge<E> {
    type Output = Response;

    async fn call(&self, mut request: Request) -> poem::Result<Response> {
        let started = Instant::now();
        let route = self.route(&request);
        let time_limit = self.time_limit(route);
        let context = Context::arriving(&request, time_limit, self.shared.clone());
        let origin = self.cross_origin.origin_of(&request);
        let is_encrypted = self.shared.proxies.say_encrypted(&request);
        let method = method_name(request.method());
        let version = request.version();
        let template = route.map_or_else(|| Arc::from(UNMATCHED), |r| Arc::clone(&r.template));
        // At level error, so that no filter ever takes the request's id from the lines below it.
        let span = tracing::error_span!(
            "request",
            request_id = %context.request_id(),
            method,
            route = &*template,
        );
        request.set_data(context.clone());
        if let Some(scope) = route.and_then(|route| route.scope(request.method())) {
            request.set_data(RequiredScope(scope));
        }
        let mut record = Record { method, template, started, status: CLIENT_LEFT, span: &span };
        let answer = self.answer(request, route, origin.as_ref(), &context);
        let mut response = answer.instrument(span.clone()).await;
        headers::add_defaults(response.headers_mut());
        if is_encrypted {
            headers::demand_encryption(response.headers_mut());
        }
        self.cross_origin.allow(origin, response.headers_mut());
        // HTTP/2 knows no such header, and says goodbye in a frame of its own.
        if self.stopping.is_cancelled() && version < Version::HTTP_2 {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if let Ok(value) = HeaderValue::from_str(context.request_id().as_str()) {
            response.headers_mut().insert(REQUEST_ID, value);
        }
        record.status = response.status().as_u16();
        Ok(response)
    }
}

impl<E: Endpoint<Output = Response>> Edge<E> {
    /// The route of a request, if it is served here.
    fn route(&self, request: &Request) -> Option<&Route> {
        self.routes.find(request.uri().path()).filter(|route| self.mounted.serves(&route.template))
    }

    /// How long a request may take in all.
    fn time_limit(&self, route: Option<&Route>) -> Duration {
        match route {
            Some(route) if &*route.template == IMPORT => self.request_timeout.max(IMPORT_TIMEOUT),
            Some(route) if &*route.template == ACCOUNT => self.request_timeout.max(ACCOUNT_TIMEOUT),
            _ => self.request_timeout,
        }
    }

    async fn answer(
        &self,
        request: Request,
        route: Option<&Route>,
        origin: Option<&HeaderValue>,
        context: &Context,
    ) -> Response {
        let length = request.uri().path_and_query().map_or(0, |it| it.as_str().len());
        if length > URI_LENGTH_MAX {
            // It is not repeated either.
            return Problem::uri_too_long().into_response(context.request_id(), "/");
        }
        let instance = request.uri().path().to_owned();
        let Some(route) = route else {
            return Problem::unknown_path().into_response(context.request_id(), &instance);
        };
        if request.method() == Method::OPTIONS {
            return headers::options(&route.allow, origin);
        }
        match self.carry_out(request, context.time_left()).await {
            Ok(response) => response,
            Err(problem) => {
                let not_allowed = problem.status() == StatusCode::METHOD_NOT_ALLOWED;
                let mut response = problem.into_response(context.request_id(), &instance);
                if not_allowed {
                    response.headers_mut().insert(header::ALLOW, route.allow.clone());
                }
                response
            }
        }
    }

    /// The answer within the time limit; a panic costs this request and no other.
    async fn carry_out(&self, request: Request, time_limit: Duration) -> Result<Response, Problem> {
        let answer = AssertUnwindSafe(self.inner.call(request)).catch_unwind();
        match time::timeout(time_limit, answer).await {
            Ok(Ok(answer)) => answer.map_err(Problem::from),
            Ok(Err(_panic)) => {
                tracing::error!("an operation panicked");
                Err(Refusal::internal().into())
            }
            Err(_elapsed) => Err(Refusal::interrupted().into()),
        }
    }
}

/// The answer to whoever gets no connection. Nothing was read of what they want, so it names no path.
pub fn no_connection() -> Response {
    let request_id = new_request_id();
    let mut response = Problem::no_connection().into_response(&request_id, "");
    let headers = response.headers_mut();
    headers::add_defaults(headers);
    headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
    if let Ok(value) = HeaderValue::from_str(request_id.as_str()) {
        headers.insert(REQUEST_ID, value);
    }
    response
}

/// One log line and one measurement per request, by route template: a raw path holds ids. Id,
/// method and route of the line are the span's. It is written when this is dropped, since a client
/// of HTTP/2 that leaves takes the work on its answer with it.
struct Record<'a> {
    method: &'static str,
    template: Arc<str>,
    started: Instant,
    status: u16,
    span: &'a tracing::Span,
}

impl Drop for Record<'_> {
    fn drop(&mut self) {
        let Self { method, template, started, status, span } = self;
        let elapsed = started.elapsed();
        // In thousandths of a millisecond: what a clock can tell, and no more digits.
        let elapsed_ms = (elapsed.as_secs_f64() * 1e6).round() / 1e3;
        span.in_scope(|| match *status {
            CLIENT_LEFT => tracing::info!(status, elapsed_ms, "left before the answer"),
            500.. => tracing::warn!(status, elapsed_ms, "answered"),
            _ => tracing::info!(status, elapsed_ms, "answered"),
        });
        let labels = [
            metrics::Label::new("method", *method),
            metrics::Label::new("route", Arc::clone(template)),
            metrics::Label::new("status", status.to_string()),
        ];
        metrics::counter!("http_requests_total", labels.iter()).increment(1);
        metrics::histogram!("http_request_duration_seconds", labels.iter())
            .record(elapsed.as_secs_f64());
    }
}

/// The method for logs and metrics: a closed list, for anybody can invent another.
fn method_name(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        Method::PATCH => "PATCH",
        Method::OPTIONS => "OPTIONS",
        _ => "OTHER",
    }
}
