//! Guessing passwords through two gateways, with a kill between.

use std::time::{Duration, Instant};

use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{
    App, Client, Options, Shape,
    client::{Answer, PASSWORD},
    wait,
};

/// An attempt as a proxy of ours passes it on, for a client at this address.
async fn attempt(client: &Client, address: &str, email: &str, password: &str) -> Answer {
    let request = client
        .request(Method::POST, "/api/users/login")
        .header("X-Forwarded-For", format!("203.0.113.99, {address}"))
        .json(&json!({"email": email, "password": password}));
    Answer::of(request).await
}

async fn start(settings: &[(&str, &str)]) -> App {
    let trusted = ("LUNATION_TRUSTED_PROXIES", "127.0.0.0/8");
    let environment = settings.iter().chain([&trusted]);
    let environment = environment.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let options = Options { environment: environment.collect(), ..Options::default() };
    let mut app = App::start_with(Shape::Split, options).await;
    app.start_replica("api", "api-2").await;
    app
}

fn gateways(app: &App) -> Vec<Client> {
    app.urls_of("api").into_iter().map(Client::new).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_account_through_two_gateways_with_a_kill_between() {
    let mut app = start(&[]).await;
    app.client().register("ada").await;
    // Each account from an address of its own, which has its own bound of ten in a minute.
    let targets = [("198.51.100.9", "ada@example.org"), ("198.51.100.10", "nobody@example.org")];
    for (evil, email) in targets {
        for client in gateways(&app).iter().cycle().take(5) {
            attempt(client, evil, email, "guess").await.problem_of(401, "invalid-credentials");
        }
    }
    // Neither the users group nor a gateway forgets by dying.
    app.kill_group("users");
    app.kill_group("api-2");
    app.start_group_again("users").await;
    app.start_group_again("api-2").await;
    let mut waits = Vec::new();
    for (evil, email) in targets {
        // The wait of a second is over by now; the sixth failure makes it two.
        let refused = wait::until("the wait of two seconds", || async {
            let client = gateways(&app).pop().unwrap();
            let answer = attempt(&client, evil, email, "guess").await;
            (answer.status == StatusCode::TOO_MANY_REQUESTS).then_some(answer)
        })
        .await;
        waits.push(refused.header("retry-after").unwrap().parse::<u32>().unwrap());
        refused.problem_of(429, "throttled");
    }
    assert!(waits.iter().all(|seconds| (1..=900).contains(seconds)), "{waits:?}");
    // The right password gets in after the wait, from where it was never used before: nobody is
    // locked out for good.
    let begun = Instant::now();
    let client = &gateways(&app)[0];
    wait::until_within(Duration::from_mins(2), "the owner to get in", || async {
        let answer = attempt(client, "198.51.100.11", "ada@example.org", PASSWORD).await;
        match answer.status {
            StatusCode::OK => Some(()),
            StatusCode::TOO_MANY_REQUESTS => None,
            _ => panic!("after {:?}: {}", begun.elapsed(), answer.text),
        }
    })
    .await;
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_accounts_from_one_address() {
    // What is counted by the minute is forgotten by a machine that is slow enough.
    let mut app = start(&[("LUNATION_LIMITS_FAILURES_PER_ADDRESS_HOUR", "10")]).await;
    app.client().register("ada").await;
    let evil = "2001:db8:0:1::9";
    let clients = gateways(&app);
    for number in 0..10 {
        let email = format!("somebody{number}@example.org");
        let client = &clients[number % 2];
        attempt(client, evil, &email, "summer").await.problem_of(401, "invalid-credentials");
    }
    app.kill_group("users");
    app.start_group_again("users").await;
    // Another address of the same network; what the client wrote into the header itself is nothing.
    let refused = wait::until("the group to be back", || async {
        let answer = attempt(&clients[0], "2001:db8:0:1::10", "ada@example.org", PASSWORD).await;
        (answer.status != StatusCode::SERVICE_UNAVAILABLE).then_some(answer)
    })
    .await;
    let seconds: u32 = refused.header("retry-after").unwrap().parse().unwrap();
    refused.problem_of(429, "throttled");
    assert!((1..=3_600).contains(&seconds), "{seconds}");
    let elsewhere = attempt(&clients[1], "198.51.100.9", "ada@example.org", PASSWORD).await;
    elsewhere.expect(StatusCode::OK);
    app.finish().await;
}
