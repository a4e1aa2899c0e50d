//! The micro service protocol: how `nats micro ls|info|stats`, or whoever asks `$SRV.PING`, learns
//! which services there are
//! (<https://github.com/nats-io/nats-architecture-and-design/blob/main/adr/ADR-32.md>).
//!
//! async-nats has an implementation of its own. It is not used, because it cannot stop without
//! losing requests that are on their way, and because its refusals have no body.

use std::{collections::HashMap, time::SystemTime};

use async_nats::{
    Client, Message, Subscriber,
    datetime::DateTime,
    service::{Info, PingResponse, Stats, endpoint},
};
use bytes::Bytes;
use contracts::wire::{Audience, Op};
use futures::{
    StreamExt,
    stream::{SelectAll, select_all},
};

use super::{figures::Figures, subject};

/// What can be asked about a service.
pub(crate) const VERBS: [&str; 3] = ["PING", "INFO", "STATS"];

/// What the service of a group is called.
pub(crate) fn service_name(group: &str) -> String {
    format!("lunation-{group}")
}

/// What a service says of itself.
pub(super) struct Introduction {
    group: &'static str,
    name: String,
    id: String,
    started: DateTime,
    questions: SelectAll<Subscriber>,
}

impl Introduction {
    /// Listens for questions about the service of a group; `id` is this replica's own.
    pub(super) async fn open(
        client: &Client,
        group: &'static str,
        id: String,
    ) -> Result<Self, async_nats::SubscribeError> {
        let name = service_name(group);
        let mut questions = Vec::new();
        for verb in VERBS {
            for asked in [String::new(), format!(".{name}"), format!(".{name}.{id}")] {
                questions.push(client.subscribe(format!("$SRV.{verb}{asked}")).await?);
            }
        }
        let started = started_now();
        Ok(Self { group, name, id, started, questions: select_all(questions) })
    }

    /// The next question. Cancel-safe.
    pub(super) async fn asked(&mut self) -> Option<Message> {
        self.questions.next().await
    }

    /// The answer to a question.
    pub(super) fn answer(
        &self,
        question: &Message,
        endpoints: &[(Op, &Figures)],
    ) -> Result<Bytes, serde_json::Error> {
        let verb = question.subject.split('.').nth(1);
        let answer = match verb {
            Some("INFO") => serde_json::to_vec(&self.info(endpoints)),
            Some("STATS") => serde_json::to_vec(&self.stats(endpoints)),
            _ => serde_json::to_vec(&self.ping()),
        };
        answer.map(Bytes::from)
    }

    fn ping(&self) -> PingResponse {
        PingResponse {
            kind: kind_of("ping"),
            name: self.name.clone(),
            id: self.id.clone(),
            version: version(),
            metadata: HashMap::new(),
        }
    }

    fn info(&self, endpoints: &[(Op, &Figures)]) -> Info {
        let endpoint = |(op, _figures): &(Op, &Figures)| endpoint::Info {
            name: op.name.to_owned(),
            subject: subject(self.group, *op),
            queue_group: self.group.to_owned(),
            metadata: HashMap::from([("audience".to_owned(), audience(*op).to_owned())]),
        };
        Info {
            kind: kind_of("info"),
            name: self.name.clone(),
            id: self.id.clone(),
            description: format!("The {} of Lunation", self.group),
            version: version(),
            metadata: HashMap::new(),
            endpoints: endpoints.iter().map(endpoint).collect(),
        }
    }

    fn stats(&self, endpoints: &[(Op, &Figures)]) -> Stats {
        let endpoint = |(op, figures): &(Op, &Figures)| {
            figures.told(op.name, &subject(self.group, *op), self.group)
        };
        Stats {
            kind: kind_of("stats"),
            name: self.name.clone(),
            id: self.id.clone(),
            version: version(),
            started: self.started,
            endpoints: endpoints.iter().map(endpoint).collect(),
        }
    }
}

fn kind_of(verb: &str) -> String {
    format!("io.nats.micro.v1.{verb}_response")
}

fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}

fn audience(op: Op) -> &'static str {
    match op.audience {
        Audience::People => "people",
        Audience::Services => "services",
        Audience::Open => "open",
    }
}

#[expect(clippy::disallowed_methods, reason = "people read when a process started")]
fn started_now() -> DateTime {
    SystemTime::now().into()
}
