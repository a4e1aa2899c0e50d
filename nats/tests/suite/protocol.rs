//! What others can see: subjects, headers, payloads and settings, by a second client that knows
//! nothing of ours.

use std::{collections::BTreeMap, time::Duration};

use async_nats::jetstream::{self, consumer, stream};
use contracts::{
    UserId,
    events::{Topic, WakeUp},
};
use futures::{StreamExt, future::join_all, join};
use nats::{Bus, BusError, Connection, Durable, Undecodable};

use crate::support::{self, NatsServer, PATIENCE, Stage, connect, event, event_of, listen, next};

const CYCLE_42: &str = "cycle.changed.v1.33.42";

async fn heard(subscriber: &mut async_nats::Subscriber) -> async_nats::Message {
    tokio::time::timeout(PATIENCE, subscriber.next()).await.expect("in time").expect("open")
}

#[tokio::test]
async fn anyone_can_watch_and_sees_no_date() {
    let (bus, server) = Stage::broker().await;
    let client = server.client().await;
    let mut watch = listen(&client, "cycle.>").await;
    let event = event(Topic::CycleChanged, 42, 7);
    bus.publish(&event, 1).await.unwrap();

    let message = heard(&mut watch).await;
    assert_eq!(message.subject.as_str(), CYCLE_42);
    let payload: BTreeMap<String, serde_json::Value> =
        serde_json::from_slice(&message.payload).unwrap();
    let members: Vec<&str> = payload.keys().map(String::as_str).collect();
    assert_eq!(members, ["event_id", "schema", "user_id", "verb", "version"]);

    let id = event.wake_up.event_id.to_string();
    let headers: BTreeMap<String, String> = message
        .headers
        .expect("there are headers")
        .iter()
        .map(|(name, values)| (name.to_string(), values[0].as_str().to_owned()))
        .collect();
    let expected = [
        ("Nats-Msg-Id", id.as_str()),
        ("ce-id", id.as_str()),
        ("ce-requestid", "request-1"),
        ("ce-source", "/lunation/cycles"),
        ("ce-specversion", "1.0"),
        ("ce-subject", "42"),
        ("ce-type", "cycle.changed.v1"),
        ("content-type", "application/json"),
        ("traceparent", event.trace.as_str()),
    ];
    let expected: BTreeMap<String, String> =
        expected.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    assert_eq!(headers, expected);
}

#[tokio::test]
async fn streams_and_durables_are_as_designed() {
    let (bus, server) = Stage::broker().await;
    bus.provision().await.expect("a second time changes nothing");
    let context = jetstream::new(server.client().await);
    let wake_ups = [
        ("CYCLES", vec!["cycle.changed.v1.>"]),
        ("PREDICTIONS", vec!["prediction.changed.v1.>"]),
        ("USERS", vec!["user.changed.v1.>", "user.erased.v1.>"]),
    ];
    for (name, subjects) in wake_ups {
        let config = context.get_stream(name).await.unwrap().cached_info().config.clone();
        assert_eq!(config.subjects, subjects);
        assert_eq!(config.storage, stream::StorageType::File);
        assert_eq!(config.retention, stream::RetentionPolicy::Limits);
        assert_eq!(config.discard, stream::DiscardPolicy::New);
        assert_eq!(config.max_messages_per_subject, 1);
        assert_eq!(config.max_bytes, 1 << 30);
        assert_eq!(config.max_age, Duration::from_hours(7 * 24));
        assert_eq!(config.max_message_size, 4096);
        assert_eq!(config.duplicate_window, Duration::from_mins(5));
        assert_eq!(config.num_replicas, 1);
    }
    let config = context.get_stream("DLQ").await.unwrap().cached_info().config.clone();
    assert_eq!(config.subjects, ["dlq.*.*"]);
    assert_eq!(config.max_bytes, 256 << 20);
    assert_eq!(config.max_age, Duration::from_hours(30 * 24));
    assert_eq!(config.max_messages_per_subject, -1);

    for (stream, name, filter) in [
        ("CYCLES", "analytics", "cycle.changed.v1.>"),
        ("USERS", "analytics-people", "user.changed.v1.>"),
        ("PREDICTIONS", "notifications", "prediction.changed.v1.>"),
        ("USERS", "cycles-erase", "user.erased.v1.>"),
        ("USERS", "analytics-erase", "user.erased.v1.>"),
        ("USERS", "notifications-erase", "user.erased.v1.>"),
    ] {
        let consumer: consumer::PullConsumer =
            context.get_consumer_from_stream(name, stream).await.unwrap();
        let config = &consumer.cached_info().config;
        assert_eq!(config.filter_subject, filter);
        assert_eq!(config.durable_name.as_deref(), Some(name));
        assert_eq!(config.deliver_policy, consumer::DeliverPolicy::All);
        assert_eq!(config.ack_policy, consumer::AckPolicy::Explicit);
        assert_eq!(config.ack_wait, Duration::from_secs(30));
        assert_eq!(config.max_ack_pending, 256);
        assert_eq!(config.max_deliver, -1);
        assert!(config.backoff.is_empty());
    }
}

/// Processes that start together find nothing, and all of them make it.
#[tokio::test]
async fn many_provision_at_the_same_instant() {
    for _round in 0..20 {
        let server = NatsServer::start();
        let buses = join_all((0..24).map(|_| async { connect(&server.url()).await })).await;
        let provisioned = join_all(buses.iter().map(Bus::provision)).await;
        let failed: Vec<_> = provisioned.into_iter().filter_map(Result::err).collect();
        assert!(failed.is_empty(), "{failed:?}");
    }
}

#[tokio::test]
async fn provision_corrects_what_was_changed_and_names_what_it_cannot() {
    let (bus, server) = Stage::broker().await;
    let context = jetstream::new(server.client().await);
    let mut stream = context.get_stream("CYCLES").await.unwrap();
    let mut config = stream.cached_info().config.clone();
    config.max_age = Duration::from_mins(10);
    context.update_stream(&config).await.unwrap();
    bus.provision().await.unwrap();
    assert_eq!(stream.info().await.unwrap().config.max_age, Duration::from_hours(7 * 24));

    context.delete_stream("USERS").await.unwrap();
    let in_memory = stream::Config {
        name: "USERS".to_owned(),
        subjects: vec!["user.erased.v1.>".to_owned()],
        storage: stream::StorageType::Memory,
        ..stream::Config::default()
    };
    context.create_stream(in_memory).await.unwrap();
    let error = bus.provision().await.unwrap_err();
    assert!(matches!(error, BusError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("storage"), "{error}");
}

#[tokio::test]
async fn the_stream_keeps_one_message_per_user_and_knows_event_ids() {
    let (bus, server) = Stage::broker().await;
    let first = bus.publish(&event(Topic::CycleChanged, 42, 1), 1).await.unwrap();
    let again = bus.publish(&event(Topic::CycleChanged, 42, 1), 2).await.unwrap();
    assert_eq!(first, again, "a known event id is not stored again");
    for version in 2..=4 {
        bus.publish(&event(Topic::CycleChanged, 42, version), 1).await.unwrap();
    }
    bus.publish(&event(Topic::CycleChanged, 43, 1), 1).await.unwrap();
    let context = jetstream::new(server.client().await);
    let state = context.get_stream("CYCLES").await.unwrap().cached_info().state.clone();
    assert_eq!((state.messages, state.last_sequence), (2, 5));

    let mut inbox = bus.subscribe(Durable::Analytics).await.unwrap();
    for (user, version) in [(42, 4), (43, 1)] {
        let delivery = next(&mut inbox).await;
        assert_eq!(event_of(&delivery), event(Topic::CycleChanged, user, version));
        delivery.ack().await.unwrap();
    }
}

#[tokio::test]
async fn what_cannot_be_decoded_is_told_apart_and_leaves_ids_only() {
    let (bus, server) = Stage::broker().await;
    let context = jetstream::new(server.client().await);
    let payloads = ["bleeding since 2026-03-01", r#"{"schema":2,"anything":"else"}"#];
    let mut inbox = bus.subscribe(Durable::Analytics).await.unwrap();
    for payload in payloads {
        context.publish(CYCLE_42, payload.into()).await.unwrap().await.unwrap();
        let delivery = next(&mut inbox).await;
        let reason = *delivery.content().as_ref().unwrap_err();
        let expected = if payload.starts_with('{') {
            Undecodable::NewerSchema(2)
        } else {
            Undecodable::Malformed
        };
        assert_eq!(reason, expected);
        delivery.dead_letter("undecodable").await.unwrap();
    }
    let mut dlq = context.get_stream("DLQ").await.unwrap();
    assert_eq!(dlq.info().await.unwrap().state.messages, 2);
    let record = dlq.get_raw_message(1).await.unwrap();
    assert_eq!(record.subject.as_str(), "dlq.analytics.undecodable");
    let record: serde_json::Value = serde_json::from_slice(&record.payload).unwrap();
    let expected = serde_json::json!({
        "stream": "CYCLES", "sequence": 1, "subject": CYCLE_42, "group": "analytics",
        "event_id": null, "user_id": null, "version": null, "verb": null, "request_id": null,
        "class": "undecodable", "deliveries": 1,
        "build": env!("CARGO_PKG_VERSION"),
    });
    assert_eq!(record, expected);
}

#[tokio::test]
async fn headers_of_others_are_not_trusted() {
    let (bus, server) = Stage::broker().await;
    let sent = event(Topic::CycleChanged, 42, 1);
    let mut headers = async_nats::HeaderMap::new();
    headers.insert("ce-requestid", "a line and a half");
    headers.insert("traceparent", "nonsense");
    headers.insert("ce-subject", "7");
    let payload = serde_json::to_vec::<WakeUp>(&sent.wake_up).unwrap();
    let client = server.client().await;
    client.publish_with_headers(CYCLE_42, headers, payload.into()).await.unwrap();
    let mut inbox = bus.subscribe(Durable::Analytics).await.unwrap();
    let delivery = next(&mut inbox).await;
    let event = event_of(&delivery);
    assert_eq!(event.wake_up, sent.wake_up);
    assert_eq!(event.request_id.as_str(), format!("event-{}", sent.wake_up.event_id));
    assert_eq!(event.wake_up.user_id, UserId::new(42));
    delivery.ack().await.unwrap();
}

#[tokio::test]
async fn the_broker_hears_progress_and_confirms_the_end() {
    let (bus, server) = Stage::broker().await;
    let client = server.client().await;
    let mut words = listen(&client, "$JS.ACK.CYCLES.analytics.>").await;
    let mut inbox = bus.subscribe(Durable::Analytics).await.unwrap();
    bus.publish(&event(Topic::CycleChanged, 1, 1), 1).await.unwrap();
    let settle = async {
        let delivery = next(&mut inbox).await;
        delivery.keep_alive().await;
        delivery.ack().await.unwrap();
    };
    let (progress, ()) = join!(heard(&mut words), settle);
    assert_eq!(&progress.payload[..], b"+WPI");
    let end = heard(&mut words).await;
    assert_eq!(&end.payload[..], b"+ACK");
    assert!(end.reply.is_some(), "an acknowledgement is confirmed");
    let context = jetstream::new(client);
    let consumer: consumer::PullConsumer =
        context.get_consumer_from_stream("analytics", "CYCLES").await.unwrap();
    assert_eq!(consumer.cached_info().num_ack_pending, 0);
}

#[tokio::test]
async fn nothing_is_fetched_that_nobody_waits_for() {
    let (bus, server) = Stage::broker().await;
    for user in 1..=100 {
        bus.publish(&event(Topic::CycleChanged, user, 1), 1).await.unwrap();
    }
    let mut inbox = bus.subscribe(Durable::Analytics).await.unwrap();
    let context = jetstream::new(server.client().await);
    let mut consumer: consumer::PullConsumer =
        context.get_consumer_from_stream("analytics", "CYCLES").await.unwrap();
    assert_eq!(consumer.cached_info().num_ack_pending, 0, "no pull before the first next");
    next(&mut inbox).await.ack().await.unwrap();
    // The rest of one batch is on its way; more never comes.
    while consumer.info().await.unwrap().num_ack_pending < 31 {
        tokio::task::yield_now().await;
    }
    // The server answers in order, so the batch has arrived when this is answered.
    bus.stream_position(Topic::CycleChanged).await.unwrap();
    assert_eq!(consumer.info().await.unwrap().num_ack_pending, 31);
    drop(inbox);
    // What was fetched and not looked at is given back at once, not after 30 s.
    let mut other = bus.subscribe(Durable::Analytics).await.unwrap();
    for _rest in 2..=100 {
        next(&mut other).await.ack().await.unwrap();
    }
    assert_eq!(consumer.info().await.unwrap().num_pending, 0);
}

#[tokio::test]
async fn credentials_of_the_url_are_used_and_never_shown() {
    let server = NatsServer::start_with(&["--user", "luna", "--pass", "p@ss:word"]);
    let port = server.port();
    connect(&format!("nats://luna:p%40ss%3Aword@127.0.0.1:{port}"))
        .await
        .provision()
        .await
        .unwrap();
    let attempt = async |url: String| {
        let options = support::options(url);
        assert!(!format!("{options:?}").contains("s3cret"));
        Connection::connect(options).await.err().expect("no connection")
    };
    let free_port = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap().port()
    };
    let errors = [
        (attempt(format!("nats://luna:s3cret@127.0.0.1:{port}")).await, "credentials"),
        (attempt(format!("nats://s3cret@127.0.0.1:{port}")).await, "credentials"),
        (attempt(format!("nats://luna:s3cret@127.0.0.1:{free_port}")).await, "refused"),
        (attempt("http://luna:s3cret@127.0.0.1".to_owned()).await, "not valid"),
        (attempt("nats://luna:s3cret%@127.0.0.1".to_owned()).await, "not valid"),
        (attempt("nats://luna:s3cret@[".to_owned()).await, "not valid"),
    ];
    for (error, expected) in errors {
        let text = format!("{error} {error:?}");
        assert!(text.contains(expected), "{text}");
        assert!(!text.contains("s3cret") && !text.contains("luna"), "{text}");
    }
}

#[tokio::test]
async fn a_token_in_the_url_is_used() {
    let server = NatsServer::start_with(&["--auth", "tok en"]);
    let bus = connect(&format!("nats://tok%20en@127.0.0.1:{}", server.port())).await;
    bus.provision().await.unwrap();
    assert!(bus.is_healthy().await);
}
