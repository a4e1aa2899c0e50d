//! The mailbox of the notifications group. It never waits for I/O: reads go to tasks, writes to
//! the group-commit writers.

use std::sync::Arc;

use actor_runtime::{
    faults,
    group_commit::GroupCommit,
    mailroom::{Answers, Letter},
};
use contracts::notifications::NotificationsMailbox;
use ractor::{Actor, ActorProcessingErr, ActorRef};

use crate::{FAULT_POINTS, service::Service, writes::ChangePreferences};

/// Answers the requests of [`NotificationsMailbox`].
pub(crate) struct NotificationsActor;

/// What an incarnation of the actor works with; nothing that is not in the database.
pub(crate) struct State {
    service: Arc<Service>,
    writers: GroupCommit<ChangePreferences>,
    answers: Answers<NotificationsMailbox>,
}

impl Actor for NotificationsActor {
    type Msg = Letter<NotificationsMailbox>;
    type State = State;
    type Arguments = Arc<Service>;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        service: Arc<Service>,
    ) -> Result<State, ActorProcessingErr> {
        let after_commit = service.after_commit();
        let writers = GroupCommit::start(FAULT_POINTS, service.pool(), &after_commit, &myself);
        Ok(State { service, writers, answers: Answers::of(myself) })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        letter: Self::Msg,
        state: &mut State,
    ) -> Result<(), ActorProcessingErr> {
        let Some((message, ticket)) = letter.open()? else { return Ok(()) };
        faults::point("notifications.handle");
        let service = Arc::clone(&state.service);
        let call = ticket.call.clone();
        let answers = &state.answers;
        match message {
            NotificationsMailbox::GetPreferences(request, reply) => {
                answers.spawn(ticket, reply, async move {
                    service.get_preferences(&call, request).await
                });
            }
            NotificationsMailbox::UpdatePreferences(request, reply) => {
                match service.update_preferences(&call, &request) {
                    Ok(write) => state.writers.submit(ticket, write, reply),
                    Err(refusal) => reply.answer(Err(refusal)),
                }
            }
            NotificationsMailbox::ListNotifications(request, reply) => {
                answers.spawn(ticket, reply, async move {
                    service.list_notifications(&call, request).await
                });
            }
            NotificationsMailbox::GetNotification(request, reply) => {
                answers.spawn(ticket, reply, async move {
                    service.get_notification(&call, request).await
                });
            }
            NotificationsMailbox::CheckNotifications(_, reply) => {
                answers.spawn(ticket, reply, async move { Ok(service.check().await) });
            }
        }
        Ok(())
    }
}
