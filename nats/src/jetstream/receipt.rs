//! Settling a delivery with the broker.

use std::{sync::Arc, time::Duration};

use async_nats::{
    Client, RequestErrorKind,
    jetstream::{AckKind, message::PublishMessage},
    subject::Subject,
};
use bytes::Bytes;
use futures::FutureExt;

use super::{Link, NO_CONNECTION, publish};
use crate::{BusError, DeadLetter, delivery::UNSETTLED_RETRY};

/// How a delivery tells the broker what became of it. Dropping it unused asks for the event again.
pub(crate) struct Receipt {
    link: Arc<Link>,
    reply: Subject,
    subject: Subject,
    sequence: u64,
    settled: bool,
}

impl Receipt {
    pub(super) fn new(link: Arc<Link>, reply: Subject, subject: Subject, sequence: u64) -> Self {
        Self { link, reply, subject, sequence, settled: false }
    }

    pub(crate) fn sequence(&self) -> u64 {
        self.sequence
    }

    pub(crate) fn subject(&self) -> &str {
        self.subject.as_str()
    }

    pub(crate) async fn keep_alive(&self) {
        self.tell(AckKind::Progress).await;
    }

    pub(crate) async fn ack(mut self) -> Result<(), BusError> {
        self.settle(AckKind::Ack).await
    }

    pub(crate) async fn retry(mut self, delay: Duration) {
        self.settled = true;
        self.tell(AckKind::Nak(Some(delay))).await;
    }

    /// Fails if the record is not safe; the event is not settled then and comes back.
    pub(crate) async fn dead_letter(mut self, record: &DeadLetter) -> Result<(), BusError> {
        let action = "keep a dead letter";
        let payload = serde_json::to_vec(record)
            .map_err(|error| BusError::Refused { action, reason: error.to_string() })?;
        let mut message = PublishMessage::build()
            .header("content-type", "application/json")
            .payload(payload.into());
        if let Some(event_id) = record.event_id {
            // If the end of the event gets lost, its second dead letter is known.
            let id = format!("dlq-{}-{}-{event_id}", record.group, record.class);
            message = message.message_id(id);
        }
        let subject = format!("dlq.{}.{}", record.group, record.class);
        let kept = publish::send(&self.link, subject, message).await;
        kept.map_err(|error| publish::failure(action, &error))?;
        self.settle(AckKind::Term).await
    }

    /// Tells the broker and waits until it has heard. The library's own double acknowledgement
    /// takes 'nobody is there' for a yes.
    async fn settle(&mut self, kind: AckKind) -> Result<(), BusError> {
        self.settled = true;
        let asking = self.link.client.request(self.reply.clone(), kind.into());
        match self.link.answer(asking).await.ok_or(BusError::Unavailable(NO_CONNECTION))? {
            Ok(_confirmation) => Ok(()),
            Err(error) => Err(BusError::Unavailable(match error.kind() {
                RequestErrorKind::NoResponders => "the consumer is gone",
                RequestErrorKind::TimedOut => "timed out",
                RequestErrorKind::InvalidSubject
                | RequestErrorKind::MaxPayloadExceeded
                | RequestErrorKind::Other => NO_CONNECTION,
            })),
        }
    }

    /// Tells the broker. If it does not hear, the event comes back when its time is over.
    async fn tell(&self, kind: AckKind) {
        if publish_to(&self.link.client, &self.reply, kind.into()).await.is_err() {
            tracing::debug!(subject = %self.subject, "the broker could not be told");
        }
    }
}

async fn publish_to(client: &Client, reply: &Subject, word: Bytes) -> Result<(), ()> {
    client.publish(reply.clone(), word).await.map_err(|_error| ())
}

impl Drop for Receipt {
    /// A delivery that was dropped (a panic, a cancelled task) comes back soon instead of after
    /// the acknowledgement time. It cannot wait here: if the buffer to the broker is full, the
    /// acknowledgement time has to do.
    fn drop(&mut self) {
        if self.settled {
            return;
        }
        let word: Bytes = AckKind::Nak(Some(UNSETTLED_RETRY)).into();
        let told = publish_to(&self.link.client, &self.reply, word).now_or_never();
        if told != Some(Ok(())) {
            tracing::debug!(subject = %self.subject, "an unsettled event waits for its time");
        }
    }
}
