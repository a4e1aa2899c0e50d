//! What the groups share: ids, dates, and one operation, there and back.

use std::{fs, path::Path};

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    CycleId, EpisodeId, NotificationId, PredictionId, ReplyPort, Request, SymptomId, UserId,
    Version,
    events::{ChangedPage, ChangedSince, ChangedUser},
    health::{Check, GroupHealth},
    page::PageRequest,
    wire::WireMailbox,
};
use futures::FutureExt;
use serde::Serialize;
use serde_json::{Value, json};

pub(super) const USER: UserId = UserId::new(7);
pub(super) const CYCLE: CycleId = CycleId::new(11);
pub(super) const SYMPTOM: SymptomId = SymptomId::new(13);
pub(super) const EPISODE: EpisodeId = EpisodeId::new(29);
pub(super) const PREDICTION: PredictionId = PredictionId::new(17);
pub(super) const NOTIFICATION: NotificationId = NotificationId::new(19);
pub(super) const VERSION: Version = Version::new(3);
pub(super) const MIN_VERSION: Option<Version> = Some(Version::new(2));
pub(super) const PAGE: PageRequest = PageRequest { limit: 20, offset: 40 };

pub(super) fn date(text: &str) -> NaiveDate {
    text.parse().expect("a date")
}

pub(super) fn time() -> DateTime<Utc> {
    "2026-03-02T07:00:00.123456Z".parse().expect("a time")
}

/// One operation, there and back.
pub(super) fn exchange<R: Request>(request: R, reply: &R::Reply) -> Value
where
    R::Mailbox: WireMailbox,
    R::Reply: Serialize,
{
    let (port, answered) = ReplyPort::new();
    let outgoing = request.into_message(port).encode().expect("it has a JSON");
    assert_eq!(outgoing.op.name, R::OP);
    let incoming = R::Mailbox::decode(R::OP, &outgoing.payload).expect("it is understood");
    let sent = serde_json::to_value(reply).expect("it has a JSON");
    outgoing.asker.answer(sent.to_string().as_bytes()).expect("it is understood");
    let answer = answered.now_or_never().expect("it is there").expect("it was answered");
    let received = serde_json::to_value(answer.expect("it is no refusal")).expect("a JSON");
    assert_eq!(received, sent, "nothing is lost on the way");
    json!({
        "op": R::OP,
        "audience": format!("{:?}", outgoing.op.audience),
        "on_behalf_of": incoming.on_behalf_of(),
        "request": serde_json::from_slice::<Value>(&outgoing.payload).expect("a JSON"),
        "reply": sent,
    })
}

/// Compares with the committed file, and leaves what was found where it can be looked at.
pub(super) fn assert_golden(name: &str, golden: &str, found: &Value) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    fs::write(&path, format!("{found:#}\n")).expect("it can be written");
    let golden: Value = serde_json::from_str(golden).expect("the committed file is JSON");
    assert!(*found == golden, "tests/golden/{name} differs from {}", path.display());
}

/// The operations of a group, which must be all that it has.
pub(super) fn assert_group<M: WireMailbox>(golden: &str, exchanges: Vec<Value>) {
    let names: Vec<&str> = exchanges.iter().filter_map(|it| it["op"].as_str()).collect();
    let all: Vec<&str> = M::OPS.iter().map(|op| op.name).collect();
    assert_eq!(names, all);
    assert_golden(&format!("{}.json", M::GROUP), golden, &Value::Array(exchanges));
}

pub(super) fn health() -> GroupHealth {
    GroupHealth { checks: vec![Check { name: "database".into(), healthy: true }] }
}

pub(super) fn changed() -> (ChangedSince, ChangedPage) {
    let question = ChangedSince { since: Some(time()), after: Some(USER), limit: 1_000 };
    (question, ChangedPage { users: vec![ChangedUser { user_id: USER, version: VERSION }] })
}
