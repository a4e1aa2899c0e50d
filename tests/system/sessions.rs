//! Sessions where several processes have to agree: an end that every gateway and every group hears
//! of, and signing keys that change under load.

use std::{
    process::Command,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    time::{Duration, Instant},
};

use futures::future::join_all;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{App, Client, Person, Shape, process::path, wait};

/// What a session's end may take to be known everywhere.
const EFFECTIVE_WITHIN: Duration = Duration::from_secs(5);

/// Every gateway with a read of each group, and every group by its own address with its own.
fn everywhere(app: &App) -> Vec<(Client, &'static str)> {
    let gateways = app.urls_of("api").into_iter().map(Client::new);
    let at_gateways = gateways.flat_map(|client| READS.map(|path| (client.clone(), path)));
    let groups = ["users", "cycles", "analytics", "notifications"];
    let at_groups = groups.into_iter().zip(READS);
    at_gateways.chain(at_groups.map(|(group, path)| (app.client_of(group), path))).collect()
}

/// One read of each group, in the order of users, cycles, analytics, notifications.
const READS: [&str; 4] = [
    "/api/users/profile",
    "/api/cycles/cycles",
    "/api/analytics/insights",
    "/api/notifications/preferences",
];

/// Waits until a token opens nothing anywhere, which has to be soon.
async fn is_out_everywhere(app: &App, person: &Person) {
    let probes = everywhere(app).into_iter().map(|(client, path)| {
        let there = person.at(client);
        async move {
            wait::until_within(EFFECTIVE_WITHIN, path, || async {
                let status = there.get(path).await.status;
                (status == StatusCode::UNAUTHORIZED).then_some(())
            })
            .await;
        }
    });
    join_all(probes).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_is_heard_at_every_gateway_and_in_every_group() {
    let mut app = App::start(Shape::Split).await;
    app.start_replica("api", "api-2").await;
    let urls = app.urls_of("api");
    let [first, second] = &urls[..] else { panic!("{urls:?}") };
    let (first, second) = (Client::new(first.clone()), Client::new(second.clone()));
    for (name, path) in
        [("logout", "/api/users/logout"), ("everywhere", "/api/users/logout-all"), ("end", "")]
    {
        let person = first.register(&format!("leaves-by-{name}")).await;
        let other = second.login(&format!("leaves-by-{name}@example.org")).await;
        for client in [&first, &second] {
            for read in READS {
                assert_eq!(person.at(client.clone()).get(read).await.status, StatusCode::OK);
            }
        }
        let answer = if path.is_empty() {
            other.delete(&format!("/api/users/sessions/{}", person.session_id())).await
        } else {
            person.post(path, &json!({})).await
        };
        answer.expect(StatusCode::OK);
        is_out_everywhere(&app, &person).await;
        let goes_on = name != "everywhere";
        if !goes_on {
            is_out_everywhere(&app, &other).await;
        }
        assert_eq!(other.refresh().await.status == StatusCode::OK, goes_on, "{name}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revoked_api_token_is_refused_where_it_was_exchanged_before() {
    let mut app = App::start(Shape::Split).await;
    app.start_replica("api", "api-2").await;
    let clients: Vec<Client> = app.urls_of("api").into_iter().map(Client::new).collect();
    let person = clients[0].somebody().await;
    let body = json!({"name": "both", "scopes": ["read:cycles"]});
    let made = person.post("/api/users/tokens", &body).await.expect(StatusCode::CREATED);
    let program = Person { token: made["token"].as_str().unwrap().to_owned(), ..person.clone() };
    let status_at =
        async |client: &Client| program.at(client.clone()).get("/api/cycles/cycles").await.status;
    for client in &clients {
        assert_eq!(status_at(client).await, StatusCode::OK);
    }
    let id = made["api_token"]["id"].as_str().unwrap();
    let revoked = Instant::now();
    person.delete(&format!("/api/users/tokens/{id}")).await.expect(StatusCode::OK);
    for client in &clients {
        wait::until_within(EFFECTIVE_WITHIN, "the token to be refused", || async {
            (status_at(client).await == StatusCode::UNAUTHORIZED).then_some(())
        })
        .await;
    }
    assert!(revoked.elapsed() <= EFFECTIVE_WITHIN, "{:?}", revoked.elapsed());
    app.finish().await;
}

/// Runs `lunation keys` on the key of a system.
fn keys(app: &App, arguments: &[&str]) -> Vec<Value> {
    let file = app.data_dir().join("signing-key.pem");
    let mut command = Command::new(path());
    command.arg("keys").args(arguments).arg("--json").arg("--file").arg(file);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

fn key_id_of(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn keys_rotate_under_load_and_a_retired_one_opens_nothing() {
    let mut app = App::start(Shape::Split).await;
    app.start_replica("api", "api-2").await;
    app.start_replica("users", "users-2").await;
    let clients: Vec<Client> = app.urls_of("api").into_iter().map(Client::new).collect();
    let veteran = clients[0].somebody().await;
    let (requests, enough) = (AtomicU64::new(0), AtomicBool::new(false));
    // Each goes on with its own session at both gateways, and every answer has to be good.
    let users = (0..4).map(|place| {
        let (clients, requests, enough) = (&clients, &requests, &enough);
        async move {
            let mut person = clients[0].register(&format!("rotating-{place}")).await;
            for turn in 0_usize.. {
                let client = clients[turn % clients.len()].clone();
                for path in READS {
                    let answer = person.at(client.clone()).get(path).await;
                    assert_eq!(answer.status, StatusCode::OK, "{path} {}", answer.text);
                    requests.fetch_add(1, Ordering::Relaxed);
                }
                let refreshed = person.at(client.clone()).refresh().await.expect(StatusCode::OK);
                person = client.signed_in(&refreshed);
                if enough.load(Ordering::Relaxed) {
                    break;
                }
            }
            person
        }
    });
    let users = join_all(users.collect::<Vec<_>>());
    let rotating = async {
        let listed = keys(&app, &["rotate", "--activate-in", "10s"]);
        let stages: Vec<&str> = listed.iter().map(|key| key["stage"].as_str().unwrap()).collect();
        assert_eq!(stages, ["current", "next"]);
        let next = listed[1]["key_id"].as_str().unwrap().to_owned();
        // It is published before it signs.
        wait::until("the next key to be published", || async {
            let keys = clients[1].get("/.well-known/jwks.json").await.expect(StatusCode::OK);
            let keys = keys["keys"].as_array().unwrap().clone();
            (keys.len() == 2 && keys[1]["kid"] == *next).then_some(())
        })
        .await;
        wait::until("the next key to sign at both processes of users", || async {
            let sign_in = |place: usize| clients[place].login("rotating-0@example.org");
            let signed = join_all([0, 1, 0, 1].map(sign_in)).await;
            signed.iter().all(|person| key_id_of(&person.token) == next).then_some(())
        })
        .await;
        // A while longer, so that each has tokens of the new key, and the former one is still good.
        let goal = requests.load(Ordering::Relaxed) + 100;
        wait::until("more requests", || async {
            (requests.load(Ordering::Relaxed) >= goal).then_some(())
        })
        .await;
        assert_eq!(veteran.get("/api/cycles/cycles").await.status, StatusCode::OK);
        enough.store(true, Ordering::Relaxed);
        next
    };
    let (users, next) = tokio::join!(users, rotating);
    assert!(users.iter().all(|person| key_id_of(&person.token) == next));
    assert_ne!(key_id_of(&veteran.token), next);

    let left = keys(&app, &["retire"]);
    assert_eq!(left.len(), 1);
    assert_eq!((&left[0]["key_id"], &left[0]["stage"]), (&json!(next), &json!("current")));
    is_out_everywhere(&app, &veteran).await;
    for person in &users {
        assert_eq!(person.get("/api/cycles/cycles").await.status, StatusCode::OK);
    }
    // The session goes on: it was the key that was not safe any more.
    veteran.refresh().await.expect(StatusCode::OK);
    app.finish().await;
}
