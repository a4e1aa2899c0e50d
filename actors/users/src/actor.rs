//! The users actor: a shell around the service. It never holds its mailbox across I/O or hashing.

use std::sync::Arc;

use actor_runtime::{
    faults,
    group_commit::GroupCommit,
    mailroom::{Answers, Letter, Ticket},
};
use contracts::{
    ReplyPort,
    users::{GetSigningKeys, UpdateProfile, User, UsersMailbox},
};
use ractor::{Actor, ActorProcessingErr, ActorRef};
use sqlx::PgPool;

use crate::{
    service::Service,
    writes::{FAULT_POINTS, ProfileWrite},
};

pub(crate) struct UsersActor;

pub(crate) struct UsersArguments {
    pub(crate) service: Arc<Service>,
    pub(crate) pool: PgPool,
}

pub(crate) struct UsersState {
    service: Arc<Service>,
    writers: GroupCommit<ProfileWrite>,
    answers: Answers<UsersMailbox>,
}

impl Actor for UsersActor {
    type Msg = Letter<UsersMailbox>;
    type State = UsersState;
    type Arguments = UsersArguments;

    async fn pre_start(
        &self,
        myself: ActorRef<Self::Msg>,
        UsersArguments { service, pool }: UsersArguments,
    ) -> Result<UsersState, ActorProcessingErr> {
        let writers = GroupCommit::start(FAULT_POINTS, &pool, &service.after_commit, &myself);
        Ok(UsersState { service, writers, answers: Answers::of(myself) })
    }

    async fn handle(
        &self,
        _myself: ActorRef<Self::Msg>,
        letter: Letter<UsersMailbox>,
        state: &mut UsersState,
    ) -> Result<(), ActorProcessingErr> {
        let Some((message, ticket)) = letter.open()? else { return Ok(()) };
        faults::point("users.handle");
        state.answer(message, ticket);
        Ok(())
    }
}

impl UsersState {
    fn answer(&self, message: UsersMailbox, ticket: Ticket) {
        let service = Arc::clone(&self.service);
        let call = ticket.call.clone();
        match message {
            UsersMailbox::Register(request, reply) => {
                self.answers
                    .spawn(ticket, reply, async move { service.register(&call, &request).await });
            }
            UsersMailbox::Login(request, reply) => {
                self.answers.spawn(
                    ticket,
                    reply,
                    async move { service.login(&call, request).await },
                );
            }
            UsersMailbox::GetProfile(request, reply) => {
                self.answers.spawn(
                    ticket,
                    reply,
                    async move { service.get_profile(&request).await },
                );
            }
            UsersMailbox::UpdateProfile(request, reply) => {
                self.update_profile(request, ticket, reply);
            }
            UsersMailbox::GetPerson(request, reply) => {
                self.answers.spawn(ticket, reply, async move { service.get_person(request).await });
            }
            UsersMailbox::ListUsersChanged(request, reply) => {
                let work = async move { service.list_changed(request).await };
                self.answers.spawn(ticket, reply, work);
            }
            UsersMailbox::GetSigningKeys(GetSigningKeys {}, reply) => {
                reply.answer(service.signing_keys());
            }
            UsersMailbox::CheckUsers(_, reply) => {
                self.answers.spawn(ticket, reply, async move { Ok(service.check().await) });
            }
        }
    }

    fn update_profile(&self, request: UpdateProfile, ticket: Ticket, reply: ReplyPort<User>) {
        match self.service.update_profile(&ticket.call, request) {
            Ok(write) => self.writers.submit(ticket, write, reply),
            Err(refusal) => reply.answer(Err(refusal)),
        }
    }
}
