//! Waiting for an effect: as short as it takes, and a clear failure when it does not come.

use std::{
    future::Future,
    time::{Duration, Instant},
};

/// How long an effect may take before the test fails.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Asks `look` again and again until it gives a value.
pub(crate) async fn until<T, Looking>(what: &str, look: impl FnMut() -> Looking) -> T
where
    Looking: Future<Output = Option<T>>,
{
    until_within(PATIENCE, what, look).await
}

/// Like [`until`], with another patience.
pub(crate) async fn until_within<T, Looking>(
    patience: Duration,
    what: &str,
    mut look: impl FnMut() -> Looking,
) -> T
where
    Looking: Future<Output = Option<T>>,
{
    let begun = Instant::now();
    let mut pause = Duration::from_millis(2);
    loop {
        if let Some(value) = look().await {
            return value;
        }
        assert!(begun.elapsed() < patience, "waited {patience:?} in vain for {what}");
        tokio::time::sleep(pause).await;
        pause = (pause * 2).min(Duration::from_millis(100));
    }
}

/// A short pause for `Drop`, which cannot await.
pub(crate) fn pause_in_drop() {
    std::thread::sleep(Duration::from_millis(50));
}
