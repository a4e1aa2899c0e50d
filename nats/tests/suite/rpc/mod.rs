//! Asking a group in another process.

mod figures;
mod leaving;
mod limits;
pub(crate) mod support;

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Instant,
};

use contracts::{
    Call, ErrorKind, FieldError, Refusal, Version,
    call::IdempotencyKey,
    cycles::{CyclesMailbox, GetHistory},
    users::GetSigningKeys,
};
use futures::future::join_all;
use nats::rpc;
use support::{
    AT_ONCE, LONG, OWNER, Replica, answer, call, call_with, cycle, cycles, get_cycle, group,
};

use crate::support::{NatsServer, connection, until};

#[tokio::test]
async fn operations_of_people_services_and_anyone_are_answered() {
    let server = NatsServer::start();
    let there = connection(&server.url()).await;
    let heard: Arc<Mutex<Vec<Call>>> = Arc::default();
    let listening = Arc::clone(&heard);
    let local = group(move |call, message| {
        listening.lock().unwrap().push(call);
        answer(message);
    });
    let _cycles = Replica::start(&there, local).await;
    let _users = Replica::start(&there, support::users()).await;

    let here = connection(&server.url()).await;
    let (cycles, users) = (rpc::remote::<CyclesMailbox>(&here), rpc::remote(&here));
    let sent = Call { idempotency_key: IdempotencyKey::parse("key-1"), ..call(LONG) };
    let found = cycles.ask(&sent, get_cycle()).await.unwrap();
    assert!(found == cycle(&get_cycle()));
    let history = cycles.ask(&sent, GetHistory { user_id: OWNER }).await.unwrap();
    assert_eq!((history.user_id, history.version), (OWNER, Version::new(3)));
    let keys = users.ask(&call_with(None, LONG), GetSigningKeys {}).await.unwrap();
    assert_eq!(keys.issuer, "issuer");

    let heard = heard.lock().unwrap();
    let [of_person, of_service] = &heard[..] else { panic!("two were for cycles") };
    for call in [of_person, of_service] {
        assert_eq!((&call.request_id, &call.trace), (&sent.request_id, &sent.trace));
        assert_eq!(call.idempotency_key, sent.idempotency_key);
        assert!(call.deadline.max(sent.deadline) - call.deadline.min(sent.deadline) < AT_ONCE);
    }
    assert_eq!((of_person.principal, &of_person.token), (Some(OWNER), &sent.token));
    assert_eq!((of_service.principal, &of_service.token), (None, &None));
}

#[tokio::test]
async fn replicas_share_the_requests() {
    let server = NatsServer::start();
    let counts: Arc<[AtomicUsize; 2]> = Arc::default();
    let mut replicas = Vec::new();
    for place in 0..counts.len() {
        let counts = Arc::clone(&counts);
        let local = group(move |_call, message| {
            counts[place].fetch_add(1, Ordering::Relaxed);
            answer(message);
        });
        replicas.push(Replica::start(&connection(&server.url()).await, local).await);
    }
    let cycles = rpc::remote::<CyclesMailbox>(&connection(&server.url()).await);
    let call = call(LONG);
    let answers = join_all((0..200).map(|_request| cycles.ask(&call, get_cycle()))).await;
    assert!(answers.iter().all(Result::is_ok));
    let [one, other] = [&counts[0], &counts[1]].map(|count| count.load(Ordering::Relaxed));
    assert_eq!(one + other, 200, "each request is carried out once");
    assert!(one > 20 && other > 20, "{one} and {other}");
}

#[tokio::test]
async fn a_refusal_arrives_as_it_was() {
    let server = NatsServer::start();
    let sent = Refusal {
        errors: vec![FieldError { pointer: "/end_date".into(), detail: "not before".into() }],
        ..Refusal::new(ErrorKind::Conflict, "overlapping-cycle", "It overlaps.")
    }
    .with_conflicting_id(12);
    let refusal = sent.clone();
    let local = group(move |_call, message| match message {
        CyclesMailbox::GetCycle(_request, reply) => reply.answer(Err(refusal.clone())),
        _ => panic!("nothing else is asked"),
    });
    let _replica = Replica::start(&connection(&server.url()).await, local).await;
    let cycles = rpc::remote::<CyclesMailbox>(&connection(&server.url()).await);
    assert_eq!(cycles.ask(&call(LONG), get_cycle()).await.err(), Some(sent));

    // For those who know the micro protocol, it is marked.
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("Authorization", "Bearer token-of-7");
    let by_hand = serde_json::to_vec(&get_cycle()).unwrap();
    let client = server.client().await;
    let answer = client.request_with_headers("rpc.cycles.v1.get_cycle", headers, by_hand.into());
    let headers = answer.await.unwrap().headers.unwrap();
    let header = |name: &str| headers.get(name).map(async_nats::HeaderValue::as_str);
    assert_eq!(header("Nats-Service-Error"), Some("overlapping-cycle"));
    assert_eq!(header("Nats-Service-Error-Code"), Some("409"));
}

#[tokio::test]
async fn only_the_owner_s_token_opens_the_owner_s_data() {
    let server = NatsServer::start();
    let local = group(|call: Call, message| {
        assert_eq!(call.token.as_ref().unwrap().expose(), "token-of-7");
        answer(message);
    });
    let _replica = Replica::start(&connection(&server.url()).await, local).await;
    let cycles = rpc::remote::<CyclesMailbox>(&connection(&server.url()).await);
    for token in [None, Some("token-of-8"), Some("forged")] {
        let refusal = cycles.ask(&call_with(token, LONG), get_cycle()).await.err();
        assert_eq!(refusal, Some(Refusal::unauthenticated()), "{token:?}");
    }
    // Whoever claims to be somebody inside this process claims nothing in another one.
    let claim = Call { principal: Some(OWNER), ..call_with(None, LONG) };
    assert_eq!(cycles.ask(&claim, get_cycle()).await.err(), Some(Refusal::unauthenticated()));
    assert!(cycles.ask(&call(LONG), get_cycle()).await.is_ok());
}

#[tokio::test]
async fn a_token_opens_what_its_scopes_say() {
    let server = NatsServer::start();
    let local = group(|call: Call, message| {
        let session = call.session.map(|session| session.to_string());
        assert_eq!(session.as_deref(), Some("00000000-0000-4000-8000-000000000007"));
        answer(message);
    });
    let _replica = Replica::start(&connection(&server.url()).await, local).await;
    let cycles = rpc::remote::<CyclesMailbox>(&connection(&server.url()).await);
    for (scopes, refused) in [
        ("read:cycles", None),
        ("read:profile read:cycles", None),
        ("write:cycles", Some(Refusal::insufficient_scope())),
        ("read:analytics", Some(Refusal::insufficient_scope())),
        ("", Some(Refusal::insufficient_scope())),
    ] {
        // A token has no spaces: this one has underscores in their place.
        let token = format!("token-of-7-for-{}", scopes.replace(' ', "_"));
        let call = call_with(Some(&token), LONG);
        assert_eq!(cycles.ask(&call, get_cycle()).await.err(), refused, "{scopes}");
    }
}

#[tokio::test]
async fn a_group_that_is_away_is_known_at_once() {
    let server = NatsServer::start();
    let here = connection(&server.url()).await;
    let cycles_there = rpc::remote::<CyclesMailbox>(&here);
    let started = Instant::now();
    let refusal = cycles_there.ask(&call(LONG), get_cycle()).await.err();
    assert_eq!(refusal, Some(Refusal::unavailable()));
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());

    let replica = Replica::start(&connection(&server.url()).await, cycles()).await;
    assert!(cycles_there.ask(&call(LONG), get_cycle()).await.is_ok());
    replica.leave().await;
    let refusal = cycles_there.ask(&call(LONG), get_cycle()).await.err();
    assert_eq!(refusal, Some(Refusal::unavailable()));
}

#[tokio::test]
async fn a_broker_that_is_away_is_known_at_once_and_found_again() {
    let mut server = NatsServer::start();
    let parked: Arc<Mutex<Vec<CyclesMailbox>>> = Arc::default();
    let car_park = Arc::clone(&parked);
    let local = group(move |call: Call, message| match call.idempotency_key {
        Some(_parked) => car_park.lock().unwrap().push(message),
        None => answer(message),
    });
    let _replica = Replica::start(&connection(&server.url()).await, local).await;
    let here = connection(&server.url()).await;
    let cycles = rpc::remote::<CyclesMailbox>(&here);

    let parking = Call { idempotency_key: IdempotencyKey::parse("park"), ..call(LONG) };
    let waiting = cycles.ask(&parking, get_cycle());
    let outage = async {
        until("the request to arrive", async || !parked.lock().unwrap().is_empty()).await;
        let killed = Instant::now();
        server.kill();
        killed
    };
    let (answer, killed) = futures::join!(waiting, outage);
    assert_eq!(answer.err(), Some(Refusal::interrupted()), "it may have been carried out");
    assert!(killed.elapsed() < AT_ONCE, "{:?}", killed.elapsed());

    assert!(!here.is_connected());
    let started = Instant::now();
    let refusal = cycles.ask(&call(LONG), get_cycle()).await.err();
    assert_eq!(refusal, Some(Refusal::unavailable()));
    assert!(started.elapsed() < AT_ONCE, "{:?}", started.elapsed());

    server.restart();
    until("the group to be found again", async || {
        cycles.ask(&call(LONG), get_cycle()).await.is_ok()
    })
    .await;
}
