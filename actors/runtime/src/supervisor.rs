//! Supervision with restart intensity, one-for-one (OTP).
//!
//! ractor leaves the policy to its users, and its default stops the supervisor when any child
//! stops. Here a child that fails, or stops by itself, is started again after a short back-off;
//! more failures than the intensity allows are the supervisor's own failure, which its own
//! supervisor counts. At the top that ends the process.

use std::{
    collections::VecDeque,
    sync::Arc,
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, SpawnErr, SupervisionEvent};
use tokio_util::sync::CancellationToken;

/// Longest wait for one child to stop.
const STOP_WAIT: Duration = Duration::from_secs(10);

/// How many failures within which time are borne.
#[derive(Clone, Copy, Debug)]
pub struct Intensity {
    /// Failures that are borne.
    pub failures_max: usize,
    /// Within this time.
    pub within: Duration,
}

impl Intensity {
    /// Of a group: 5 in 30 s.
    pub const GROUP: Self = Self { failures_max: 5, within: Duration::from_secs(30) };
    /// Of the root: 3 in 60 s.
    pub const ROOT: Self = Self { failures_max: 3, within: Duration::from_mins(1) };
}

/// Starts one incarnation of a child, linked to the given supervisor.
pub type Start =
    Arc<dyn Fn(ActorCell) -> BoxFuture<'static, Result<ActorCell, SpawnErr>> + Send + Sync>;

/// A child and how to start it.
#[derive(Clone)]
pub struct Child {
    /// Its name in logs.
    pub name: String,
    /// Starts it.
    pub start: Start,
}

impl Child {
    /// A child that `start` starts.
    pub fn new<Starting>(
        name: impl Into<String>,
        start: impl Fn(ActorCell) -> Starting + Send + Sync + 'static,
    ) -> Self
    where
        Starting: Future<Output = Result<ActorCell, SpawnErr>> + Send + 'static,
    {
        Self { name: name.into(), start: Arc::new(move |cell| Box::pin(start(cell))) }
    }

    /// A child that is itself a supervisor.
    pub fn supervisor(plan: Plan) -> Self {
        Self::new(plan.name.clone(), move |parent| {
            let plan = plan.clone();
            async move {
                let (actor, _join) = Actor::spawn_linked(None, Supervisor, plan, parent).await?;
                Ok(actor.get_cell())
            }
        })
    }
}

/// What a supervisor supervises.
#[derive(Clone)]
pub struct Plan {
    /// The supervisor's name in logs.
    pub name: String,
    /// Its children, in the order in which they start; they stop in the reverse order.
    pub children: Vec<Child>,
    /// What it bears.
    pub intensity: Intensity,
    /// Cancelled when it gives up: the root's ends the process. A group only fails, which the root
    /// counts.
    pub gave_up: Option<CancellationToken>,
}

impl Plan {
    /// The plan of a group.
    pub fn group(name: impl Into<String>, children: Vec<Child>) -> Self {
        Self { name: name.into(), children, intensity: Intensity::GROUP, gave_up: None }
    }

    /// The plan of the root.
    pub fn root(children: Vec<Child>, gave_up: CancellationToken) -> Self {
        let name = "root".to_owned();
        Self { name, children, intensity: Intensity::ROOT, gave_up: Some(gave_up) }
    }
}

/// A one-for-one supervisor.
pub struct Supervisor;

/// What a supervisor tells itself.
pub enum Message {
    /// Start a child again.
    Restart(usize),
}

/// The children that live, and the failures that are remembered.
pub struct State {
    plan: Plan,
    living: Vec<Option<ActorCell>>,
    failures: VecDeque<Instant>,
}

impl Actor for Supervisor {
    type Msg = Message;
    type State = State;
    type Arguments = Plan;

    async fn pre_start(
        &self,
        myself: ActorRef<Message>,
        plan: Plan,
    ) -> Result<State, ActorProcessingErr> {
        let mut living = Vec::with_capacity(plan.children.len());
        for child in &plan.children {
            living.push(Some((child.start)(myself.get_cell()).await?));
            tracing::debug!(supervisor = plan.name, child = child.name, "started");
        }
        Ok(State { plan, living, failures: VecDeque::new() })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        Message::Restart(index): Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let Some(child) = state.plan.children.get(index).cloned() else { return Ok(()) };
        match (child.start)(myself.get_cell()).await {
            Ok(cell) => {
                tracing::info!(supervisor = state.plan.name, child = child.name, "restarted");
                if let Some(place) = state.living.get_mut(index) {
                    *place = Some(cell);
                }
                Ok(())
            }
            Err(error) => state.bear(&myself, index, &error.to_string()),
        }
    }

    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Message>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, error) => match state.forget(&cell) {
                Some(index) => state.bear(&myself, index, &error.to_string()),
                None => Ok(()),
            },
            SupervisionEvent::ActorTerminated(cell, _, _) => match state.forget(&cell) {
                Some(index) => state.bear(&myself, index, "stopped by itself"),
                None => Ok(()),
            },
            _ => Ok(()),
        }
    }

    async fn post_stop(
        &self,
        _myself: ActorRef<Message>,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        for (child, place) in state.plan.children.iter().zip(&mut state.living).rev() {
            let Some(cell) = place.take() else { continue };
            if cell.stop_and_wait(None, Some(STOP_WAIT)).await.is_err() {
                tracing::warn!(supervisor = state.plan.name, child = child.name, "slow to stop");
            }
        }
        Ok(())
    }
}

impl State {
    fn forget(&mut self, cell: &ActorCell) -> Option<usize> {
        let is_it = |place: &Option<ActorCell>| {
            place.as_ref().is_some_and(|living| living.get_id() == cell.get_id())
        };
        let index = self.living.iter().position(is_it)?;
        if let Some(place) = self.living.get_mut(index) {
            *place = None;
        }
        Some(index)
    }

    /// Counts a failure, and either plans the restart or gives up.
    fn bear(
        &mut self,
        myself: &ActorRef<Message>,
        index: usize,
        reason: &str,
    ) -> Result<(), ActorProcessingErr> {
        let now = Instant::now();
        let Intensity { failures_max, within } = self.plan.intensity;
        self.failures.push_back(now);
        while self.failures.front().is_some_and(|&at| now.duration_since(at) > within) {
            self.failures.pop_front();
        }
        let child = self.plan.children.get(index).map_or("?", |child| child.name.as_str());
        let failures = self.failures.len();
        tracing::error!(supervisor = self.plan.name, child, failures, reason, "a child failed");
        if failures > failures_max {
            tracing::error!(supervisor = self.plan.name, "restart intensity exceeded");
            if let Some(gave_up) = &self.plan.gave_up {
                gave_up.cancel();
            }
            return Err("restart intensity exceeded".into());
        }
        // The first restart is at once; each further one within the window waits longer.
        let exponent = u32::try_from(failures.saturating_sub(1)).unwrap_or(u32::MAX).min(6);
        let backoff =
            if exponent == 0 { Duration::ZERO } else { Duration::from_millis(10 << exponent) };
        myself.send_after(backoff, move || Message::Restart(index));
        Ok(())
    }
}
