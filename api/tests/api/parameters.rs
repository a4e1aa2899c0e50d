//! Query parameters, path ids and the Idempotency-Key.

use poem::http::Method;
use serde_json::json;

use crate::support::{Api, Signer, read};

#[tokio::test]
async fn wrong_query_parameters_are_422_and_named() {
    let api = Api::new();
    let cases = [
        ("/api/cycles/cycles?limit=0", "limit"),
        ("/api/cycles/cycles?limit=101", "limit"),
        ("/api/cycles/cycles?limit=-1", "limit"),
        ("/api/cycles/cycles?limit=1.5", "limit"),
        ("/api/cycles/cycles?limit=ten-or-so", "limit"),
        ("/api/cycles/cycles?limit=99999999999999999999", "limit"),
        ("/api/cycles/cycles?limit=1&limit=2", "limit"),
        ("/api/cycles/cycles?limit=%00", "limit"),
        ("/api/cycles/cycles?offset=-1", "offset"),
        ("/api/cycles/cycles?offset=1000001", "offset"),
        ("/api/cycles/cycles?from=2024-1-1", "from"),
        ("/api/cycles/cycles?to=2024-02-30", "to"),
        ("/api/cycles/symptoms?cycle_id=0", "cycle_id"),
        ("/api/cycles/symptoms?cycle_id=abc", "cycle_id"),
        ("/api/cycles/symptoms?symptom_type=a%00b", "symptom_type"),
        ("/api/analytics/predictions?active=maybe-so", "active"),
        ("/api/analytics/predictions?min_version=-1", "min_version"),
        ("/api/analytics/insights?min_version=x", "min_version"),
        ("/api/analytics/analytics?limit=1000", "limit"),
        ("/api/analytics/calendar?to=2024-01-01", "from"),
        ("/api/analytics/calendar?from=2024-01-01&to=", "to"),
        ("/api/analytics/calendar?from=2024-01-01&to=2024-02-30", "to"),
        ("/api/analytics/calendar?to=2024-01-01&from=1899-12-31", "from"),
        ("/api/analytics/calendar?from=2024-01-01&to=2024-01-02&min_version=-1", "min_version"),
        ("/api/analytics/questions?min_version=latest", "min_version"),
        ("/api/notifications/notifications?status=lost-somewhere", "status"),
        ("/api/notifications/notifications/1?min_version=1e3", "min_version"),
        ("/api/notifications/preferences?min_version=1.0", "min_version"),
    ];
    for (path, name) in cases {
        let (status, problem) = api.send(Method::GET, path, None).await;
        assert_eq!(status, 422, "{path}");
        assert_eq!(problem["errors"][0]["pointer"], name, "{path}");
        assert_eq!(problem["instance"], path.split_once('?').unwrap().0);
        let text = problem.to_string();
        let value = path.rsplit_once('=').unwrap().1;
        assert!(value.len() < 6 || !text.contains(value), "{text}");
    }
}

#[tokio::test]
async fn good_query_parameters_reach_the_group() {
    let api = Api::new();
    for path in [
        "/api/cycles/cycles",
        "/api/cycles/cycles?limit=&offset=&from=&to=",
        "/api/cycles/cycles?limit=100&offset=1000000&from=1900-01-01&to=9999-12-31",
        "/api/cycles/cycles?something=else",
        "/api/cycles/symptoms?cycle_id=9223372036854775807&symptom_type=mood%20swing",
        "/api/analytics/predictions?active=true&min_version=0",
        "/api/analytics/predictions?active=false",
        "/api/analytics/calendar?from=2024-01-01&to=2024-12-31&min_version=3",
        "/api/analytics/questions?min_version=",
        "/api/analytics/questions",
        "/api/notifications/notifications?status=&limit=20",
        "/api/notifications/notifications?status=cancelled",
    ] {
        let (status, problem) = api.send(Method::GET, path, None).await;
        let expected = json!("/problems/unavailable");
        assert_eq!((status, &problem["type"]), (503, &expected), "{path} {problem}");
    }
}

#[tokio::test]
async fn an_id_that_is_no_id_is_404() {
    let api = Api::new();
    for id in ["0", "-1", "abc", "1.5", "9223372036854775808", "1e3", "%00", "null", "1;2"] {
        for (method, path) in [
            (Method::GET, "/api/cycles/cycles"),
            (Method::DELETE, "/api/cycles/cycles"),
            (Method::DELETE, "/api/cycles/symptoms"),
            (Method::GET, "/api/notifications/notifications"),
        ] {
            let (status, problem) = api.send(method, &format!("{path}/{id}"), None).await;
            assert_eq!((status, &problem["type"]), (404, &json!("/problems/not-found")), "{id}");
        }
        let (path, body) = (format!("/api/analytics/questions/{id}/answer"), r#"{"answer":"no"}"#);
        let (status, problem) = api.send(Method::POST, &path, Some(body)).await;
        assert_eq!((status, &problem["type"]), (404, &json!("/problems/not-found")), "{id}");
    }
    let (status, _) = api.send(Method::GET, "/api/cycles/cycles/9223372036854775807", None).await;
    assert_eq!(status, 503, "the largest id is an id");
}

#[tokio::test]
async fn an_idempotency_key_reaches_the_group_or_is_refused() {
    let api = Api::new();
    let token = api.signer.token(&Signer::claims());
    let delete = |keys: &[&str]| {
        let mut request = api.client.delete("/api/cycles/cycles/1");
        request = request.header("authorization", format!("Bearer {token}"));
        for key in keys {
            request = request.header("idempotency-key", *key);
        }
        request.send()
    };
    let longest = "k".repeat(255);
    for good in ["1", "5f0c2f9e-2a3b", "!~", &longest] {
        assert_eq!(read(delete(&[good]).await).await.0, 503);
        let call = api.cycles.calls.lock().unwrap().pop().expect("a call");
        assert_eq!(call.idempotency_key.expect("a key").as_str(), good);
    }
    let too_long = "k".repeat(256);
    for bad in [&[""] as &[&str], &["a b"], &["a\tb"], &[&too_long], &["a", "b"]] {
        let (status, problem) = read(delete(bad).await).await;
        assert_eq!(status, 422, "{bad:?}");
        assert_eq!(problem["errors"][0]["pointer"], "Idempotency-Key");
    }
    assert!(api.cycles.calls.lock().unwrap().is_empty());
}
