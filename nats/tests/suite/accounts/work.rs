//! Each credential does its whole work, and the server refuses none of it.

use contracts::events::Topic;
use futures::StreamExt;
use nats::{
    Bus, Durable,
    accounts::Credential::{
        self, All, Analytics, Cycles, Gateway, Notifications, Operator as Looks, Provisioner, Users,
    },
    operator::{Operator, Past, Replayed},
};
use tokio::task::JoinSet;
use uuid::Uuid;

use super::server::GuardedServer;
use crate::{
    rpc::support::{Replica, cycles as answering},
    support::{PATIENCE, event, event_of, next, until},
};

/// Carries an event of a topic from its owner to its reader, in every way that there is.
async fn carry(publisher: &Bus, reader: &Bus, durable: Durable) {
    let topic = durable.topic();
    let mut inbox = reader.subscribe(durable).await.unwrap();
    publisher.publish(&event(topic, 1, 1), 1).await.unwrap();
    assert_eq!(publisher.stream_position(topic).await.unwrap(), Some(1));
    next(&mut inbox).await.retry(std::time::Duration::from_millis(1)).await;
    drop(next(&mut inbox).await);
    let third = next(&mut inbox).await;
    assert_eq!((event_of(&third), third.attempt()), (event(topic, 1, 1), 3));
    third.keep_alive().await;
    third.ack().await.unwrap();
    publisher.publish(&event(topic, 2, 1), 1).await.unwrap();
    next(&mut inbox).await.dead_letter("permanent").await.unwrap();
    assert!(publisher.is_healthy().await && reader.is_healthy().await);
}

#[tokio::test]
async fn events_flow_between_the_credentials() {
    let server = GuardedServer::start();
    server.bus(Provisioner).await.provision().await.unwrap();
    let analytics = server.bus(Analytics).await;
    let notifications = server.bus(Notifications).await;
    carry(&server.bus(Cycles).await, &analytics, Durable::Analytics).await;
    carry(&server.bus(Users).await, &analytics, Durable::AnalyticsPeople).await;
    carry(&analytics, &notifications, Durable::Notifications).await;
    assert_eq!(server.violations(), [""; 0]);
}

#[tokio::test]
async fn one_process_does_all_of_it() {
    let server = GuardedServer::start();
    let bus = server.bus(All).await;
    bus.provision().await.unwrap();
    carry(&bus, &bus, Durable::Analytics).await;
    carry(&bus, &bus, Durable::AnalyticsPeople).await;
    carry(&bus, &bus, Durable::Notifications).await;
    assert_eq!(server.violations(), [""; 0]);
}

#[tokio::test]
async fn the_operator_looks_and_replays() {
    let server = GuardedServer::start();
    server.bus(Provisioner).await.provision().await.unwrap();
    let (cycles, analytics) = (server.bus(Cycles).await, server.bus(Analytics).await);
    let operator = Operator::new(server.connection(Looks).await);
    let mut tail = operator.tail(None, Past::Everything).await.unwrap();
    carry(&cycles, &analytics, Durable::Analytics).await;
    let seen = tokio::time::timeout(PATIENCE, tail.next()).await.unwrap();
    assert!(seen.unwrap().is_some());
    let letters = operator.newest_dead_letters(None, 10).await.unwrap();
    let [letter] = letters.as_slice() else { panic!("{letters:?}") };
    let replayed = operator.replay(letter, Uuid::from_u128(77)).await.unwrap();
    assert!(matches!(replayed, Replayed::Published { .. }), "{replayed:?}");
    assert_eq!(operator.dead_letter_count().await.unwrap(), 0);
    operator.status().await.unwrap();
    assert_eq!(server.violations(), [""; 0]);
}

/// Nobody but the provisioner makes anything; the others wait for it.
#[tokio::test]
async fn a_reader_waits_for_the_provisioner() {
    let server = GuardedServer::start();
    let analytics = server.bus(Analytics).await;
    let mut inbox = analytics.subscribe(Durable::Analytics).await.unwrap();
    let early = tokio::time::timeout(std::time::Duration::from_millis(200), inbox.next()).await;
    assert!(early.is_err() && !analytics.is_healthy().await);
    let cycles = server.bus(Cycles).await;
    let sent = event(Topic::CycleChanged, 1, 1);
    assert!(cycles.publish(&sent, 1).await.unwrap_err().is_away());
    assert!(!cycles.is_healthy().await);
    server.bus(Provisioner).await.provision().await.unwrap();
    cycles.publish(&sent, 1).await.unwrap();
    let delivery = next(&mut inbox).await;
    assert_eq!(event_of(&delivery), sent);
    delivery.ack().await.unwrap();
    assert_eq!(server.violations(), [""; 0]);
}

/// Everybody who may ask is answered, over the micro protocol of NATS.
#[tokio::test]
async fn groups_answer_those_who_may_ask() {
    use async_nats::service::ServiceExt;
    let server = GuardedServer::start();
    let groups = [(Users, "svc"), (Cycles, "svc"), (Analytics, "svc"), (Notifications, "rpc")];
    let mut services = JoinSet::new();
    for (group, kind) in groups {
        let service = server
            .client(group)
            .await
            .service_builder()
            .queue_group(group.name())
            .start(format!("lunation-{group}"), "0.1.0")
            .await
            .unwrap();
        let subjects = [
            format!("rpc.{group}.v1.get_signing_keys"),
            format!("rpc.{group}.v1.answer_gap"),
            format!("{kind}.{group}.v1.x"),
        ];
        for subject in subjects {
            let endpoint = service.endpoint(subject).await.unwrap();
            services.spawn(endpoint.for_each(async |request| {
                request.respond(Ok("here".into())).await.unwrap();
            }));
        }
        services.spawn(async move {
            let _kept = service;
            std::future::pending::<()>().await;
        });
    }
    let asks: [(Credential, &str); 11] = [
        (Gateway, "rpc.users.v1.get_signing_keys"),
        (Gateway, "rpc.cycles.v1.get_signing_keys"),
        (Gateway, "rpc.analytics.v1.get_signing_keys"),
        (Gateway, "rpc.notifications.v1.x"),
        (Cycles, "rpc.users.v1.get_signing_keys"),
        (Analytics, "rpc.users.v1.get_signing_keys"),
        (Analytics, "rpc.cycles.v1.answer_gap"),
        (Analytics, "svc.cycles.v1.x"),
        (Analytics, "svc.users.v1.x"),
        (Notifications, "svc.analytics.v1.x"),
        (All, "svc.analytics.v1.x"),
    ];
    for (asker, subject) in asks {
        let client = server.client(asker).await;
        until("an answer", async || {
            let answer = client.request(subject, "".into()).await;
            answer.is_ok_and(|answer| &answer.payload[..] == b"here")
        })
        .await;
    }
    for group in groups.map(|(group, _kind)| group) {
        let client = server.client(Looks).await;
        let subject = format!("$SRV.STATS.lunation-{group}");
        until("figures", async || client.request(subject.clone(), "".into()).await.is_ok()).await;
    }
    assert!(services.try_join_next().is_none(), "none was refused its answer");
    assert_eq!(server.violations(), [""; 0]);
}

/// Who asks names the subject of the answer; a group must not carry it to where the asker may not.
#[tokio::test]
async fn no_group_answers_anywhere_but_in_an_inbox() {
    let server = GuardedServer::start();
    server.bus(Provisioner).await.provision().await.unwrap();
    let cycles = server.bus(Cycles).await;
    let replica = Replica::start(&server.connection(Cycles).await, answering()).await;
    let gateway = server.client(Gateway).await;
    let subject = "rpc.cycles.v1.list_cycles";
    let event = "cycle.changed.v1.33.42";
    gateway.publish_with_reply(subject, event, "{}".into()).await.unwrap();
    // Whatever came before is on its way when this is answered, and over when it has left.
    let answer = gateway.request(subject, "{}".into()).await.unwrap();
    assert!(answer.headers.is_some(), "a refusal");
    assert_eq!(cycles.stream_position(Topic::CycleChanged).await.unwrap(), Some(0));
    replica.leave().await;
    assert_eq!(cycles.stream_position(Topic::CycleChanged).await.unwrap(), Some(0));
    assert_eq!(server.violations(), [""; 0], "it did not even try");
}

/// Whoever has seen one inbox of an asker cannot tell the next one, where it may publish too.
#[tokio::test]
async fn the_next_inbox_cannot_be_told_from_the_last() {
    let server = GuardedServer::start();
    let users = server.client(Users).await;
    let mut asked = users.queue_subscribe("rpc.users.v1.login", "users".to_owned()).await.unwrap();
    // The server answers in order, so it has heard of the subscription when this is answered.
    users.request("_INBOX_gateway.nobody", "".into()).await.unwrap_err();
    let gateway = server.client(Gateway).await;
    let mut tokens = Vec::new();
    while tokens.len() < 2 {
        let asking = gateway.request("rpc.users.v1.login", "".into());
        let answering = async {
            let request = tokio::time::timeout(PATIENCE, asked.next()).await.unwrap().unwrap();
            let reply = request.reply.unwrap();
            users.publish(reply.clone(), "".into()).await.unwrap();
            reply.rsplit('.').next().unwrap().to_owned()
        };
        let (answer, token) = tokio::join!(asking, answering);
        answer.unwrap();
        tokens.push(token);
    }
    let [first, second] = [&tokens[0], &tokens[1]];
    let common = first.chars().zip(second.chars()).take_while(|(one, other)| one == other).count();
    assert!(common < 5, "{first} and {second} begin alike");
}
