//! 'For every endpoint', and the health of each group.

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::members;
use crate::harness::{App, client::Answer, document::DOCUMENT};

pub(super) async fn all(app: &App) {
    health(app).await;
    headers_of_every_status(app).await;
    methods(app).await;
    unknown_paths(app).await;
    request_ids(app).await;
    no_cross_origin_access(app).await;
    problems_are_explained(app).await;
}

async fn health(app: &App) {
    for (path, service) in [
        ("users", "user-service"),
        ("cycles", "cycle-tracking-service"),
        ("analytics", "analytics-service"),
        ("notifications", "notification-service"),
    ] {
        let answer = app.client().get(&format!("/api/{path}/health")).await;
        let expected = json!({"status": "healthy", "service": service});
        assert_eq!(answer.expect(StatusCode::OK), expected);
    }
    let answer = app.client().get("/health").await.expect(StatusCode::OK);
    assert_eq!(
        answer,
        json!({"status": "healthy", "groups": {
            "users": "healthy", "cycles": "healthy", "analytics": "healthy", "notifications": "healthy",
        }})
    );
}

/// One answer of each status that a client can cause.
async fn headers_of_every_status(app: &App) {
    let person = app.client().somebody().await;
    person.log_cycle("2024-01-01", None).await;
    let cycles = "/api/cycles/cycles";
    let raw = |body: &'static str, kind: &str| {
        person.request(Method::POST, cycles).header("Content-Type", kind).body(body)
    };
    let large = " ".repeat(65_537);
    let answers = [
        (200, person.get(cycles).await),
        (201, person.post(cycles, &json!({"start_date": "2024-02-01"})).await),
        (204, Answer::of(person.request(Method::OPTIONS, cycles)).await),
        (400, Answer::of(raw("{", "application/json")).await),
        (401, app.client().get(cycles).await),
        (404, person.get("/api/cycles/cycles/987654321").await),
        (404, app.client().get("/nowhere").await),
        (405, Answer::of(person.request(Method::PATCH, cycles)).await),
        (409, person.post(cycles, &json!({"start_date": "2024-01-01"})).await),
        // By a client of its own: a server may close the connection on a body that is too large.
        (
            413,
            Answer::of(
                person
                    .at(app.client())
                    .request(Method::POST, cycles)
                    .header("Content-Type", "application/json")
                    .body(large),
            )
            .await,
        ),
        (415, Answer::of(raw("{}", "text/plain")).await),
        (422, person.post(cycles, &json!({})).await),
    ];
    for (status, answer) in answers {
        assert_eq!(answer.status.as_u16(), status, "{}", answer.text);
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"), "{status}");
        assert_eq!(answer.header("cache-control"), Some("no-store"), "{status}");
        assert!(answer.header("x-request-id").is_some_and(|id| !id.is_empty()), "{status}");
        for absent in ["server", "x-powered-by", "via", "access-control-allow-origin", "set-cookie"]
        {
            assert_eq!(answer.header(absent), None, "{status}");
        }
        if status >= 400 {
            let id = answer.header("x-request-id").map(str::to_owned);
            let problem = answer.problem(status);
            let most = [
                "conflicting_id",
                "detail",
                "errors",
                "instance",
                "request_id",
                "status",
                "title",
                "type",
            ];
            assert!(members(&problem).iter().all(|member| most.contains(member)), "{problem}");
            assert_eq!(problem["request_id"].as_str().map(str::to_owned), id);
            assert!(problem["instance"].as_str().is_some_and(|path| path.starts_with('/')));
            assert_eq!(problem.get("errors").is_some(), status == 422);
        }
    }
}

/// `Allow` names exactly the methods that a path has; `HEAD` answers as `GET` does.
async fn methods(app: &App) {
    let person = app.client().somebody().await;
    let all = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "DELETE", "PATCH", "TRACE", "BREW"];
    for (template, item) in DOCUMENT["paths"].as_object().unwrap() {
        let path = template.replace("{id}", "987654321").replace("{code}", "internal");
        let documented: Vec<String> =
            item.as_object().unwrap().keys().map(|m| m.to_uppercase()).collect();
        let mut allowed: BTreeSet<&str> = documented.iter().map(String::as_str).collect();
        allowed.insert("OPTIONS");
        if allowed.contains("GET") {
            allowed.insert("HEAD");
        }
        let names = |answer: &Answer| -> BTreeSet<String> {
            let allow = answer.header("allow").unwrap_or_default();
            allow.split(", ").map(str::to_owned).collect()
        };
        let expected: BTreeSet<String> = allowed.iter().map(|&name| name.to_owned()).collect();
        let send = |name: &str| {
            Answer::of(person.request(Method::from_bytes(name.as_bytes()).unwrap(), &path))
        };
        let options = send("OPTIONS").await;
        assert_eq!((options.status, names(&options)), (StatusCode::NO_CONTENT, expected.clone()));
        for name in all.into_iter().filter(|name| !allowed.contains(name)) {
            let answer = send(name).await;
            assert_eq!(names(&answer), expected, "{name} {path}");
            if name == "HEAD" {
                assert_eq!(answer.status, StatusCode::METHOD_NOT_ALLOWED, "{path}");
            } else {
                answer.problem_of(405, "method-not-allowed");
            }
        }
        if allowed.contains("GET") {
            let (get, head) = (send("GET").await, send("HEAD").await);
            assert_eq!(head.status, get.status, "{path}");
            assert_eq!(head.header("content-type"), get.header("content-type"), "{path}");
        }
    }
}

async fn unknown_paths(app: &App) {
    let person = app.client().somebody().await;
    for path in [
        "/",
        "/api",
        "/api/",
        "/api/users",
        "/api/users/",
        "/api/users/login/",
        "/API/users/health",
        "/api/cycles/cycles/",
        "/api/cycles/cycles/1/",
        "/api/cycles/cycles/1/symptoms",
        "/api/cycles",
        "/api/analytics",
        "/api/notifications/process",
        "/metrics",
        "/livez",
        "/readyz",
        "/index.html",
        "/.env",
        "/swagger/",
        "/swagger/index.html",
        "/openapi",
        "/%00",
        "/%ff",
        "/..%2f..%2fetc%2fpasswd",
        "/api/users/health%20",
        "/api//users/health",
        "/problems/",
    ] {
        for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS] {
            let answer = Answer::of(person.request(method, path)).await;
            let problem = answer.problem_of(404, "unknown-path");
            assert_eq!(problem["instance"], path);
        }
    }
}

async fn request_ids(app: &App) {
    let sane = ["a", "follow-me_1.B", &"x".repeat(64)];
    for id in sane {
        for path in ["/health", "/nowhere"] {
            let request = app.client().request(Method::GET, path).header("X-Request-Id", id);
            assert_eq!(Answer::of(request).await.header("x-request-id"), Some(id));
        }
    }
    let mut made = BTreeSet::new();
    for insane in [None, Some(""), Some("a b"), Some("ä"), Some("<b>"), Some("a,b"), Some("\"")] {
        let mut request = app.client().request(Method::GET, "/nowhere");
        if let Some(insane) = insane {
            request = request.header("X-Request-Id", insane);
        }
        let answer = Answer::of(request).await;
        let id = answer.header("x-request-id").unwrap().to_owned();
        assert_ne!(Some(id.as_str()), insane);
        assert!((16..=64).contains(&id.len()) && made.insert(id), "{insane:?}");
    }
}

async fn no_cross_origin_access(app: &App) {
    let person = app.client().somebody().await;
    for origin in ["https://evil.example", "http://127.0.0.1", "null", &app.url()] {
        for method in [Method::GET, Method::OPTIONS, Method::POST] {
            let request = person
                .request(method, "/api/cycles/cycles")
                .header("Origin", origin)
                .header("Access-Control-Request-Method", "POST")
                .header("Access-Control-Request-Headers", "authorization");
            let answer = Answer::of(request).await;
            let given =
                answer.headers.keys().find(|name| name.as_str().starts_with("access-control"));
            assert_eq!(given, None, "{origin}");
        }
    }
}

/// Every `type` that the document shows leads to its meaning.
async fn problems_are_explained(app: &App) {
    let mut types = BTreeSet::new();
    collect_types(&DOCUMENT, &mut types);
    assert!(types.len() > 12, "{types:?}");
    for reference in types {
        let explained = app.client().get(&reference).await.expect(StatusCode::OK);
        assert_eq!(members(&explained), ["code", "meaning", "status", "title"]);
        assert_eq!(format!("/problems/{}", explained["code"].as_str().unwrap()), reference);
    }
    app.client().get("/problems/moon").await.problem_of(404, "not-found");
}

fn collect_types(value: &Value, types: &mut BTreeSet<String>) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| collect_types(item, types)),
        Value::Object(object) => {
            let reference = object.get("type").and_then(Value::as_str);
            types
                .extend(reference.filter(|text| text.starts_with("/problems/")).map(str::to_owned));
            object.values().for_each(|member| collect_types(member, types));
        }
        _ => {}
    }
}
