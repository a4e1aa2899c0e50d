//! What does not fit: too late, too large, too many, not understood.

use std::time::{Duration, Instant};

use async_nats::{HeaderMap, Message};
use contracts::{
    CycleId, ErrorKind, Refusal,
    cycles::{CyclesMailbox, LogSymptom},
};
use futures::future::join_all;
use nats::rpc;

use super::support::{
    AT_ONCE, LONG, OWNER, Replica, answer, call, cycle, get_cycle, group, silent,
};
use crate::support::{NatsServer, connection, until};

/// More than a message holds on a server that was not told otherwise: 1 MiB.
const TOO_LARGE: usize = 1_100_000;

fn refusal_in(answer: &Message) -> Refusal {
    assert!(answer.headers.as_ref().unwrap().get("Nats-Service-Error-Code").is_some());
    serde_json::from_slice(&answer.payload).unwrap()
}

#[tokio::test]
async fn an_answer_that_does_not_come_is_given_up_at_the_deadline() {
    let server = NatsServer::start();
    let (local, parked) = silent();
    let _replica = Replica::start(&connection(&server.url()).await, local).await;
    let cycles = rpc::remote::<CyclesMailbox>(&connection(&server.url()).await);
    // Time enough to get there on a machine that is busy.
    let patience = AT_ONCE;
    let started = Instant::now();
    let refusal = cycles.ask(&call(patience), get_cycle()).await.err();
    assert_eq!(refusal, Some(Refusal::interrupted()));
    assert!(started.elapsed() >= patience, "{:?}", started.elapsed());
    assert!(started.elapsed() < patience + AT_ONCE, "{:?}", started.elapsed());
    assert_eq!(parked.lock().unwrap().len(), 1, "it was begun");
}

#[tokio::test]
async fn what_is_too_late_is_not_begun() {
    let server = NatsServer::start();
    let local = group(|_call, _message: CyclesMailbox| panic!("nobody waits for this"));
    let _replica = Replica::start(&connection(&server.url()).await, local).await;
    let client = server.client().await;
    let mut headers = HeaderMap::new();
    headers.insert("Authorization", "Bearer token-of-7");
    headers.insert("Lunation-Deadline", "1772438400000"); // In March 2026.
    let body = serde_json::to_vec(&get_cycle()).unwrap();
    let answer = client.request_with_headers("rpc.cycles.v1.get_cycle", headers, body.into());
    assert_eq!(refusal_in(&answer.await.unwrap()), Refusal::unavailable());

    let cycles = rpc::remote::<CyclesMailbox>(&connection(&server.url()).await);
    let refusal = cycles.ask(&call(Duration::ZERO), get_cycle()).await.err();
    assert_eq!(refusal, Some(Refusal::unavailable()), "it was not even sent");
}

#[tokio::test]
async fn what_is_too_large_is_refused_and_not_waited_for() {
    let server = NatsServer::start();
    let local = group(|_call, message| match message {
        CyclesMailbox::GetCycle(request, reply) => {
            let mut cycle = cycle(&request);
            cycle.marks = vec![contracts::cycles::CycleMark::UnusuallyShort; TOO_LARGE / 10];
            reply.answer(Ok(cycle));
        }
        _ => panic!("the other request is not sent"),
    });
    let _replica = Replica::start(&connection(&server.url()).await, local).await;
    let cycles = rpc::remote::<CyclesMailbox>(&connection(&server.url()).await);
    let started = Instant::now();
    let refusal = cycles.ask(&call(LONG), get_cycle()).await.err();
    assert_eq!(refusal, Some(Refusal::answer_too_large()));
    let symptom = LogSymptom {
        user_id: OWNER,
        cycle_id: CycleId::new(11),
        date: "2026-03-01".parse().unwrap(),
        symptom_type: "mood".to_owned(),
        value: "good".to_owned(),
        severity: None,
        notes: Some("x".repeat(TOO_LARGE)),
    };
    let refusal = cycles.ask(&call(LONG), symptom).await.err();
    assert_eq!(refusal, Some(Refusal::request_too_large()));
    assert!(started.elapsed() < LONG, "{:?}", started.elapsed());
}

#[tokio::test]
async fn what_is_not_understood_is_refused() {
    let server = NatsServer::start();
    let local = group(|_call, _message: CyclesMailbox| panic!("it makes no sense"));
    let _replica = Replica::start(&connection(&server.url()).await, local).await;
    let client = server.client().await;
    let answer = client.request("svc.cycles.v1.get_history", "bleeding since 2026-03-01".into());
    assert_eq!(refusal_in(&answer.await.unwrap()), Refusal::not_understood());
    // An operation of services is none of people, and the other way round.
    for subject in ["rpc.cycles.v1.get_history", "svc.cycles.v1.get_cycle", "rpc.cycles.v1.fly"] {
        let error = client.request(subject, "{}".into()).await.unwrap_err();
        assert_eq!(error.kind(), async_nats::RequestErrorKind::NoResponders, "{subject}");
    }
}

#[tokio::test]
async fn a_panic_costs_one_request() {
    let server = NatsServer::start();
    let local = group(|call: contracts::Call, message| {
        assert!(call.idempotency_key.is_none(), "secret panic text");
        answer(message);
    });
    let _replica = Replica::start(&connection(&server.url()).await, local).await;
    let cycles = rpc::remote::<CyclesMailbox>(&connection(&server.url()).await);
    let key = contracts::call::IdempotencyKey::parse("key");
    let panicking = contracts::Call { idempotency_key: key, ..call(LONG) };
    let refusal = cycles.ask(&panicking, get_cycle()).await.err();
    assert_eq!(refusal, Some(Refusal::internal()));
    assert!(cycles.ask(&call(LONG), get_cycle()).await.is_ok());
}

#[tokio::test]
async fn more_than_a_process_can_hold_is_refused_at_once() {
    const TOO_MANY: usize = 1_024 + 6;
    let server = NatsServer::start();
    let (local, parked) = silent();
    let _replica = Replica::start(&connection(&server.url()).await, local).await;
    let cycles = rpc::remote::<CyclesMailbox>(&connection(&server.url()).await);
    let call = call(LONG);
    let asking = join_all((0..TOO_MANY).map(|_request| cycles.ask(&call, get_cycle())));
    let releasing = async {
        until("as many as fit", async || parked.lock().unwrap().len() == 1_024).await;
        for message in parked.lock().unwrap().drain(..) {
            answer(message);
        }
    };
    let (answers, ()) = futures::join!(asking, releasing);
    let refused: Vec<&Refusal> =
        answers.iter().filter_map(|answer| answer.as_ref().err()).collect();
    assert_eq!(refused.len(), 6);
    assert!(refused.iter().all(|refusal| refusal.kind == ErrorKind::Overloaded));
}
