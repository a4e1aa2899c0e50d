//! Where one program of the instance runs: started again when it dies, and stopped at the end.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Result, bail};
use rustix::process::Signal;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use crate::{keeper::Keeper, lifecycle::GaveUp};

/// Deaths within [`DEATH_WINDOW`], or failed starts in a row, that are borne; one more, and the
/// instance gives up.
const DEATHS_MAX: usize = 5;
const DEATH_WINDOW: Duration = Duration::from_secs(30);
/// The pause before a program is started again after its first death; doubled with each further one.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

/// The place of one program, whichever process fills it now.
pub(super) struct Post {
    name: String,
    keeper: Mutex<Option<Keeper>>,
}

impl Post {
    /// An empty place.
    pub(super) fn new(name: String) -> Self {
        Self { name, keeper: Mutex::new(None) }
    }

    /// What the program is called.
    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// The process id of the program.
    pub(super) fn id(&self) -> Option<u32> {
        self.with(Keeper::id)
    }

    /// Takes a program that was just started, and waits until it is ready.
    ///
    /// # Errors
    /// It ended, or was not ready in time; its own log says why.
    pub(super) async fn fill<T>(
        &self,
        keeper: Keeper,
        ready: impl Future<Output = Result<T>>,
        patience: Duration,
    ) -> Result<T> {
        let (name, exited) = (&self.name, keeper.exited());
        *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(keeper);
        tokio::select! {
            status = exited => bail!("{name} could not be started ({status}); its log lines say why"),
            ready = ready => ready,
            () = sleep(patience) => bail!("{name} did not start in {patience:?}"),
        }
    }

    /// Calls `start` whenever the program dies, until `stopping`; tells `found` what came of it.
    ///
    /// # Errors
    /// It died too often.
    pub(super) async fn supervise<T, Starting>(
        &self,
        stopping: &CancellationToken,
        start: impl Fn() -> Starting,
        found: impl Fn(T),
    ) -> Result<()>
    where
        Starting: Future<Output = Result<T>>,
    {
        let name = &self.name;
        let mut deaths: Vec<Instant> = Vec::new();
        let mut failed_starts = 0;
        while let Some(exited) = self.with(Keeper::exited) {
            let Some(status) = stopping.run_until_cancelled(exited).await else { return Ok(()) };
            if stopping.is_cancelled() {
                return Ok(());
            }
            let now = Instant::now();
            deaths.retain(|death| now.duration_since(*death) < DEATH_WINDOW);
            deaths.push(now);
            if deaths.len() > DEATHS_MAX || failed_starts > DEATHS_MAX {
                return Err(GaveUp(format!("{name} died or did not start, again and again")).into());
            }
            tracing::warn!(process = name, %status, "a process ended; starting it again");
            stopping.run_until_cancelled(sleep(pause_after(deaths.len()))).await;
            match stopping.run_until_cancelled(start()).await {
                None => return Ok(()),
                Some(Ok(started)) => {
                    failed_starts = 0;
                    found(started);
                }
                // What it died of counts as its next death; if it hangs instead, it dies now.
                Some(Err(error)) => {
                    tracing::error!(process = name, "{error:#}");
                    self.with(|keeper| keeper.signal(Signal::KILL));
                    failed_starts += 1;
                }
            }
        }
        Ok(())
    }

    /// Stops the program by one signal after another, each with its patience.
    pub(super) async fn stop(&self, signals: &[(Signal, Duration)]) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            keeper.stop(signals).await;
        }
    }

    fn with<T>(&self, look: impl FnOnce(&Keeper) -> T) -> Option<T> {
        self.keeper.lock().unwrap_or_else(PoisonError::into_inner).as_ref().map(look)
    }
}

fn pause_after(deaths: usize) -> Duration {
    let doublings = u32::try_from(deaths.saturating_sub(1)).unwrap_or(u32::MAX).min(6);
    RESTART_PAUSE * 2_u32.pow(doublings)
}

#[cfg(test)]
mod tests {
    use std::{
        process::Command,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use super::*;

    /// A program of the shell.
    fn shell(script: &str) -> Keeper {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", script]);
        Keeper::start("shell", command, Signal::KILL, |_lines| {}).unwrap()
    }

    #[tokio::test]
    async fn what_dies_again_and_again_is_given_up() {
        let post = Post::new("shell".to_owned());
        let patience = Duration::from_secs(10);
        let ready = || async { Ok(()) };
        // It may be found dead or ready first; each counts.
        drop(post.fill(shell("exit 1"), ready(), patience).await);
        let starts = AtomicUsize::new(1);
        let start = || async {
            starts.fetch_add(1, Ordering::Relaxed);
            post.fill(shell("exit 1"), ready(), patience).await
        };
        let error = post.supervise(&CancellationToken::new(), start, |()| {}).await.unwrap_err();
        assert!(error.downcast_ref::<GaveUp>().is_some(), "{error:#}");
        assert_eq!(starts.load(Ordering::Relaxed), DEATHS_MAX + 1);
    }

    #[tokio::test]
    async fn what_does_not_start_says_so() {
        let post = Post::new("shell".to_owned());
        let never = || std::future::pending::<Result<()>>();
        let soon = Duration::from_millis(20);
        let ended = post.fill(shell("exit 3"), never(), Duration::from_secs(10)).await;
        let expected = "shell could not be started (exit status: 3); its log lines say why";
        assert_eq!(ended.unwrap_err().to_string(), expected);
        let hangs = post.fill(shell("exec sleep 60"), never(), soon).await;
        assert_eq!(hangs.unwrap_err().to_string(), "shell did not start in 20ms");
        post.stop(&[(Signal::KILL, Duration::from_secs(10))]).await;
        assert_eq!(post.id(), None);
    }
}
