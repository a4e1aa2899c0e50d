//! Refusals, and what is not understood.

use contracts::{
    ErrorKind, FieldError, Refusal, ReplyPort, Request,
    cycles::{CyclesMailbox, GetCycle},
    wire::WireMailbox,
};
use futures::FutureExt;

use super::support::{CYCLE, USER, assert_golden};

#[test]
fn refusals() {
    let kinds = [
        ErrorKind::Invalid,
        ErrorKind::Unauthenticated,
        ErrorKind::Forbidden,
        ErrorKind::NotFound,
        ErrorKind::Conflict,
        ErrorKind::Throttled,
        ErrorKind::Overloaded,
        ErrorKind::Unavailable,
        ErrorKind::Interrupted,
        ErrorKind::Internal,
    ];
    let mut refusals = kinds.map(|kind| Refusal::new(kind, "a-code", "A sentence.")).to_vec();
    let error = FieldError { pointer: "/end_date".into(), detail: "not before".into() };
    refusals.push(Refusal {
        errors: vec![error],
        ..Refusal::new(ErrorKind::Conflict, "a-code", "A sentence.").with_conflicting_id(11)
    });
    refusals.push(Refusal::throttled(900));
    let found = serde_json::to_value(&refusals).expect("a JSON");
    let again: Vec<Refusal> = serde_json::from_value(found.clone()).expect("it is understood");
    assert_eq!(again, refusals);
    assert_golden("refusals.json", include_str!("refusals.json"), &found);
}

#[test]
fn strangers_are_not_understood() {
    let refusal = |op: &str, payload: &str| CyclesMailbox::decode(op, payload.as_bytes()).err();
    assert_eq!(refusal("fly", "{}"), Some(Refusal::unknown_op()));
    assert_eq!(refusal("get_cycle", r#"{"user_id":7}"#), Some(Refusal::not_understood()));
    assert_eq!(refusal("get_cycle", "no JSON"), Some(Refusal::not_understood()));
    let (port, answered) = ReplyPort::new();
    let asked = GetCycle { user_id: USER, cycle_id: CYCLE }.into_message(port).encode();
    assert!(asked.expect("it has a JSON").asker.answer(b"{}").is_err());
    let answer = answered.now_or_never().expect("it is there").expect("it was answered");
    assert_eq!(answer.err(), Some(Refusal::internal()));
}
