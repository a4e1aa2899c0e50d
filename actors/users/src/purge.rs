//! Forgets attempts and links that count no longer, as a supervised child.

use std::{sync::Arc, time::Duration};

use actor_runtime::{
    background::{self, LoopResult},
    database,
    supervisor::Child,
};
use tokio::time;

use crate::service::Service;

/// How often.
const EVERY: Duration = Duration::from_mins(5);
/// Most rows that one statement drops: it has to end within the statement's time limit.
const BATCH: i64 = 2_000;

/// The child.
pub(crate) fn child(service: &Arc<Service>) -> Child {
    let service = Arc::clone(service);
    background::child("credentials purge", move |stop| {
        let service = Arc::clone(&service);
        async move {
            let purge = async {
                loop {
                    match service.purge_credentials(BATCH).await {
                        Ok(false) => continue,
                        Ok(true) => {}
                        Err(error) => {
                            let cause = database::describe(&error);
                            tracing::warn!(%cause, "could not forget old attempts");
                        }
                    }
                    time::sleep(EVERY).await;
                }
            };
            stop.run_until_cancelled(purge).await;
            LoopResult::Ok(())
        }
    })
}
