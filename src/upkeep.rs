//! Keeps the metrics small: histograms grow with every request until they are drained.

use std::time::Duration;

use actor_runtime::{
    background::{self, LoopResult},
    supervisor::Child,
};
use metrics_exporter_prometheus::PrometheusHandle;
use tokio::time;

/// How often.
const EVERY: Duration = Duration::from_secs(5);

/// The upkeep as a supervised child.
pub(crate) fn child(metrics: PrometheusHandle) -> Child {
    background::child("metrics upkeep", move |stop| {
        let metrics = metrics.clone();
        async move {
            let upkeep = async {
                loop {
                    time::sleep(EVERY).await;
                    metrics.run_upkeep();
                }
            };
            stop.run_until_cancelled(upkeep).await;
            LoopResult::Ok(())
        }
    })
}
