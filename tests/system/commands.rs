//! The other commands of the binary.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    process::{Command, Output, Stdio},
};

use actor_runtime::clock::Clock;
use chrono::Days;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{App, Options, Person, Shape, process::path, wait};

/// How many people the first demo makes, and the one that is interrupted.
const PEOPLE: u32 = 12;
const INTERRUPTED: u32 = 8;

/// The command, without anything that the tests' own environment may say about it.
fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(path());
    for domain in ["USERS", "CYCLES", "ANALYTICS", "NOTIFICATIONS"] {
        command.env_remove(format!("{domain}_DATABASE_URL"));
    }
    command.env_remove("NATS_URL").stdin(Stdio::null()).args(arguments);
    command
}

/// Runs the command to its end: exit code, standard output, standard error.
fn run(arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command(arguments).output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (status.code().unwrap(), text(stdout), text(stderr))
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// How many cycles and symptoms the people of a demo have, as the API says.
async fn totals(app: &App, seed: u32, people: u32) -> (i64, i64) {
    let mut totals = (0, 0);
    for index in 0..people {
        let body = json!({
            "email": format!("demo-{seed}-{index}@example.org"),
            "password": format!("lunation-demo-{seed}-{index}"),
        });
        let login = app.client().post("/api/users/login", &body).await.expect(StatusCode::OK);
        let token = login["token"].as_str().unwrap();
        let total = async |path: &str| {
            let request = app.client().request(reqwest::Method::GET, path).bearer_auth(token);
            let answer = crate::harness::client::Answer::of(request).await.expect(StatusCode::OK);
            answer["total"].as_i64().unwrap()
        };
        totals.0 += total("/api/cycles/cycles").await;
        totals.1 += total("/api/cycles/symptoms").await;
    }
    totals
}

/// What the last run says it logged.
fn logged(output: &str) -> (i64, i64) {
    let number_before = |noun: &str| {
        let (before, _) =
            output.split_once(noun).unwrap_or_else(|| panic!("no {noun} in {output}"));
        before.split_whitespace().last().unwrap().parse().unwrap()
    };
    (number_before(" cycles and "), number_before(" symptoms in "))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn demo_fills_a_running_system_once() {
    let app = App::start(Shape::Memory).await;
    let (url, users) = (app.url(), PEOPLE.to_string());
    let demo = ["demo", "--users", &users, "--concurrency", "4", "--base-url", &url];
    let (code, output, errors) = run(&demo);
    assert_eq!(code, 0, "{output}{errors}");
    let first = totals(&app, 1, PEOPLE).await;
    assert!(first.0 >= i64::from(PEOPLE) && first.1 > 0, "{first:?}");
    assert_eq!(logged(&output), first);
    let tokens: Vec<&str> = output.lines().filter(|line| line.starts_with("eyJ")).collect();
    assert_eq!(tokens.len(), 3, "{output}");
    for token in tokens {
        let request =
            app.client().request(reqwest::Method::GET, "/api/users/profile").bearer_auth(token);
        let profile = crate::harness::client::Answer::of(request).await.expect(StatusCode::OK);
        assert!(output.contains(profile["email"].as_str().unwrap()));
    }
    let (code, output, errors) = run(&demo);
    assert_eq!((code, logged(&output)), (0, (0, 0)), "{output}{errors}");
    assert_eq!(totals(&app, 1, PEOPLE).await, first, "a second run logs nothing new");
    let interrupted = killed_in_the_middle(&app).await;
    says_whose_cycles_are_in_the_way(&app).await;
    app.finish().await;
    // The same people on another system, without an interruption.
    let app = App::start(Shape::JetStream).await;
    let (url, users) = (app.url(), INTERRUPTED.to_string());
    let (code, output, errors) =
        run(&["demo", "--users", &users, "--base-url", &url, "--seed", "7"]);
    assert_eq!(code, 0, "{output}{errors}");
    assert_eq!(totals(&app, 7, INTERRUPTED).await, interrupted);
    app.finish().await;
}

/// Kills a demo and runs it again with the same state file; returns what there is then.
async fn killed_in_the_middle(app: &App) -> (i64, i64) {
    let (url, users) = (app.url(), INTERRUPTED.to_string());
    let state = app.data_dir().with_file_name("demo.state");
    let demo = [
        "demo",
        "--users",
        &users,
        "--concurrency",
        "2",
        "--base-url",
        &url,
        "--seed",
        "7",
        "--state",
        text(&state),
    ];
    let mut running = command(&demo).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let finished =
        || fs::read_to_string(&state).map_or(0, |text| text.lines().count().saturating_sub(1));
    wait::until("some people to be finished", || async { (finished() >= 2).then_some(()) }).await;
    running.kill().unwrap();
    running.wait().unwrap();
    let before = finished();
    assert!(before < INTERRUPTED as usize, "it was not killed in the middle");
    let (code, output, errors) = run(&demo);
    assert_eq!(code, 0, "{output}{errors}");
    let missing = INTERRUPTED as usize - before;
    assert!(output.contains(&format!("of whom {missing} were filled")), "{output}");
    assert_eq!(finished(), INTERRUPTED as usize);
    let (code, output, _) = run(&demo);
    assert_eq!((code, logged(&output)), (0, (0, 0)));
    // The file belongs to one seed and one instance.
    let (code, _, errors) =
        run(&["demo", "--users", "1", "--base-url", &url, "--seed", "8", "--state", text(&state)]);
    assert!(code == 1 && errors.contains("belongs to another run"), "{errors}");
    totals(app, 7, INTERRUPTED).await
}

/// Somebody of an earlier version's demo has other cycles.
async fn says_whose_cycles_are_in_the_way(app: &App) {
    let body = json!({"email": "demo-9-0@example.org", "username": "demo-9-0",
        "password": "lunation-demo-9-0"});
    app.client().post("/api/users/register", &body).await.expect(StatusCode::CREATED);
    let login = app.client().post("/api/users/login", &body_of_login(&body)).await;
    let login = login.expect(StatusCode::OK);
    let earlier = Person {
        client: app.client(),
        id: login["user"]["id"].as_i64().unwrap(),
        token: login["token"].as_str().unwrap().to_owned(),
        refresh_token: String::new(),
    };
    // One period after the other: no start is free, but for those that are taken.
    let today = Clock::System.now().date_naive();
    for ago in (1..=40).rev() {
        let start = today - Days::new(31 * ago);
        let end = (start + Days::new(30)).to_string();
        earlier.log_cycle(&start.to_string(), Some(&end)).await;
    }
    let (code, _, errors) = run(&["demo", "--users", "1", "--base-url", &app.url(), "--seed", "9"]);
    assert!(code == 1 && errors.contains("take another --seed"), "{errors}");
}

fn body_of_login(registration: &Value) -> Value {
    json!({"email": registration["email"], "password": registration["password"]})
}

#[test]
fn demo_says_when_nobody_is_there() {
    let (code, output, errors) =
        run(&["demo", "--users", "1", "--base-url", &format!("http://{}", closed())]);
    assert_eq!((code, output.as_str()), (1, ""));
    assert!(errors.contains("nobody answers at") && errors.lines().count() == 1, "{errors}");
}

/// An address at which nothing listens.
fn closed() -> String {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_and_health_of_a_running_system() {
    let mut app = App::start(Shape::JetStream).await;
    let data_dir = app.data_dir();
    let address = |url: String| url.strip_prefix("http://").unwrap().to_owned();
    let (listen, admin) = (address(app.url()), address(app.admin_url()));
    let nats = app.nats.as_ref().unwrap().url();
    let doctor = |nats: &str| {
        run(&[
            "doctor",
            "--data-dir",
            text(&data_dir),
            "--listen",
            &listen,
            "--admin-listen",
            &admin,
            "--nats",
            nats,
        ])
    };
    let (code, output, errors) = doctor(&nats);
    assert_eq!(code, 0, "{output}{errors}");
    assert!(output.contains(" 0 failed, 0 odd"), "{output}");
    let (_, configuration, _) = run(&["config", "print", "--data-dir", text(&data_dir)]);
    let said = format!("{output}{errors}{configuration}");
    assert!(app.database_passwords().iter().all(|(_, password)| !said.contains(password)));
    let nowhere = closed();
    let (code, output, _) = doctor(&format!("nats://someone:secret-zq7@{nowhere}"));
    assert_eq!(code, 1, "{output}");
    let line = output.lines().position(|line| line.starts_with("FAIL") && line.contains(&nowhere));
    let advice = output.lines().nth(line.unwrap_or_else(|| panic!("{output}")) + 1).unwrap();
    assert!(advice.contains("-> ") && advice.contains("nats-server -js"), "{output}");
    assert!(!output.contains("secret-zq7"), "{output}");
    let (code, output, errors) = run(&["health", "--address", &admin]);
    assert_eq!(code, 0, "{output}{errors}");
    app.process().signal("TERM");
    app.process().ended().await;
    let (code, _, errors) = run(&["health", "--address", &admin]);
    assert!(code == 1 && errors.contains(&admin), "{errors}");
    let (code, output, errors) = doctor(&nats);
    assert_eq!(code, 0, "of a system that does not run: {output}{errors}");
}

/// A directory is the same by whichever name it is called, and a database that refuses says why.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn doctor_finds_the_instance_by_any_name_of_its_directory() {
    let app = App::start(Shape::Memory).await;
    let data_dir = app.data_dir();
    let parent = data_dir.parent().unwrap();
    std::os::unix::fs::symlink(&data_dir, parent.join("link")).unwrap();
    let doctor = |name: &str| {
        let mut command = command(&["doctor", "--data-dir", name]);
        command.args(["--listen", "127.0.0.1:0", "--admin-listen", "none"]).current_dir(parent);
        command
    };
    let said = |mut command: Command| {
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stdout).unwrap())
    };
    for name in [text(&data_dir), "data", "./link"] {
        let (code, output) = said(doctor(name));
        assert_eq!(code, Some(0), "{name}: {output}");
        assert!(output.contains("used by process"), "{name}: {output}");
        assert_eq!(output.matches("embedded, Postgres").count(), 4, "{name}: {output}");
    }
    let (code, output) = said(doctor("not-there-yet"));
    assert!(code == Some(0) && output.contains("will be created"), "{output}");
    let mut refused = doctor("data");
    let url = app.database_url("users");
    let (_, place) = url.split_once('@').unwrap();
    let url = format!("postgres://users:secret-zq8@{place}");
    refused.env("USERS_DATABASE_URL", url);
    let (code, output) = said(refused);
    assert_eq!(code, Some(1), "{output}");
    assert!(output.contains("password authentication failed for user \"users\""), "{output}");
    assert!(output.contains("USERS_DATABASE_URL") && !output.contains("secret-zq8"), "{output}");
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn migrate_twice_is_migrate_once() {
    let app = App::prepare(Shape::Memory, Options::default()).await;
    let fresh = app.data_dir().with_file_name("fresh");
    for (run_number, applied) in [(1, true), (2, false)] {
        let output = command(&["migrate", "--data-dir", text(&fresh)])
            .env("LUNATION_LOG_FORMAT", "json")
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned()
            + &String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "run {run_number}: {text}");
        let lines: Vec<serde_json::Value> =
            text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect();
        let up_to_date: Vec<_> =
            lines.iter().filter(|line| line["message"] == "the database is up to date").collect();
        assert_eq!(up_to_date.len(), 4, "{text}");
        assert!(up_to_date.iter().all(|line| (line["applied"] != 0) == applied), "{text}");
    }
    let (code, output, errors) = run(&[
        "doctor",
        "--data-dir",
        text(&fresh),
        "--listen",
        "127.0.0.1:0",
        "--admin-listen",
        "127.0.0.1:0",
    ]);
    assert_eq!(code, 0, "{output}{errors}");
    let output = command(&["migrate", "--data-dir", text(&fresh)])
        .env("CYCLES_DATABASE_URL", "no url: secret-zq7")
        .output()
        .unwrap();
    let errors = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(2), "{errors}");
    assert!(errors.to_lowercase().contains("cycles") && !errors.contains("secret-zq7"), "{errors}");
}

#[test]
fn config_prints_everything_but_secrets() {
    let output = command(&["config", "print", "--listen", "127.0.0.1:1234"])
        .env("USERS_DATABASE_URL", "postgres://users:secret-zq7@db.example/users")
        .env("NATS_URL", "nats://someone:secret-zq7@nats.example:4222")
        .env("LUNATION_AUTH_ISSUER", "of-the-environment")
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
    assert!(!text.contains("secret-zq7"), "{text}");
    let line = |value: &str| {
        text.lines()
            .find(|line| line.contains(value))
            .unwrap_or_else(|| panic!("no {value}: {text}"))
    };
    assert!(line("db.example").contains("USERS_DATABASE_URL"));
    assert!(line("nats.example").contains("NATS_URL"));
    assert!(line("127.0.0.1:1234").contains("--listen"));
    assert!(line("of-the-environment").contains("LUNATION_AUTH_ISSUER"));
    assert!(line("127.0.0.1:9090").contains("default"));
    let (code, output, _) = run(&["config", "check"]);
    assert_eq!((code, output.as_str()), (0, "ok\n"));
}

#[test]
fn a_wrong_configuration_is_named_and_refused() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("lunation.toml");
    for (toml, said) in [
        ("moon = 1", "moon"),
        ("[auth]\nmoon = \"x\"", "auth.moon"),
        ("listen = \"nowhere\"", "listen"),
        ("listen = ", "lunation.toml"),
    ] {
        fs::write(&file, toml).unwrap();
        for arguments in [["config", "check"], ["config", "print"]] {
            let (code, output, errors) =
                run(&[&arguments[..], &["--config", text(&file)]].concat());
            assert_eq!((code, output.as_str()), (2, ""), "{toml}: {errors}");
            assert!(errors.contains(said), "{toml}: {errors}");
        }
        let (code, _, errors) = run(&["serve", "--config", text(&file)]);
        assert!(code == 2 && errors.contains(said), "{toml}: {errors}");
    }
    // A variable may be meant for something else, so one that means nothing is only named.
    let output = command(&["config", "check"]).env("LUNATION_MOON", "1").output().unwrap();
    let said = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && said.contains("LUNATION_MOON"), "{said}");
}

#[test]
fn help_and_usage() {
    let (code, help, errors) = run(&["--help"]);
    assert_eq!((code, errors.as_str()), (0, ""));
    for name in [
        "serve",
        "migrate",
        "openapi",
        "config",
        "doctor",
        "demo",
        "backtest",
        "health",
        "Exit codes",
    ] {
        assert!(help.contains(name), "{name}: {help}");
    }
    for name in ["serve", "migrate", "openapi", "config", "doctor", "demo", "backtest", "health"] {
        let (code, help, errors) = run(&[name, "--help"]);
        assert!(
            code == 0 && errors.is_empty() && help.contains("Usage:"),
            "{name}: {help}{errors}"
        );
    }
    let (code, version, _) = run(&["--version"]);
    assert_eq!((code, version), (0, format!("lunation {}\n", env!("CARGO_PKG_VERSION"))));
    for wrong in
        [&["moon"][..], &["--moon"], &["demo", "--users", "0"], &["openapi", "--format", "toml"]]
    {
        let (code, output, errors) = run(wrong);
        assert!(code == 2 && output.is_empty() && errors.contains("--help"), "{wrong:?}: {errors}");
    }
}
