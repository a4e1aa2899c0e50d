//! The local way to an actor: a slot that its supervisor refills, and letters that know whether
//! they were opened.

use std::{future::Future, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use contracts::{
    Call, Handle, Refusal, ReplyPort,
    handle::{Opened, Transport},
};
use futures::{FutureExt, future::BoxFuture};
use ractor::{ActorProcessingErr, ActorRef, MessagingErr};
use tokio::{sync::watch, time};
use tracing::Instrument;

use crate::{
    admission::{Admission, Admitted},
    presence, tasks,
};

/// Longest wait for a supervisor to put a new actor into its slot.
const REFILL_WAIT: Duration = Duration::from_secs(1);

/// What a domain actor receives.
#[expect(
    clippy::large_enum_variant,
    reason = "nearly every letter is an ask, and is not to be boxed"
)]
pub enum Letter<M> {
    /// A request of the group's mailbox.
    Ask {
        /// The request with its reply port.
        message: M,
        /// Its context and its leave to be in flight.
        ticket: Ticket,
    },
    /// A task of this actor panicked: its state may be in doubt.
    WorkPanicked,
}

/// What goes with a request while it is worked on; dropping it frees its place.
pub struct Ticket {
    /// Who asked, until when, under which trace.
    pub call: Call,
    opened: Opened,
    _admitted: Admitted,
}

impl<M> Letter<M> {
    /// Opens the letter: from here on the request counts as begun. None if nobody waits for it
    /// any more.
    ///
    /// # Errors
    ///
    /// The actor has to be restarted: `?` in `handle` is all there is to do.
    pub fn open(self) -> Result<Option<(M, Ticket)>, ActorProcessingErr> {
        match self {
            Self::Ask { message, ticket } => {
                if ticket.call.deadline <= std::time::Instant::now() {
                    return Ok(None);
                }
                ticket.opened.mark();
                Ok(Some((message, ticket)))
            }
            Self::WorkPanicked => Err("a task of this actor panicked".into()),
        }
    }
}

/// Where the current incarnation of an actor is found. Its supervisor writes, handles read.
pub struct Slot<M>(watch::Sender<Option<ActorRef<Letter<M>>>>);

impl<M> Clone for Slot<M> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<M> Default for Slot<M> {
    fn default() -> Self {
        Self(watch::Sender::new(None))
    }
}

impl<M: Send + 'static> Slot<M> {
    /// Puts a fresh actor into the slot.
    pub fn fill(&self, actor: ActorRef<Letter<M>>) {
        self.0.send_replace(Some(actor));
    }

    /// A handle that finds whatever actor is in the slot, behind a door of its own.
    pub fn handle(&self, admission: Admission) -> Handle<M> {
        Handle::new(Arc::new(Local { slot: self.0.subscribe(), admission }))
    }
}

struct Local<M> {
    slot: watch::Receiver<Option<ActorRef<Letter<M>>>>,
    admission: Admission,
}

impl<M: Send + 'static> Transport<M> for Local<M> {
    fn deliver(&self, call: Call, message: M) -> BoxFuture<'_, Result<Opened, Refusal>> {
        Box::pin(async move {
            if call.principal.is_some() {
                presence::note();
            }
            let admitted = self.admission.admit(call.principal).await?;
            let opened = Opened::default();
            let ticket = Ticket { call, opened: opened.clone(), _admitted: admitted };
            let mut letter = Letter::Ask { message, ticket };
            let mut slot = self.slot.clone();
            let deadline = time::Instant::now() + REFILL_WAIT;
            loop {
                let actor = slot.borrow_and_update().clone();
                if let Some(actor) = actor {
                    letter = match actor.send_message(letter) {
                        Ok(()) => return Ok(opened),
                        Err(MessagingErr::SendErr(returned)) => returned,
                        Err(_) => return Err(Refusal::unavailable()),
                    };
                }
                // The actor has just died, or was never started; one comes into the slot.
                match time::timeout_at(deadline, slot.changed()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(_)) | Err(_) => return Err(Refusal::unavailable()),
                }
            }
        })
    }
}

/// Answers requests in tasks of their own, so that no mailbox is held across I/O.
pub struct Answers<M> {
    actor: ActorRef<Letter<M>>,
}

impl<M> Clone for Answers<M> {
    fn clone(&self) -> Self {
        Self { actor: self.actor.clone() }
    }
}

impl<M: Send + 'static> Answers<M> {
    /// Tasks that belong to this actor.
    pub fn of(actor: ActorRef<Letter<M>>) -> Self {
        Self { actor }
    }

    /// Works on one request and answers it. A panic costs this request its answer and this actor
    /// its life; its supervisor counts it.
    pub fn spawn<T: Send + 'static>(
        &self,
        ticket: Ticket,
        reply: ReplyPort<T>,
        work: impl Future<Output = Result<T, Refusal>> + Send + 'static,
    ) {
        let actor = self.actor.clone();
        let span = tracing::info_span!("ask", request_id = %ticket.call.request_id);
        let task = async move {
            let answer = AssertUnwindSafe(work).catch_unwind().await;
            drop(ticket);
            match answer {
                Ok(answer) => reply.answer(answer),
                Err(_panic) => report_panic(&actor),
            }
        };
        tasks::spawn(task.instrument(span));
    }
}

/// Tells an actor that a task of its panicked.
pub(crate) fn report_panic<M: Send + 'static>(actor: &ActorRef<Letter<M>>) {
    tracing::error!("a request handler panicked; its actor is restarted");
    if actor.send_message(Letter::WorkPanicked).is_err() {
        tracing::debug!("the actor of the panicked task was gone already");
    }
}
