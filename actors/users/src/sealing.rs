//! Follows a rotation of the sealing keys while the service runs, as a supervised child.

use std::{sync::Arc, time::Duration};

use actor_runtime::{background, supervisor::Child};

use crate::service::Service;

/// How often it is looked whether another key seals: so long a new one may go unnoticed.
pub const SEALING_EVERY: Duration = Duration::from_secs(30);

/// The child.
pub(crate) fn child(service: &Arc<Service>, every: Duration) -> Child {
    let service = Arc::clone(service);
    background::every("users sealing", every, move || {
        let service = Arc::clone(&service);
        async move {
            match service.vault.keep_wrapped(&service.pool).await {
                Ok(true) => tracing::info!("wrapped under the first key of the ring"),
                Ok(false) => {}
                // Why was logged.
                Err(refusal) => tracing::warn!(code = %refusal.code, "wrapping anew goes on later"),
            }
        }
    })
}
