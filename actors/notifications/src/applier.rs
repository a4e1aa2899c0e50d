//! The way of a pulled snapshot to the group-commit writers. Group commit takes only what was
//! admitted to an actor, and the group's own mailbox has no such request: this one is private.

use std::sync::Arc;

use actor_runtime::{admission::AdmissionLimits, group_commit::GroupCommit, mailroom::Letter};
use contracts::{ReplyPort, Request, Scope, UserId, analytics::ActivePrediction};
use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::{
    FAULT_POINTS,
    service::Service,
    writes::{ApplySnapshot, EraseUser},
};

/// What the consumer (64) and a sweep (64) may have in flight, with room to spare.
pub(crate) const ADMISSION: AdmissionLimits =
    AdmissionLimits { in_flight_max: 512, in_flight_per_user_max: 8 };

/// Bring a user's reminders up to a snapshot of their prediction.
#[derive(Clone)]
pub(crate) struct Apply(pub(crate) ActivePrediction);

/// Take everything of a user away.
#[derive(Clone)]
pub(crate) struct EraseSubject(pub(crate) UserId);

/// What the applier answers.
pub(crate) enum ApplierMailbox {
    /// Answers [`Apply`], after the commit.
    Apply(Apply, ReplyPort<()>),
    /// Answers [`EraseSubject`], after the commit.
    Erase(EraseSubject, ReplyPort<()>),
}

impl Request for EraseSubject {
    type Reply = ();
    type Mailbox = ApplierMailbox;
    const OP: &'static str = "erase";
    const SCOPE: Option<Scope> = None;

    fn into_message(self, reply: ReplyPort<()>) -> ApplierMailbox {
        ApplierMailbox::Erase(self, reply)
    }
}

impl Request for Apply {
    type Reply = ();
    type Mailbox = ApplierMailbox;
    const OP: &'static str = "apply";
    const SCOPE: Option<Scope> = None;

    fn into_message(self, reply: ReplyPort<()>) -> ApplierMailbox {
        ApplierMailbox::Apply(self, reply)
    }
}

/// Hands snapshots to its writers.
pub(crate) struct Applier;

/// What an incarnation of the applier works with.
pub(crate) struct State {
    service: Arc<Service>,
    writers: GroupCommit<ApplySnapshot>,
    erasers: GroupCommit<EraseUser>,
}

impl Actor for Applier {
    type Msg = Letter<ApplierMailbox>;
    type State = State;
    type Arguments = Arc<Service>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        service: Arc<Service>,
    ) -> Result<State, ActorProcessingErr> {
        let after_commit = service.after_commit();
        let writers = GroupCommit::start(FAULT_POINTS, service.pool(), &after_commit, &myself);
        let erasers = GroupCommit::start(FAULT_POINTS, service.pool(), &after_commit, &myself);
        Ok(State { service, writers, erasers })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        letter: Self::Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let Some((message, ticket)) = letter.open()? else { return Ok(()) };
        match message {
            ApplierMailbox::Apply(Apply(snapshot), reply) => {
                state.writers.submit(ticket, state.service.apply_snapshot(snapshot), reply);
            }
            ApplierMailbox::Erase(EraseSubject(user_id), reply) => {
                state.erasers.submit(ticket, state.service.erase_user(user_id), reply);
            }
        }
        Ok(())
    }
}
