//! The operator's commands, on a real broker and a running system: `dlq`, `events`, `provision`.

use std::process::{Output, Stdio};

use async_nats::jetstream;
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, BufReader, Lines},
    process::{Child, ChildStdout},
};

use crate::harness::{App, NatsServer, Options, Shape, process::binary, wait};

/// No sweep comes to help while a test runs.
const NO_SWEEPS: (&str, &str) = ("LUNATION_ANTI_ENTROPY_SECONDS", "86400");

/// Runs a command on a server to its end: exit code, standard output, standard error.
fn run_on(url: &str, arguments: &[&str]) -> (i32, String, String) {
    run(&[arguments, &["--nats", url]].concat())
}

fn run(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        binary().args(arguments).stdin(Stdio::null()).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn url(app: &App) -> String {
    app.nats.as_ref().expect("there is a broker").url()
}

/// The dead letters, newest first.
fn dead_letters(url: &str) -> Vec<Value> {
    let (code, output, errors) = run_on(url, &["dlq", "list", "--json"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{output}");
    output.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn dead_letter(url: &str) -> Value {
    wait::until("a dead letter", || async { dead_letters(url).pop() }).await
}

async fn with_faults(faults: Option<&str>) -> App {
    let (name, value) = NO_SWEEPS;
    let options = Options {
        faults: faults.map(str::to_owned),
        environment: vec![(name.to_owned(), value.to_owned())],
        ..Options::default()
    };
    App::start_with(Shape::JetStream, options).await
}

/// A tail that runs.
struct Tail {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Tail {
    fn start(url: &str, arguments: &[&str]) -> Self {
        let mut command = binary();
        command.args(["events", "tail", "--json", "--nats", url]).args(arguments);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut command = tokio::process::Command::from(command);
        let mut child = command.kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    async fn next(&mut self) -> Value {
        let line = tokio::time::timeout(wait::PATIENCE, self.lines.next_line()).await;
        let line = line.expect("a line comes in time").unwrap().expect("the tail goes on");
        serde_json::from_str(&line).unwrap()
    }

    /// Ctrl-C; the exit code.
    async fn interrupt(mut self) -> Option<i32> {
        let pid = self.child.id().unwrap().to_string();
        let sent = std::process::Command::new("kill").args(["-INT", &pid]).status().unwrap();
        assert!(sent.success());
        tokio::time::timeout(wait::PATIENCE, self.child.wait()).await.unwrap().unwrap().code()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_cannot_be_decoded_is_listed_and_can_only_be_dropped() {
    let app = with_faults(None).await;
    let url = url(&app);
    let (code, output, errors) = run_on(&url, &["dlq", "list"]);
    assert_eq!((code, output.as_str(), errors.as_str()), (0, "no dead letters\n", ""));
    let outsider = jetstream::new(app.nats.as_ref().unwrap().client().await);
    let poison = "since 2031-01-01";
    outsider.publish("cycle.changed.v1.33.42", poison.into()).await.unwrap().await.unwrap();

    let letter = dead_letter(&url).await;
    let expected = json!({
        "id": 1, "kept_at": letter["kept_at"], "stream": "CYCLES", "sequence": 1,
        "subject": "cycle.changed.v1.33.42", "group": "analytics", "class": "undecodable",
        "event_id": null, "user_id": null, "version": null, "verb": null, "request_id": null,
        "deliveries": 1, "build": env!("CARGO_PKG_VERSION"),
    });
    assert_eq!(letter, expected);
    let (code, output, _) = run_on(&url, &["dlq", "list"]);
    assert_eq!(code, 0);
    let row: Vec<&str> = output.lines().nth(1).unwrap().split_whitespace().collect();
    assert_eq!(row[..7], ["1", "analytics", "undecodable", "-", "-", "-", "1"], "{output}");
    assert!(!output.contains("2031"), "{output}");

    let (code, output, errors) = run_on(&url, &["dlq", "replay", "1"]);
    assert_eq!((code, errors.as_str()), (1, ""));
    assert!(output.contains("names no user") && output.contains("dlq drop 1"), "{output}");
    let (code, output, _) = run_on(&url, &["dlq", "replay", "--all"]);
    assert!(code == 0 && output.contains("dlq drop 1"), "{output}");
    assert_eq!(dead_letters(&url).len(), 1, "a replay of nobody removes nothing");
    let (code, output, errors) = run_on(&url, &["dlq", "drop", "1"]);
    assert_eq!((code, output.as_str(), errors.as_str()), (0, "1: dropped\n", ""));
    let (code, output, _) = run_on(&url, &["dlq", "drop", "1"]);
    assert_eq!((code, output.as_str()), (1, "1: there is no such dead letter\n"));
    assert!(dead_letters(&url).is_empty());

    let person = app.client().somebody().await;
    let (_, version) = person.log_cycle("2024-01-01", None).await;
    assert_eq!(person.prediction_at(version).await["count"], 1, "it held nobody up");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_kept_failing_is_replayed_after_the_fault_and_applied_once() {
    let app = with_faults(Some("analytics.recompute=error@1-5")).await;
    let url = url(&app);
    let person = app.client().somebody().await;
    let (_, version) = person.log_cycle("2024-01-01", None).await;
    let letter = dead_letter(&url).await;
    assert_eq!(letter["group"], "analytics");
    assert_eq!(letter["class"], "failed");
    assert_eq!(letter["deliveries"], 5);
    assert_eq!(letter["user_id"], person.id);
    assert_eq!(letter["version"], version);
    let path = "/api/analytics/predictions?active=true";
    let before = person.get(path).await.expect(StatusCode::OK);
    assert!(before["as_of_version"].as_i64() < Some(version), "{before}");

    let id = letter["id"].to_string();
    let (code, output, errors) = run_on(&url, &["dlq", "replay", &id]);
    assert_eq!((code, errors.as_str()), (0, ""), "{output}");
    assert!(output.contains(&format!("woke user {} up", person.id)), "{output}");
    assert!(!output.contains(letter["event_id"].as_str().unwrap()), "a fresh id: {output}");
    assert_eq!(person.prediction_at(version).await["count"], 1);
    assert!(dead_letters(&url).is_empty());
    let (code, output, errors) = run_on(&url, &["events", "status", "--json"]);
    assert_eq!(code, 0, "{errors}");
    let status: Value = serde_json::from_str(&output).unwrap();
    let predictions = &status["streams"][1];
    assert_eq!(
        (&predictions["name"], &predictions["last_sequence"]),
        (&json!("PREDICTIONS"), &json!(1))
    );
    let (code, output, _) = run_on(&url, &["dlq", "replay", &id]);
    assert!(code == 1 && output.contains("no such dead letter"), "{output}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_of_a_group_are_replayed_or_dropped_and_no_others() {
    let app = with_faults(None).await;
    let url = url(&app);
    let people = [app.client().somebody().await, app.client().somebody().await];
    let outsider = jetstream::new(app.nats.as_ref().unwrap().client().await);
    let bury = async |group: &str, class: &str, user: Option<i64>| {
        let subject = user.map_or_else(
            || "x".to_owned(),
            |id| contracts::events::Topic::CycleChanged.subject(contracts::UserId::new(id)),
        );
        let record = json!({
            "stream": "CYCLES", "sequence": 9, "subject": subject, "group": group, "class": class,
            "event_id": null, "user_id": user, "deliveries": 5, "build": "0.0.9",
        });
        let subject = format!("dlq.{group}.{class}");
        outsider.publish(subject, record.to_string().into()).await.unwrap().await.unwrap();
    };
    for person in &people {
        person.log_cycle("2024-01-01", None).await;
        bury("analytics", "failed", Some(person.id)).await;
    }
    bury("notifications", "undecodable", None).await;
    // As an older build wrote them: without a version.
    let (code, output, errors) = run_on(&url, &["dlq", "replay", "--all", "--group", "analytics"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{output}");
    assert_eq!(output.lines().filter(|line| line.contains("cycle.changed version 1")).count(), 2);
    let left: Vec<Value> = dead_letters(&url);
    assert_eq!((left.len(), &left[0]["group"]), (1, &json!("notifications")));
    let (code, output, _) = run_on(&url, &["dlq", "drop", "--all", "--group", "analytics"]);
    assert_eq!((code, output.as_str()), (0, "there is no dead letter to drop\n"));
    let (code, output, _) = run_on(&url, &["dlq", "drop", "--all"]);
    assert_eq!((code, output.as_str()), (0, "3: dropped\n"));
    for person in &people {
        assert_eq!(person.prediction_at(1).await["count"], 1);
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tail_shows_what_was_and_what_is_logged() {
    let app = App::start(Shape::JetStream).await;
    let person = app.client().somebody().await;
    let (_, version) = person.log_cycle("2024-01-01", None).await;
    person.prediction_at(version).await;
    wait::until("both events to be published", || async {
        let (_, output, _) = run_on(&url(&app), &["events", "status", "--json"]);
        let status: Value = serde_json::from_str(&output).unwrap();
        (status["streams"][0]["messages"] == 1 && status["streams"][1]["messages"] == 1)
            .then_some(())
    })
    .await;
    let mut all = Tail::start(&url(&app), &["--all"]);
    let mut cycles = Tail::start(&url(&app), &["--since", "1h", "--subject", "cycle.>"]);
    let kept = all.next().await;
    assert_eq!((&kept["live"], &kept["version"]), (&json!(false), &json!(version)));
    assert!(kept["subject"].as_str().unwrap().starts_with("cycle.changed.v1."), "{kept}");
    let derived = all.next().await;
    assert_eq!((&derived["live"], &derived["verb"]), (&json!(false), &json!("derived")));
    assert_eq!(cycles.next().await["event_id"], kept["event_id"]);

    let request = person
        .request(reqwest::Method::POST, "/api/cycles/cycles")
        .header("X-Request-Id", "tour-2")
        .json(&json!({"start_date": "2024-01-29"}));
    crate::harness::client::Answer::of(request).await.expect(StatusCode::CREATED);
    for tail in [&mut all, &mut cycles] {
        let seen = tail.next().await;
        assert_eq!(seen["live"], true, "{seen}");
        assert_eq!(seen["verb"], "recorded");
        assert_eq!(seen["user_id"], person.id);
        assert_eq!(seen["version"], version + 1);
        assert_eq!(seen["request_id"], "tour-2");
        let subject = seen["subject"].as_str().unwrap();
        assert!(subject.ends_with(&format!(".{}", person.id)), "{subject}");
    }
    let seen = all.next().await;
    assert_eq!((&seen["verb"], &seen["request_id"]), (&json!("derived"), &json!("tour-2")));
    assert_eq!(cycles.interrupt().await, Some(0));
    assert_eq!(all.interrupt().await, Some(0));
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nobody_reads_and_that_is_no_failure() {
    let app = App::start(Shape::JetStream).await;
    let (url, api) = (url(&app), app.url());
    for arguments in [
        &["openapi"][..],
        &["config", "print"],
        &["config", "print", "--reference"],
        &["demo", "--users", "1", "--base-url", &api],
        &["dlq", "list", "--nats", &url],
        &["events", "status", "--nats", &url],
        // Nothing is published, so it has nothing to print.
        &["events", "tail", "--nats", &url, "--subject", "moon.>"],
    ] {
        let mut command = binary();
        command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        drop(child.stdout.take());
        let ended = wait::until(&format!("{arguments:?} to end"), || {
            let ended = child.try_wait().unwrap();
            async move { ended }
        })
        .await;
        let errors = std::io::read_to_string(child.stderr.take().unwrap()).unwrap();
        assert_eq!(ended.code(), Some(0), "{arguments:?}: {errors}");
        assert!(!errors.contains("error") && !errors.contains("ipe"), "{arguments:?}: {errors}");
    }
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn provision_says_what_it_did_and_status_what_there_is() {
    let mut server = NatsServer::start().await;
    let url = server.url();
    let (code, output, errors) = run_on(&url, &["events", "status"]);
    assert_eq!((code, errors.as_str()), (0, ""), "{output}");
    assert_eq!(output.matches("missing").count(), 11, "{output}");
    assert!(output.contains("lunation provision"), "{output}");
    for (expected, other) in [("created", "was there"), ("was there", "created")] {
        let (code, output, errors) = run_on(&url, &["provision"]);
        assert_eq!((code, errors.as_str()), (0, ""), "{output}");
        assert_eq!((output.matches(expected).count(), output.matches(other).count()), (10, 0));
        for object in ["stream CYCLES", "stream DLQ", "consumer analytics"] {
            assert!(output.contains(object), "{output}");
        }
    }
    let (code, output, _) = run_on(&url, &["events", "status"]);
    assert_eq!(code, 0);
    for word in ["STREAM", "PREDICTIONS", "CONSUMER", "notifications", "no service answers"] {
        assert!(output.contains(word), "{word}: {output}");
    }
    assert!(!output.contains("missing"), "{output}");
    server.kill();
    for arguments in
        [&["dlq", "list"][..], &["events", "status"], &["events", "tail"], &["provision"]]
    {
        let (code, output, errors) = run_on(&url, arguments);
        assert_eq!((code, output.as_str()), (1, ""), "{errors}");
        assert!(errors.contains("no connection to NATS at 127.0.0.1:"), "{errors}");
        let (code, output, errors) = run(arguments);
        assert_eq!((code, output.as_str()), (2, ""), "{errors}");
        assert!(errors.contains("NATS_URL") && errors.contains("in memory"), "{errors}");
    }
}

#[test]
fn wrong_usage_of_the_operator_s_commands() {
    for wrong in [
        &["dlq", "replay"][..],
        &["dlq", "replay", "one"],
        &["dlq", "drop", "1", "--all"],
        &["dlq", "drop", "1", "--group", "analytics"],
        &["dlq", "list", "--limit", "0"],
        &["events", "tail", "--since", "10"],
        &["events", "tail", "--since", "10m", "--all"],
        &["events", "tail", "--subject", "a b"],
    ] {
        let (code, output, errors) = run(wrong);
        assert!(code == 2 && output.is_empty() && errors.contains("--help"), "{wrong:?}: {errors}");
    }
    let (code, help, errors) = run(&["--help"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    for name in ["events", "dlq", "provision"] {
        assert!(help.contains(name), "{name}: {help}");
    }
}
