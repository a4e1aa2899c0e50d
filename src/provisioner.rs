//! Re-asserts streams and durables, so that a wiped broker heals by itself.

use std::time::Duration;

use actor_runtime::{
    background::{self, LoopResult},
    supervisor::Child,
};
use nats::Bus;
use tokio::time;

/// How often, beside after every outage.
const EVERY: Duration = Duration::from_secs(30);
/// How soon again after a failure.
const RETRY: Duration = Duration::from_secs(2);

/// The provisioner as a supervised child.
pub(crate) fn child(bus: Bus) -> Child {
    background::child("provisioner", move |stop| {
        let bus = bus.clone();
        async move {
            stop.run_until_cancelled(Box::pin(run(bus))).await;
            LoopResult::Ok(())
        }
    })
}

/// Asserts them for ever.
pub(crate) async fn run(bus: Bus) {
    loop {
        let pause = match bus.provision().await {
            Ok(_asserted) => EVERY,
            Err(error) => {
                tracing::warn!(%error, "the streams could not be asserted");
                RETRY
            }
        };
        tokio::select! {
            () = time::sleep(pause) => {}
            () = bus.connection_changed() => {}
        }
    }
}
