//! A replica that stops loses no request.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use contracts::{Handle, Refusal, cycles::CyclesMailbox};
use futures::future::join_all;
use nats::{Connection, rpc};

use super::support::{LONG, Replica, answer, call, get_cycle, group};
use crate::support::{NatsServer, connection, until};

/// How many ask at a time.
const ASKERS: usize = 64;
/// How often a replica leaves.
const ROUNDS: usize = 20;

/// What a crowd of askers saw.
#[derive(Default)]
struct Seen {
    answers: AtomicUsize,
    refusals: AtomicUsize,
    enough: AtomicBool,
}

impl Seen {
    /// Asks again and again, until it is enough. Only `tolerated` may refuse.
    async fn ask(&self, cycles: &Handle<CyclesMailbox>, tolerated: Option<&Refusal>) {
        let asker = async || {
            while !self.enough.load(Ordering::Relaxed) {
                match cycles.ask(&call(LONG), get_cycle()).await {
                    Ok(_cycle) => self.answers.fetch_add(1, Ordering::Relaxed),
                    Err(refusal) if Some(&refusal) == tolerated => {
                        self.refusals.fetch_add(1, Ordering::Relaxed)
                    }
                    Err(refusal) => panic!("a request was lost: {refusal}"),
                };
            }
        };
        join_all((0..ASKERS).map(|_asker| asker())).await;
    }

    /// A replica comes and, while it is asked, goes again; then it is enough.
    async fn comes_and_goes(&self, connection: &Connection, carried_out: &Arc<AtomicUsize>) {
        for _round in 0..ROUNDS {
            let leaver = replica(connection, carried_out).await;
            self.more(4 * ASKERS).await;
            leaver.leave().await;
        }
        self.enough.store(true, Ordering::Relaxed);
    }

    /// Waits until so many more were answered.
    async fn more(&self, count: usize) {
        let goal = self.answers.load(Ordering::Relaxed) + count;
        until("more answers", async || self.answers.load(Ordering::Relaxed) >= goal).await;
    }
}

async fn replica(connection: &Connection, carried_out: &Arc<AtomicUsize>) -> Replica {
    let carried_out = Arc::clone(carried_out);
    let local = group(move |_call, message| {
        carried_out.fetch_add(1, Ordering::Relaxed);
        answer(message);
    });
    Replica::start(connection, local).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_replica_that_leaves_under_load_loses_nothing() {
    let server = NatsServer::start();
    let (there, other) = (connection(&server.url()).await, connection(&server.url()).await);
    let carried_out = Arc::default();
    let _stays = replica(&other, &carried_out).await;
    let cycles = rpc::remote(&connection(&server.url()).await);
    let seen = Seen::default();
    let coming_and_going = seen.comes_and_goes(&there, &carried_out);
    futures::join!(seen.ask(&cycles, None), coming_and_going);
    let answers = seen.answers.load(Ordering::Relaxed);
    assert_eq!(answers, carried_out.load(Ordering::Relaxed));
    assert!(answers > ROUNDS * 4 * ASKERS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_replica_that_leaves_answers_or_is_not_there() {
    let server = NatsServer::start();
    let there = connection(&server.url()).await;
    let carried_out = Arc::default();
    let cycles = rpc::remote(&connection(&server.url()).await);
    let seen = Seen::default();
    let away = Refusal::unavailable();
    let coming_and_going = seen.comes_and_goes(&there, &carried_out);
    futures::join!(seen.ask(&cycles, Some(&away)), coming_and_going);
    assert_eq!(seen.answers.load(Ordering::Relaxed), carried_out.load(Ordering::Relaxed));
    assert!(seen.refusals.load(Ordering::Relaxed) > 0);
}
