//! Drops what counts no longer (attempts, links, sessions, revocations, old entries of the audit log), as a
//! supervised child.

use std::{sync::Arc, time::Duration};

use actor_runtime::{background, database, supervisor::Child};

use crate::service::Service;

/// How often.
const EVERY: Duration = Duration::from_mins(5);
/// Most rows that one statement drops: it has to end within the statement's time limit.
const BATCH: i64 = 2_000;

/// The child.
pub(crate) fn child(service: &Arc<Service>) -> Child {
    let service = Arc::clone(service);
    background::every("users purge", EVERY, move || {
        let service = Arc::clone(&service);
        async move {
            loop {
                match service.purge(BATCH).await {
                    Ok(false) => {}
                    Ok(true) => break,
                    Err(error) => {
                        let cause = database::describe(&error);
                        tracing::warn!(%cause, "could not drop what counts no longer");
                        break;
                    }
                }
            }
        }
    })
}
