//! The one place that starts tasks. Each task belongs to an actor, which learns how it ended.

use std::future::Future;

use tokio::task::JoinHandle;
use tracing::Instrument;

/// Starts a task in the current span.
#[expect(clippy::disallowed_methods, reason = "the one place that starts tasks")]
pub fn spawn<T: Send + 'static>(task: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(task.in_current_span())
}
