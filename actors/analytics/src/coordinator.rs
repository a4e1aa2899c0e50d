//! The coordinator of the user actors: starts them on demand, is the only one that sends to them,
//! and lets the idle ones go without losing a message.

use std::{
    collections::{BTreeMap, HashMap, VecDeque},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use contracts::{Call, Refusal, ReplyPort, UserId, Version};
use ractor::{Actor, ActorId, ActorProcessingErr, ActorRef, MessagingErr, SupervisionEvent};
use tokio::{sync::watch, time};

use crate::{
    recompute::Works,
    user::{self, UserActor, UserArguments, Wake, Wanted},
};

/// The gauge of live user actors.
const LIVE_ACTORS: &str = "lunation_analytics_live_actors";

/// A way to the current coordinator that outlives it.
#[derive(Clone)]
pub(crate) struct Waker(Arc<watch::Sender<Option<ActorRef<Message>>>>);

impl Default for Waker {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(None)))
    }
}

impl Waker {
    /// Puts a fresh coordinator in.
    pub(crate) fn fill(&self, coordinator: ActorRef<Message>) {
        self.0.send_replace(Some(coordinator));
    }

    /// The current coordinator, if one was started.
    pub(crate) fn coordinator(&self) -> Option<ActorRef<Message>> {
        self.0.borrow().clone()
    }

    /// Lets a user's actor go, with what it remembers, if it is there and idle. A busy one finds what
    /// is stored by itself.
    pub(crate) fn let_go(&self, user_id: UserId) {
        let Some(coordinator) = self.coordinator() else { return };
        if coordinator.send_message(Message::LetGo(user_id)).is_err() {
            tracing::debug!("the coordinator was gone, and every actor with it");
        }
    }

    /// Wakes a user's actor and waits until the wanted state is stored. Returns the version of the
    /// cycles that is applied.
    ///
    /// # Errors
    ///
    /// What is needed is away, or the work failed. Waking again is always safe.
    pub(crate) async fn wake(
        &self,
        call: &Call,
        user_id: UserId,
        wanted: Wanted,
    ) -> Result<Version, Refusal> {
        let coordinator = self.coordinator().ok_or_else(Refusal::unavailable)?;
        let (reply, answer) = ReplyPort::new();
        let wake = Wake { call: call.clone(), wanted, reply };
        coordinator
            .send_message(Message::Wake(user_id, wake))
            .map_err(|_dead| Refusal::unavailable())?;
        match time::timeout_at(call.deadline.into(), answer).await {
            Ok(Ok(answer)) => answer,
            // The user's actor failed on this very work, or went down with its coordinator.
            Ok(Err(_dropped)) => Err(Refusal::internal()),
            Err(_late) => Err(Refusal::interrupted()),
        }
    }
}

/// What a coordinator receives.
pub(crate) enum Message {
    /// Wake this user's actor.
    Wake(UserId, Wake),
    /// This user's actor is not needed any more.
    LetGo(UserId),
    /// An actor that was asked to leave has something to do.
    StaysBusy(ActorId),
    /// Look for idle actors.
    Tick,
}

/// The coordinator.
pub(crate) struct Coordinator;

/// What a coordinator starts from.
#[derive(Clone)]
pub(crate) struct CoordinatorArguments {
    pub(crate) works: Arc<Works>,
    /// A user actor that was not woken for so long is let go.
    pub(crate) idle: Duration,
    /// Most user actors at any time.
    pub(crate) live_actors_max: usize,
}

/// Who lives, who leaves, and who waits for a place.
pub(crate) struct State {
    arguments: CoordinatorArguments,
    live: HashMap<UserId, Live>,
    users: HashMap<ActorId, UserId>,
    /// Users by when they were last woken, longest ago first.
    by_use: BTreeMap<u64, UserId>,
    uses: u64,
    leaving: usize,
    /// Wake-ups of users who have no actor; somebody else's is leaving for each of them.
    waiting: VecDeque<(UserId, Wake)>,
}

struct Live {
    actor: ActorRef<user::Message>,
    busy: Arc<AtomicBool>,
    used: u64,
    used_at: Instant,
    /// While the actor was asked to leave: what came for it since.
    leaving: Option<Vec<Wake>>,
}

impl Actor for Coordinator {
    type Msg = Message;
    type State = State;
    type Arguments = CoordinatorArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Message>,
        arguments: CoordinatorArguments,
    ) -> Result<State, ActorProcessingErr> {
        let period = (arguments.idle / 4).clamp(Duration::from_millis(1), Duration::from_secs(30));
        myself.send_interval(period, || Message::Tick);
        metrics::gauge!(LIVE_ACTORS).set(0.0);
        Ok(State {
            arguments,
            live: HashMap::new(),
            users: HashMap::new(),
            by_use: BTreeMap::new(),
            uses: 0,
            leaving: 0,
            waiting: VecDeque::new(),
        })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Wake(user_id, wake) => state.wake(&myself, user_id, wake).await,
            Message::LetGo(user_id) => {
                if state.may_leave(user_id) {
                    state.ask_to_leave(user_id);
                }
            }
            Message::StaysBusy(actor) => state.stays_busy(actor),
            Message::Tick => state.ask_idle_to_leave(),
        }
        Ok(())
    }

    /// A user actor that fails is forgotten like one that left: its user's next wake-up starts
    /// another. Nothing is escalated, so one user's poison is nobody else's.
    async fn handle_supervisor_evt(
        &self,
        myself: ActorRef<Message>,
        event: SupervisionEvent,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorFailed(cell, error) => {
                let user_id = state.users.get(&cell.get_id()).copied().map(UserId::get);
                tracing::error!(user_id, %error, "a user actor failed");
                state.gone(&myself, cell.get_id()).await;
            }
            SupervisionEvent::ActorTerminated(cell, _, _) => {
                state.gone(&myself, cell.get_id()).await;
            }
            _ => {}
        }
        Ok(())
    }
}

impl State {
    async fn wake(&mut self, myself: &ActorRef<Message>, user_id: UserId, wake: Wake) {
        if self.live.contains_key(&user_id) {
            self.forward(user_id, wake);
        } else if self.live.len() < self.arguments.live_actors_max {
            self.spawn(myself, user_id, wake).await;
        } else if self.make_room(self.waiting.len() + 1) {
            self.waiting.push_back((user_id, wake));
        } else {
            wake.reply.answer(Err(Refusal::overloaded()));
        }
    }

    async fn spawn(&mut self, myself: &ActorRef<Message>, user_id: UserId, wake: Wake) {
        let busy = Arc::new(AtomicBool::new(false));
        let arguments = UserArguments {
            user_id,
            works: Arc::clone(&self.arguments.works),
            busy: Arc::clone(&busy),
            coordinator: myself.clone(),
        };
        let spawned = Actor::spawn_linked(None, UserActor, arguments, myself.get_cell()).await;
        let Ok((actor, _join)) = spawned else {
            tracing::error!(%user_id, "a user actor could not be started");
            wake.reply.answer(Err(Refusal::unavailable()));
            return;
        };
        self.users.insert(actor.get_id(), user_id);
        let live = Live { actor, busy, used: 0, used_at: Instant::now(), leaving: None };
        self.live.insert(user_id, live);
        self.count();
        self.forward(user_id, wake);
    }

    /// Hands a wake-up to its live actor, or keeps it while that actor is leaving.
    fn forward(&mut self, user_id: UserId, wake: Wake) {
        self.touch(user_id);
        let Some(live) = self.live.get_mut(&user_id) else { return };
        if let Some(kept) = &mut live.leaving {
            kept.push(wake);
            return;
        }
        let sent = live.actor.send_message(user::Message::Wake(wake));
        if let Err(MessagingErr::SendErr(user::Message::Wake(wake))) = sent {
            // It has died, and the news of it are on their way.
            live.leaving = Some(vec![wake]);
            self.leaving += 1;
        }
    }

    fn touch(&mut self, user_id: UserId) {
        let Some(live) = self.live.get_mut(&user_id) else { return };
        self.by_use.remove(&live.used);
        self.uses += 1;
        (live.used, live.used_at) = (self.uses, Instant::now());
        self.by_use.insert(self.uses, user_id);
    }

    fn ask_idle_to_leave(&mut self) {
        let Some(idle_since) = Instant::now().checked_sub(self.arguments.idle) else { return };
        let is_old = |user_id: &&UserId| {
            self.live.get(user_id).is_some_and(|live| live.used_at <= idle_since)
        };
        let idle =
            self.by_use.values().take_while(is_old).filter(|user_id| self.may_leave(**user_id));
        for user_id in idle.copied().collect::<Vec<_>>() {
            self.ask_to_leave(user_id);
        }
    }

    /// Sees to it that at least so many actors are leaving. False if too few are idle.
    fn make_room(&mut self, leaving_min: usize) -> bool {
        while self.leaving < leaving_min {
            let longest_idle = self.by_use.values().find(|user_id| self.may_leave(**user_id));
            let Some(&user_id) = longest_idle else { return false };
            self.ask_to_leave(user_id);
        }
        true
    }

    fn may_leave(&self, user_id: UserId) -> bool {
        let is_idle = |live: &Live| live.leaving.is_none() && !live.busy.load(Ordering::Acquire);
        self.live.get(&user_id).is_some_and(is_idle)
    }

    /// From here on nothing is sent to the actor until it has left or said that it stays.
    fn ask_to_leave(&mut self, user_id: UserId) {
        let Some(live) = self.live.get_mut(&user_id) else { return };
        live.leaving = Some(Vec::new());
        self.leaving += 1;
        if live.actor.send_message(user::Message::Passivate).is_err() {
            tracing::debug!("an idle actor was gone already");
        }
    }

    fn stays_busy(&mut self, actor: ActorId) {
        let Some(&user_id) = self.users.get(&actor) else { return };
        let kept = self.live.get_mut(&user_id).and_then(|live| live.leaving.take());
        let Some(kept) = kept else { return };
        self.leaving -= 1;
        self.touch(user_id);
        for wake in kept {
            self.forward(user_id, wake);
        }
        // Its place was perhaps promised to somebody.
        while !self.make_room(self.waiting.len()) {
            let Some((_, wake)) = self.waiting.pop_back() else { return };
            wake.reply.answer(Err(Refusal::overloaded()));
        }
    }

    async fn gone(&mut self, myself: &ActorRef<Message>, actor: ActorId) {
        let Some(user_id) = self.users.remove(&actor) else { return };
        let Some(live) = self.live.remove(&user_id) else { return };
        self.by_use.remove(&live.used);
        self.count();
        let kept = live.leaving.inspect(|_| self.leaving -= 1).unwrap_or_default();
        while self.live.len() < self.arguments.live_actors_max {
            let Some((next, wake)) = self.waiting.pop_front() else { break };
            self.wake(myself, next, wake).await;
        }
        for wake in kept {
            self.wake(myself, user_id, wake).await;
        }
    }

    fn count(&self) {
        let live = u32::try_from(self.live.len()).unwrap_or(u32::MAX);
        metrics::gauge!(LIVE_ACTORS).set(f64::from(live));
    }
}
