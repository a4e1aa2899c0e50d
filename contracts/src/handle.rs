//! How one part asks another: a typed request, a handle that outlives the actor behind it, and a
//! reply port that is answered exactly once.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use futures::future::BoxFuture;
use tokio::{sync::oneshot, time};

use crate::{Call, Refusal, Scope};

/// A request: bound by `mailbox!` to its reply, its mailbox and its literal wire name.
pub trait Request: Clone + Send + Sized + 'static {
    /// What a successful answer holds.
    type Reply: Send + 'static;
    /// The mailbox that takes this request.
    type Mailbox: Send + 'static;
    /// The wire name: the last part of `rpc.<group>.v1.<op>`.
    const OP: &'static str;
    /// What the token of a person must allow; none if nobody has to prove anything.
    const SCOPE: Option<Scope>;

    /// Puts the request into its mailbox's message.
    fn into_message(self, reply: ReplyPort<Self::Reply>) -> Self::Mailbox;
}

/// Where the answer to one request goes. Dropping it unanswered tells the asker so at once.
pub struct ReplyPort<T>(oneshot::Sender<Result<T, Refusal>>);

impl<T> ReplyPort<T> {
    /// A port and the end on which its answer arrives.
    pub fn new() -> (Self, oneshot::Receiver<Result<T, Refusal>>) {
        let (sender, receiver) = oneshot::channel();
        (Self(sender), receiver)
    }

    /// Answers. An asker who has gone away misses the answer, which harms nobody.
    pub fn answer(self, answer: Result<T, Refusal>) {
        let _gone = self.0.send(answer);
    }

    /// Whether the asker has stopped waiting.
    pub fn is_abandoned(&self) -> bool {
        self.0.is_closed()
    }
}

/// Tells whether a delivered message was opened. While it was not, the request has certainly not
/// been carried out and may be delivered again.
#[derive(Clone, Default)]
pub struct Opened(Arc<AtomicBool>);

impl Opened {
    /// Called by the receiver before it looks at the message.
    pub fn mark(&self) {
        self.0.store(true, Ordering::Release);
    }

    /// Whether the receiver has begun.
    pub fn is_marked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

/// A way to a mailbox: a supervised actor in this process, or a group in another one.
pub trait Transport<M>: Send + Sync {
    /// Delivers one message, or says why it could not. A transport that learns only from the
    /// answer whether it was delivered answers the message's port before this ends.
    fn deliver(&self, call: Call, message: M) -> BoxFuture<'_, Result<Opened, Refusal>>;

    /// What is to be said when a delivery does not end before the deadline.
    fn late(&self) -> Refusal {
        Refusal::unavailable()
    }
}

/// A cheap-to-clone way to ask one group. It outlives the actors behind it.
pub struct Handle<M>(Arc<dyn Transport<M>>);

impl<M> Clone for Handle<M> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<M: Send + 'static> Handle<M> {
    /// A handle over a transport.
    pub fn new(transport: Arc<dyn Transport<M>>) -> Self {
        Self(transport)
    }

    /// Asks, and waits for the answer until the call's deadline.
    ///
    /// # Errors
    ///
    /// The receiver's own refusal, or one of the three failures of delivery: `Overloaded` (not
    /// admitted), `Unavailable` (not delivered), `Interrupted` (no answer in time: it may have
    /// happened); `Internal` if the receiver failed on this very request.
    pub async fn ask<R: Request<Mailbox = M>>(
        &self,
        call: &Call,
        request: R,
    ) -> Result<R::Reply, Refusal> {
        let deadline = time::Instant::from_std(call.deadline);
        loop {
            let (port, reply) = ReplyPort::new();
            let message = request.clone().into_message(port);
            let delivery = time::timeout_at(deadline, self.0.deliver(call.clone(), message));
            let Ok(delivered) = delivery.await else { return Err(self.0.late()) };
            let opened = delivered?;
            match time::timeout_at(deadline, reply).await {
                Ok(Ok(answer)) => return answer,
                Ok(Err(_)) if opened.is_marked() => return Err(Refusal::internal()),
                // The actor died with the message still unopened in its mailbox: once more, to
                // its successor.
                Ok(Err(_)) => {}
                Err(_) if opened.is_marked() => return Err(Refusal::interrupted()),
                Err(_) => return Err(Refusal::unavailable()),
            }
        }
    }
}

/// A handle can stand behind another transport, such as a breaker.
impl<M: Send + 'static> Transport<M> for Handle<M> {
    fn deliver(&self, call: Call, message: M) -> BoxFuture<'_, Result<Opened, Refusal>> {
        self.0.deliver(call, message)
    }

    fn late(&self) -> Refusal {
        self.0.late()
    }
}
