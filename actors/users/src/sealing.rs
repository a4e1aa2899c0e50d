//! Follows a rotation of the sealing keys while the service runs, as a supervised child.

use std::{sync::Arc, time::Duration};

use actor_runtime::{
    background::{self, LoopResult},
    supervisor::Child,
};
use tokio::time;

use crate::service::Service;

/// How often it is looked whether another key seals: so long a new one may go unnoticed.
pub const SEALING_EVERY: Duration = Duration::from_secs(30);

/// The child.
pub(crate) fn child(service: &Arc<Service>, every: Duration) -> Child {
    let service = Arc::clone(service);
    background::child("users sealing", move |stop| {
        let service = Arc::clone(&service);
        async move {
            let keeping = async {
                loop {
                    match service.vault.keep_wrapped(&service.pool).await {
                        Ok(true) => tracing::info!("wrapped under the first key of the ring"),
                        Ok(false) => {}
                        // Why was logged.
                        Err(refusal) => {
                            tracing::warn!(code = %refusal.code, "wrapping anew goes on later");
                        }
                    }
                    time::sleep(every).await;
                }
            };
            stop.run_until_cancelled(keeping).await;
            LoopResult::Ok(())
        }
    })
}
