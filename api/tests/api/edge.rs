//! What holds for every answer: headers, request ids, problems of the path and the method.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use api::{ApiOptions, Mounted, PROBLEMS};
use contracts::{
    Call, Refusal, UserId,
    analytics::AnalyticsMailbox,
    handle::{Opened, Transport},
    health::Check,
};
use futures::{FutureExt, future::BoxFuture};
use poem::{
    http::{Method, StatusCode},
    test::{TestClient, TestResponse},
};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use crate::support::{Api, Signer, read};

fn assert_headers(response: &TestResponse) {
    response.assert_header("x-content-type-options", "nosniff");
    response.assert_header("referrer-policy", "no-referrer");
    response.assert_header_exist("content-security-policy");
    response.assert_header_exist("cache-control");
    response.assert_header_exist("x-request-id");
    response.assert_header_is_not_exist("server");
    response.assert_header_is_not_exist("access-control-allow-origin");
}

#[tokio::test]
async fn every_status_has_the_headers() {
    let api = Api::new();
    let cases = [
        (Method::GET, "/openapi.json", "", 200),
        (Method::HEAD, "/openapi.json", "", 200),
        (Method::GET, "/openapi.yaml", "", 200),
        (Method::GET, "/swagger", "", 200),
        (Method::GET, "/.well-known/jwks.json", "", 200),
        (Method::GET, "/problems/not-found", "", 200),
        (Method::OPTIONS, "/api/cycles/cycles", "", 204),
        (Method::POST, "/api/users/login", "{", 400),
        (Method::GET, "/api/cycles/cycles", "", 401),
        (Method::GET, "/api/users/profile", "", 401),
        (Method::GET, "/nowhere", "", 404),
        (Method::PATCH, "/api/users/login", "", 405),
        (Method::POST, "/api/users/login", "{}", 422),
        (Method::GET, "/api/cycles/health", "", 503),
        (Method::GET, "/health", "", 503),
    ];
    for (method, path, body, status) in cases {
        let request = api.client.request(method, path).header("origin", "https://evil.example");
        let response = request.content_type("application/json").body(body).send().await;
        assert_eq!(response.0.status().as_u16(), status, "{path}");
        assert_headers(&response);
        if path != "/swagger" {
            response.assert_header("cache-control", "no-store");
            let policy = "default-src 'none'; frame-ancestors 'none'";
            response.assert_header("content-security-policy", policy);
        }
        if status >= 400 && !path.ends_with("health") {
            response.assert_content_type("application/problem+json");
            let (_, problem) = read(response).await;
            assert_eq!(problem["status"], status);
            assert_eq!(problem["instance"], path);
        }
    }
}

#[tokio::test]
async fn who_gets_no_connection_gets_the_headers_and_a_problem() {
    let response = TestResponse(api::no_connection());
    assert_headers(&response);
    response.assert_header("connection", "close");
    response.assert_header("retry-after", "1");
    response.assert_content_type("application/problem+json");
    let request_id = response.0.header("x-request-id").expect("an id").to_owned();
    let (status, problem) = read(response).await;
    assert_eq!((status, &problem["type"]), (503, &json!("/problems/overloaded")));
    assert_eq!((&problem["request_id"], &problem["instance"]), (&json!(request_id), &json!("")));
}

#[tokio::test]
async fn unknown_paths_are_404_and_wrong_methods_405_with_allow() {
    let api = Api::new();
    for path in [
        "/",
        "/api",
        "/api/users",
        "/api/users/",
        "/api/users/1",
        "/api/users/profile/",
        "/api//users/profile",
        "/api/notifications/notifications/process",
        "/swagger/x",
        "/livez",
        "/metrics",
        "/api/cycles/cycles/1/2",
        "/%2e%2e/etc/passwd",
    ] {
        let (status, problem) = read(api.client.post(path).send().await).await;
        let expected = if path.ends_with("process") { 405 } else { 404 };
        assert_eq!(status, expected, "{path}");
        assert_eq!(problem["instance"], path);
    }
    for (path, allow) in [
        ("/api/cycles/cycles", "GET, HEAD, OPTIONS, POST"),
        ("/api/cycles/cycles/1", "DELETE, GET, HEAD, OPTIONS, PUT"),
        ("/api/users/login", "OPTIONS, POST"),
        ("/api/users/profile", "GET, HEAD, OPTIONS, PUT"),
        ("/openapi.json", "GET, HEAD, OPTIONS"),
        ("/health", "GET, HEAD, OPTIONS"),
    ] {
        for method in [Method::PATCH, Method::TRACE, Method::from_bytes(b"BREW").unwrap()] {
            let response = api.client.request(method, path).send().await;
            response.assert_status(StatusCode::METHOD_NOT_ALLOWED);
            response.assert_header("allow", allow);
            let (_, problem) = read(response).await;
            assert_eq!(problem["type"], "/problems/method-not-allowed");
        }
        let response = api.client.request(Method::OPTIONS, path).send().await;
        response.assert_status(StatusCode::NO_CONTENT);
        response.assert_header("allow", allow);
    }
}

#[tokio::test]
async fn sane_request_ids_are_kept_and_others_replaced() {
    let api = Api::new();
    let longest = "a".repeat(64);
    for good in ["1", "A.b_c-9", &longest] {
        let response = api.client.get("/nowhere").header("x-request-id", good).send().await;
        response.assert_header("x-request-id", good);
        assert_eq!(read(response).await.1["request_id"], *good);
    }
    let too_long = "a".repeat(65);
    for bad in ["", "a b", "a/b", "id\u{e9}", "{}", &too_long] {
        let response = api.client.get("/nowhere").header("x-request-id", bad).send().await;
        let made = response.0.header("x-request-id").expect("an id").to_owned();
        assert_ne!(made, bad);
        assert_eq!(made.len(), 32);
        assert_eq!(read(response).await.1["request_id"], made);
    }
}

#[tokio::test]
async fn id_trace_deadline_and_person_reach_the_group() {
    let api = Api::new();
    let trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    let token = api.signer.token(&Signer::claims());
    let send = |trace: &'static str| {
        let request = api.client.get("/api/cycles/cycles").header("x-request-id", "mine");
        let request = request.header("authorization", format!("Bearer {token}"));
        request.header("traceparent", trace).send()
    };
    send(trace).await.assert_status(StatusCode::SERVICE_UNAVAILABLE);
    send("00-0-0-00").await.assert_header("retry-after", "1");
    let calls = api.cycles.calls.lock().unwrap();
    assert!(calls.iter().all(|call| call.request_id.as_str() == "mine"));
    assert!(calls.iter().all(|call| call.principal == Some(UserId::new(7))));
    let forwarded = |call: &Call| call.token.as_ref().is_some_and(|it| it.expose() == token);
    assert!(calls.iter().all(forwarded));
    assert_eq!(calls[0].trace.as_str(), trace);
    assert_ne!(calls[1].trace.as_str(), "00-0-0-00");
    let patience = calls[1].deadline.saturating_duration_since(std::time::Instant::now());
    assert!(patience <= Duration::from_secs(3) && patience > Duration::from_secs(1));
}

#[tokio::test]
async fn a_process_serves_what_is_mounted() {
    let mounted = Mounted {
        gateway: false,
        users: true,
        cycles: false,
        analytics: false,
        notifications: false,
    };
    let api = Api::with(ApiOptions { mounted, ..ApiOptions::default() });
    for (path, status) in [
        ("/api/users/profile", 401),
        ("/api/users/health", 503),
        ("/.well-known/jwks.json", 200),
        ("/openapi.json", 200),
        ("/health", 503),
        ("/api/cycles/cycles", 404),
        ("/api/cycles/health", 404),
        ("/api/analytics/insights", 404),
        ("/api/notifications/preferences", 404),
    ] {
        assert_eq!(read(api.client.get(path).send().await).await.0, status, "{path}");
    }
    let (_, health) = read(api.client.get("/health").send().await).await;
    let expected = json!({
        "status": "unhealthy", "service": "user-service", "checks": {"group": "unavailable"},
    });
    assert_eq!(health, expected, "the process of one group says how that group is");
    let mounted = Mounted { analytics: true, ..mounted };
    let api = Api::with(ApiOptions { mounted, ..ApiOptions::default() });
    let (_, health) = read(api.client.get("/health").send().await).await;
    let groups = json!({"users": "unavailable", "analytics": "unavailable"});
    assert_eq!(health, json!({"status": "unhealthy", "groups": groups}));
}

#[tokio::test]
async fn a_process_that_stops_ends_the_connection_with_each_answer() {
    let stopping = CancellationToken::new();
    let api = Api::with(ApiOptions { stopping: stopping.clone(), ..ApiOptions::default() });
    let get = async |path| api.client.get(path).send().await;
    get("/openapi.json").await.assert_header_is_not_exist("connection");
    stopping.cancel();
    for path in ["/openapi.json", "/nowhere", "/api/cycles/cycles"] {
        get(path).await.assert_header("connection", "close");
    }
}

/// Also where a request may take less than the usual wait for a body: it is no lost answer.
#[tokio::test(start_paused = true)]
async fn a_body_that_never_comes_is_408() {
    for request_timeout in [100, 2_000, 4_000, 5_000, 60_000].map(Duration::from_millis) {
        let api = Api::with(ApiOptions { request_timeout, ..ApiOptions::default() });
        let never = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>();
        let request = api.client.post("/api/users/login").content_type("application/json");
        let response = request.body(poem::Body::from_bytes_stream(never)).send().await;
        let (status, problem) = read(response).await;
        let expected = (408, &json!("/problems/body-timeout"));
        assert_eq!((status, &problem["type"]), expected, "{request_timeout:?}");
    }
}

/// A group whose way there is broken.
struct Broken;

impl Transport<AnalyticsMailbox> for Broken {
    fn deliver(
        &self,
        _call: Call,
        _message: AnalyticsMailbox,
    ) -> BoxFuture<'_, Result<Opened, Refusal>> {
        panic!("secret panic text")
    }
}

#[tokio::test]
async fn a_panic_is_500_and_says_nothing() {
    let api = Api::over(ApiOptions::default(), Arc::new(Broken));
    let (status, problem) = api.send(Method::GET, "/api/analytics/insights", None).await;
    assert_eq!((status, &problem["type"]), (500, &json!("/problems/internal")));
    assert!(!problem.to_string().contains("secret"));
    let (status, _) = api.send(Method::GET, "/api/cycles/cycles", None).await;
    assert_eq!(status, 503, "the others go on");
}

/// Where the log of a test goes.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("unpoisoned").write(bytes)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn one_log_line_per_request_with_template_and_without_values() {
    let api = Api::new();
    api.send(Method::GET, "/", None).await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    // Another test's thread, which has no subscriber, may have been the first to come by here.
    tracing::callsite::rebuild_interest_cache();
    let path = "/api/cycles/cycles/4711?from=1999-09-09";
    let body = r#"{"start_date":"1999-09-09","notes":"canary"}"#;
    api.send(Method::PUT, path, Some(body)).await;
    api.send(Method::GET, "/4711", None).await;
    let text = String::from_utf8(log.0.lock().unwrap().clone()).expect("UTF-8");
    let lines: Vec<Value> =
        text.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    assert_eq!(lines.len(), 2, "{text}");
    assert_eq!(lines[0]["fields"]["status"], 422);
    assert_eq!(lines[0]["span"]["request_id"], "test", "{text}");
    assert_eq!(lines[0]["span"]["method"], "PUT");
    assert_eq!(lines[0]["span"]["route"], "/api/cycles/cycles/{id}");
    assert_eq!(lines[1]["span"]["route"], "unmatched");
    for value in ["4711", "1999", "canary", "eyJ"] {
        assert!(!text.contains(value), "{text}");
    }
}

/// Over HTTP/2 a client that leaves takes the work on its answer with it, and not the log line.
#[tokio::test(start_paused = true)]
async fn a_request_whose_client_leaves_has_its_log_line_too() {
    let api = Api::new();
    api.send(Method::GET, "/", None).await;
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt().json().with_writer(move || writer.clone());
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    tracing::callsite::rebuild_interest_cache();
    let never = futures::stream::pending::<Result<Vec<u8>, std::io::Error>>();
    let request = api.client.post("/api/users/login").content_type("application/json");
    let request = request.header("x-request-id", "gone");
    let sending = request.body(poem::Body::from_bytes_stream(never)).send();
    assert!(tokio::time::timeout(Duration::from_secs(1), sending).await.is_err());
    let text = String::from_utf8(log.0.lock().unwrap().clone()).expect("UTF-8");
    let line: Value = serde_json::from_str(&text).expect("one line of JSON");
    assert_eq!(
        (&line["fields"]["status"], &line["span"]["request_id"]),
        (&json!(499), &json!("gone"))
    );
    assert_eq!(line["span"]["route"], "/api/users/login");
}

#[tokio::test]
async fn health_names_what_fails() {
    let api = Api::new();
    let (status, health) = read(api.client.get("/api/cycles/health").send().await).await;
    assert_eq!(status, 503);
    let expected = json!({
        "status": "unhealthy",
        "service": "cycle-tracking-service",
        "checks": { "group": "unavailable" },
    });
    assert_eq!(health, expected);
    let (status, health) = read(api.client.get("/health").send().await).await;
    assert_eq!((status, &health["status"]), (503, &json!("unhealthy")));
    assert_eq!(health["groups"]["analytics"], "unavailable");
}

#[tokio::test]
async fn every_problem_type_can_be_looked_up() {
    let api = Api::new();
    for kind in PROBLEMS {
        let path = format!("/problems/{}", kind.code);
        let (status, meaning) = read(api.client.get(path).send().await).await;
        assert_eq!(status, 200);
        assert_eq!(meaning["status"], kind.status);
        assert_eq!(meaning["title"], kind.title);
    }
    let (status, _) = read(api.client.get("/problems/none").send().await).await;
    assert_eq!(status, 404);
}

#[tokio::test]
async fn the_admin_listener_tells_ready_from_alive() {
    let check = |healthy: bool| Check { name: "database".into(), healthy };
    for (healthy, status) in [(true, 200), (false, 503)] {
        let readiness: api::Readiness =
            Arc::new(move || futures::future::ready(vec![check(healthy)]).boxed());
        let admin = TestClient::new(api::admin(readiness, Arc::new(|| "metric 1\n".to_owned())));
        assert_eq!(read(admin.get("/livez").send().await).await.0, 200);
        let (given, body) = read(admin.get("/readyz").send().await).await;
        assert_eq!(given, status);
        assert_eq!(body["checks"]["database"] == "unhealthy", !healthy);
        let response = admin.get("/metrics").send().await;
        response.assert_content_type("text/plain; version=0.0.4");
        response.assert_header("cache-control", "no-store");
        response.assert_text("metric 1\n").await;
        let (status, problem) = read(admin.get("/api/users/profile").send().await).await;
        assert_eq!((status, &problem["instance"]), (404, &json!("/api/users/profile")));
        let response = admin.post("/readyz").send().await;
        response.assert_status(StatusCode::METHOD_NOT_ALLOWED);
        response.assert_header("allow", "GET, HEAD");
        response.assert_header("cache-control", "no-store");
        assert_eq!(admin.head("/livez").send().await.0.status(), 200);
    }
}
