//! The bus within a process. It is no queue of its own: what it was asked to publish either has
//! been committed by the consumers of this process, or is still the publisher's.

use std::{
    collections::VecDeque,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use contracts::{UserId, events::Event};
use futures::future::try_join_all;
use tokio::{
    sync::{Notify, mpsc, oneshot},
    time::{Instant, sleep_until},
};

use crate::{
    DeadLetter, Durable, PublishError, Published, Subscription,
    delivery::{Delivery, Settler, Source, UNSETTLED_RETRY},
    streams::ACK_WAIT,
};

/// How many deliveries wait in front of one subscription: as many as one pull fetches.
const INBOX_CAPACITY: usize = crate::streams::PULL_BATCH;
/// How many dead letters are kept. They are only a view: the events stay behind their owners'
/// versions, and anti-entropy tries them again at the next start.
const DEAD_LETTERS_MAX: usize = 1_000;

/// The memory bus. It is closed when its last clone is dropped.
#[derive(Clone)]
pub(crate) struct MemoryBus {
    expected: Arc<[Desk]>,
    dead_letters: Arc<DeadLetters>,
}

/// One durable and the subscriptions that share it.
struct Desk {
    durable: Durable,
    inboxes: Mutex<Vec<mpsc::Sender<Delivery>>>,
    /// Whose turn it is.
    turn: AtomicUsize,
}

/// The receiving end of one subscription.
pub(crate) struct Inbox(mpsc::Receiver<Delivery>);

/// How a delivery tells its publisher what became of it. Dropping it unused says 'unsettled'.
pub(crate) struct Receipt {
    outcome: oneshot::Sender<Outcome>,
    alive: Arc<Notify>,
    subject: String,
    dead_letters: Arc<DeadLetters>,
}

enum Outcome {
    Settled,
    RetryAfter(Duration),
}

/// The newest dead letters, oldest first.
#[derive(Default)]
struct DeadLetters(Mutex<VecDeque<DeadLetter>>);

impl MemoryBus {
    pub(crate) fn new(expected: &[Durable]) -> Self {
        let desk = |durable: Durable| Desk {
            durable,
            inboxes: Mutex::default(),
            turn: AtomicUsize::default(),
        };
        // Once per durable, whatever the caller's list repeats.
        let hosted = Durable::ALL.into_iter().filter(|durable| expected.contains(durable));
        Self { expected: hosted.map(desk).collect(), dead_letters: Arc::default() }
    }

    pub(crate) async fn publish(
        &self,
        event: &Event,
        attempt: u32,
    ) -> Result<Published, PublishError> {
        let hears = |desk: &&Desk| desk.durable.topic() == event.topic;
        let desks = self.expected.iter().filter(hears);
        try_join_all(desks.map(|desk| self.hand_over(desk, event, attempt))).await?;
        Ok(Published { stream_sequence: None })
    }

    pub(crate) fn subscribe(&self, durable: Durable) -> Subscription {
        let (sender, receiver) = mpsc::channel(INBOX_CAPACITY);
        // A durable that this process does not host hears nothing: its sender is dropped here,
        // and the subscription ends at once.
        if let Some(desk) = self.expected.iter().find(|desk| desk.durable == durable) {
            desk.live().push(sender);
        }
        Subscription(Source::Memory(Inbox(receiver)))
    }

    pub(crate) fn dead_letters(&self, limit: usize) -> Vec<DeadLetter> {
        self.dead_letters.lock().iter().rev().take(limit).cloned().collect()
    }

    /// Nothing is kept but dead letters.
    pub(crate) fn forget(&self, users: &[UserId]) -> usize {
        let mut letters = self.dead_letters.lock();
        let before = letters.len();
        letters.retain(|letter| !letter.user_id.is_some_and(|user_id| users.contains(&user_id)));
        before - letters.len()
    }

    pub(crate) fn is_healthy(&self) -> bool {
        self.expected.iter().all(|desk| !desk.live().is_empty())
    }

    /// Hands the event to one subscription of the durable and waits for the outcome.
    async fn hand_over(
        &self,
        desk: &Desk,
        event: &Event,
        attempt: u32,
    ) -> Result<(), PublishError> {
        let (outcome, answer) = oneshot::channel();
        let alive = Arc::new(Notify::new());
        let receipt = Receipt {
            outcome,
            alive: Arc::clone(&alive),
            subject: event.topic.subject(event.wake_up.user_id),
            dead_letters: Arc::clone(&self.dead_letters),
        };
        let settler = Settler::Memory(receipt);
        let delivery = Delivery::new(desk.durable, Ok(event.clone()), attempt.max(1), settler);
        let patience = desk.deliver(delivery);
        // A full inbox is silence too: the publisher's lease must not outlive its patience.
        match tokio::time::timeout(ACK_WAIT, patience).await {
            Ok(delivered) => delivered?,
            Err(_elapsed) => return Err(desk.retry_after(UNSETTLED_RETRY)),
        }
        match outcome_of(answer, &alive).await {
            Some(Outcome::Settled) => Ok(()),
            Some(Outcome::RetryAfter(delay)) => Err(desk.retry_after(delay)),
            None => Err(desk.retry_after(UNSETTLED_RETRY)),
        }
    }
}

/// Waits for the outcome as long as the consumer shows signs of life; none if it was dropped or
/// fell silent.
async fn outcome_of(mut answer: oneshot::Receiver<Outcome>, alive: &Notify) -> Option<Outcome> {
    let mut patience_ends = Instant::now() + ACK_WAIT;
    loop {
        tokio::select! {
            biased;
            outcome = &mut answer => return outcome.ok(),
            () = alive.notified() => patience_ends = Instant::now() + ACK_WAIT,
            () = sleep_until(patience_ends) => return None,
        }
    }
}

impl Desk {
    /// The subscriptions that are still there.
    fn live(&self) -> MutexGuard<'_, Vec<mpsc::Sender<Delivery>>> {
        let mut inboxes = self.inboxes.lock().unwrap_or_else(PoisonError::into_inner);
        inboxes.retain(|inbox| !inbox.is_closed());
        inboxes
    }

    /// Puts the delivery into the next inbox that has room; if none has, waits for the first.
    async fn deliver(&self, delivery: Delivery) -> Result<(), PublishError> {
        let mut inboxes = self.live().clone();
        if inboxes.is_empty() {
            return Err(PublishError::NotSubscribed(self.durable));
        }
        let turn = self.turn.fetch_add(1, Ordering::Relaxed) % inboxes.len();
        inboxes.rotate_left(turn);
        let mut delivery = delivery;
        for inbox in &inboxes {
            match inbox.try_send(delivery) {
                Ok(()) => return Ok(()),
                Err(refused) => delivery = refused.into_inner(),
            }
        }
        for inbox in &inboxes {
            match inbox.send(delivery).await {
                Ok(()) => return Ok(()),
                Err(closed) => delivery = closed.0,
            }
        }
        Err(PublishError::NotSubscribed(self.durable))
    }

    fn retry_after(&self, delay: Duration) -> PublishError {
        PublishError::RetryRequested { durable: self.durable, delay }
    }
}

impl Inbox {
    pub(crate) async fn next(&mut self) -> Option<Delivery> {
        self.0.recv().await
    }
}

impl Receipt {
    pub(crate) fn subject(&self) -> &str {
        &self.subject
    }

    pub(crate) fn keep_alive(&self) {
        self.alive.notify_one();
    }

    pub(crate) fn ack(self) {
        self.settle(Outcome::Settled);
    }

    pub(crate) fn retry(self, delay: Duration) {
        self.settle(Outcome::RetryAfter(delay));
    }

    pub(crate) fn dead_letter(self, record: DeadLetter) {
        let mut letters = self.dead_letters.lock();
        if letters.len() == DEAD_LETTERS_MAX {
            letters.pop_front();
        }
        letters.push_back(record);
        drop(letters);
        self.settle(Outcome::Settled);
    }

    /// A publisher that has gone will publish again; the consumer knows the version by then.
    fn settle(self, outcome: Outcome) {
        if self.outcome.send(outcome).is_err() {
            tracing::debug!("a delivery was settled after its publisher had gone");
        }
    }
}

impl DeadLetters {
    fn lock(&self) -> MutexGuard<'_, VecDeque<DeadLetter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
