//! Several processes of analytics at once: killed, paused, paused for longer than a message waits
//! for its acknowledgement.

use std::time::Duration;

use async_nats::jetstream;
use serde_json::{Value, json};
use xtask::{Random, Settings};

use super::{Drill, KILLED, lasting};
use crate::harness::{App, Options, Shape, wait};

const CONVERGED_WITHIN: Duration = Duration::from_mins(1);
/// How long the broker waits here for an acknowledgement, so that the drill is short.
const ACK_WAIT: Duration = Duration::from_secs(3);
/// The time that it waits otherwise: the settings of a consumer are corrected every 30 s, and then
/// the drill takes longer.
const USUAL_ACK_WAIT: Duration = Duration::from_secs(30);
/// Longer than a transaction of the paused process can hold its locks.
const PAUSE_MIN: Duration = Duration::from_secs(7);
/// So many looks are answered after each fault: those at a paused process wait in vain and take their
/// time.
const LOOKS: u64 = 13;
const BOTH: [&str; 2] = ["analytics", "analytics-2"];

async fn start(settings: &Settings) -> Drill {
    let mut app = App::start_with(Shape::Split, Options::default()).await;
    app.start_replica("analytics", BOTH[1]).await;
    Drill::under(app, settings).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_and_paused_in_turn() {
    let settings = Settings { seed: 11, ..Settings::default() };
    let mut drill = start(&settings).await;
    let mut random = Random::new(settings.seed);
    for round in 0..4 {
        let [one, other] = if round % 2 == 0 { BOTH } else { [BOTH[1], BOTH[0]] };
        drill.app.group(one).signal("STOP");
        drill.goes_on(15 + random.below(20)).await;
        drill.is_watched(LOOKS).await;
        drill.app.kill_group(other);
        drill.app.group(one).signal("CONT");
        drill.goes_on(15 + random.below(20)).await;
        drill.is_watched(LOOKS).await;
        drill.app.start_group_again(other).await;
        drill.moved();
    }
    let verdict = drill.finish(CONVERGED_WITHIN, KILLED).await;
    assert!(verdict.polls > 100, "too few looks to see anything: {verdict}");
}

/// The durable that both processes fetch from.
struct Durable(jetstream::Context);

impl Durable {
    async fn of(drill: &Drill) -> Self {
        Self(jetstream::new(drill.app.nats.as_ref().unwrap().client().await))
    }

    async fn info(&self) -> Value {
        self.0.request("CONSUMER.INFO.CYCLES.analytics", &json!({})).await.unwrap()
    }

    async fn set_ack_wait(&self, time: Duration) {
        let mut config = self.info().await["config"].take();
        config["ack_wait"] = u64::try_from(time.as_nanos()).unwrap().into();
        let request = json!({"stream_name": "CYCLES", "config": config});
        let subject = "CONSUMER.DURABLE.CREATE.CYCLES.analytics";
        let answer: Value = self.0.request(subject, &request).await.unwrap();
        assert_eq!(answer["config"]["ack_wait"], config["ack_wait"], "{answer}");
    }

    /// How far messages were handed out, and up to where all were acknowledged.
    async fn delivered_and_acknowledged(&self) -> (u64, u64) {
        let info = self.info().await;
        let of = |what: &str| info[what]["stream_seq"].as_u64().unwrap();
        (of("delivered"), of("ack_floor"))
    }
}

/// The paused process comes back with the snapshots that it had, after the other one has been
/// handed its messages and has applied newer ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_past_the_acknowledgement_and_continued() {
    let settings = Settings { seed: 12, rest: Duration::from_millis(150), ..Settings::default() };
    let mut drill = start(&settings).await;
    let durable = Durable::of(&drill).await;
    durable.set_ack_wait(ACK_WAIT).await;
    drill.app.group(BOTH[0]).signal("STOP");
    // What it had asked for is handed to it all the same.
    drill.goes_on(30).await;
    let (delivered, acknowledged) = durable.delivered_and_acknowledged().await;
    assert!(acknowledged < delivered, "the paused process was handed nothing");
    lasting(PAUSE_MIN).await;
    wait::until_within(USUAL_ACK_WAIT * 2, "its messages to be given to the other", async || {
        (durable.delivered_and_acknowledged().await.1 >= delivered).then_some(())
    })
    .await;
    drill.app.group(BOTH[0]).signal("CONT");
    drill.goes_on(30).await;
    drill.finish(CONVERGED_WITHIN, KILLED).await;
}
