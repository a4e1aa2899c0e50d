//! One event as a line.

use std::fmt::Write as _;

use chrono::{DateTime, SecondsFormat, Utc};
use nats::operator::{Content, Seen};
use serde_json::{Value, json};

/// A line for people. `now` is when it was heard.
pub(super) fn text(seen: &Seen, now: DateTime<Utc>) -> String {
    let at = at(seen, now).format("%Y-%m-%d %H:%M:%S%.3f");
    // Whoever publishes chooses the subject, and a terminal obeys what it is shown.
    let mut line = format!("{at}  {:32}  ", seen.subject.escape_debug().to_string());
    // Writing to a string does not fail.
    let _written = match &seen.content {
        Content::WakeUp(wake_up, request_id) => {
            let (verb, user, version) = (wake_up.verb.name(), wake_up.user_id, wake_up.version);
            let request = request_id.as_ref().map_or("-", |id| id.as_str());
            write!(line, "{verb:9}  user {user}  version {version}  request {request}")
        }
        Content::DeadLetter(letter) => {
            let user = letter.user_id.map_or_else(|| "-".to_owned(), |id| id.to_string());
            let version = letter.version.map_or_else(|| "-".to_owned(), |it| it.to_string());
            let request = letter.request_id.as_ref().map_or("-", |id| id.as_str());
            write!(
                line,
                "given up   user {user}  version {version}  request {request}  deliveries {}",
                letter.deliveries
            )
        }
        Content::Other(bytes) => write!(line, "no event of ours ({bytes} bytes)"),
    };
    line
}

/// An object for machines.
pub(super) fn json(seen: &Seen, now: DateTime<Utc>) -> Value {
    let mut value = match &seen.content {
        Content::WakeUp(wake_up, request_id) => {
            let mut value = json!(wake_up);
            value["request_id"] = json!(request_id);
            value
        }
        Content::DeadLetter(letter) => json!({ "dead_letter": letter }),
        Content::Other(bytes) => json!({ "bytes": bytes }),
    };
    value["at"] = at(seen, now).to_rfc3339_opts(SecondsFormat::Millis, true).into();
    value["live"] = seen.kept_at.is_none().into();
    value["subject"] = seen.subject.as_str().into();
    value
}

fn at(seen: &Seen, now: DateTime<Utc>) -> DateTime<Utc> {
    seen.kept_at.map_or(now, DateTime::from)
}

#[cfg(test)]
mod tests {
    use contracts::{
        UserId, Version,
        call::RequestId,
        events::{SCHEMA, Verb, WakeUp},
    };

    use super::*;

    fn seen(content: Content) -> Seen {
        Seen { subject: "cycle.changed.v1.2b.1".to_owned(), kept_at: None, content }
    }

    #[test]
    fn a_wake_up_is_a_line_of_ids() {
        let wake_up = WakeUp {
            event_id: "113d7ddf-82e4-4db3-9d77-6e96b8f19c73".parse().unwrap(),
            user_id: UserId::new(1),
            version: Version::new(5),
            verb: Verb::Recorded,
            schema: SCHEMA,
        };
        let now = DateTime::UNIX_EPOCH;
        let request = RequestId::parse("tour-1");
        let seen = seen(Content::WakeUp(wake_up, request));
        assert_eq!(
            text(&seen, now),
            "1970-01-01 00:00:00.000  cycle.changed.v1.2b.1             recorded   user 1  \
             version 5  request tour-1"
        );
        let expected = json!({
            "at": "1970-01-01T00:00:00.000Z", "live": true, "subject": "cycle.changed.v1.2b.1",
            "event_id": "113d7ddf-82e4-4db3-9d77-6e96b8f19c73", "user_id": 1, "version": 5,
            "verb": "recorded", "schema": 1, "request_id": "tour-1",
        });
        assert_eq!(json(&seen, now), expected);
    }

    #[test]
    fn what_is_no_event_is_not_shown() {
        let seen = seen(Content::Other(20));
        let line = text(&seen, DateTime::UNIX_EPOCH);
        assert!(line.ends_with("no event of ours (20 bytes)"), "{line}");
        assert_eq!(json(&seen, DateTime::UNIX_EPOCH)["bytes"], 20);
    }
}
