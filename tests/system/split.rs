//! A process per group: what each of them serves, and what it costs when one is away.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{
    App, Client, Person, Shape,
    app::DOMAINS,
    client::{Answer, PASSWORD},
    wait,
};

/// A group that is away costs its own routes an answer within this.
const REFUSED_WITHIN: Duration = Duration::from_secs(1);

/// The services of the groups, as the earlier system called them.
const SERVICES: [(&str, &str); 4] = [
    ("users", "user-service"),
    ("cycles", "cycle-tracking-service"),
    ("analytics", "analytics-service"),
    ("notifications", "notification-service"),
];

/// The status of a path on the port of a group, whatever the document says of the path.
async fn status(client: &Client, path: &str) -> StatusCode {
    client.request(Method::GET, path).send().await.unwrap().status()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_process_serves_its_own_group_and_the_gateway_all() {
    let app = App::start(Shape::Split).await;
    assert_eq!(app.pids().into_iter().collect::<BTreeSet<_>>().len(), 5, "a process each");
    let health = app.client().get("/health").await.expect(StatusCode::OK);
    let groups = json!({
        "users": "healthy", "cycles": "healthy", "analytics": "healthy",
        "notifications": "healthy",
    });
    assert_eq!(health, json!({"status": "healthy", "groups": groups}));
    let document = app.client().get("/openapi.json").await.expect(StatusCode::OK);
    for (group, service) in SERVICES {
        let own = app.client_of(group);
        let expected = json!({"status": "healthy", "service": service});
        for path in ["/health".to_owned(), format!("/api/{group}/health")] {
            assert_eq!(own.get(&path).await.expect(StatusCode::OK), expected, "{path}");
        }
        for other in DOMAINS.into_iter().filter(|other| *other != group) {
            let path = format!("/api/{other}/health");
            assert_eq!(status(&own, &path).await, StatusCode::NOT_FOUND, "{path} on {group}");
        }
        let theirs = own.get("/openapi.json").await.expect(StatusCode::OK);
        assert_eq!(theirs, document, "the document of {group}");
        assert_eq!(status(&own, "/.well-known/jwks.json").await.is_success(), group == "users");
        let admin = Client::new(app.admin_url_of(group));
        admin.get("/readyz").await.expect(StatusCode::OK);
    }
    Client::new(app.admin_url()).get("/readyz").await.expect(StatusCode::OK);
    app.finish().await;
}

/// The earlier system's walk-through against its four ports, without a gateway.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_walk_through_works_directly_on_the_ports_of_the_groups() {
    let app = App::start(Shape::Split).await;
    let users = app.client_of("users");
    let registration =
        json!({"email": "test@test.com", "username": "testuser", "password": "pass123"});
    users.post("/api/users/register", &registration).await.expect(StatusCode::CREATED);
    let login = json!({"email": "test@test.com", "password": "pass123"});
    let login = users.post("/api/users/login", &login).await.expect(StatusCode::OK);
    let person = users.signed_in(&login);
    let at = |group: &str| person.at(app.client_of(group));
    assert_eq!(at("users").get("/api/users/profile").await.body["username"], "testuser");
    let mut version = 0;
    for (start, end) in
        [("2024-11-15", "2024-11-20"), ("2024-12-13", "2024-12-18"), ("2025-01-10", "2025-01-15")]
    {
        version = at("cycles").log_cycle(start, Some(end)).await.1;
    }
    at("analytics").active_at(version, 2).await;
    let path = format!("/api/notifications/notifications?status=pending&min_version={version}");
    let reminders = at("notifications").reflected(&path, version).await;
    assert_eq!(reminders["count"], 1);
    for group in DOMAINS {
        let nobody = Person { token: "e30.e30.e30".to_owned(), ..at(group) };
        nobody.get(one_read_of(group)).await.problem(401);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn analytics_catches_up_with_what_was_logged_while_it_was_away() {
    let mut app = App::start(Shape::Split).await;
    let person = app.client().somebody().await;
    let (_, version) = person.log_cycle("2020-01-01", None).await;
    person.prediction_at(version).await;
    app.kill_group("analytics");
    let mut last = 0;
    for start in 1..=20 {
        let day = chrono::NaiveDate::from_ymd_opt(2020, 1, 1).unwrap();
        let day = day + chrono::Days::new(28 * start);
        last = person.log_cycle(&day.to_string(), None).await.1;
    }
    app.start_group_again("analytics").await;
    let patience = Duration::from_secs(5);
    let path = format!("/api/analytics/analytics?limit=100&min_version={last}");
    let analytics = person.reflected_within(patience, &path, last).await;
    assert_eq!(analytics["count"], 21);
    app.finish().await;
}

/// A read of a group, for somebody who is signed in.
fn one_read_of(group: &str) -> &'static str {
    match group {
        "users" => "/api/users/profile",
        "cycles" => "/api/cycles/cycles",
        "analytics" => "/api/analytics/predictions",
        _ => "/api/notifications/preferences",
    }
}

/// What the reads of all groups answer through the gateway, and how long each took.
async fn reads(person: &Person) -> BTreeMap<&'static str, (Answer, Duration)> {
    let mut answers = BTreeMap::new();
    for group in DOMAINS {
        let begun = Instant::now();
        let answer = person.get(one_read_of(group)).await;
        answers.insert(group, (answer, begun.elapsed()));
    }
    answers
}

/// Holds that only the routes of `away` are refused, at once and with `Retry-After`.
async fn only_its_own_routes_are_refused(app: &App, person: &Person, away: &str) {
    for (group, (answer, took)) in reads(person).await {
        if group == away {
            assert!(answer.header("retry-after").is_some(), "{group}: {}", answer.text);
            answer.problem_of(503, "unavailable");
            assert!(took < REFUSED_WITHIN, "{group} was refused after {took:?}");
        } else {
            answer.expect(StatusCode::OK);
        }
    }
    let health = app.client().get("/health").await.expect(StatusCode::SERVICE_UNAVAILABLE);
    for group in DOMAINS {
        let state = if group == away { "unavailable" } else { "healthy" };
        assert_eq!(health["groups"][group], state, "{health}");
    }
    // Others may start while one is away.
    Client::new(app.admin_url()).get("/readyz").await.expect(StatusCode::OK);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_is_gone_costs_its_own_routes_and_nothing_else() {
    let mut app = App::start(Shape::Split).await;
    let person = app.client().somebody().await;
    for away in DOMAINS {
        app.kill_group(away);
        // The broker may still have to notice.
        wait::until("the group to be missed", || async {
            let health = app.client().get("/health").await;
            (health.body["groups"][away] == "unavailable").then_some(())
        })
        .await;
        only_its_own_routes_are_refused(&app, &person, away).await;
        app.start_group_again(away).await;
        wait::until("the group to answer again", || async {
            let answer = person.get(one_read_of(away)).await;
            (answer.status == StatusCode::OK).then_some(())
        })
        .await;
    }
    let login = json!({"email": "nobody@example.org", "password": PASSWORD});
    app.client().post("/api/users/login", &login).await.problem_of(401, "invalid-credentials");
    app.finish().await;
}

/// A process that is stopped and not gone is silent: after three such answers, the breaker refuses
/// at once. It notices the return by itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_group_that_hangs_is_refused_at_once_after_a_while() {
    let mut app = App::start(Shape::Split).await;
    let person = app.client().somebody().await;
    app.group("analytics").signal("STOP");
    let silent: [Answer; 3] = {
        let read = || person.get(one_read_of("analytics"));
        tokio::join!(read(), read(), read()).into()
    };
    for answer in silent {
        answer.problem_of(504, "interrupted");
    }
    // Now and then an ask may try whether the group is back, and waits in vain.
    wait::until("a refusal at once", || async {
        let (answer, took) = reads(&person).await.remove("analytics")?;
        (answer.status == StatusCode::SERVICE_UNAVAILABLE && took < REFUSED_WITHIN).then_some(())
    })
    .await;
    for group in DOMAINS.into_iter().filter(|group| *group != "analytics") {
        person.get(one_read_of(group)).await.expect(StatusCode::OK);
    }
    let health = app.client().get("/health").await.expect(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(health["groups"]["analytics"], "unavailable");
    let (_, version) = person.log_cycle("2024-01-01", None).await;
    app.group("analytics").signal("CONT");
    let predictions = person.prediction_at(version).await;
    assert_eq!(predictions["count"], 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_is_verified_again_where_it_is_forwarded_to() {
    let app = App::start(Shape::Split).await;
    let person = app.client().somebody().await;
    let other = app.client().somebody().await;
    let broker = app.nats.as_ref().unwrap().client().await;
    let ask = async |token: Option<&str>, user_id: i64| -> Value {
        let mut headers = async_nats::HeaderMap::new();
        if let Some(token) = token {
            headers.insert("Authorization", format!("Bearer {token}"));
        }
        let body = json!({"user_id": user_id}).to_string();
        let subject = "rpc.users.v1.get_profile";
        let answer = broker.request_with_headers(subject, headers, body.into()).await.unwrap();
        serde_json::from_slice(&answer.payload).unwrap()
    };
    assert_eq!(ask(Some(&person.token), person.id).await["id"], person.id);
    for (token, user_id) in [
        (None, person.id),
        (Some("e30.e30.e30"), person.id),
        (Some(other.token.as_str()), person.id),
        (Some(person.token.as_str()), other.id),
    ] {
        let refused = ask(token, user_id).await;
        assert_eq!(refused["kind"], "unauthenticated", "{refused}");
    }
    app.finish().await;
}

/// A process that stops takes nothing more, and finishes what it has: the other one does the rest.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_is_told_to_stop_loses_no_request() {
    let mut app = App::start(Shape::Split).await;
    app.start_replica("cycles", "cycles-2").await;
    let (written, enough) = (AtomicU64::new(0), AtomicBool::new(false));
    let writers = (1..=8).map(|id| app.minted(id)).map(async |person| {
        let first = chrono::NaiveDate::from_ymd_opt(1900, 1, 1).unwrap();
        // Close together: however long the stop takes, none is in the future.
        let mut starts = (0..).map(|count| first + chrono::Days::new(2 * count));
        while !enough.load(Ordering::Relaxed) {
            person.log_cycle(&starts.next().unwrap().to_string(), None).await;
            written.fetch_add(1, Ordering::Relaxed);
        }
    });
    let writers = join_all(writers.collect::<Vec<_>>());
    let more = async |count: u64| {
        let goal = written.load(Ordering::Relaxed) + count;
        let there = || async { (written.load(Ordering::Relaxed) >= goal).then_some(()) };
        wait::until("a load", there).await;
    };
    let stopping = async {
        more(60).await;
        let process = app.group("cycles");
        process.signal("TERM");
        let told = Instant::now();
        assert_eq!(process.ended().await.code(), Some(0), "{}", process.output());
        assert!(told.elapsed() < Duration::from_secs(25));
        more(20).await;
        enough.store(true, Ordering::Relaxed);
    };
    tokio::join!(writers, stopping);
    app.forget_group("cycles");
    app.finish().await;
}
