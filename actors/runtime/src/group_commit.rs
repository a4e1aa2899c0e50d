//! Group commit: writes of many users share one transaction, so they share one wait for the disk.
//!
//! A user's writes always go to the same writer, in their order. A batch in which a write is
//! refused, fails or panics leaves no trace: it is rolled back, and its writes are done again one
//! by one, so nobody pays for another's mistake but in time.

use std::{panic::AssertUnwindSafe, sync::Arc};

use contracts::{Refusal, ReplyPort, UserId};
use futures::FutureExt;
use ractor::ActorRef;
use sqlx::{PgConnection, PgPool};
use tokio::sync::mpsc;

use crate::{
    database, faults,
    mailroom::{Letter, Ticket, report_panic},
    tasks,
};

/// Writers of one domain.
const WRITERS: usize = 3;
/// Most writes in one transaction.
const BATCH_MAX: usize = 64;
/// Most writes that wait for one writer.
const QUEUE_MAX: usize = 512;
/// How often one write is tried when it loses races or deadlocks.
const ATTEMPTS_MAX: usize = 3;

/// One write of one user.
pub trait Write: Send + Sync + 'static {
    /// What the asker gets once it is committed.
    type Answer: Send + 'static;

    /// Whose state it changes.
    fn user_id(&self) -> UserId;

    /// Carries it out. The caller owns the transaction and may carry it out again in another one.
    fn apply_in_txn(
        &self,
        connection: &mut PgConnection,
    ) -> impl Future<Output = Result<Self::Answer, WriteError>> + Send;
}

/// Why a write was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// It asks for something that cannot be.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// It lost a race; another try sees what won.
    #[error("lost a race")]
    Raced,
    /// The database failed or refused.
    #[error("the database failed")]
    Database(#[from] sqlx::Error),
}

/// What is done after a commit: waking a relay, telling waiting readers.
pub type AfterCommit = Arc<dyn Fn(UserId) + Send + Sync>;

struct Job<W: Write> {
    write: W,
    reply: ReplyPort<W::Answer>,
    ticket: Ticket,
}

/// The writers of one domain. They live as long as somebody can submit to them, and finish what
/// was submitted.
pub struct GroupCommit<W: Write> {
    queues: Vec<mpsc::Sender<Job<W>>>,
}

impl<W: Write> GroupCommit<W> {
    /// Starts the writers. `name` prefixes their fault points.
    pub fn start<M: Send + 'static>(
        points: FaultPoints,
        pool: &PgPool,
        after_commit: &AfterCommit,
        actor: &ActorRef<Letter<M>>,
    ) -> Self {
        let queues = (0..WRITERS).map(|_| {
            let (queue, jobs) = mpsc::channel(QUEUE_MAX);
            let (actor, owner) = (actor.clone(), actor.clone());
            let writer = Writer {
                points,
                pool: pool.clone(),
                after_commit: Arc::clone(after_commit),
                panicked: Box::new(move || report_panic(&actor)),
            };
            tasks::spawn(async move {
                // Writes are caught one by one. A panic beside them ends the writer, and its users
                // would have none: the actor starts again with new writers.
                if AssertUnwindSafe(writer.run(jobs)).catch_unwind().await.is_err() {
                    report_panic(&owner);
                }
            });
            queue
        });
        Self { queues: queues.collect() }
    }

    /// Hands a write to its user's writer; the reply comes after its commit.
    pub fn submit(&self, ticket: Ticket, write: W, reply: ReplyPort<W::Answer>) {
        let key = write.user_id().get().unsigned_abs();
        let index = usize::try_from(key).unwrap_or_default() % self.queues.len().max(1);
        let Some(queue) = self.queues.get(index) else {
            reply.answer(Err(Refusal::unavailable()));
            return;
        };
        if let Err(error) = queue.try_send(Job { write, reply, ticket }) {
            let (job, refusal) = match error {
                mpsc::error::TrySendError::Full(job) => (job, Refusal::overloaded()),
                mpsc::error::TrySendError::Closed(job) => (job, Refusal::unavailable()),
            };
            job.reply.answer(Err(refusal));
        }
    }
}

/// The fault points of a writer.
#[derive(Clone, Copy)]
pub struct FaultPoints {
    /// Everything is written, nothing committed.
    pub before_commit: &'static str,
    /// Committed, nobody told.
    pub after_commit: &'static str,
}

struct Writer {
    points: FaultPoints,
    pool: PgPool,
    after_commit: AfterCommit,
    panicked: Box<dyn Fn() + Send + Sync>,
}

/// Why a batch was rolled back.
enum Undone {
    Error(WriteError),
    Panicked,
    /// The commit's answer was lost: it may have happened.
    InDoubt(sqlx::Error),
}

impl Writer {
    async fn run<W: Write>(self, mut jobs: mpsc::Receiver<Job<W>>) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        while jobs.recv_many(&mut batch, BATCH_MAX).await > 0 {
            let mut jobs: Vec<Job<W>> = batch.drain(..).filter_map(Job::still_wanted).collect();
            // One order everywhere: two processes that write for the same users cannot deadlock.
            jobs.sort_by_key(|job| job.write.user_id());
            match self.commit(&jobs).await {
                Ok(answers) => self.tell(jobs, answers),
                Err(Undone::InDoubt(error)) => {
                    tracing::error!(cause = %database::describe(&error), "a commit is in doubt");
                    for job in jobs {
                        job.reply.answer(Err(Refusal::interrupted()));
                    }
                }
                Err(_) => {
                    for job in jobs {
                        // One by one takes long if the database is away: who has gone meanwhile
                        // is not served.
                        if let Some(job) = job.still_wanted() {
                            self.one(job).await;
                        }
                    }
                }
            }
        }
    }

    /// Does one write by itself, again if it loses a race.
    async fn one<W: Write>(&self, job: Job<W>) {
        let mut attempt = 1;
        let undone = loop {
            match self.commit(std::slice::from_ref(&job)).await {
                Ok(answers) => return self.tell(vec![job], answers),
                Err(undone) if undone.is_worth_a_retry() && attempt < ATTEMPTS_MAX => attempt += 1,
                Err(undone) => break undone,
            }
        };
        self.refuse(job, undone);
    }

    fn refuse<W: Write>(&self, job: Job<W>, undone: Undone) {
        match undone {
            Undone::Error(WriteError::Refused(refusal)) => job.reply.answer(Err(refusal)),
            Undone::Error(WriteError::Raced) => job.reply.answer(Err(Refusal::overloaded())),
            Undone::Error(WriteError::Database(error)) => {
                job.reply.answer(Err(database::refusal(&error)));
            }
            Undone::InDoubt(error) => {
                tracing::error!(cause = %database::describe(&error), "a commit is in doubt");
                job.reply.answer(Err(Refusal::interrupted()));
            }
            Undone::Panicked => {
                // Its reply port is dropped unanswered: the asker learns that it failed.
                drop(job);
                (self.panicked)();
            }
        }
    }

    /// Carries the jobs out in one transaction, all or none.
    async fn commit<W: Write>(&self, jobs: &[Job<W>]) -> Result<Vec<W::Answer>, Undone> {
        let mut transaction =
            database::begin(&self.pool).await.map_err(|error| Undone::Error(error.into()))?;
        let mut answers = Vec::with_capacity(jobs.len());
        for job in jobs {
            let applied = AssertUnwindSafe(job.write.apply_in_txn(&mut transaction));
            let applied = applied.catch_unwind().await;
            let undone = match applied {
                Ok(Ok(answer)) => {
                    answers.push(answer);
                    continue;
                }
                Ok(Err(error)) => Undone::Error(error),
                Err(_panic) => Undone::Panicked,
            };
            if let Err(error) = transaction.rollback().await {
                tracing::debug!(cause = %database::describe(&error), "the rollback was not heard");
            }
            return Err(undone);
        }
        faults::point(self.points.before_commit);
        transaction.commit().await.map_err(Undone::InDoubt)?;
        faults::point(self.points.after_commit);
        Ok(answers)
    }

    fn tell<W: Write>(&self, jobs: Vec<Job<W>>, answers: Vec<W::Answer>) {
        for (job, answer) in jobs.into_iter().zip(answers) {
            (self.after_commit)(job.write.user_id());
            job.reply.answer(Ok(answer));
        }
    }
}

impl<W: Write> Job<W> {
    /// A write whose asker has gone is not begun: its answer was 'not carried out'.
    fn still_wanted(self) -> Option<Self> {
        let late = self.ticket.call.deadline <= std::time::Instant::now();
        if late || self.reply.is_abandoned() {
            self.reply.answer(Err(Refusal::interrupted()));
            return None;
        }
        Some(self)
    }
}

impl Undone {
    fn is_worth_a_retry(&self) -> bool {
        match self {
            Self::Error(WriteError::Raced) => true,
            Self::Error(WriteError::Database(sqlx::Error::Database(error))) => {
                error.code().is_some_and(|code| code.starts_with("40"))
            }
            _ => false,
        }
    }
}
