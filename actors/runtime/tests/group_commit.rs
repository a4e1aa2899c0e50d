//! A writer that panics beside its writes is replaced.

#![cfg(test)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use contracts::{Call, ErrorKind, ReplyPort, Request, Scope, UserId};
use lunation_actor_runtime::{
    admission::{Admission, AdmissionLimits},
    clock::Ids,
    database::{self, DatabaseOptions},
    group_commit::{AfterCommit, FaultPoints, GroupCommit, Write, WriteError},
    mailroom::{Letter, Slot},
    supervisor::{Child, Plan, Supervisor},
};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use sqlx::{PgConnection, PgPool};

/// Names its user to the actor, and panics when the writer asks.
#[derive(Clone)]
struct Deed(Arc<AtomicUsize>);

struct Mail(Deed, ReplyPort<()>);

impl Request for Deed {
    type Reply = ();
    type Mailbox = Mail;
    const OP: &'static str = "deed";
    const SCOPE: Option<Scope> = None;

    fn into_message(self, reply: ReplyPort<()>) -> Mail {
        Mail(self, reply)
    }
}

impl Write for Deed {
    type Answer = ();

    fn user_id(&self) -> UserId {
        assert_eq!(self.0.fetch_add(1, Ordering::SeqCst), 0, "on purpose");
        UserId::new(1)
    }

    async fn apply_in_txn(&self, _connection: &mut PgConnection) -> Result<(), WriteError> {
        Ok(())
    }
}

struct Scribe;

impl Actor for Scribe {
    type Msg = Letter<Mail>;
    type State = GroupCommit<Deed>;
    type Arguments = (PgPool, Arc<AtomicUsize>);

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        (pool, incarnations): Self::Arguments,
    ) -> Result<Self::State, ActorProcessingErr> {
        incarnations.fetch_add(1, Ordering::SeqCst);
        let points = FaultPoints { before_commit: "test.before", after_commit: "test.after" };
        let after_commit: AfterCommit = Arc::new(|_user_id| {});
        Ok(GroupCommit::start(points, &pool, &after_commit, &myself))
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        letter: Self::Msg,
        writers: &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let Some((Mail(deed, reply), ticket)) = letter.open()? else { return Ok(()) };
        writers.submit(ticket, deed, reply);
        Ok(())
    }
}

#[tokio::test]
async fn a_writer_that_panics_beside_its_writes_is_replaced() {
    // Nothing is there: the writer panics before it would look for a database.
    let options = DatabaseOptions {
        url: "postgres://nobody@localhost/none?host=/nonexistent".to_owned(),
        connections_max: 1,
        application_name: "test".to_owned(),
    };
    let pool = database::open(&options).unwrap();
    let slot = Slot::default();
    let handle = slot.handle(Admission::new(AdmissionLimits::default()));
    let incarnations = Arc::new(AtomicUsize::new(0));
    let seen = Arc::clone(&incarnations);
    let scribe = Child::new("scribe", move |supervisor| {
        let (slot, arguments) = (slot.clone(), (pool.clone(), Arc::clone(&seen)));
        async move {
            let (actor, _join) = Actor::spawn_linked(None, Scribe, arguments, supervisor).await?;
            slot.fill(actor.clone());
            Ok(actor.get_cell())
        }
    });
    let plan = Plan::group("group", vec![scribe]);
    let (root, _join) = Actor::spawn(None, Supervisor, plan).await.unwrap();

    let ask = async || {
        let call = Call::new(Ids.request_id("test"), Ids.trace(), Duration::from_secs(30));
        handle.ask(&call, Deed(Arc::default())).await.unwrap_err()
    };
    // A batch of two is put into order by user, so the writer asks for the user once more.
    let replaced = async {
        while incarnations.load(Ordering::SeqCst) < 2 {
            let (first, second) = futures::join!(ask(), ask());
            let lost = |kind| matches!(kind, ErrorKind::Internal | ErrorKind::Unavailable);
            assert!(lost(first.kind) && lost(second.kind), "{first:?} {second:?}");
        }
    };
    tokio::time::timeout(Duration::from_secs(30), replaced).await.unwrap();
    root.stop(None);
}
