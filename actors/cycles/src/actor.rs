//! The shell: takes requests from the mailbox and hands them on. It never waits for I/O itself:
//! reads go into a task with their reply port, writes to the group-commit writers.

use std::sync::Arc;

use actor_runtime::{
    faults,
    group_commit::{AfterCommit, FaultPoints, GroupCommit, Write},
    mailroom::{Answers, Letter, Ticket},
};
use contracts::{
    Call, Refusal, ReplyPort,
    cycles::{AnswerGap, CyclesMailbox, ImportCycles, SetRetention},
};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use sqlx::PgPool;

use crate::{
    service::Service,
    writes::{CycleChange, EpisodeChange, Removal, SymptomChange, Versioned},
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
    cycles: GroupCommit<Versioned<CycleChange>>,
    symptoms: GroupCommit<Versioned<SymptomChange>>,
    episodes: GroupCommit<Versioned<EpisodeChange>>,
    gaps: GroupCommit<Versioned<AnswerGap>>,
    removals: GroupCommit<Versioned<Removal>>,
    retentions: GroupCommit<Versioned<SetRetention>>,
    imports: GroupCommit<Versioned<ImportCycles>>,
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
            cycles: GroupCommit::start(FAULT_POINTS, &pool, &after_commit, &myself),
            symptoms: GroupCommit::start(FAULT_POINTS, &pool, &after_commit, &myself),
            episodes: GroupCommit::start(FAULT_POINTS, &pool, &after_commit, &myself),
            gaps: GroupCommit::start(FAULT_POINTS, &pool, &after_commit, &myself),
            removals: GroupCommit::start(FAULT_POINTS, &pool, &after_commit, &myself),
            retentions: GroupCommit::start(FAULT_POINTS, &pool, &after_commit, &myself),
            imports: GroupCommit::start(FAULT_POINTS, &pool, &after_commit, &myself),
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
    #[expect(clippy::too_many_lines, reason = "an arm for each operation, and nothing else")]
    fn dispatch(&self, message: CyclesMailbox, ticket: Ticket) {
        let (service, answers) = (Arc::clone(&self.service), &self.answers);
        match message {
            CyclesMailbox::RecordCycle(request, reply) => {
                submit(&self.cycles, ticket, reply, |call| service.record_cycle(call, request));
            }
            CyclesMailbox::EditCycle(request, reply) => {
                submit(&self.cycles, ticket, reply, |call| service.edit_cycle(call, request));
            }
            CyclesMailbox::DeleteCycle(request, reply) => {
                submit(&self.removals, ticket, reply, |call| service.delete_cycle(call, request));
            }
            CyclesMailbox::LogSymptom(request, reply) => {
                submit(&self.symptoms, ticket, reply, |call| service.log_symptom(call, request));
            }
            CyclesMailbox::EditSymptom(request, reply) => {
                submit(&self.symptoms, ticket, reply, |call| service.edit_symptom(call, request));
            }
            CyclesMailbox::DeleteSymptom(request, reply) => {
                submit(&self.removals, ticket, reply, |call| service.delete_symptom(call, request));
            }
            CyclesMailbox::RecordEpisode(request, reply) => {
                submit(&self.episodes, ticket, reply, |call| service.record_episode(call, request));
            }
            CyclesMailbox::EditEpisode(request, reply) => {
                submit(&self.episodes, ticket, reply, |call| service.edit_episode(call, request));
            }
            CyclesMailbox::DeleteEpisode(request, reply) => {
                submit(&self.removals, ticket, reply, |call| service.delete_episode(call, request));
            }
            CyclesMailbox::AnswerGap(request, reply) => {
                submit(&self.gaps, ticket, reply, |call| service.answer_gap(call, request));
            }
            CyclesMailbox::SetRetention(request, reply) => {
                submit(&self.retentions, ticket, reply, |call| {
                    service.set_retention(call, request)
                });
            }
            CyclesMailbox::ImportCycles(request, reply) if request.check_only => {
                reply.answer(service.check_import(&request));
            }
            CyclesMailbox::ImportCycles(request, reply) => {
                submit(&self.imports, ticket, reply, |call| service.import_cycles(call, request));
            }
            CyclesMailbox::ExportCycles(request, reply) => {
                answers.spawn(ticket, reply, async move { service.export_cycles(request).await });
            }
            CyclesMailbox::GetRetention(request, reply) => {
                answers.spawn(ticket, reply, async move { service.get_retention(request).await });
            }
            CyclesMailbox::ListCycles(request, reply) => {
                answers.spawn(ticket, reply, async move { service.list_cycles(request).await });
            }
            CyclesMailbox::GetCycle(request, reply) => {
                answers.spawn(ticket, reply, async move { service.get_cycle(request).await });
            }
            CyclesMailbox::ListSymptoms(request, reply) => {
                answers.spawn(ticket, reply, async move { service.list_symptoms(request).await });
            }
            CyclesMailbox::ListEpisodes(request, reply) => {
                answers.spawn(ticket, reply, async move { service.list_episodes(request).await });
            }
            CyclesMailbox::GetEpisode(request, reply) => {
                answers.spawn(ticket, reply, async move { service.get_episode(request).await });
            }
            CyclesMailbox::GetHistory(request, reply) => {
                answers.spawn(ticket, reply, async move { service.get_history(request).await });
            }
            CyclesMailbox::ListCyclesChanged(request, reply) => {
                answers.spawn(ticket, reply, async move { service.list_changed(request).await });
            }
            CyclesMailbox::CheckCycles(request, reply) => {
                answers.spawn(ticket, reply, async move { Ok(service.check(request).await) });
            }
        }
    }
}

/// Hands a valid write to its writers; an invalid one is answered before any SQL.
fn submit<W: Write>(
    writers: &GroupCommit<W>,
    ticket: Ticket,
    reply: ReplyPort<W::Answer>,
    write: impl FnOnce(&Call) -> Result<W, Refusal>,
) {
    match write(&ticket.call) {
        Ok(write) => writers.submit(ticket, write, reply),
        Err(refusal) => reply.answer(Err(refusal)),
    }
}
