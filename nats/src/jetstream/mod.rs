//! The bus on NATS `JetStream`, restricted to what nats-server 2.9 knows.

pub mod operator;
mod provision;
mod publish;
mod receipt;
mod subscribe;

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_nats::{
    Client, RequestErrorKind,
    jetstream::{self, Context, ErrorCode, response::Response, stream::Info},
};
use bytes::Bytes;
use contracts::{
    UserId,
    events::{Event, Topic},
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;
use tokio_util::sync::{CancellationToken, DropGuard};

pub(crate) use receipt::Receipt;
pub(crate) use subscribe::Puller;

use crate::{
    Asserted, BusError, Connection, DeadLetter, Durable, PublishError, Published, Subscription,
    connection::{ANSWER_TIMEOUT, NO_CONNECTION},
    delivery::Source,
    streams,
};

/// How long the answer to a health check is waited for.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(1);

/// The `JetStream` bus. It is closed when its last clone is dropped.
#[derive(Clone)]
pub(crate) struct JetStreamBus {
    link: Arc<Link>,
    used: Arc<Mutex<Used>>,
    open: Arc<Open>,
}

/// What this process has used of the broker. Its health is about that and nothing else: its
/// credential may look at nothing else.
#[derive(Clone, Default)]
struct Used {
    topics: HashSet<Topic>,
    durables: HashSet<Durable>,
}

/// Closes the subscriptions when it is dropped.
struct Open {
    closed: CancellationToken,
    _guard: DropGuard,
}

/// The connection, and what every part of this module needs with it.
struct Link {
    connection: Connection,
    client: Client,
    context: Context,
    replicas: usize,
}

impl JetStreamBus {
    pub(crate) fn new(connection: Connection, replicas: usize) -> Self {
        let closed = CancellationToken::new();
        let open = Open { _guard: closed.clone().drop_guard(), closed };
        Self {
            link: Arc::new(Link::new(connection, replicas)),
            used: Arc::default(),
            open: Arc::new(open),
        }
    }

    pub(crate) async fn provision(&self) -> Result<Vec<Asserted>, BusError> {
        provision::all(&self.link).await
    }

    pub(crate) async fn publish(&self, event: &Event) -> Result<Published, PublishError> {
        self.used().topics.insert(event.topic);
        publish::event(&self.link, event).await
    }

    /// Nothing is asked of the broker yet: a durable that is not there is waited for.
    pub(crate) fn subscribe(&self, durable: Durable) -> Subscription {
        self.used().durables.insert(durable);
        let puller = Puller::new(Arc::clone(&self.link), durable, self.open.closed.clone());
        Subscription(Source::JetStream(Box::new(puller)))
    }

    /// A stream that is not there has no sequence yet: 0.
    pub(crate) async fn stream_position(&self, topic: Topic) -> Result<u64, BusError> {
        self.used().topics.insert(topic);
        let info = self.link.stream_info(streams::name(topic)).await?;
        Ok(info.map_or(0, |info| info.state.last_sequence))
    }

    pub(crate) async fn dead_letters(&self, limit: usize) -> Result<Vec<DeadLetter>, BusError> {
        let letters = operator::newest(&self.link, None, limit).await?;
        Ok(letters.into_iter().filter_map(|letter| letter.record).collect())
    }

    pub(crate) async fn forget(&self, users: &[UserId]) -> Result<usize, BusError> {
        operator::forget(&self.link, users).await
    }

    pub(crate) async fn connection_changed(&self) {
        // It ends only with the connection, which this bus keeps.
        if self.link.watch().changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    pub(crate) async fn is_healthy(&self) -> bool {
        let answer = tokio::time::timeout(HEALTH_TIMEOUT, self.is_all_there());
        self.link.is_connected() && matches!(answer.await, Ok(Ok(true)))
    }

    /// Whether the streams and durables that were used are there; if none was, that of the facts.
    async fn is_all_there(&self) -> Result<bool, BusError> {
        let Used { mut topics, durables } = self.used().clone();
        if topics.is_empty() && durables.is_empty() {
            topics.insert(Topic::CycleChanged);
        }
        for topic in topics {
            if self.link.stream_info(streams::name(topic)).await?.is_none() {
                return Ok(false);
            }
        }
        for durable in durables {
            if !provision::has_durable(&self.link, durable).await? {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn used(&self) -> MutexGuard<'_, Used> {
        self.used.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Link {
    fn new(connection: Connection, replicas: usize) -> Self {
        let client = connection.client().clone();
        let mut context = jetstream::new(client.clone());
        context.set_timeout(ANSWER_TIMEOUT);
        Self { connection, client, context, replicas }
    }

    fn is_connected(&self) -> bool {
        self.connection.is_connected()
    }

    /// Tells of every change of the connection from now on.
    fn watch(&self) -> watch::Receiver<u64> {
        self.connection.changes()
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
