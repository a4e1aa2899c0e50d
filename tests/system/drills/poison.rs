//! An event that cannot be applied, in split processes and under load: it goes to the dead letters
//! within five deliveries, holds nobody up, and is replayed when its cause is gone.

use std::{process::Stdio, time::Duration};

use reqwest::StatusCode;
use serde_json::{Value, json};
use xtask::Settings;

use super::Drill;
use crate::harness::{App, Options, Shape, process::binary, wait};

const DELIVERIES_MAX: u64 = 5;

fn dlq(app: &App, arguments: &[&str]) -> String {
    let url = app.nats.as_ref().unwrap().url();
    let mut command = binary();
    command.arg("dlq").args(arguments).args(["--nats", &url]).stdin(Stdio::null());
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

async fn dead_letter(app: &App) -> Value {
    wait::until("a dead letter", || async {
        let line = dlq(app, &["list", "--json"]).lines().next().map(str::to_owned)?;
        Some(serde_json::from_str(&line).unwrap())
    })
    .await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dead_within_five_deliveries_listed_and_replayed() {
    let options = Options {
        // The sweep at the start may have one of them; whoever meets the last is tried again.
        faults: Some(format!("analytics.recompute=error@1-{}", DELIVERIES_MAX + 1)),
        // No sweep comes to help.
        environment: vec![("LUNATION_ANTI_ENTROPY_SECONDS".to_owned(), "86400".to_owned())],
        ..Options::default()
    };
    let app = App::start_with(Shape::Split, options).await;
    let person = app.minted(900);
    let (_, version) = person.log_cycle("2024-01-01", None).await;
    let letter = dead_letter(&app).await;
    assert_eq!((&letter["class"], &letter["user_id"]), (&json!("failed"), &json!(person.id)));
    assert!(letter["deliveries"].as_u64().unwrap() <= DELIVERIES_MAX, "{letter}");

    // The load finds nothing in its way, with another dead letter on top.
    let drill = Drill::under(app, &Settings { seed: 31, ..Settings::default() }).await;
    let client = drill.app.nats.as_ref().unwrap().client().await;
    let outsider = async_nats::jetstream::new(client);
    outsider.publish("cycle.changed.v1.1.1", "poison".into()).await.unwrap().await.unwrap();
    drill.goes_on(60).await;
    wait::until("both to be listed", || async {
        (dlq(&drill.app, &["list", "--json"]).lines().count() == 2).then_some(())
    })
    .await;
    let path = "/api/analytics/predictions?active=true";
    let before = person.get(path).await.expect(StatusCode::OK);
    assert_eq!(before["as_of_version"], 0, "{before}");
    let output = dlq(&drill.app, &["replay", &letter["id"].to_string()]);
    assert!(output.contains(&format!("woke user {} up", person.id)), "{output}");
    assert_eq!(person.prediction_at(version).await["count"], 1);
    assert_eq!(dlq(&drill.app, &["list", "--json"]).lines().count(), 1);
    drill.finish(Duration::from_secs(30), &[]).await;
}
