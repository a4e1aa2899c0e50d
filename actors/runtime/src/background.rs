//! A supervised loop: relays, consumers, sweeps. The actor is its life; the work is a task.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use futures::{FutureExt, future::BoxFuture};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::{task::JoinHandle, time};
use tokio_util::sync::CancellationToken;

use crate::{supervisor::Child, tasks};

/// Longest wait for a loop to come to its end after it was asked to.
const END_WAIT: Duration = Duration::from_secs(8);

/// What a loop returns when it can go on no longer.
pub type LoopResult = Result<(), Box<dyn std::error::Error + Send + Sync>>;

type Run = Arc<dyn Fn(CancellationToken) -> BoxFuture<'static, LoopResult> + Send + Sync>;

/// A supervised child that runs `run` until its token is cancelled. If it returns earlier, or
/// panics, its supervisor starts it again.
pub fn child<Running>(
    name: impl Into<String>,
    run: impl Fn(CancellationToken) -> Running + Send + Sync + 'static,
) -> Child
where
    Running: Future<Output = LoopResult> + Send + 'static,
{
    let run: Run = Arc::new(move |stop| Box::pin(run(stop)));
    Child::new(name, move |supervisor| {
        let run = Arc::clone(&run);
        async move {
            let (actor, _join) = Actor::spawn_linked(None, Loop, run, supervisor).await?;
            Ok(actor.get_cell())
        }
    })
}

/// A supervised child that looks whether there is something to do, at its start and then with a pause
/// after each look. It is cut off wherever it is when it is asked to stop, so a look has to be one
/// that can be.
pub fn every<Looking>(
    name: impl Into<String>,
    pause: Duration,
    look: impl Fn() -> Looking + Send + Sync + 'static,
) -> Child
where
    Looking: Future<Output = ()> + Send + 'static,
{
    let look = Arc::new(look);
    child(name, move |stop| {
        let look = Arc::clone(&look);
        async move {
            let looking = async {
                loop {
                    look().await;
                    time::sleep(pause).await;
                }
            };
            stop.run_until_cancelled(looking).await;
            LoopResult::Ok(())
        }
    })
}

struct Loop;

struct Ended(Result<(), String>);

struct Running {
    stop: CancellationToken,
    task: Option<JoinHandle<()>>,
}

impl Actor for Loop {
    type Msg = Ended;
    type State = Running;
    type Arguments = Run;

    async fn pre_start(
        &self,
        myself: ActorRef<Ended>,
        run: Run,
    ) -> Result<Running, ActorProcessingErr> {
        let stop = CancellationToken::new();
        let token = stop.clone();
        let task = tasks::spawn(async move {
            let end = match AssertUnwindSafe(run(token.clone())).catch_unwind().await {
                Ok(Ok(())) if token.is_cancelled() => return,
                Ok(Ok(())) => Err("the loop ended by itself".to_owned()),
                Ok(Err(error)) => Err(error.to_string()),
                Err(_panic) => Err("the loop panicked".to_owned()),
            };
            if myself.send_message(Ended(end)).is_err() {
                tracing::debug!("the loop's actor was gone already");
            }
        });
        Ok(Running { stop, task: Some(task) })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Ended>,
        Ended(end): Ended,
        _state: &mut Running,
    ) -> Result<(), ActorProcessingErr> {
        end.map_err(Into::into)
    }

    async fn post_stop(
        &self,
        _myself: ActorRef<Ended>,
        state: &mut Running,
    ) -> Result<(), ActorProcessingErr> {
        state.stop.cancel();
        if let Some(task) = state.task.take()
            && time::timeout(END_WAIT, task).await.is_err()
        {
            tracing::warn!("a background loop did not end in time");
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The supervisor was killed or failed: the loop must not outlive it.
        self.stop.cancel();
    }
}
