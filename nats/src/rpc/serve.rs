//! The answering side.

use std::{
    panic::AssertUnwindSafe,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::{Duration, Instant},
};

use async_nats::{Client, Message, PublishError, Subject, Subscriber, client::PublishErrorKind};
use bytes::Bytes;
use contracts::{
    Call, Grant, Handle, Refusal,
    wire::{Audience, Op, WireMailbox},
};
use futures::{
    FutureExt, Stream, StreamExt,
    stream::{SelectAll, select_all},
};
use tokio::time::{timeout, timeout_at};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{Gate, envelope, figures::Figures, meter, micro::Introduction, subject};
use crate::{BusError, Connection, accounts::Credential, connection::NO_CONNECTION};

/// Requests of one process that are worked on at a time; more are refused at once. The group's own
/// door lets fewer in and makes them wait; this bounds what waits there.
const IN_FLIGHT_MAX: usize = 1_024;
/// How long the server may take to hear of our subscriptions, or of their end.
const HEARD_WAIT: Duration = Duration::from_secs(1);
/// A request that the server had already given to us when we unsubscribed arrives within this.
const QUIET: Duration = Duration::from_millis(50);
/// What makes the server end a subscription while the library goes on to listen: see `leave`.
const NEVER_REACHED: u64 = u64::MAX;

/// A group on its subjects.
pub(super) struct Service<M> {
    shared: Arc<Shared<M>>,
    introduction: Introduction,
    requests: SelectAll<Endpoint>,
    in_flight: TaskTracker,
}

/// Where the requests of one operation arrive.
struct Endpoint {
    /// The operation's place in the mailbox's list.
    place: usize,
    requests: Subscriber,
}

/// What every request needs.
struct Shared<M> {
    connection: Connection,
    local: Handle<M>,
    gate: Arc<dyn Gate>,
    /// Of each operation, in the order of the mailbox's list.
    figures: Vec<Figures>,
}

impl<M: WireMailbox> Service<M> {
    /// Subscribes to everything, and waits until the server has heard of it.
    pub(super) async fn open(
        connection: Connection,
        local: Handle<M>,
        gate: Arc<dyn Gate>,
    ) -> Result<Self, BusError> {
        let closed = |_error| BusError::Unavailable(NO_CONNECTION);
        let client = connection.client();
        let mut endpoints = Vec::with_capacity(M::OPS.len());
        for (place, op) in M::OPS.iter().enumerate() {
            let requests = client.queue_subscribe(subject(M::GROUP, *op), M::GROUP.to_owned());
            endpoints.push(Endpoint { place, requests: requests.await.map_err(closed)? });
        }
        let id = new_id(client);
        let introduction = Introduction::open(client, M::GROUP, id).await.map_err(closed)?;
        server_has_heard(&connection).await;
        let figures = M::OPS.iter().map(|_op| Figures::default()).collect();
        Ok(Self {
            shared: Arc::new(Shared { connection, local, gate, figures }),
            introduction,
            requests: select_all(endpoints),
            in_flight: TaskTracker::new(),
        })
    }

    /// Answers until `stop`, and then leaves.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some((place, message)) = self.requests.next() => self.begin(place, message),
                Some(question) = self.introduction.asked() => self.introduce(question).await,
                else => {
                    tracing::error!(group = M::GROUP, "the connection to NATS was closed");
                    break;
                }
            }
        }
        self.leave().await;
    }

    /// Works on one request in a task of its own, so that the cores share the work. `run` ends
    /// when these tasks have.
    fn begin(&self, place: usize, message: Message) {
        let shared = Arc::clone(&self.shared);
        if self.in_flight.len() < IN_FLIGHT_MAX {
            self.in_flight.spawn(async move { shared.answer(place, message).await });
            return;
        }
        let refusing =
            shared.respond(place, message.reply, Instant::now(), Err(Refusal::overloaded()));
        if refusing.now_or_never().is_none() {
            tracing::warn!(group = M::GROUP, "a request was dropped: nothing can be sent");
        }
    }

    async fn introduce(&self, question: Message) {
        let endpoints: Vec<(Op, &Figures)> =
            M::OPS.iter().copied().zip(&self.shared.figures).collect();
        let Some(reply) = inbox(question.reply.clone()) else { return };
        let answer = match self.introduction.answer(&question, &endpoints) {
            Ok(answer) => answer,
            Err(error) => return tracing::error!(%error, "the figures have no JSON"),
        };
        if let Err(error) = self.shared.connection.client().publish(reply, answer).await {
            tracing::warn!(%error, group = M::GROUP, "a question about the service is not answered");
        }
    }

    /// Takes nothing more, finishes what was taken, and sees the answers off.
    ///
    /// The library's own ways to unsubscribe drop what the server has sent and the library has not
    /// read. A subscription that ends after more messages than can be counted is one that goes on
    /// for the library; the server takes so great a number for none at all and ends it at once. A
    /// test holds it to that.
    async fn leave(mut self) {
        for endpoint in &mut self.requests {
            if endpoint.requests.unsubscribe_after(NEVER_REACHED).await.is_err() {
                return tracing::error!(group = M::GROUP, "the connection to NATS was closed");
            }
        }
        let connection = self.shared.connection.clone();
        let heard = server_has_heard(&connection);
        tokio::pin!(heard);
        loop {
            tokio::select! {
                () = &mut heard => break,
                Some((place, message)) = self.requests.next() => self.begin(place, message),
            }
        }
        while let Ok(Some((place, message))) = timeout(QUIET, self.requests.next()).await {
            self.begin(place, message);
        }
        self.in_flight.close();
        self.in_flight.wait().await;
        if connection.is_connected()
            && !matches!(timeout(HEARD_WAIT, connection.client().flush()).await, Ok(Ok(())))
        {
            tracing::warn!(group = M::GROUP, "the last answers may not have been sent");
        }
    }
}

impl<M: WireMailbox> Shared<M> {
    async fn answer(&self, place: usize, message: Message) {
        let started = Instant::now();
        let op = M::OPS[place];
        let carried_out = AssertUnwindSafe(self.carry_out(op, &message)).catch_unwind().await;
        let answer = carried_out.unwrap_or_else(|_panic| {
            tracing::error!(group = M::GROUP, op = op.name, "a remote request panicked");
            Err(Refusal::internal())
        });
        self.respond(place, message.reply, started, answer).await;
    }

    async fn carry_out(&self, op: Op, message: &Message) -> Result<Vec<u8>, Refusal> {
        let fresh = || new_id(self.connection.client());
        let mut call =
            envelope::open(message.headers.as_ref(), fresh).ok_or_else(Refusal::not_understood)?;
        // Nobody waits any more, or a clock is wrong: then this is told.
        if call.deadline <= Instant::now() {
            return Err(Refusal::unavailable());
        }
        if op.audience == Audience::People {
            let proved = self.proved_by(&call).await?;
            let incoming = M::decode(op.name, &message.payload)?;
            if incoming.on_behalf_of() != Some(proved.user_id) {
                let (group, op, request_id) = (M::GROUP, op.name, &call.request_id);
                tracing::warn!(group, op, %request_id, "a token of somebody else was sent");
                return Err(Refusal::unauthenticated());
            }
            if op.scope.is_none_or(|scope| !proved.scopes.allow(scope)) {
                return Err(Refusal::insufficient_scope());
            }
            call.principal = Some(proved.user_id);
            call.session = Some(proved.session_id);
            return incoming.ask(self.local.clone(), call).await;
        }
        M::decode(op.name, &message.payload)?.ask(self.local.clone(), call).await
    }

    async fn proved_by(&self, call: &Call) -> Result<Grant, Refusal> {
        match timeout_at(call.deadline.into(), self.gate.admit(call)).await {
            Ok(admitted) => admitted?.ok_or_else(Refusal::unauthenticated),
            Err(_elapsed) => Err(Refusal::unavailable()),
        }
    }

    async fn respond(
        &self,
        place: usize,
        reply: Option<Subject>,
        started: Instant,
        answer: Result<Vec<u8>, Refusal>,
    ) {
        let Some(reply) = inbox(reply) else { return };
        let client = self.connection.client();
        let mut refusal = None;
        let mut sent = match answer {
            Ok(body) => client.publish(reply.clone(), body.into()).await,
            Err(reason) => refuse(client, reply.clone(), refusal.insert(reason)).await,
        };
        if let Err(error) = &sent
            && error.kind() == PublishErrorKind::MaxPayloadExceeded
        {
            sent = refuse(client, reply, refusal.insert(Refusal::answer_too_large())).await;
        }
        if let Err(error) = sent {
            tracing::warn!(%error, group = M::GROUP, "an answer could not be sent");
        }
        self.figures[place].record(started.elapsed(), refusal.as_ref());
        meter::answered(M::GROUP, M::OPS[place], started, refusal.as_ref());
    }
}

async fn refuse(client: &Client, reply: Subject, refusal: &Refusal) -> Result<(), PublishError> {
    // A refusal always has a JSON; without one the asker takes the mark for `internal`.
    let body = serde_json::to_vec(refusal).unwrap_or_default();
    client.publish_with_headers(reply, envelope::mark(refusal), body.into()).await
}

/// Waits until the server has done what it was told so far: it answers in order, and a request that
/// nobody hears comes back at once. This one goes to the gateway's inboxes, where every group may
/// publish, and to none that there is.
async fn server_has_heard(connection: &Connection) {
    if !connection.is_connected() {
        return;
    }
    let client = connection.client();
    let nowhere = format!("{}.{}", Credential::Gateway.inbox_prefix(), new_id(client));
    if timeout(HEARD_WAIT, client.request(nowhere, Bytes::new())).await.is_err() {
        tracing::warn!("the NATS server is slow");
    }
}

/// Where an answer may go. Whoever asks names the subject, and a group may publish to others that
/// the asker may not.
fn inbox(reply: Option<Subject>) -> Option<Subject> {
    reply.filter(|reply| reply.starts_with("_INBOX"))
}

/// An id that nobody else has: the last part of an inbox.
fn new_id(client: &Client) -> String {
    let inbox = client.new_inbox();
    inbox.rsplit('.').next().unwrap_or_default().to_owned()
}

impl Stream for Endpoint {
    type Item = (usize, Message);

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        let place = self.place;
        self.requests.poll_next_unpin(context).map(|message| Some((place, message?)))
    }
}
