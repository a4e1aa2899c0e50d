//! The bus on NATS `JetStream`, restricted to what nats-server 2.9 knows.

mod connect;
mod dead_letters;
mod provision;
mod publish;
mod receipt;
mod subscribe;

use std::{sync::Arc, time::Duration};

use async_nats::{
    Client, RequestErrorKind,
    connection::State,
    jetstream::{self, Context, ErrorCode, response::Response, stream::Info},
};
use bytes::Bytes;
use contracts::events::{Event, Topic};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) use receipt::Receipt;
pub(crate) use subscribe::Puller;

use crate::{
    BusError, DeadLetter, Durable, JetStreamOptions, PublishError, Published, Subscription,
    delivery::Source, streams,
};

/// The reason that is given when there is no connection, or when it was lost.
const NO_CONNECTION: &str = "there is no connection";
/// How long an answer of the broker is waited for.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// How long the answer to a health check is waited for.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);

/// The `JetStream` bus. It is closed when its last clone is dropped.
#[derive(Clone)]
pub(crate) struct JetStreamBus {
    link: Arc<Link>,
    open: Arc<Open>,
}

/// Closes the subscriptions when it is dropped.
struct Open {
    closed: CancellationToken,
    _guard: DropGuard,
}

/// The connection, and what every part of this module needs with it.
struct Link {
    client: Client,
    context: Context,
    replicas: usize,
    /// Counts how often the connection was made or lost: what was asked over one connection is
    /// not answered over the next.
    changes: watch::Receiver<u64>,
}

impl JetStreamBus {
    pub(crate) async fn connect(options: JetStreamOptions) -> Result<Self, BusError> {
        let link = connect::connect(options).await?;
        let closed = CancellationToken::new();
        let open = Open { _guard: closed.clone().drop_guard(), closed };
        Ok(Self { link: Arc::new(link), open: Arc::new(open) })
    }

    pub(crate) async fn provision(&self) -> Result<(), BusError> {
        provision::all(&self.link).await
    }

    pub(crate) async fn publish(&self, event: &Event) -> Result<Published, PublishError> {
        publish::event(&self.link, event).await
    }

    /// Nothing is asked of the broker yet: whatever is missing there is healed by the first pull.
    pub(crate) fn subscribe(&self, durable: Durable) -> Subscription {
        let puller = Puller::new(Arc::clone(&self.link), durable, self.open.closed.clone());
        Subscription(Source::JetStream(Box::new(puller)))
    }

    /// A stream that is not there has no sequence yet: 0.
    pub(crate) async fn stream_position(&self, topic: Topic) -> Result<u64, BusError> {
        let info = self.link.stream_info(streams::name(topic)).await?;
        Ok(info.map_or(0, |info| info.state.last_sequence))
    }

    pub(crate) async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, BusError> {
        dead_letters::newest(&self.link, limit).await
    }

    pub(crate) async fn is_healthy(&self) -> bool {
        let answer = self.link.stream_info(streams::name(Topic::CycleChanged));
        self.link.is_connected()
            && matches!(tokio::time::timeout(HEALTH_TIMEOUT, answer).await, Ok(Ok(Some(_info))))
    }
}

impl Link {
    fn is_connected(&self) -> bool {
        self.client.connection_state() == State::Connected
    }

    /// Tells of every change of the connection from now on.
    fn watch(&self) -> watch::Receiver<u64> {
        let mut changes = self.changes.clone();
        changes.mark_unchanged();
        changes
    }

    /// Waits for an answer as long as the connection lasts over which it is asked for. The library
    /// would wait for the whole timeout, and keep a question without a connection in a buffer.
    async fn answer<T>(&self, asking: impl Future<Output = T> + Send) -> Option<T> {
        let mut changes = self.watch();
        if !self.is_connected() {
            return None;
        }
        tokio::select! {
            biased;
            answer = asking => Some(answer),
            Ok(()) = changes.changed() => None,
        }
    }

    async fn stream_info(&self, stream: &str) -> Result<Option<Info>, BusError> {
        let action = "look up a stream";
        match self.look_up(action, format!("STREAM.INFO.{stream}")).await? {
            Ok(info) => Ok(Some(info)),
            Err(error) if error.error_code() == ErrorCode::STREAM_NOT_FOUND => Ok(None),
            Err(error) => Err(refused(action, &error)),
        }
    }

    /// Asks the `JetStream` API a question without a body: nats-server 2.9 refuses even `null`.
    async fn look_up<A: DeserializeOwned>(
        &self,
        action: &'static str,
        subject: String,
    ) -> Result<Result<A, jetstream::Error>, BusError> {
        self.request(action, subject, Bytes::new()).await
    }

    /// Asks the `JetStream` API to do something.
    async fn command<Q: Serialize + Sync, A: DeserializeOwned>(
        &self,
        action: &'static str,
        subject: String,
        question: &Q,
    ) -> Result<Result<A, jetstream::Error>, BusError> {
        let body = serde_json::to_vec(question)
            .map_err(|error| BusError::Refused { action, reason: error.to_string() })?;
        self.request(action, subject, body.into()).await
    }

    /// The inner error is an answer of the server.
    async fn request<A: DeserializeOwned>(
        &self,
        action: &'static str,
        subject: String,
        body: Bytes,
    ) -> Result<Result<A, jetstream::Error>, BusError> {
        let asking = self.client.request(format!("$JS.API.{subject}"), body);
        match self.answer(asking).await.ok_or(BusError::Unavailable(NO_CONNECTION))? {
            Ok(message) => match serde_json::from_slice(&message.payload) {
                Ok(Response::Ok(answer)) => Ok(Ok(answer)),
                Ok(Response::Err { error }) => Ok(Err(error)),
                Err(_error) => {
                    Err(BusError::Refused { action, reason: "its answer is not known".to_owned() })
                }
            },
            Err(error) => Err(BusError::Unavailable(match error.kind() {
                RequestErrorKind::NoResponders => "JetStream is not enabled (nats-server -js)",
                RequestErrorKind::TimedOut => "timed out",
                RequestErrorKind::InvalidSubject
                | RequestErrorKind::MaxPayloadExceeded
                | RequestErrorKind::Other => NO_CONNECTION,
            })),
        }
    }
}

fn refused(action: &'static str, error: &jetstream::Error) -> BusError {
    BusError::Refused { action, reason: error.to_string() }
}
