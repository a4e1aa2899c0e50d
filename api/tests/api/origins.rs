//! Which pages of other origins may read answers (CORS).

use api::ApiOptions;
use poem::http::{Method, StatusCode};

use crate::support::Api;

#[tokio::test]
async fn only_a_configured_origin_may_read_answers() {
    let allowed_origins = vec!["https://app.example".to_owned()];
    let api = Api::with(ApiOptions { allowed_origins, ..ApiOptions::default() });
    let preflight = |origin: &'static str| {
        let request = api.client.request(Method::OPTIONS, "/api/cycles/cycles");
        request.header("access-control-request-method", "POST").header("origin", origin).send()
    };
    let response = preflight("https://app.example").await;
    response.assert_status(StatusCode::NO_CONTENT);
    response.assert_header("access-control-allow-origin", "https://app.example");
    response.assert_header("access-control-allow-methods", "GET, HEAD, POST, PUT, DELETE");
    let headers = "Authorization, Content-Type, Idempotency-Key, X-Request-Id, Traceparent";
    response.assert_header("access-control-allow-headers", headers);
    response.assert_header("access-control-max-age", "600");
    response.assert_header("vary", "Origin");
    // Tokens travel in a header of their own, and nothing that a browser sends by itself counts.
    response.assert_header_is_not_exist("access-control-allow-credentials");
    for other in [
        "https://app.example.evil",
        "https://evil.app.example",
        "https://app.example:8443",
        "HTTPS://APP.EXAMPLE",
        "http://app.example",
        "https://app.example, https://evil.example",
        "null",
        "*",
        "https://app",
    ] {
        let response = preflight(other).await;
        response.assert_header_is_not_exist("access-control-allow-origin");
        response.assert_header_is_not_exist("access-control-allow-methods");
    }
    let request = api.client.get("/nowhere").header("origin", "https://app.example");
    let response = request.send().await;
    response.assert_header("access-control-allow-origin", "https://app.example");
    response.assert_header("vary", "Origin");
}
