//! The table: what each credential may do, and nothing else.
//!
//! Subjects, for a group `g`: people and open requests `rpc.g.v1.<op>`, requests of other services
//! `svc.g.v1.<op>`, the micro protocol `$SRV.<verb>[.lunation-g[.<id>]]`. Whoever answers may
//! publish to the inboxes of those who may ask, and to no other; `allow_responses` is not used,
//! because it would let an asker name any subject as its inbox.

use contracts::events::Topic;

use super::Credential;
use crate::{Durable, rpc::micro, streams};

/// One thing that a credential may do.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Permission {
    /// What.
    pub verb: Verb,
    /// The subject, with the wildcards `*` and `>`.
    pub subject: String,
    /// The queue group in which it must be subscribed to, if it must be in one.
    pub queue: Option<&'static str>,
}

/// What is done with a subject. `Ask` and `Publish` are the same to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verb {
    /// Publish something that is answered in the own inbox.
    Ask,
    /// Publish.
    Publish,
    /// Subscribe.
    Subscribe,
}

/// A group that answers requests.
struct Group {
    name: &'static str,
    credential: Credential,
    /// Whether other services ask it for something.
    has_services_ops: bool,
    /// What it tells of.
    topics: &'static [Topic],
    /// What it hears.
    durables: &'static [Durable],
}

const GROUPS: [Group; 4] = [
    Group {
        name: "users",
        credential: Credential::Users,
        has_services_ops: true,
        topics: &[Topic::UserChanged, Topic::UserErased],
        durables: &[],
    },
    Group {
        name: "cycles",
        credential: Credential::Cycles,
        has_services_ops: true,
        topics: &[Topic::CycleChanged],
        durables: &[Durable::CyclesErase],
    },
    Group {
        name: "analytics",
        credential: Credential::Analytics,
        has_services_ops: true,
        topics: &[Topic::PredictionChanged],
        durables: &[Durable::Analytics, Durable::AnalyticsPeople, Durable::AnalyticsErase],
    },
    Group {
        name: "notifications",
        credential: Credential::Notifications,
        has_services_ops: false,
        topics: &[],
        durables: &[Durable::Notifications, Durable::NotificationsErase],
    },
];

/// Who asks whom. The keys of access tokens are public; each group verifies tokens with them, and
/// hears which are taken back.
const ASKS: [(Credential, &[&str]); 5] = [
    (
        Credential::Gateway,
        &["rpc.users.v1.*", "rpc.cycles.v1.*", "rpc.analytics.v1.*", "rpc.notifications.v1.*"],
    ),
    (Credential::Cycles, &[SIGNING_KEYS, REVOCATIONS, LIST_ERASED, ERASURE_DONE]),
    (
        Credential::Analytics,
        &[SIGNING_KEYS, REVOCATIONS, ANSWER_GAP, "svc.cycles.v1.*", "svc.users.v1.*"],
    ),
    (
        Credential::Notifications,
        &[SIGNING_KEYS, REVOCATIONS, LIST_ERASED, ERASURE_DONE, "svc.analytics.v1.*"],
    ),
    (Credential::Operator, &["$SRV.>"]),
];
const SIGNING_KEYS: &str = "rpc.users.v1.get_signing_keys";
/// Ids of sessions that ended: their tokens are not taken any more.
const REVOCATIONS: &str = "rpc.users.v1.list_revocations";
/// Analytics asks people about gaps; cycles keeps what they answer. Their own token goes along.
const ANSWER_GAP: &str = "rpc.cycles.v1.answer_gap";
/// Who was erased, and that a group holds nothing of somebody any more: all that groups ask of users
/// which have no use for a date of birth.
const LIST_ERASED: &str = "svc.users.v1.list_erased";
const ERASURE_DONE: &str = "svc.users.v1.erasure_done";

/// What `all` is together.
const ALL: [Credential; 6] = [
    Credential::Gateway,
    Credential::Users,
    Credential::Cycles,
    Credential::Analytics,
    Credential::Notifications,
    Credential::Provisioner,
];

/// Everything that a credential may do, sorted.
pub fn permissions(credential: Credential) -> Vec<Permission> {
    let one = [credential];
    let roles: &[Credential] = if credential == Credential::All { &ALL } else { &one };
    let mut permissions = vec![Permission::subscribe(format!("{}.>", credential.inbox_prefix()))];
    for role in roles {
        permissions.extend(asks(*role).iter().copied().map(Permission::ask));
        if let Some(group) = GROUPS.iter().find(|group| group.credential == *role) {
            group.answers(&mut permissions);
            group.carries_events(&mut permissions);
        }
    }
    if roles.contains(&Credential::Users) {
        forgets(&mut permissions);
    }
    if roles.contains(&Credential::Provisioner) {
        provisions(&mut permissions);
    }
    if roles.contains(&Credential::Operator) {
        looks(&mut permissions);
    }
    permissions.sort_unstable();
    permissions.dedup();
    permissions
}

impl Group {
    /// What it answers, and to whom.
    fn answers(&self, permissions: &mut Vec<Permission>) {
        let name = self.name;
        let service = micro::service_name(name);
        let queue = Some(name);
        let verb = Verb::Subscribe;
        permissions.push(Permission { verb, subject: format!("rpc.{name}.v1.*"), queue });
        if self.has_services_ops {
            permissions.push(Permission { verb, subject: format!("svc.{name}.v1.*"), queue });
        }
        // Verb by verb: the server takes `$SRV.>` for a subject that `$SRV.*` covers.
        for micro in micro::VERBS {
            for whom in [String::new(), format!(".{service}"), format!(".{service}.*")] {
                permissions.push(Permission::subscribe(format!("$SRV.{micro}{whom}")));
            }
        }
        let askers = Credential::EVERY.into_iter().filter(|asker| self.is_asked_by(*asker));
        permissions
            .extend(askers.map(|asker| Permission::publish(format!("{}.>", asker.inbox_prefix()))));
    }

    fn is_asked_by(&self, asker: Credential) -> bool {
        let mine =
            [format!("rpc.{}.", self.name), format!("svc.{}.", self.name), "$SRV.".to_owned()];
        let asks_me = |subject: &&str| mine.iter().any(|start| subject.starts_with(start.as_str()));
        match asker {
            Credential::All => ALL.iter().any(|role| asks(*role).iter().any(asks_me)),
            other => asks(other).iter().any(asks_me),
        }
    }

    /// Its events, and the durables that it empties.
    fn carries_events(&self, permissions: &mut Vec<Permission>) {
        for topic in self.topics.iter().copied() {
            let stream = streams::name(topic);
            permissions.push(Permission::publish(events(topic)));
            permissions.push(Permission::ask(format!("$JS.API.STREAM.INFO.{stream}")));
        }
        for durable in self.durables {
            let (stream, name) = (streams::name(durable.topic()), durable.name());
            for question in ["INFO", "MSG.NEXT"] {
                let subject = format!("$JS.API.CONSUMER.{question}.{stream}.{name}");
                permissions.push(Permission::ask(subject));
            }
            permissions.push(Permission::publish(format!("$JS.ACK.{stream}.{name}.>")));
            permissions.push(Permission::publish(format!("dlq.{}.>", durable.group())));
        }
    }
}

/// Removes the events and dead letters of who was erased, message by message. Users alone, which
/// leads the erasure and holds the key that tokens are signed with: no other group has to be trusted
/// with it. What is removed is ids and versions, and a wake-up that is lost is found by a sweep.
fn forgets(permissions: &mut Vec<Permission>) {
    for stream in streams::NAMES {
        for action in ["GET", "DELETE"] {
            permissions.push(Permission::ask(format!("$JS.API.STREAM.MSG.{action}.{stream}")));
        }
    }
}

/// Makes and corrects what the design needs, by name. Nobody may delete or purge anything that a
/// group reads: what is on the broker can always be made again from an empty one.
fn provisions(permissions: &mut Vec<Permission>) {
    for stream in streams::all(1) {
        for action in ["CREATE", "INFO", "UPDATE"] {
            permissions.push(Permission::ask(format!("$JS.API.STREAM.{action}.{}", stream.name)));
        }
    }
    for durable in Durable::ALL {
        let (stream, name) = (streams::name(durable.topic()), durable.name());
        for action in ["INFO", "DURABLE.CREATE"] {
            let subject = format!("$JS.API.CONSUMER.{action}.{stream}.{name}");
            permissions.push(Permission::ask(subject));
        }
    }
}

/// Looks at everything but requests, answers and inboxes, which hold what people wrote; lists
/// dead letters, publishes their events again, and drops the letter.
fn looks(permissions: &mut Vec<Permission>) {
    let questions = [
        "INFO",
        "STREAM.LIST",
        "STREAM.NAMES",
        "STREAM.INFO.*",
        "STREAM.MSG.GET.*",
        "CONSUMER.LIST.*",
        "CONSUMER.NAMES.*",
        "CONSUMER.INFO.*.*",
    ];
    permissions.extend(questions.map(|question| Permission::ask(format!("$JS.API.{question}"))));
    let letters = streams::DEAD_LETTERS;
    permissions.push(Permission::ask(format!("$JS.API.STREAM.MSG.DELETE.{letters}")));
    for topic in Topic::ALL {
        permissions.push(Permission::publish(events(topic)));
    }
    let watched = ["cycle.>", "prediction.>", "user.>", "dlq.>", "$JS.EVENT.ADVISORY.>"];
    permissions.extend(watched.map(Permission::subscribe));
}

/// One level above the subjects that the stream takes, so that there is a subject that is permitted
/// and that no stream takes: the one of the probe.
fn events(topic: Topic) -> String {
    format!("{}.>", topic.name())
}

fn asks(credential: Credential) -> &'static [&'static str] {
    ASKS.iter()
        .find(|(asker, _subjects)| *asker == credential)
        .map_or(&[], |(_, subjects)| subjects)
}

impl Permission {
    fn ask(subject: impl Into<String>) -> Self {
        Self { verb: Verb::Ask, subject: subject.into(), queue: None }
    }

    fn publish(subject: impl Into<String>) -> Self {
        Self { verb: Verb::Publish, subject: subject.into(), queue: None }
    }

    fn subscribe(subject: impl Into<String>) -> Self {
        Self { verb: Verb::Subscribe, subject: subject.into(), queue: None }
    }
}

impl Verb {
    /// The word in errors.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ask => "ask",
            Self::Publish => "publish to",
            Self::Subscribe => "subscribe to",
        }
    }
}
