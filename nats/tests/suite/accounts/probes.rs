//! What a process learns when it starts: what is missing is named, at once and without a trace.

use std::{fs, path::Path, process::Command, time::Instant};

use async_nats::jetstream::{self, stream};
use futures::FutureExt;
use nats::{
    BusError, Connection, Durable, Enforcement, NatsOptions,
    accounts::{
        Credential, committed_synced_configuration, permissions, server_knows_sync_interval,
    },
    probe,
};
use tempfile::TempDir;

use super::server::{GuardedServer, program};
use crate::support::{NatsServer, event, event_of, next};

/// What whoever starts the product can wait for without asking what is going on.
const AT_ONCE: std::time::Duration = std::time::Duration::from_secs(2);

async fn missing(server: &GuardedServer, credential: Credential) -> String {
    let started = Instant::now();
    let error = probe(&server.url(credential), credential).await.unwrap_err();
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
    assert!(matches!(error, BusError::MissingPermissions { .. }), "{error:?}");
    error.to_string()
}

#[tokio::test]
async fn every_credential_has_what_it_needs() {
    let server = GuardedServer::start();
    for credential in Credential::EVERY {
        let found = probe(&server.url(credential), credential).await;
        assert_eq!(found.unwrap(), Enforcement::Enforced, "{credential}");
    }
    // What nobody may do, once for each part.
    let violations = server.violations();
    let known = |line: &String| line.contains("$JS.API.STREAM.PURGE.LUNATION_PROBE");
    assert!(violations.iter().all(known), "{violations:#?}");
    // A probe is done in parts of at most a hundred permissions.
    let parts = Credential::EVERY.map(|credential| permissions(credential).len().div_ceil(100));
    assert_eq!(violations.len(), parts.iter().sum::<usize>(), "{violations:#?}");
}

#[tokio::test]
async fn a_withdrawn_permission_is_named() {
    let server = GuardedServer::start_with(|configuration| {
        let mut lines: Vec<&str> = configuration.lines().collect();
        let analytics = lines.iter().position(|line| line.contains("user: analytics")).unwrap();
        let others = lines.split_off(analytics);
        let end = others.iter().position(|line| line.contains("user: notifications")).unwrap();
        let withdrawn = ["svc.cycles.v1.*", "$SRV.PING\"", "rpc.analytics.v1.* analytics"];
        let (analytics, rest) = others.split_at(end);
        lines.extend(
            analytics.iter().filter(|line| !withdrawn.iter().any(|word| line.contains(word))),
        );
        lines.extend(rest);
        lines.join("\n")
    });
    let text = missing(&server, Credential::Analytics).await;
    let words = [
        "'analytics'",
        "ask svc.cycles.v1.*",
        "subscribe to $SRV.PING,",
        "subscribe to rpc.analytics.v1.* in queue analytics",
    ];
    for word in words {
        assert!(text.contains(word), "{word}: {text}");
    }
    assert_eq!(text.matches(", ").count(), 2, "{text}");
    probe(&server.url(Credential::Cycles), Credential::Cycles).await.unwrap();
}

/// Whoever takes the wrong credential learns it from the list of what it lacks.
#[tokio::test]
async fn each_single_permission_is_missed() {
    let server = GuardedServer::start_with(|configuration| {
        let allowed = configuration.replace("allow: [", "deny: [\"unheard.of\"");
        assert_ne!(allowed, configuration);
        allowed
    });
    for credential in Credential::EVERY {
        let error = probe(&server.url(credential), credential).await.unwrap_err();
        let BusError::MissingPermissions { missing, .. } = error else { panic!("{error:?}") };
        assert_eq!(missing, permissions(credential), "{credential}");
    }
}

#[tokio::test]
async fn the_credential_of_another_group_is_not_enough() {
    let server = GuardedServer::start();
    let url = server.url(Credential::Notifications);
    let error = probe(&url, Credential::Cycles).await.unwrap_err();
    let text = error.to_string();
    assert!(text.contains("'cycles' may not"), "{text}");
    assert!(text.contains("publish to cycle.changed.>"), "{text}");
}

#[tokio::test]
async fn a_wrong_password_is_refused_clearly() {
    let server = GuardedServer::start();
    let started = Instant::now();
    let url = format!("nats://cycles:wr0ng@{}", server.address());
    let probed = probe(&url, Credential::Cycles).await.unwrap_err();
    let options = NatsOptions { url, client_name: "test".to_owned(), inbox_prefix: None };
    let connected = Connection::connect(options).await.err().unwrap();
    let unnamed = probe(&format!("nats://{}", server.address()), Credential::All).await;
    for error in [probed, connected, unnamed.unwrap_err()] {
        let text = error.to_string();
        assert!(text.contains("the credentials were refused"), "{text}");
        assert!(text.contains(&server.address().to_string()), "{text}");
        assert!(!text.contains("wr0ng"), "{text}");
    }
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());
}

#[tokio::test]
async fn a_server_that_knows_no_credentials_is_told_apart() {
    let server = NatsServer::start();
    let found = probe(&server.url(), Credential::Cycles).await.unwrap();
    assert_eq!(found, Enforcement::Open);
}

/// Even where a stream keeps everything and everybody listens.
#[tokio::test]
async fn a_probe_leaves_no_trace() {
    let server = NatsServer::start();
    let client = server.client().await;
    let context = jetstream::new(client.clone());
    let subjects = ["cycle.>", "prediction.>", "user.>", "dlq.>"].map(str::to_owned).to_vec();
    let config = stream::Config { name: "SPY".to_owned(), subjects, ..stream::Config::default() };
    let mut spy = context.create_stream(config).await.unwrap();
    let mut asked = crate::support::listen(&client, "rpc.>").await;
    for credential in Credential::EVERY {
        probe(&server.url(), credential).await.unwrap();
    }
    assert_eq!(spy.info().await.unwrap().state.last_sequence, 0);
    let names: Vec<String> =
        futures::TryStreamExt::try_collect(context.stream_names()).await.unwrap();
    assert_eq!(names, ["SPY"], "none was made");
    // A request that a group could answer is out of its time.
    let mut requests = 0;
    while let Some(Some(request)) = futures::StreamExt::next(&mut asked).now_or_never() {
        let headers = request.headers.unwrap();
        assert_eq!(headers.get("Lunation-Deadline").unwrap().as_str(), "0");
        requests += 1;
    }
    assert!(requests > 0, "the listener hears");
}

/// A pull that the server understood would take an event away for 30 s, and an acknowledgement for
/// good.
#[tokio::test]
async fn a_probe_takes_no_event_that_waits() {
    let server = GuardedServer::start();
    let bus = server.bus(Credential::All).await;
    bus.provision().await.unwrap();
    for (version, (credential, durable)) in (3..).zip([
        (Credential::Analytics, Durable::Analytics),
        (Credential::Analytics, Durable::AnalyticsPeople),
        (Credential::Notifications, Durable::Notifications),
        (Credential::Cycles, Durable::CyclesErase),
    ]) {
        let waiting = event(durable.topic(), 42, version);
        bus.publish(&waiting, 1).await.unwrap();
        for credential in [credential, Credential::All] {
            probe(&server.url(credential), credential).await.unwrap();
        }
        let context = jetstream::new(server.client(Credential::All).await);
        let stream = context.get_stream(streams_of(durable)).await.unwrap();
        let info = stream.consumer_info(durable.name()).await.unwrap();
        assert_eq!((info.num_pending, info.num_ack_pending), (1, 0), "{credential}");
        let mut inbox = bus.subscribe(durable).await.unwrap();
        // One that is taken already, as by a process that works on it.
        let delivery = next(&mut inbox).await;
        assert_eq!((event_of(&delivery), delivery.attempt()), (waiting, 1), "{credential}");
        probe(&server.url(credential), credential).await.unwrap();
        let info = stream.consumer_info(durable.name()).await.unwrap();
        assert_eq!((info.num_pending, info.num_ack_pending), (0, 1), "{credential}");
        delivery.ack().await.unwrap();
    }
}

fn streams_of(durable: Durable) -> &'static str {
    match durable {
        Durable::Analytics => "CYCLES",
        Durable::Notifications => "PREDICTIONS",
        Durable::AnalyticsPeople
        | Durable::CyclesErase
        | Durable::AnalyticsErase
        | Durable::NotificationsErase => "USERS",
    }
}

#[tokio::test]
async fn a_server_that_is_away_is_told_apart() {
    let error = probe("nats://127.0.0.1:1", Credential::Cycles).await.unwrap_err();
    assert!(matches!(error, BusError::Connect { .. }), "{error:?}");
}

/// Exactly the committed files, by the server that is here.
#[test]
fn the_committed_configuration_starts_a_server() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    let check = |name: &str, with_passwords: bool| {
        let mut command = Command::new(program());
        command.env_clear().arg("-t").arg("-c").arg(folder.join(name));
        if with_passwords {
            command.envs(Credential::EVERY.map(|it| (it.password_variable(), format!("p_{it}"))));
        }
        command.output().unwrap().status.success()
    };
    assert!(check("server.conf", true));
    assert!(!check("server.conf", false), "there are no default passwords");
    let version = Command::new(program()).arg("--version").output().unwrap();
    let version = String::from_utf8(version.stdout).unwrap();
    assert_eq!(check("server-synced.conf", true), server_knows_sync_interval(&version));
}

#[test]
fn the_synced_configuration_differs_in_one_line() {
    let directory = TempDir::new().unwrap();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"));
    fs::copy(folder.join("server.conf"), directory.path().join("server.conf")).unwrap();
    let synced = committed_synced_configuration().replace("  sync_interval: always\n", "");
    let path = directory.path().join("server-synced.conf");
    fs::write(&path, synced).unwrap();
    let started = Command::new(program())
        .args(["-t", "-c"])
        .arg(&path)
        .envs(Credential::EVERY.map(|it| (it.password_variable(), format!("p_{it}"))))
        .output()
        .unwrap();
    assert!(started.status.success(), "{started:?}");
}
