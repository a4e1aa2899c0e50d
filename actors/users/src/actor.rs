//! The users actor: a shell around the service. It never holds its mailbox across I/O or hashing.

use std::sync::Arc;

use actor_runtime::{
    faults,
    group_commit::GroupCommit,
    mailroom::{Answers, Letter, Ticket},
};
use contracts::{
    Call, Refusal, ReplyPort,
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
    #[expect(clippy::too_many_lines, reason = "an arm for each operation, and nothing else")]
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
            UsersMailbox::RefreshSession(request, reply) => {
                self.run(ticket, reply, request, Service::refresh_session);
            }
            UsersMailbox::Logout(request, reply) => {
                self.run(ticket, reply, request, Service::logout);
            }
            UsersMailbox::LogoutEverywhere(request, reply) => {
                self.run(ticket, reply, request, Service::logout_everywhere);
            }
            UsersMailbox::ListSessions(request, reply) => {
                self.run(ticket, reply, request, Service::list_sessions);
            }
            UsersMailbox::EndSession(request, reply) => {
                self.run(ticket, reply, request, Service::end_session);
            }
            UsersMailbox::ChangePassword(request, reply) => {
                self.run(ticket, reply, request, Service::change_password);
            }
            UsersMailbox::RequestPasswordReset(request, reply) => {
                self.run(ticket, reply, request, Service::request_password_reset);
            }
            UsersMailbox::ResetPassword(request, reply) => {
                self.run(ticket, reply, request, Service::reset_password);
            }
            UsersMailbox::GetSecondFactor(request, reply) => {
                self.run(ticket, reply, request, Service::get_second_factor);
            }
            UsersMailbox::EnrolSecondFactor(request, reply) => {
                self.run(ticket, reply, request, Service::enrol_second_factor);
            }
            UsersMailbox::ConfirmSecondFactor(request, reply) => {
                self.run(ticket, reply, request, Service::confirm_second_factor);
            }
            UsersMailbox::RenewRecoveryCodes(request, reply) => {
                self.run(ticket, reply, request, Service::renew_recovery_codes);
            }
            UsersMailbox::RemoveSecondFactor(request, reply) => {
                self.run(ticket, reply, request, Service::remove_second_factor);
            }
            UsersMailbox::CreateApiToken(request, reply) => {
                self.run(ticket, reply, request, Service::create_api_token);
            }
            UsersMailbox::ListApiTokens(request, reply) => {
                self.run(ticket, reply, request, Service::list_api_tokens);
            }
            UsersMailbox::RevokeApiToken(request, reply) => {
                self.run(ticket, reply, request, Service::revoke_api_token);
            }
            UsersMailbox::ExchangeApiToken(request, reply) => {
                self.run(ticket, reply, request, Service::exchange_api_token);
            }
            UsersMailbox::ListRevocations(request, reply) => {
                self.run(ticket, reply, request, Service::list_revocations);
            }
            UsersMailbox::EraseAccount(request, reply) => {
                self.run(ticket, reply, request, Service::erase_account);
            }
            UsersMailbox::ExportAccount(request, reply) => {
                self.run(ticket, reply, request, Service::export_account);
            }
            UsersMailbox::BeginImport(request, reply) => {
                self.run(ticket, reply, request, Service::begin_import);
            }
            UsersMailbox::ListAudit(request, reply) => {
                self.run(ticket, reply, request, Service::list_audit);
            }
            UsersMailbox::GetErasure(request, reply) => {
                self.run(ticket, reply, request, Service::get_erasure);
            }
            UsersMailbox::FindErasure(request, reply) => {
                self.run(ticket, reply, request, Service::find_erasure);
            }
            UsersMailbox::ListErased(request, reply) => {
                self.run(ticket, reply, request, Service::list_erased);
            }
            UsersMailbox::ReportErased(request, reply) => {
                self.run(ticket, reply, request, Service::erasure_done);
            }
            UsersMailbox::GetSigningKeys(GetSigningKeys {}, reply) => {
                reply.answer(service.signing_keys());
            }
            UsersMailbox::CheckUsers(_, reply) => {
                self.answers.spawn(ticket, reply, async move { Ok(service.check().await) });
            }
        }
    }

    /// Answers in a task of its own by one of the service's methods.
    fn run<Q, A, Answering>(
        &self,
        ticket: Ticket,
        reply: ReplyPort<A>,
        request: Q,
        method: impl FnOnce(Arc<Service>, Call, Q) -> Answering,
    ) where
        A: Send + 'static,
        Answering: Future<Output = Result<A, Refusal>> + Send + 'static,
    {
        let answering = method(Arc::clone(&self.service), ticket.call.clone(), request);
        self.answers.spawn(ticket, reply, answering);
    }

    fn update_profile(&self, request: UpdateProfile, ticket: Ticket, reply: ReplyPort<User>) {
        match self.service.update_profile(&ticket.call, request) {
            Ok(write) => self.writers.submit(ticket, write, reply),
            Err(refusal) => reply.answer(Err(refusal)),
        }
    }
}
