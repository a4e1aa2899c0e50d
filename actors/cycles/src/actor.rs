//! The shell: takes requests from the mailbox and hands them on. It never waits for I/O itself:
//! reads go into a task with their reply port, writes to the group-commit writers.

use std::sync::Arc;

use actor_runtime::{
    faults,
    group_commit::{AfterCommit, FaultPoints, GroupCommit, Write},
    mailroom::{Answers, Letter, Ticket},
};
use contracts::{Refusal, ReplyPort, cycles::CyclesMailbox};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use sqlx::PgPool;

use crate::{
    service::Service,
    writes::{CycleChange, Removal, SymptomChange, Versioned},
};

const FAULT_POINTS: FaultPoints =
    FaultPoints { before_commit: "cycles.before_commit", after_commit: "cycles.after_commit" };

/// The actor of the cycles group.
pub(crate) struct CyclesActor;

/// What an incarnation of the actor is made from.
pub(crate) struct CyclesArguments {
    pub(crate) service: Arc<Service>,
    pub(crate) pool: PgPool,
    pub(crate) after_commit: AfterCommit,
}

/// Nothing that could be lost. There are writers for each kind of answer; writes of one user that
/// meet in two of them are put into an order by the user's outbox row.
pub(crate) struct CyclesState {
    service: Arc<Service>,
    answers: Answers<CyclesMailbox>,
    cycle_writers: GroupCommit<Versioned<CycleChange>>,
    symptom_writers: GroupCommit<Versioned<SymptomChange>>,
    removal_writers: GroupCommit<Versioned<Removal>>,
}

impl Actor for CyclesActor {
    type Msg = Letter<CyclesMailbox>;
    type State = CyclesState;
    type Arguments = CyclesArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        arguments: CyclesArguments,
    ) -> Result<CyclesState, ActorProcessingErr> {
        let CyclesArguments { service, pool, after_commit } = arguments;
        Ok(CyclesState {
            service,
            cycle_writers: GroupCommit::start(FAULT_POINTS, &pool, &after_commit, &myself),
            symptom_writers: GroupCommit::start(FAULT_POINTS, &pool, &after_commit, &myself),
            removal_writers: GroupCommit::start(FAULT_POINTS, &pool, &after_commit, &myself),
            answers: Answers::of(myself),
        })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        letter: Self::Msg,
        state: &mut CyclesState,
    ) -> Result<(), ActorProcessingErr> {
        let Some((message, ticket)) = letter.open()? else { return Ok(()) };
        faults::point("cycles.handle");
        state.dispatch(message, ticket);
        Ok(())
    }
}

impl CyclesState {
    fn dispatch(&self, message: CyclesMailbox, ticket: Ticket) {
        let service = Arc::clone(&self.service);
        match message {
            CyclesMailbox::RecordCycle(request, reply) => {
                let write = service.record_cycle(&ticket.call, request);
                submit(&self.cycle_writers, ticket, write, reply);
            }
            CyclesMailbox::EditCycle(request, reply) => {
                let write = service.edit_cycle(&ticket.call, request);
                submit(&self.cycle_writers, ticket, write, reply);
            }
            CyclesMailbox::DeleteCycle(request, reply) => {
                let write = service.delete_cycle(&ticket.call, request);
                submit(&self.removal_writers, ticket, write, reply);
            }
            CyclesMailbox::LogSymptom(request, reply) => {
                let write = service.log_symptom(&ticket.call, request);
                submit(&self.symptom_writers, ticket, write, reply);
            }
            CyclesMailbox::EditSymptom(request, reply) => {
                let write = service.edit_symptom(&ticket.call, request);
                submit(&self.symptom_writers, ticket, write, reply);
            }
            CyclesMailbox::DeleteSymptom(request, reply) => {
                let write = service.delete_symptom(&ticket.call, request);
                submit(&self.removal_writers, ticket, write, reply);
            }
            CyclesMailbox::ListCycles(request, reply) => {
                let work = async move { service.list_cycles(request).await };
                self.answers.spawn(ticket, reply, work);
            }
            CyclesMailbox::GetCycle(request, reply) => {
                let work = async move { service.get_cycle(request).await };
                self.answers.spawn(ticket, reply, work);
            }
            CyclesMailbox::ListSymptoms(request, reply) => {
                let work = async move { service.list_symptoms(request).await };
                self.answers.spawn(ticket, reply, work);
            }
            CyclesMailbox::GetHistory(request, reply) => {
                let work = async move { service.get_history(request).await };
                self.answers.spawn(ticket, reply, work);
            }
            CyclesMailbox::ListCyclesChanged(request, reply) => {
                let work = async move { service.list_changed(request).await };
                self.answers.spawn(ticket, reply, work);
            }
            CyclesMailbox::CheckCycles(request, reply) => {
                let work = async move { Ok(service.check(request).await) };
                self.answers.spawn(ticket, reply, work);
            }
        }
    }
}

/// Hands a valid write to its writers; an invalid one is answered before any SQL.
fn submit<W: Write>(
    writers: &GroupCommit<W>,
    ticket: Ticket,
    write: Result<W, Refusal>,
    reply: ReplyPort<W::Answer>,
) {
    match write {
        Ok(write) => writers.submit(ticket, write, reply),
        Err(refusal) => reply.answer(Err(refusal)),
    }
}
