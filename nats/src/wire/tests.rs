//! The messages are promised: processes of two builds talk to each other during an upgrade.

use std::fmt::Write;

use contracts::{
    UserId, Version,
    events::{Verb, WakeUp},
};

use super::*;

const GOLDEN: [(Topic, Verb, &str); 4] = [
    (Topic::CycleChanged, Verb::Recorded, include_str!("../../tests/golden/cycle_changed.txt")),
    (
        Topic::PredictionChanged,
        Verb::Derived,
        include_str!("../../tests/golden/prediction_changed.txt"),
    ),
    (Topic::UserChanged, Verb::Edited, include_str!("../../tests/golden/user_changed.txt")),
    (Topic::UserErased, Verb::Deleted, include_str!("../../tests/golden/user_erased.txt")),
];

fn event(topic: Topic, verb: Verb) -> Event {
    Event {
        topic,
        wake_up: WakeUp {
            event_id: Uuid::from_u128(0x018f_4e1a_7b3c_7d2e_8f90_a1b2_c3d4_e5f6),
            user_id: UserId::new(42),
            version: Version::new(7),
            verb,
            schema: SCHEMA,
        },
        request_id: RequestId::parse("req-1").unwrap(),
        trace: TraceContext::parse("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
            .unwrap(),
    }
}

/// Subject, headers by name, an empty line, the payload.
fn text(message: &Outgoing) -> String {
    let mut headers: Vec<String> = message
        .headers
        .iter()
        .flat_map(|(name, values)| {
            values.iter().map(move |value| format!("{name}: {}", value.as_str()))
        })
        .collect();
    headers.sort();
    let mut text = format!("{}\n{}\n\n", message.subject, headers.join("\n"));
    writeln!(text, "{}", std::str::from_utf8(&message.payload).unwrap()).unwrap();
    text
}

fn decoded(payload: &str) -> Result<Event, Undecodable> {
    let subject = Topic::CycleChanged.subject(UserId::new(42));
    decode(Topic::CycleChanged, &subject, None, payload.as_bytes())
}

#[test]
fn messages_are_as_promised() {
    for (topic, verb, golden) in GOLDEN {
        assert_eq!(text(&encode(&event(topic, verb)).unwrap()), golden);
    }
}

#[test]
fn a_message_gives_its_event_back() {
    for (topic, verb, _golden) in GOLDEN {
        let event = event(topic, verb);
        let message = encode(&event).unwrap();
        let back = decode(topic, &message.subject, Some(&message.headers), &message.payload);
        assert_eq!(back, Ok(event));
    }
}

#[test]
fn headers_that_are_missing_or_not_sane_are_replaced() {
    let sent = event(Topic::CycleChanged, Verb::Recorded);
    let message = encode(&sent).unwrap();
    let mut insane = HeaderMap::new();
    insane.insert(REQUEST_ID, "a b c");
    insane.insert(TRACEPARENT, "00-00000000000000000000000000000000-0000000000000000-01");
    for headers in [None, Some(&insane)] {
        let back = decode(sent.topic, &message.subject, headers, &message.payload).unwrap();
        assert_eq!(back.wake_up, sent.wake_up);
        assert_eq!(back.request_id.as_str(), "event-018f4e1a-7b3c-7d2e-8f90-a1b2c3d4e5f6");
        assert_eq!(back.trace.as_str(), "00-018f4e1a7b3c7d2e8f90a1b2c3d4e5f6-8f90a1b2c3d4e5f6-01");
    }
}

#[test]
fn the_trace_of_any_event_is_well_formed() {
    for id in [0, 1, u128::from(u64::MAX) << 64, u128::MAX] {
        let trace = trace_of(Uuid::from_u128(id));
        assert_eq!(TraceContext::parse(trace.as_str()), Some(trace));
    }
}

#[test]
fn newer_schemas_are_told_from_nonsense() {
    assert_eq!(decoded(r#"{"schema":2}"#), Err(Undecodable::NewerSchema(2)));
    let newer = r#"{"schema":65535,"user_id":"forty-two","more":[1]}"#;
    assert_eq!(decoded(newer), Err(Undecodable::NewerSchema(65_535)));
}

#[test]
fn nonsense_is_malformed() {
    let good = r#"{"event_id":"018f4e1a-7b3c-7d2e-8f90-a1b2c3d4e5f6","user_id":42,"version":7,"verb":"recorded","schema":1}"#;
    assert!(decoded(good).is_ok());
    let bad = [
        String::new(),
        "null".to_owned(),
        "{}".to_owned(),
        r#"{"schema":1}"#.to_owned(),
        r#"{"schema":"2"}"#.to_owned(),
        r#"{"schema":70000}"#.to_owned(),
        r#"{"schema":-1}"#.to_owned(),
        good.replace("\"schema\":1", "\"schema\":0"),
        good.replace("\"version\":7", "\"version\":0"),
        good.replace("\"version\":7", "\"version\":-7"),
        good.replace("recorded", "observed"),
        good.replace("018f", "xxxx"),
        // The subject says user 42.
        good.replace("\"user_id\":42", "\"user_id\":43"),
        good[..good.len() - 1].to_owned(),
    ];
    for payload in bad {
        assert_eq!(decoded(&payload), Err(Undecodable::Malformed), "{payload}");
    }
}
