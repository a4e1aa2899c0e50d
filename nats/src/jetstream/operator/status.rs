//! How streams, durables and services fare.

use std::time::Duration;

use async_nats::{
    StatusCode,
    jetstream::{self, ErrorCode, consumer},
    service::Stats,
};
use bytes::Bytes;
use futures::StreamExt;
use serde::Serialize;

use super::super::{Link, NO_CONNECTION, refused};
use crate::{BusError, Durable, streams};

/// How long the next service is waited for: they all answer at once.
const SERVICES_QUIET: Duration = Duration::from_millis(300);
/// How long all of them may take.
const SERVICES_PATIENCE: Duration = Duration::from_secs(2);

/// How the broker and the services on it fare.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Status {
    /// The server's version.
    pub server_version: String,
    /// Every stream that there should be.
    pub streams: Vec<StreamFigures>,
    /// Every durable that there should be.
    pub consumers: Vec<ConsumerFigures>,
    /// Every process that answers for a service, by name.
    pub services: Vec<ServiceFigures>,
}

/// A stream. All figures are 0 if it is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct StreamFigures {
    /// Its name.
    pub name: String,
    /// Whether it is there.
    pub exists: bool,
    /// Messages that it keeps.
    pub messages: u64,
    /// Bytes that they take.
    pub bytes: u64,
    /// The sequence of the oldest.
    pub first_sequence: u64,
    /// The sequence of the newest that it ever had.
    pub last_sequence: u64,
}

/// A durable consumer. All figures are 0 if it is missing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct ConsumerFigures {
    /// Its name.
    pub name: String,
    /// Its stream.
    pub stream: String,
    /// Whether it is there.
    pub exists: bool,
    /// Messages that it has not delivered yet: how far it is behind.
    pub pending: u64,
    /// Messages that are delivered and not settled.
    pub ack_pending: usize,
    /// Of those, the ones that were delivered more than once.
    pub redelivered: usize,
    /// Pulls that wait for messages: about one per process that consumes.
    pub waiting: usize,
}

/// One process of a service, by the NATS micro protocol.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ServiceFigures {
    /// The name of the service, such as `lunation-cycles`.
    pub name: String,
    /// The id of this process' instance of it.
    pub id: String,
    /// The version of its build.
    pub version: String,
    /// What it answers.
    pub endpoints: Vec<EndpointFigures>,
}

/// One operation of a service.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct EndpointFigures {
    /// Its subject.
    pub subject: String,
    /// Requests that it has answered.
    pub requests: usize,
    /// Of those, the refused ones.
    pub errors: usize,
    /// How long they took together, in milliseconds.
    pub busy_ms: f64,
}

pub(super) async fn of(link: &Link) -> Result<Status, BusError> {
    let mut all_streams = Vec::new();
    for name in streams::NAMES {
        all_streams.push(stream(link, name).await?);
    }
    let mut consumers = Vec::new();
    for durable in Durable::ALL {
        consumers.push(consumer(link, durable).await?);
    }
    Ok(Status {
        server_version: link.client.server_info().version,
        streams: all_streams,
        consumers,
        services: services(link).await?,
    })
}

async fn stream(link: &Link, name: &str) -> Result<StreamFigures, BusError> {
    let name = name.to_owned();
    Ok(match link.stream_info(&name).await? {
        None => StreamFigures { name, ..StreamFigures::default() },
        Some(info) => StreamFigures {
            name,
            exists: true,
            messages: info.state.messages,
            bytes: info.state.bytes,
            first_sequence: info.state.first_sequence,
            last_sequence: info.state.last_sequence,
        },
    })
}

async fn consumer(link: &Link, durable: Durable) -> Result<ConsumerFigures, BusError> {
    let action = "look up a consumer";
    let stream = streams::name(durable.topic()).to_owned();
    let name = durable.name().to_owned();
    let answer: Result<consumer::Info, jetstream::Error> =
        link.look_up(action, format!("CONSUMER.INFO.{stream}.{name}")).await?;
    match answer {
        Ok(info) => Ok(ConsumerFigures {
            name,
            stream,
            exists: true,
            pending: info.num_pending,
            ack_pending: info.num_ack_pending,
            redelivered: info.num_redelivered,
            waiting: info.num_waiting,
        }),
        Err(error) => {
            let absent = [ErrorCode::CONSUMER_NOT_FOUND, ErrorCode::STREAM_NOT_FOUND];
            if absent.contains(&error.error_code()) {
                return Ok(ConsumerFigures { name, stream, ..ConsumerFigures::default() });
            }
            Err(refused(action, &error))
        }
    }
}

/// Asks all services at once. Nobody knows how many there are, so silence is the end.
async fn services(link: &Link) -> Result<Vec<ServiceFigures>, BusError> {
    let inbox = link.client.new_inbox();
    let no_connection = || BusError::Unavailable(NO_CONNECTION);
    let mut answers =
        link.client.subscribe(inbox.clone()).await.map_err(|_error| no_connection())?;
    let asked = link.client.publish_with_reply("$SRV.STATS", inbox, Bytes::new()).await;
    asked.map_err(|_error| no_connection())?;
    let mut services = Vec::new();
    let collect = async {
        while let Ok(Some(message)) = tokio::time::timeout(SERVICES_QUIET, answers.next()).await {
            if message.status == Some(StatusCode::NO_RESPONDERS) {
                break;
            }
            match serde_json::from_slice::<Stats>(&message.payload) {
                Ok(stats) => services.push(ServiceFigures::of(stats)),
                Err(_error) => tracing::debug!("what a service says of itself is not readable"),
            }
        }
    };
    if tokio::time::timeout(SERVICES_PATIENCE, collect).await.is_err() {
        tracing::warn!("there may be more services: they are still answering");
    }
    services.sort_by(|one, other| (&one.name, &one.id).cmp(&(&other.name, &other.id)));
    Ok(services)
}

impl ServiceFigures {
    fn of(stats: Stats) -> Self {
        let endpoint = |endpoint: async_nats::service::endpoint::Stats| EndpointFigures {
            subject: endpoint.subject,
            requests: endpoint.requests,
            errors: endpoint.errors,
            busy_ms: endpoint.processing_time.as_secs_f64() * 1_000.0,
        };
        let mut endpoints: Vec<EndpointFigures> =
            stats.endpoints.into_iter().map(endpoint).collect();
        endpoints.sort_by(|one, other| one.subject.cmp(&other.subject));
        Self { name: stats.name, id: stats.id, version: stats.version, endpoints }
    }
}
