//! Handles outlive actors; a panic costs one request; too many are the supervisor's own failure.

#![cfg(test)]

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use contracts::{Call, ErrorKind, Handle, ReplyPort, Request, Scope, UserId};
use lunation_actor_runtime::{
    admission::{Admission, AdmissionLimits},
    background,
    clock::Ids,
    mailroom::{Answers, Letter, Slot},
    presence,
    supervisor::{Child, Plan, Supervisor},
    tasks,
};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

/// What the actor under test is asked to do.
#[derive(Clone)]
enum Deed {
    Answer,
    PanicInMailbox,
    PanicInTask,
    HoldMailboxThenPanic(Arc<Notify>),
}

struct Mail(Deed, ReplyPort<usize>);

impl Request for Deed {
    type Reply = usize;
    type Mailbox = Mail;
    const OP: &'static str = "deed";
    const SCOPE: Option<Scope> = None;

    fn into_message(self, reply: ReplyPort<usize>) -> Mail {
        Mail(self, reply)
    }
}

/// Answers with the number of its incarnation.
struct Doer;

impl Actor for Doer {
    type Msg = Letter<Mail>;
    type State = (usize, Answers<Mail>);
    type Arguments = usize;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        incarnation: usize,
    ) -> Result<Self::State, ActorProcessingErr> {
        Ok((incarnation, Answers::of(myself)))
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        letter: Self::Msg,
        (incarnation, answers): &mut Self::State,
    ) -> Result<(), ActorProcessingErr> {
        let Some((Mail(deed, reply), ticket)) = letter.open()? else { return Ok(()) };
        let incarnation = *incarnation;
        match deed {
            Deed::Answer => answers.spawn(ticket, reply, async move { Ok(incarnation) }),
            Deed::PanicInMailbox => panic!("on purpose"),
            Deed::PanicInTask => answers.spawn(ticket, reply, async { panic!("on purpose") }),
            Deed::HoldMailboxThenPanic(go) => {
                go.notified().await;
                panic!("on purpose")
            }
        }
        Ok(())
    }
}

struct System {
    handle: Handle<Mail>,
    root: ActorRef<lunation_actor_runtime::supervisor::Message>,
    gave_up: CancellationToken,
}

async fn system() -> System {
    let slot = Slot::default();
    let handle = slot.handle(Admission::new(AdmissionLimits::default()));
    let incarnations = Arc::new(AtomicUsize::new(0));
    let doer = Child::new("doer", move |supervisor| {
        let (slot, incarnation) = (slot.clone(), incarnations.fetch_add(1, Ordering::SeqCst));
        async move {
            let (actor, _join) = Actor::spawn_linked(None, Doer, incarnation, supervisor).await?;
            slot.fill(actor.clone());
            Ok(actor.get_cell())
        }
    });
    let gave_up = CancellationToken::new();
    let group = Child::supervisor(Plan::group("group", vec![doer]));
    let plan = Plan::root(vec![group], gave_up.clone());
    let (root, _join) = Actor::spawn(None, Supervisor, plan).await.unwrap();
    System { handle, root, gave_up }
}

fn call() -> Call {
    Call::new(Ids.request_id("test"), Ids.trace(), Duration::from_secs(30))
}

#[tokio::test]
async fn a_panic_costs_one_request_and_the_handle_lives_on() {
    let system = system().await;
    assert_eq!(system.handle.ask(&call(), Deed::Answer).await.unwrap(), 0);
    for (incarnation, deed) in [(1, Deed::PanicInMailbox), (2, Deed::PanicInTask)] {
        let refusal = system.handle.ask(&call(), deed).await.unwrap_err();
        assert_eq!(refusal.kind, ErrorKind::Internal);
        let answered = async {
            // The task's panic reaches the actor a moment after it reaches the asker.
            while system.handle.ask(&call(), Deed::Answer).await.unwrap() < incarnation {}
        };
        tokio::time::timeout(Duration::from_secs(30), answered).await.unwrap();
    }
    system.root.stop(None);
}

#[tokio::test]
async fn people_who_are_signed_in_are_noticed() {
    let system = system().await;
    system.handle.ask(&call(), Deed::Answer).await.unwrap();
    assert!(presence::lasts_until().is_none());
    let person = Call { principal: Some(UserId::new(1)), ..call() };
    let noticed = async {
        // It does not last for ever: a test that is held up just then asks again.
        while presence::lasts_until().is_none() {
            system.handle.ask(&person, Deed::Answer).await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(30), noticed).await.unwrap();
    system.root.stop(None);
}

#[tokio::test]
async fn letters_behind_a_panic_are_delivered_to_the_successor() {
    let system = system().await;
    let go = Arc::new(Notify::new());
    let (handle, held) = (system.handle.clone(), Arc::clone(&go));
    let first =
        tasks::spawn(async move { handle.ask(&call(), Deed::HoldMailboxThenPanic(held)).await });
    let behind: Vec<_> = (0..5)
        .map(|_| {
            let handle = system.handle.clone();
            tasks::spawn(async move { handle.ask(&call(), Deed::Answer).await })
        })
        .collect();
    tokio::task::yield_now().await;
    go.notify_one();
    assert_eq!(first.await.unwrap().unwrap_err().kind, ErrorKind::Internal);
    for answer in behind {
        assert!(answer.await.unwrap().is_ok());
    }
    system.root.stop(None);
}

#[tokio::test]
async fn too_many_failures_reach_the_top() {
    let system = system().await;
    let asking = async {
        while !system.gave_up.is_cancelled() {
            let _refused = system.handle.ask(&call(), Deed::PanicInMailbox).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), asking).await.unwrap();
    let refusal = system.handle.ask(&call(), Deed::Answer).await.unwrap_err();
    assert_eq!(refusal.kind, ErrorKind::Unavailable);
}

#[tokio::test]
async fn an_asker_whose_deadline_passed_is_not_served() {
    let system = system().await;
    let mut late = call();
    late.deadline = std::time::Instant::now();
    let refusal = system.handle.ask(&late, Deed::Answer).await.unwrap_err();
    assert_eq!(refusal.kind, ErrorKind::Unavailable);
    system.root.stop(None);
}

#[tokio::test]
async fn a_loop_that_fails_is_started_again_and_stops_when_asked() {
    let runs = Arc::new(AtomicUsize::new(0));
    let third = Arc::new(Notify::new());
    let ended = Arc::new(Notify::new());
    let (counted, seen, done) = (Arc::clone(&runs), Arc::clone(&third), Arc::clone(&ended));
    let child = background::child("loop", move |stop| {
        let run = counted.fetch_add(1, Ordering::SeqCst);
        let (seen, done) = (Arc::clone(&seen), Arc::clone(&done));
        async move {
            match run {
                0 => return Err("on purpose".into()),
                1 => panic!("on purpose"),
                _ => seen.notify_one(),
            }
            stop.cancelled().await;
            done.notify_one();
            Ok(())
        }
    });
    let plan = Plan::group("group", vec![child]);
    let (root, _join) = Actor::spawn(None, Supervisor, plan).await.unwrap();
    tokio::time::timeout(Duration::from_secs(30), third.notified()).await.unwrap();
    root.stop(None);
    tokio::time::timeout(Duration::from_secs(30), ended.notified()).await.unwrap();
    assert_eq!(runs.load(Ordering::SeqCst), 3);
}
