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

use actor_runtime::tasks;
use chrono::NaiveDate;
use contracts::{Call, ErrorKind, Refusal, ReplyPort, UserId, Version};
use futures::FutureExt;
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tracing::Instrument;

use crate::{
    coordinator,
    derive::Believed,
    recompute::{Ended, Errand, Works},
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
    /// That of this version of the person, or a newer one.
    PersonAtLeast(Version),
    /// That of the person as it is now, whatever is believed to be stored.
    CurrentPerson,
    /// That of this day, or a later one.
    Day(NaiveDate),
    /// None: the user was erased.
    Erased,
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
        let stored = self.believed.as_ref().map(|believed| believed.key);
        let enough = stored.filter(|stored| match wake.wanted {
            Wanted::AtLeast(version) => version <= stored.cycles,
            Wanted::PersonAtLeast(version) => Some(version) <= stored.person,
            // Who asks for these has looked at the database, and it says otherwise.
            Wanted::Current | Wanted::CurrentPerson | Wanted::Day(_) | Wanted::Erased => false,
        });
        if let Some(stored) = enough {
            wake.reply.answer(Ok(stored.cycles));
        } else {
            self.waiting.push(wake);
            self.run_if_due(myself);
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
            Ended::Nothing | Ended::Erased => self.believed = None,
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
        let newest = self.waiting.last().map(|wake| wake.call.with_patience(RUN_PATIENCE));
        self.user.busy.store(newest.is_some(), Ordering::Release);
        let Some(call) = newest else { return };
        self.running_for = Some(self.waiting.len());
        let errand = Errand::of(self.waiting.iter().map(|wake| wake.wanted));
        let (works, user_id) = (Arc::clone(&self.user.works), self.user.user_id);
        let (believed, myself) = (self.believed.clone(), myself.clone());
        let span = tracing::info_span!("recompute", %user_id, request_id = %call.request_id);
        let run = async move {
            let work = AssertUnwindSafe(works.recompute(user_id, call, errand, believed));
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
        let stored = match self {
            Self::Reached(reached, _) => Some(reached),
            _ => None,
        };
        match (stored, wanted) {
            (Some(stored), Wanted::AtLeast(version)) if version <= stored.cycles => {
                return Some(Ok(stored.cycles));
            }
            (Some(stored), Wanted::PersonAtLeast(version)) if Some(version) <= stored.person => {
                return Some(Ok(stored.cycles));
            }
            _ => {}
        }
        covered.then(|| self.answer_covered(wanted))
    }

    /// What someone is answered who waited when the recomputation began.
    fn answer_covered(&self, wanted: Wanted) -> Result<Version, Refusal> {
        match (self, wanted) {
            (Self::Reached(stored, _), Wanted::Current | Wanted::Day(_) | Wanted::Erased) => {
                Ok(stored.cycles)
            }
            (Self::Reached(stored, _), Wanted::CurrentPerson | Wanted::PersonAtLeast(_)) => {
                match (&stored.person_away, wanted) {
                    (Some(refusal), _) => Err(refusal.clone()),
                    (None, Wanted::CurrentPerson) => Ok(stored.cycles),
                    (None, _) => Err(older_than_announced()),
                }
            }
            (Self::Erased, Wanted::AtLeast(version)) => Ok(version),
            (Self::Reached(..) | Self::Nothing, Wanted::AtLeast(version))
                if version > Version::ZERO =>
            {
                Err(older_than_announced())
            }
            (Self::Reached(..) | Self::Nothing | Self::Erased, _) => Ok(Version::ZERO),
            (Self::Refused(refusal), _) => Err(refusal.clone()),
            (Self::Panicked, _) => Err(Refusal::internal()),
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
