//! Re-asserts streams and durables, so that a wiped broker heals by itself.

use std::time::Duration;

use actor_runtime::{
    background::{self, LoopResult},
    supervisor::Child,
};
use nats::{Asserted, Bus, Change};
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
    let mut is_failing = false;
    loop {
        let pause = match bus.provision().await {
            Ok(asserted) => {
                is_failing = false;
                asserted.iter().for_each(tell);
                EVERY
            }
            Err(error) => {
                // Tried again soon and often: said once.
                if !is_failing {
                    tracing::warn!(%error, "the streams could not be asserted");
                }
                is_failing = true;
                RETRY
            }
        };
        tokio::select! {
            () = time::sleep(pause) => {}
            () = bus.connection_changed() => {}
        }
    }
}

/// Says what was not as it shall be.
fn tell(Asserted { object, change }: &Asserted) {
    match change {
        Change::None => {}
        Change::Created => tracing::warn!(object, "was missing on NATS and is made anew"),
        Change::Corrected => tracing::warn!(object, "was changed on NATS and is set right"),
    }
}
