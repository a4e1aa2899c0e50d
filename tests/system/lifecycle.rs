//! Starting, stopping, dying and coming back.

use std::{
    io::{ErrorKind, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    process::Command,
    time::{Duration, Instant},
};

use reqwest::StatusCode;

use crate::harness::{
    App, Options, Shape,
    process::{Process, Start, binary},
    wait,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_acknowledged_survives_a_clean_restart() {
    let mut app = App::start(Shape::Memory).await;
    let person = app.client().somebody().await;
    let (cycle, version) = person.log_cycle("2025-01-01", Some("2025-01-05")).await;
    for signal in ["TERM", "INT"] {
        app.process().signal(signal);
        assert_eq!(app.process().ended().await.code(), Some(0), "{}", app.output());
        app.start_again().await;
    }
    let person = person.at(app.client());
    let read = person.get(&format!("/api/cycles/cycles/{cycle}")).await.expect(StatusCode::OK);
    assert_eq!(read["start_date"], "2025-01-01");
    assert_eq!(person.prediction_at(version).await["count"], 1);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everything_comes_back_after_sigkill_of_everything() {
    let mut app = App::start(Shape::Memory).await;
    let person = app.client().somebody().await;
    let (cycle, _) = person.log_cycle("2025-01-01", None).await;
    let postmaster = postmaster_pid(&app);
    app.kill();
    // The orphan may still live, or be on its way out; both are killed as by a power cut.
    let _gone = Command::new("kill").args(["-9", &postmaster]).status().unwrap();
    app.start_again().await;
    let person = person.at(app.client());
    person.get(&format!("/api/cycles/cycles/{cycle}")).await.expect(StatusCode::OK);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_orphaned_server_is_no_obstacle() {
    let mut app = App::start(Shape::Memory).await;
    let person = app.client().somebody().await;
    let (cycle, _) = person.log_cycle("2025-01-01", None).await;
    app.kill();
    app.start_again().await;
    let person = person.at(app.client());
    person.get(&format!("/api/cycles/cycles/{cycle}")).await.expect(StatusCode::OK);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_instance_on_the_same_directory_is_refused() {
    let app = App::start(Shape::Memory).await;
    let mut second = Process::spawn(&app.data_dir(), &Start::default());
    assert_eq!(second.ended().await.code(), Some(1));
    let output = app.output();
    assert!(output.contains("in use"), "{output}");
    app.client().get("/health").await.expect(StatusCode::OK);
    app.finish().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_port_in_use_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let app = App::prepare(Shape::Memory, Options::default()).await;
    let start = Start {
        args: vec!["--listen".into(), address.clone(), "--admin-listen".into(), "none".into()],
        ..Start::default()
    };
    let mut process = Process::spawn_plain(&app.data_dir(), &start);
    assert_eq!(process.ended().await.code(), Some(1));
    let output = process.output();
    assert!(output.contains(&address) && output.contains("in use"), "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_broker_that_is_not_there_is_a_clear_message_at_start() {
    let app = App::prepare(Shape::Memory, Options::default()).await;
    let nobody = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let start =
        Start { args: vec!["--nats".into(), format!("nats://{nobody}")], ..Start::default() };
    let mut process = Process::spawn(&app.data_dir(), &start);
    assert_eq!(process.ended().await.code(), Some(1));
    let output = process.output();
    assert!(output.contains("NATS"), "{output}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_follows_life() {
    let mut app = App::start(Shape::Memory).await;
    let admin = crate::harness::Client::new(app.admin_url());
    admin.get("/livez").await.expect(StatusCode::OK);
    admin.get("/readyz").await.expect(StatusCode::OK);
    let metrics = admin.get("/metrics").await;
    assert_eq!(metrics.status, StatusCode::OK);
    assert!(metrics.text.contains("lunation_analytics_live_actors"), "{}", metrics.text);
    let health = {
        let address = app.admin_url().replace("http://", "");
        binary().args(["health", "--address", &address]).status().unwrap()
    };
    assert!(health.success());
    app.process().signal("TERM");
    assert_eq!(app.process().ended().await.code(), Some(0));
    let refused = wait::until("the admin port to close", || {
        let request = admin.request(reqwest::Method::GET, "/livez");
        async { request.send().await.err() }
    })
    .await;
    assert!(refused.is_connect());
}

/// Whether the process has taken them or not, and whether they had said anything or not.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_has_connected_is_answered_before_the_end() {
    let mut app = App::start(Shape::Memory).await;
    let address = app.process().running.listen;
    let mut silent = connected(address, 100);
    // Connections are taken in their order, so those have been.
    app.client().get("/health").await.expect(StatusCode::OK);
    app.process().signal("STOP");
    // Nearly all that the kernel lets wait: 128.
    silent.extend(connected(address, 60));
    let [mut queued, mute] = [connected(address, 60), connected(address, 1)];
    queued.iter_mut().for_each(ask);
    app.process().signal("TERM");
    app.process().signal("CONT");
    let told = Instant::now();
    // Meanwhile they are neither accepted nor refused, and each attempt takes its 20 ms.
    while !is_refused(address) {
        assert!(told.elapsed() < wait::PATIENCE, "new connections are never refused");
    }
    silent.iter_mut().for_each(ask);
    for mut stream in silent.into_iter().chain(queued) {
        let answer = heard(&mut stream);
        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert!(answer.contains("\r\nconnection: close\r\n"), "{answer}");
    }
    for mut stream in mute {
        assert_eq!(heard(&mut stream), "", "a connection without a request is closed in the end");
    }
    assert_eq!(app.process().ended().await.code(), Some(0), "{}", app.output());
}

fn connected(address: SocketAddr, count: usize) -> Vec<TcpStream> {
    (0..count).map(|_| TcpStream::connect(address).unwrap()).collect()
}

fn is_refused(address: SocketAddr) -> bool {
    let attempt = TcpStream::connect_timeout(&address, Duration::from_millis(20));
    attempt.is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
}

fn ask(stream: &mut TcpStream) {
    stream.write_all(b"GET /api/cycles/cycles HTTP/1.1\r\nHost: lunation\r\n\r\n").unwrap();
}

/// Everything that comes until the other side closes the connection in order.
fn heard(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(wait::PATIENCE)).unwrap();
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text
}

fn postmaster_pid(app: &App) -> String {
    let file = app.data_dir().join("postgres/data/postmaster.pid");
    let file = if file.exists() { file } else { app.data_dir().join("postgres/postmaster.pid") };
    std::fs::read_to_string(file).unwrap().lines().next().unwrap().to_owned()
}
