//! What the broker keeps: streams and durable consumers, and every limit of theirs.
//!
//! Only settings that nats-server 2.9 knows are used: that server accepts newer ones and drops
//! them without a word, so the provisioner compares what it asked for with what came back.

use std::time::Duration;

use async_nats::jetstream::{
    consumer::{AckPolicy, DeliverPolicy, ReplayPolicy, pull},
    stream::{Config, DiscardPolicy, RetentionPolicy, StorageType},
};
use contracts::events::Topic;

use crate::Durable;

/// How long an event may stay unsettled in silence before it is given to someone else.
pub(crate) const ACK_WAIT: Duration = Duration::from_secs(30);
/// How many events one pull asks for; nothing is fetched ahead beyond it.
pub(crate) const PULL_BATCH: usize = 32;
/// How long the server keeps a pull open.
pub(crate) const PULL_EXPIRES: Duration = Duration::from_secs(5);
/// How often the server shows life while a pull waits. Not more than half of the expiry, or the
/// server refuses the pull.
pub(crate) const PULL_HEARTBEAT: Duration = Duration::from_millis(2_500);

/// The stream of dead letters.
pub(crate) const DEAD_LETTERS: &str = "DLQ";

/// Every stream's name, in the order of [`all`].
pub(crate) const NAMES: [&str; 4] = [
    name(Topic::CycleChanged),
    name(Topic::PredictionChanged),
    name(Topic::UserChanged),
    DEAD_LETTERS,
];

const DAY: Duration = Duration::from_hours(24);
const MIB: i64 = 1024 * 1024;
/// How many events of one durable may be unsettled at a time, in all processes together.
const ACK_PENDING_MAX: i64 = 256;

/// The name of a topic's stream.
pub(crate) const fn name(topic: Topic) -> &'static str {
    match topic {
        Topic::CycleChanged => "CYCLES",
        Topic::PredictionChanged => "PREDICTIONS",
        Topic::UserChanged | Topic::UserErased => "USERS",
    }
}

/// Every stream, as it shall be.
pub(crate) fn all(replicas: usize) -> [Config; 4] {
    let users = name(Topic::UserChanged);
    let of_users = [Topic::UserChanged, Topic::UserErased].map(Topic::filter).to_vec();
    [
        topic(Topic::CycleChanged, replicas),
        topic(Topic::PredictionChanged, replicas),
        wake_ups(users, of_users, replicas),
        dead_letters(replicas),
    ]
}

/// The stream that a topic has for itself.
fn topic(topic: Topic, replicas: usize) -> Config {
    wake_ups(name(topic), vec![topic.filter()], replicas)
}

/// A stream of wake-ups: one message per subject, so it is bounded by the number of users and
/// keeps no history of what anybody did when. A full one refuses what is new (the outbox keeps
/// it) instead of dropping what nobody has read.
fn wake_ups(name: &str, subjects: Vec<String>, replicas: usize) -> Config {
    Config {
        max_messages_per_subject: 1,
        discard: DiscardPolicy::New,
        max_bytes: 1024 * MIB,
        max_age: 7 * DAY,
        ..common(name, subjects, replicas)
    }
}

/// The stream of dead letters, `dlq.<group>.<class>`: records of ids, for people. When it is full the oldest go, since a
/// consumer that could not leave a record would never get past a poisonous event.
fn dead_letters(replicas: usize) -> Config {
    Config {
        max_messages_per_subject: -1,
        discard: DiscardPolicy::Old,
        max_bytes: 256 * MIB,
        max_age: 30 * DAY,
        ..common(DEAD_LETTERS, vec!["dlq.*.*".to_owned()], replicas)
    }
}

fn common(name: &str, subjects: Vec<String>, replicas: usize) -> Config {
    Config {
        name: name.to_owned(),
        subjects,
        storage: StorageType::File,
        // Not by interest: that drops what is published while a consumer is missing.
        retention: RetentionPolicy::Limits,
        max_messages: -1,
        max_consumers: -1,
        max_message_size: 4 * 1024,
        duplicate_window: Duration::from_mins(5),
        num_replicas: replicas,
        allow_rollup: false,
        ..Config::default()
    }
}

/// A durable consumer, as it shall be.
///
/// No `max_deliver` and no `backoff`: the first skips an event without a word when it is
/// exhausted, the second overrides the acknowledgement time and ignores negative
/// acknowledgements. The consumer's own policy does both, and leaves a dead letter.
pub(crate) fn consumer(durable: Durable) -> pull::Config {
    pull::Config {
        durable_name: Some(durable.name().to_owned()),
        deliver_policy: DeliverPolicy::All,
        ack_policy: AckPolicy::Explicit,
        ack_wait: ACK_WAIT,
        max_deliver: -1,
        max_ack_pending: ACK_PENDING_MAX,
        filter_subject: durable.topic().filter(),
        replay_policy: ReplayPolicy::Instant,
        ..pull::Config::default()
    }
}

/// The settings of a stream on which a promise rests, by the names of the NATS CLI.
pub(crate) fn stream_members(config: &Config) -> Vec<(&'static str, String)> {
    vec![
        ("subjects", config.subjects.join(" ")),
        ("storage", format!("{:?}", config.storage)),
        ("retention", format!("{:?}", config.retention)),
        ("discard", format!("{:?}", config.discard)),
        ("max_msgs", config.max_messages.to_string()),
        ("max_msgs_per_subject", config.max_messages_per_subject.to_string()),
        ("max_bytes", config.max_bytes.to_string()),
        ("max_age", format!("{:?}", config.max_age)),
        ("max_msg_size", config.max_message_size.to_string()),
        ("duplicate_window", format!("{:?}", config.duplicate_window)),
        ("num_replicas", config.num_replicas.to_string()),
        ("allow_rollup_hdrs", config.allow_rollup.to_string()),
        ("no_ack", config.no_ack.to_string()),
        ("sealed", config.sealed.to_string()),
    ]
}

/// The settings of a consumer on which a promise rests, by the names of the NATS CLI.
pub(crate) fn consumer_members(config: &pull::Config) -> Vec<(&'static str, String)> {
    vec![
        ("filter_subject", config.filter_subject.clone()),
        ("deliver_policy", format!("{:?}", config.deliver_policy)),
        ("ack_policy", format!("{:?}", config.ack_policy)),
        ("replay_policy", format!("{:?}", config.replay_policy)),
        ("ack_wait", format!("{:?}", config.ack_wait)),
        ("max_deliver", config.max_deliver.to_string()),
        ("max_ack_pending", config.max_ack_pending.to_string()),
        ("backoff", format!("{:?}", config.backoff)),
        ("headers_only", config.headers_only.to_string()),
        ("inactive_threshold", format!("{:?}", config.inactive_threshold)),
    ]
}
