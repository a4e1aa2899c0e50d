//! The actor of one user: coalesces wake-ups, owns the recomputation of that user's state, and
//! remembers what is stored. Its memory is a cache: losing it costs one comparison.

use std::{
    mem,
    panic::AssertUnwindSafe,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use actor_runtime::{faults, tasks};
use contracts::{
    Call, ErrorKind, Handle, Refusal, ReplyPort, UserId, Version,
    cycles::{CyclesMailbox, GetHistory},
};
use futures::FutureExt;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tracing::Instrument;

use crate::{
    apply::{Applied, Believed},
    coordinator,
    derive::derive,
    writers::{Apply, WritersMailbox},
};

/// How long one recomputation may take: ask the owner, derive, commit.
const RUN_PATIENCE: Duration = Duration::from_secs(10);

/// What a user actor receives, from its coordinator and from its own recomputation only.
pub(crate) enum Message {
    /// Bring the derived state up to date.
    Wake(Wake),
    /// The recomputation ended.
    Finished(Ended),
    /// Stop if nothing is going on.
    Passivate,
}

/// A wake-up and the one who waits for its effect.
pub(crate) struct Wake {
    pub(crate) call: Call,
    pub(crate) wanted: Wanted,
    /// Hears which version of the cycles is applied.
    pub(crate) reply: ReplyPort<Version>,
}

/// What state is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// That of this version of the cycles, or a newer one.
    AtLeast(Version),
    /// That of the cycles as they are now, whatever is believed to be stored.
    Current,
}

/// What a recomputation ends with.
pub(crate) enum Ended {
    /// This version is stored; the rows too, if they are known.
    Reached(Version, Option<Believed>),
    /// The user was erased: there is nothing to store.
    Erased,
    /// Something that is needed is away, or the history is none.
    Refused(Refusal),
    /// It panicked: this actor fails, and nobody else does.
    Panicked,
}

/// What all recomputations work with.
pub(crate) struct Works {
    pub(crate) cycles: Handle<CyclesMailbox>,
    pub(crate) writers: Handle<WritersMailbox>,
}

/// One user's actor.
pub(crate) struct UserActor;

/// What a user actor starts from.
pub(crate) struct UserArguments {
    pub(crate) user_id: UserId,
    pub(crate) works: Arc<Works>,
    /// Set while this actor has something to do: its coordinator then does not ask it to leave.
    pub(crate) busy: Arc<AtomicBool>,
    pub(crate) coordinator: ActorRef<coordinator::Message>,
}

/// The recomputation that is going on, who waits, and what is stored.
pub(crate) struct UserState {
    user: UserArguments,
    believed: Option<Believed>,
    /// While a recomputation runs: how many of those who wait were there when it began.
    running_for: Option<usize>,
    waiting: Vec<Wake>,
}

impl Actor for UserActor {
    type Msg = Message;
    type State = UserState;
    type Arguments = UserArguments;

    async fn pre_start(
        &self,
        _myself: ActorRef<Message>,
        user: UserArguments,
    ) -> Result<UserState, ActorProcessingErr> {
        Ok(UserState { user, believed: None, running_for: None, waiting: Vec::new() })
    }

    async fn handle(
        &self,
        myself: ActorRef<Message>,
        message: Message,
        state: &mut UserState,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Message::Wake(wake) => state.wake(&myself, wake),
            Message::Finished(Ended::Panicked) => return Err("a recomputation panicked".into()),
            Message::Finished(ended) => state.finish(&myself, ended),
            Message::Passivate => state.passivate(&myself),
        }
        Ok(())
    }
}

impl UserState {
    fn wake(&mut self, myself: &ActorRef<Message>, wake: Wake) {
        let stored = self.believed.as_ref().map(|believed| believed.version);
        match (wake.wanted, stored) {
            (Wanted::AtLeast(version), Some(stored)) if version <= stored => {
                wake.reply.answer(Ok(stored));
            }
            _ => {
                self.waiting.push(wake);
                self.run_if_due(myself);
            }
        }
    }

    /// Answers those whom the ended recomputation serves; the others get another one.
    fn finish(&mut self, myself: &ActorRef<Message>, ended: Ended) {
        let covered = self.running_for.take().unwrap_or_default();
        let mut answers = Vec::with_capacity(self.waiting.len());
        for (index, wake) in mem::take(&mut self.waiting).into_iter().enumerate() {
            match ended.answer(wake.wanted, index < covered) {
                Some(answer) => answers.push((wake.reply, answer)),
                None => self.waiting.push(wake),
            }
        }
        match ended {
            Ended::Reached(_, believed) => self.believed = believed,
            Ended::Erased => self.believed = None,
            Ended::Refused(_) | Ended::Panicked => {}
        }
        self.run_if_due(myself);
        // Last: who is answered finds this actor idle if it is.
        for (reply, answer) in answers {
            reply.answer(answer);
        }
    }

    /// The coordinator sends nothing more after `Passivate` until it has heard of the end of this
    /// actor or that it stays, so no wake-up is behind this message.
    fn passivate(&self, myself: &ActorRef<Message>) {
        if self.running_for.is_none() && self.waiting.is_empty() {
            myself.stop(None);
        } else if self
            .user
            .coordinator
            .send_message(coordinator::Message::StaysBusy(myself.get_id()))
            .is_err()
        {
            tracing::debug!("the coordinator of a user actor was gone already");
        }
    }

    fn run_if_due(&mut self, myself: &ActorRef<Message>) {
        if self.running_for.is_some() {
            return;
        }
        let newest =
            self.waiting.last().map(|wake| (wake.call.with_patience(RUN_PATIENCE), wake.wanted));
        self.user.busy.store(newest.is_some(), Ordering::Release);
        let Some((call, wanted)) = newest else { return };
        self.running_for = Some(self.waiting.len());
        let (works, user_id) = (Arc::clone(&self.user.works), self.user.user_id);
        let (believed, myself) = (self.believed.clone(), myself.clone());
        let span = tracing::info_span!("recompute", %user_id, request_id = %call.request_id);
        let run = async move {
            let work = AssertUnwindSafe(works.recompute(user_id, call, wanted, believed));
            let ended = work.catch_unwind().await.unwrap_or(Ended::Panicked);
            if myself.send_message(Message::Finished(ended)).is_err() {
                tracing::debug!("the actor of a recomputation was gone already");
            }
        };
        let _ended_by_its_message = tasks::spawn(run.instrument(span));
    }
}

impl Ended {
    /// What someone who waits is answered; none if they need another recomputation. Those who
    /// came while it ran are served by it only if what it stored is enough for them.
    fn answer(&self, wanted: Wanted, covered: bool) -> Option<Result<Version, Refusal>> {
        match (self, wanted) {
            (Self::Reached(reached, _), Wanted::AtLeast(version)) if version <= *reached => {
                Some(Ok(*reached))
            }
            _ if !covered => None,
            (Self::Reached(reached, _), Wanted::Current) => Some(Ok(*reached)),
            (Self::Reached(..), Wanted::AtLeast(_)) => Some(Err(older_than_announced())),
            (Self::Erased, Wanted::AtLeast(version)) => Some(Ok(version)),
            (Self::Erased, Wanted::Current) => Some(Ok(Version::ZERO)),
            (Self::Refused(refusal), _) => Some(Err(refusal.clone())),
            (Self::Panicked, _) => Some(Err(Refusal::internal())),
        }
    }
}

/// The owner was set back behind what it announced. Waiting helps nobody else, so this is the
/// wake-up's own failure; the sweeps apply whatever the owner has.
fn older_than_announced() -> Refusal {
    Refusal::new(
        ErrorKind::Internal,
        "snapshot-older-than-event",
        "The owner's state is older than what it announced.",
    )
}

impl Works {
    async fn recompute(
        &self,
        user_id: UserId,
        call: Call,
        wanted: Wanted,
        believed: Option<Believed>,
    ) -> Ended {
        self.try_recompute(user_id, &call, wanted, believed).await.unwrap_or_else(Ended::Refused)
    }

    async fn try_recompute(
        &self,
        user_id: UserId,
        call: &Call,
        wanted: Wanted,
        believed: Option<Believed>,
    ) -> Result<Ended, Refusal> {
        faults::check("analytics.recompute").map_err(|_| Refusal::internal())?;
        let history = self.cycles.ask(call, GetHistory { user_id }).await?;
        if history.version == Version::ZERO {
            // Nothing was ever logged, so there is nothing to derive and nothing to store.
            return Ok(Ended::Reached(Version::ZERO, None));
        }
        let mut derived = derive(&history).map_err(|error| {
            tracing::error!(%user_id, %error, "a history cannot be derived from");
            Refusal::internal()
        })?;
        // A test shows what comes of believing the event.
        if let Wanted::AtLeast(announced) = wanted
            && faults::is_off("analytics.snapshot_version")
        {
            derived.version = announced;
        }
        let (version, marks) = (derived.version, Arc::clone(&derived.marks));
        faults::point("analytics.before_apply");
        let applied =
            self.writers.ask(call, Apply { derived: Arc::new(derived), believed }).await?;
        Ok(match applied {
            Applied::Stored => Ended::Reached(version, Some(Believed { version, marks })),
            Applied::AlreadyAt(stored) if stored == version => {
                Ended::Reached(version, Some(Believed { version, marks }))
            }
            // Another process is ahead; which rows it stored is not known here.
            Applied::AlreadyAt(newer) => Ended::Reached(newer, None),
            Applied::Erased => Ended::Erased,
        })
    }
}
