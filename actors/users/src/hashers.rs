//! How many cores hashing may keep busy, and for how long at a stretch.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use actor_runtime::tasks;
use tokio::{
    sync::{AcquireError, OwnedSemaphorePermit, Semaphore},
    time,
};

/// A hasher that has worked, with people who are signed in beside it, rests so many times as long.
const RESTS: u32 = 3;

/// As many hashers as there are cores. While people who are signed in are being answered, the last of
/// several cores is theirs, and on the others a hasher rests after each hash: it keeps a core for as long
/// as a hundred reads need, and a scheduler that lets it finish its slice makes them wait.
pub(crate) struct Hashers {
    always: Arc<Semaphore>,
    when_alone: Arc<Semaphore>,
    others_until: fn() -> Option<Instant>,
}

impl Hashers {
    pub(crate) fn new(cores: usize, others_until: fn() -> Option<Instant>) -> Self {
        let always = cores.saturating_sub(1).max(1);
        Self {
            always: Arc::new(Semaphore::new(always)),
            when_alone: Arc::new(Semaphore::new(cores.saturating_sub(always))),
            others_until,
        }
    }

    /// Leave to keep one core busy.
    pub(crate) async fn acquire(&self) -> Result<Hasher, AcquireError> {
        let core = tokio::select! {
            biased;
            core = Arc::clone(&self.always).acquire_owned() => core?,
            core = self.last_core() => core?,
        };
        Ok(Hasher { core, others_until: self.others_until })
    }

    async fn last_core(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        let hasher = Arc::clone(&self.when_alone).acquire_owned().await?;
        while let Some(until) = (self.others_until)() {
            time::sleep_until(until.into()).await;
        }
        Ok(hasher)
    }
}

/// One of them.
pub(crate) struct Hasher {
    core: OwnedSemaphorePermit,
    others_until: fn() -> Option<Instant>,
}

impl Hasher {
    /// It has worked for so long: the core is the next one's, at once or after a rest.
    pub(crate) fn rest(self, worked: Duration) {
        let Self { core, others_until } = self;
        if others_until().is_some() {
            tasks::spawn(async move {
                time::sleep(worked * RESTS).await;
                drop(core);
            });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn the_last_core_is_left_to_those_who_are_signed_in() {
        static ARE_THERE: AtomicBool = AtomicBool::new(true);
        let until = || ARE_THERE.load(Ordering::Relaxed).then(Instant::now);
        let hashers = Hashers::new(2, until);
        let _first = hashers.acquire().await.unwrap();
        let mut second = Box::pin(hashers.acquire());
        assert!(second.as_mut().now_or_never().is_none());
        ARE_THERE.store(false, Ordering::Relaxed);
        let _second = second.await.unwrap();
        assert!(hashers.acquire().now_or_never().is_none(), "there are two cores");
        // Who has one core only shares it.
        ARE_THERE.store(true, Ordering::Relaxed);
        assert!(Hashers::new(1, until).acquire().now_or_never().is_some());
    }

    #[tokio::test(start_paused = true)]
    async fn a_hasher_rests_beside_those_who_are_signed_in() {
        let beside = Hashers::new(1, || Some(Instant::now()));
        beside.acquire().await.unwrap().rest(Duration::from_secs(1));
        let begun = time::Instant::now();
        beside.acquire().await.unwrap();
        assert_eq!(begun.elapsed().as_secs(), u64::from(RESTS));
        let alone = Hashers::new(1, || None);
        alone.acquire().await.unwrap().rest(Duration::from_secs(1));
        assert!(alone.acquire().now_or_never().is_some());
    }
}
