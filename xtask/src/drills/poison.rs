//! Events that nobody can read, one after the other: each becomes a dead letter, is listed and
//! dropped, and holds nobody up.

use std::{
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use lunation_xtask::Verdict;
use serde_json::Value;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    net::TcpStream,
    time::{sleep, timeout},
};

use super::scene::{Course, End, Route, Scene};
use crate::instance::Instance;

/// A dead letter tells of so many deliveries at most.
const DELIVERIES_MAX: u64 = 5;
/// And is there so soon.
const LISTED_WITHIN: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(50);
const BROKER_PATIENCE: Duration = Duration::from_secs(5);
/// Not even a retry is met.
const END: End<'_> = End { within: Duration::from_secs(30), may_fail: Some(&[]) };

/// A new one whenever the last one was listed and dropped.
///
/// # Errors
/// The instance cannot be drilled, or an event does not become a dead letter.
pub(super) async fn run(instance: &mut Instance, course: &Course) -> Result<Verdict> {
    let mut scene = Scene::open(instance, course, Route::Gateways).await?;
    let (mut events, mut slowest, mut deliveries_most) = (0_u64, Duration::ZERO, 0);
    while !scene.is_over() {
        let begun = Instant::now();
        publish(&scene.instance.operator_url()?, events).await?;
        let letter = loop {
            if let Some(letter) = listed(scene.instance)? {
                break letter;
            }
            ensure!(begun.elapsed() < LISTED_WITHIN, "no dead letter in {LISTED_WITHIN:?}");
            sleep(LOOK_EVERY).await;
        };
        (events, slowest) = (events + 1, slowest.max(begun.elapsed()));
        let deliveries = letter["deliveries"].as_u64().context("a letter without deliveries")?;
        ensure!(deliveries <= DELIVERIES_MAX, "given up after {deliveries} deliveries: {letter}");
        deliveries_most = deliveries.max(deliveries_most);
        dlq(scene.instance, &["drop", &letter["id"].to_string()])?;
        let rest = scene.between(100, 1_000);
        scene.rest(rest).await?;
    }
    scene.tell(format_args!(
        "{events} events became dead letters, after {deliveries_most} deliveries at most; the last \
         to be listed was there after {slowest:.1?}"
    ));
    scene.close(&END).await
}

/// Publishes an event that is none, in the protocol of NATS.
async fn publish(url: &str, number: u64) -> Result<()> {
    let address = url.strip_prefix("nats://").and_then(|rest| rest.split_once('@'));
    let (credential, server) = address.context("an address without a credential")?;
    let (user, password) = credential.split_once(':').context("a credential without a password")?;
    let mut broker = BufReader::new(TcpStream::connect(server).await?);
    let options = serde_json::json!({"verbose": false, "user": user, "pass": password});
    let poison = format!("poison {number}");
    let length = poison.len();
    let sent =
        format!("CONNECT {options}\r\nPUB cycle.changed.v1.1.1 {length}\r\n{poison}\r\nPING\r\n");
    broker.write_all(sent.as_bytes()).await?;
    let mut line = String::new();
    while line.trim_end() != "PONG" {
        line.clear();
        let read = timeout(BROKER_PATIENCE, broker.read_line(&mut line)).await??;
        ensure!(read > 0 && !line.starts_with("-ERR"), "the broker says {line:?}");
    }
    Ok(())
}

fn listed(instance: &Instance) -> Result<Option<Value>> {
    let lines = dlq(instance, &["list", "--json"])?;
    lines.lines().next().map(|line| Ok(serde_json::from_str(line)?)).transpose()
}

fn dlq(instance: &Instance, arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(instance.binary());
    command.arg("dlq").args(arguments).env("NATS_URL", instance.operator_url()?);
    let output = command.stdin(Stdio::null()).output()?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "dlq {arguments:?} failed: {said}");
    Ok(String::from_utf8(output.stdout)?)
}
