//! The writers of derived states: an actor around the group commit, so that a panic in a write
//! restarts this actor alone and whoever submits holds a handle that outlives it.

use actor_runtime::{
    clock::Ids,
    group_commit::{AfterCommit, FaultPoints, GroupCommit},
    mailroom::Letter,
};
use contracts::{Call, ReplyPort, Request, Scope};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use sqlx::PgPool;

use crate::apply::{Applied, ApplyDerived, Work};

const POINTS: FaultPoints = FaultPoints {
    before_commit: "analytics.before_commit",
    after_commit: "analytics.after_commit",
};

/// What the writers answer.
pub(crate) enum WritersMailbox {
    /// Answers [`Apply`].
    Apply(Apply, ReplyPort<Applied>),
}

/// Store a derived state if it is newer than what is stored.
#[derive(Clone)]
pub(crate) struct Apply(pub(crate) Work);

impl Request for Apply {
    type Reply = Applied;
    type Mailbox = WritersMailbox;
    const OP: &'static str = "apply";
    const SCOPE: Option<Scope> = None;

    fn into_message(self, reply: ReplyPort<Applied>) -> WritersMailbox {
        WritersMailbox::Apply(self, reply)
    }
}

/// The shell of the group commit.
pub(crate) struct WritersActor;

/// What the writers work with.
#[derive(Clone)]
pub(crate) struct WritersArguments {
    pub(crate) pool: PgPool,
    pub(crate) after_commit: AfterCommit,
}

impl Actor for WritersActor {
    type Msg = Letter<WritersMailbox>;
    type State = GroupCommit<ApplyDerived>;
    type Arguments = WritersArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        arguments: WritersArguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        let WritersArguments { pool, after_commit } = arguments;
        Ok(GroupCommit::start(POINTS, &pool, &after_commit, &myself))
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        letter: Self::Msg,
        writers: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let Some((WritersMailbox::Apply(request, reply), ticket)) = letter.open()? else {
            return Ok(());
        };
        let Apply(work) = request;
        let call: Call = ticket.call.clone();
        writers.submit(ticket, ApplyDerived { work, call, ids: Ids }, reply);
        Ok(())
    }
}
