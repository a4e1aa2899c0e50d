//! Several processes of analytics at once: killed, paused, paused for longer than a message waits
//! for its acknowledgement.

use std::time::Duration;

use xtask::{Random, Settings};

use super::{Drill, KILLED, lasting};
use crate::harness::{App, Options, Shape};

const CONVERGED_WITHIN: Duration = Duration::from_mins(1);
/// A message that is not acknowledged for 30 s is delivered again, to whoever asks.
const LONGER_THAN_ACK_WAIT: Duration = Duration::from_secs(33);
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
        drill.app.kill_group(other);
        drill.app.group(one).signal("CONT");
        drill.goes_on(15 + random.below(20)).await;
        drill.app.start_group_again(other).await;
        drill.moved();
    }
    let verdict = drill.finish(CONVERGED_WITHIN, KILLED).await;
    assert!(verdict.polls > 100, "too few looks to see anything: {verdict}");
}

/// The paused process comes back with the snapshots that it had, after the other one has applied
/// newer ones.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn paused_past_the_acknowledgement_and_continued() {
    let settings = Settings { seed: 12, rest: Duration::from_millis(150), ..Settings::default() };
    let mut drill = start(&settings).await;
    drill.app.group(BOTH[0]).signal("STOP");
    lasting(LONGER_THAN_ACK_WAIT).await;
    drill.app.group(BOTH[0]).signal("CONT");
    drill.goes_on(30).await;
    drill.finish(CONVERGED_WITHIN, KILLED).await;
}
