//! The admin listener: `/livez`, `/readyz`, `/metrics`. It has a port of its own.

use std::sync::Arc;

use contracts::{call::RequestId, health::Check};
use futures::future::BoxFuture;
use poem::{
    EndpointExt, IntoResponse, Request, Response, Route,
    endpoint::{BoxEndpoint, make, make_sync},
    get,
    http::StatusCode,
};
use serde_json::{Map, Value, json};

use crate::{error::Problem, headers};

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
        .catch_all_error(problem)
        .after(|answer: poem::Result<Response>| async move {
            answer.map(|mut response| {
                headers::add_defaults(response.headers_mut());
                response
            })
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

async fn problem(error: poem::Error) -> Response {
    let id = RequestId::parse("admin").unwrap_or_else(|| unreachable!("a sane id"));
    Problem::from(error).into_response(&id, "/").into_response()
}
