//! Messages of the bus: the subject on the first line, then headers, an empty line, the payload.

use contracts::events::Topic;

use super::first_line;

/// A message that is taken for an event is written as the same one, on the same subject.
pub fn run(input: &[u8]) {
    let Some((subject, mut rest)) = first_line(input) else { return };
    let mut headers = Vec::new();
    while let Some((line, after)) = first_line(rest) {
        rest = after;
        if line.is_empty() {
            break;
        }
        headers.extend(line.split_once(':').map(|(name, value)| (name, value.trim())));
    }
    for topic in Topic::ALL {
        let Some(event) = nats::fuzzing::decode(topic, subject, &headers, rest) else { continue };
        assert!(event.wake_up.user_id.get() >= 1 && event.wake_up.version.get() >= 1);
        let written = nats::fuzzing::encode(&event).expect("an event has JSON");
        assert_eq!(written.subject, subject);
        let headers: Vec<_> =
            written.headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let again = nats::fuzzing::decode(topic, &written.subject, &headers, &written.payload);
        assert_eq!(again, Some(event));
    }
}
