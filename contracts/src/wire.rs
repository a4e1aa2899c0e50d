//! A mailbox on a wire: how its requests and answers become JSON, and who may ask which of them.
//!
//! `mailbox!` implements [`WireMailbox`] for each group's mailbox. Nothing here knows what carries
//! the bytes.

use std::fmt;

use futures::future::BoxFuture;
use serde::{Serialize, de::DeserializeOwned};

use crate::{Call, Handle, Refusal, ReplyPort, Request, Scope, UserId};

/// A mailbox whose requests can be asked from another process.
pub trait WireMailbox: Sized + Send + 'static {
    /// The group that answers.
    const GROUP: &'static str;
    /// Every operation: those of people first, then those of services, then the open ones.
    const OPS: &'static [Op];

    /// The message as it travels, and the port that waits for its answer.
    ///
    /// # Errors
    ///
    /// The request has no JSON, which would be a fault of ours.
    fn encode(self) -> Result<Outgoing, Refusal>;

    /// The request that arrived.
    ///
    /// # Errors
    ///
    /// There is no such operation, or the request is none of its.
    fn decode(op: &str, payload: &[u8]) -> Result<Incoming<Self>, Refusal>;
}

/// An operation of a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Op {
    /// The wire name: the last part of the subject.
    pub name: &'static str,
    /// Who may ask.
    pub audience: Audience,
    /// What the token of a person must allow.
    pub scope: Option<Scope>,
}

/// Who may ask an operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Audience {
    /// A person, for themselves alone: proved by their access token.
    People,
    /// A part of the system, for itself.
    Services,
    /// Whoever reaches the group: there is no token yet, or nothing to protect.
    Open,
}

/// A request on its way out.
pub struct Outgoing {
    /// The operation.
    pub op: Op,
    /// The request as JSON.
    pub payload: Vec<u8>,
    /// Who waits for the answer.
    pub asker: Asker,
}

/// Who waits for the answer to a request that went out.
pub struct Asker(Box<Resolve>);

/// Decodes an answer and hands it to its port.
type Resolve = dyn FnOnce(&[u8]) -> Result<(), Garbled> + Send;

/// An answer that cannot be understood. The asker was told that something went wrong.
#[derive(Debug, PartialEq, Eq)]
pub struct Garbled;

/// A request that came in.
pub struct Incoming<M> {
    on_behalf_of: Option<UserId>,
    ask: Box<dyn FnOnce(Handle<M>, Call) -> Answering + Send>,
}

/// The answer to a request that came in, as JSON.
type Answering = BoxFuture<'static, Result<Vec<u8>, Refusal>>;

impl Op {
    /// An operation of people.
    pub const fn people(name: &'static str, scope: Scope) -> Self {
        Self { name, audience: Audience::People, scope: Some(scope) }
    }

    /// An operation of services.
    pub const fn services(name: &'static str) -> Self {
        Self { name, audience: Audience::Services, scope: None }
    }

    /// An open operation.
    pub const fn open(name: &'static str) -> Self {
        Self { name, audience: Audience::Open, scope: None }
    }
}

impl Outgoing {
    /// A request of `op` that `reply` waits for.
    ///
    /// # Errors
    ///
    /// The request has no JSON.
    pub fn new<Q, A>(op: Op, request: &Q, reply: ReplyPort<A>) -> Result<Self, Refusal>
    where
        Q: Serialize,
        A: DeserializeOwned + Send + 'static,
    {
        let payload = serde_json::to_vec(request).map_err(|_error| Refusal::internal())?;
        let resolve = move |json: &[u8]| {
            let answer = serde_json::from_slice(json);
            let understood = if answer.is_ok() { Ok(()) } else { Err(Garbled) };
            reply.answer(answer.map_err(|_error| Refusal::internal()));
            understood
        };
        Ok(Self { op, payload, asker: Asker(Box::new(resolve)) })
    }
}

impl Asker {
    /// Answers with the JSON that came back.
    ///
    /// # Errors
    ///
    /// The JSON is no answer to this request; the asker got `Internal`.
    pub fn answer(self, json: &[u8]) -> Result<(), Garbled> {
        (self.0)(json)
    }
}

impl<M: Send + 'static> Incoming<M> {
    /// The request of a payload; `on_behalf_of` finds the person in it.
    ///
    /// # Errors
    ///
    /// The payload is no such request.
    pub fn new<R>(
        payload: &[u8],
        on_behalf_of: impl FnOnce(&R) -> Option<UserId>,
    ) -> Result<Self, Refusal>
    where
        R: Request<Mailbox = M> + DeserializeOwned + Sync,
        R::Reply: Serialize,
    {
        let request: R =
            serde_json::from_slice(payload).map_err(|_error| Refusal::not_understood())?;
        let on_behalf_of = on_behalf_of(&request);
        let ask = move |handle: Handle<M>, call: Call| -> Answering {
            Box::pin(async move {
                let answer = handle.ask(&call, request).await?;
                serde_json::to_vec(&answer).map_err(|_error| Refusal::internal())
            })
        };
        Ok(Self { on_behalf_of, ask: Box::new(ask) })
    }

    /// For whom it asks, if it is an operation of people.
    pub fn on_behalf_of(&self) -> Option<UserId> {
        self.on_behalf_of
    }

    /// Asks the group, and gives its answer as JSON.
    ///
    /// # Errors
    ///
    /// What the handle says.
    pub async fn ask(self, handle: Handle<M>, call: Call) -> Result<Vec<u8>, Refusal> {
        (self.ask)(handle, call).await
    }
}

impl fmt::Display for Garbled {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("the answer cannot be understood")
    }
}

impl std::error::Error for Garbled {}

#[cfg(test)]
mod tests {
    /// Without its feature `float_roundtrip`, `serde_json` reads some numbers a little off.
    #[test]
    fn numbers_come_out_as_they_went_in() {
        for sum in 1..=2_000_u32 {
            for count in 1..=24_u32 {
                let number = f64::from(sum) / f64::from(count);
                let read: f64 =
                    serde_json::from_slice(&serde_json::to_vec(&number).unwrap()).unwrap();
                assert_eq!(read.to_bits(), number.to_bits(), "{sum}/{count}");
            }
        }
    }
}
