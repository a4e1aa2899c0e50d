//! The asking side.

use std::{marker::PhantomData, time::Instant};

use async_nats::{Message, Request, RequestErrorKind, client::RequestError};
use bytes::Bytes;
use contracts::{
    Call, Refusal,
    handle::{Opened, Transport},
    wire::{Op, Outgoing, WireMailbox},
};
use futures::future::BoxFuture;

use super::{envelope, meter::Asking, subject};
use crate::Connection;

/// The way to a group in another process.
pub(super) struct Remote<M> {
    connection: Connection,
    mailbox: PhantomData<fn(M)>,
}

impl<M> Remote<M> {
    pub(super) fn new(connection: Connection) -> Self {
        Self { connection, mailbox: PhantomData }
    }
}

impl<M: WireMailbox> Transport<M> for Remote<M> {
    fn deliver(&self, call: Call, message: M) -> BoxFuture<'_, Result<Opened, Refusal>> {
        Box::pin(async move {
            let Outgoing { op, payload, asker } = message.encode()?;
            let request = Request::new()
                .headers(envelope::seal(&call, op))
                .payload(payload.into())
                // The handle ends the wait at the deadline.
                .timeout(None);
            let asking = Asking::new(M::GROUP, op, call.deadline);
            let answer = self.ask(&call, op, request).await;
            asking.ended(answer.as_ref().err());
            let payload = answer?;
            if let Err(error) = asker.answer(&payload) {
                let (group, op, request_id) = (M::GROUP, op.name, &call.request_id);
                tracing::error!(group, op, %request_id, %error, "another build answers?");
            }
            let opened = Opened::default();
            opened.mark();
            Ok(opened)
        })
    }

    /// It was sent, as far as anybody knows.
    fn late(&self) -> Refusal {
        Refusal::interrupted()
    }
}

impl<M: WireMailbox> Remote<M> {
    /// Sends a request and waits for its answer as long as the connection lasts.
    async fn ask(&self, call: &Call, op: Op, request: Request) -> Result<Bytes, Refusal> {
        let mut losses = self.connection.losses();
        // Without a connection the library would keep the request, and send it some time later.
        if !self.connection.is_connected() || call.deadline <= Instant::now() {
            return Err(Refusal::unavailable());
        }
        let sending = self.connection.client().send_request(subject(M::GROUP, op), request);
        let answer = tokio::select! {
            biased;
            answer = sending => answer.map_err(|error| refusal_of(&error))?,
            Ok(()) = losses.changed() => return Err(Refusal::interrupted()),
        };
        let Message { headers, payload, .. } = answer;
        if envelope::is_refusal(headers.as_ref()) {
            return Err(serde_json::from_slice(&payload).unwrap_or_else(|_error| {
                let (group, op, request_id) = (M::GROUP, op.name, &call.request_id);
                tracing::error!(group, op, %request_id, "a refusal cannot be understood");
                Refusal::internal()
            }));
        }
        Ok(payload)
    }
}

fn refusal_of(error: &RequestError) -> Refusal {
    match error.kind() {
        RequestErrorKind::NoResponders => Refusal::unavailable(),
        RequestErrorKind::MaxPayloadExceeded => Refusal::request_too_large(),
        RequestErrorKind::InvalidSubject => Refusal::internal(),
        RequestErrorKind::TimedOut | RequestErrorKind::Other => Refusal::interrupted(),
    }
}
