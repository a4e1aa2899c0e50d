//! The admin listener: `/livez`, `/readyz`, `/metrics`. It has a port of its own.

use std::sync::Arc;

use contracts::health::Check;
use futures::future::BoxFuture;
use poem::{
    Endpoint as _, EndpointExt as _, IntoResponse, Request, Response, Route,
    endpoint::{BoxEndpoint, make, make_sync},
    get,
    http::{HeaderValue, StatusCode, header},
};
use serde_json::{Map, Value, json};

use crate::{context::new_request_id, error::Problem, headers};

/// The methods of each path here.
const ALLOWED: &str = "GET, HEAD";

/// Asks everything that has to be well before this process takes requests.
pub type Readiness = Arc<dyn Fn() -> BoxFuture<'static, Vec<Check>> + Send + Sync>;
/// Writes all metrics in the Prometheus text format.
pub type Render = Arc<dyn Fn() -> String + Send + Sync>;

/// The admin endpoints. `/livez` answers as long as the process runs at all; `/readyz` answers 200
/// when every check passes and 503 with the failing ones otherwise.
pub fn admin(readiness: Readiness, render: Render) -> BoxEndpoint<'static, Response> {
    let live = make_sync(|_| state(StatusCode::OK, &[]));
    let ready = make(move |_: Request| {
        let readiness = Arc::clone(&readiness);
        async move {
            let mut checks = readiness().await;
            checks.retain(|check| !check.healthy);
            let ready = checks.is_empty();
            let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            state(status, &checks)
        }
    });
    let metrics = make_sync(move |_| {
        Response::builder().content_type("text/plain; version=0.0.4").body(render())
    });
    Route::new()
        .at("/livez", get(live))
        .at("/readyz", get(ready))
        .at("/metrics", get(metrics))
        .around(|endpoint, request| async move {
            let path = request.uri().path().to_owned();
            let answer = endpoint.call(request).await;
            let mut response =
                answer.map_or_else(|error| problem(error, &path), IntoResponse::into_response);
            headers::add_defaults(response.headers_mut());
            Ok(response)
        })
        .boxed()
}

fn state(status: StatusCode, failing: &[Check]) -> Response {
    let failing: Map<String, Value> =
        failing.iter().map(|check| (check.name.to_string(), json!("unhealthy"))).collect();
    let word = if failing.is_empty() { "ok" } else { "unavailable" };
    let mut body = json!({ "status": word });
    if !failing.is_empty() {
        body["checks"] = Value::Object(failing);
    }
    Response::builder().status(status).content_type("application/json").body(body.to_string())
}

fn problem(error: poem::Error, path: &str) -> Response {
    let problem = Problem::from(error);
    let not_allowed = problem.status() == StatusCode::METHOD_NOT_ALLOWED;
    let mut response = problem.into_response(&new_request_id(), path);
    if not_allowed {
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(ALLOWED));
    }
    response
}
