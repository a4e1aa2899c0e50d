//! Waiting for a version: a reader sleeps until the user's state was applied, and no longer.

use std::{future::Future, sync::Arc, time::Duration};

use contracts::{UserId, Version};
use tokio::{
    sync::Notify,
    time::{self, Instant},
};

/// How many users' readers share one notifier: a spurious wake-up costs one query.
const STRIPES: usize = 64;
/// How often a waiting reader looks by itself: another process may have applied the version.
const POLL: Duration = Duration::from_millis(50);

/// Tells readers of this process that a user's state was applied.
#[derive(Clone)]
pub struct VersionBoard(Arc<[Notify; STRIPES]>);

impl Default for VersionBoard {
    fn default() -> Self {
        Self(Arc::new([const { Notify::const_new() }; STRIPES]))
    }
}

impl VersionBoard {
    /// Wakes the readers who wait for this user.
    pub fn announce(&self, user_id: UserId) {
        self.stripe(user_id).notify_waiters();
    }

    /// Reads until the state is at least `min_version`, for `patience` at the most; then answers
    /// with what there is. `read` returns the version that its answer reflects.
    ///
    /// # Errors
    ///
    /// The first error of `read`.
    pub async fn read_at_least<T, E, Reading>(
        &self,
        user_id: UserId,
        min_version: Option<Version>,
        patience: Duration,
        mut read: impl FnMut() -> Reading,
    ) -> Result<T, E>
    where
        Reading: Future<Output = Result<(Version, T), E>>,
    {
        let deadline = Instant::now() + patience;
        loop {
            let announced = self.stripe(user_id).notified();
            tokio::pin!(announced);
            // Enlisted before the read: an announcement in between is not missed.
            announced.as_mut().enable();
            let (version, answer) = read().await?;
            if min_version.is_none_or(|wanted| version >= wanted) || Instant::now() >= deadline {
                return Ok(answer);
            }
            let next_look = deadline.min(Instant::now() + POLL);
            let _either = time::timeout_at(next_look, announced).await;
        }
    }

    fn stripe(&self, user_id: UserId) -> &Notify {
        let index = usize::try_from(user_id.get().rem_euclid(64)).unwrap_or_default();
        &self.0[index % STRIPES]
    }
}
