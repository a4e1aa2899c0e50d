//! Erasing one's account, and following how far it has come.

use std::sync::Arc;

use actor_runtime::{database, group_commit::WriteError};
use contracts::{
    Call, Refusal,
    events::ChangedPage,
    users::{EraseAccount, Erasure, GetErasure, ListErased, ReportErased},
};

use super::{Service, refusal_of};
use crate::{
    store::{self, Credentials},
    writes::erasure as writes,
};

impl Service {
    /// Erases an account after its password was proved once more. Groups that are away hear of it when
    /// they are back.
    pub(crate) async fn erase_account(
        self: Arc<Self>,
        call: Call,
        request: EraseAccount,
    ) -> Result<Erasure, Refusal> {
        let EraseAccount { user_id, password, second_factor } = request;
        let place = self.passwords.reserve()?;
        let proving = self.prove_again(&call, &place, user_id, &password, second_factor.as_ref());
        let Credentials { user, version: credentials_version, .. } = proving.await?;
        drop(place);
        let now = self.clock.now();
        let erased = writes::erase_account(&self.pool, &call, user_id, credentials_version, now);
        let erasure = erased.await.map_err(refusal_of)?;
        self.forget_attempts(&call, &user.email).await;
        self.erasure_poke.poke();
        tracing::info!(%user_id, request_id = %call.request_id, "an account was erased");
        Ok(erasure)
    }

    /// How far an erasure has come.
    pub(crate) async fn get_erasure(
        self: Arc<Self>,
        _call: Call,
        request: GetErasure,
    ) -> Result<Erasure, Refusal> {
        let GetErasure { receipt } = request;
        let found = database::read(&self.pool, || store::erasure_by_receipt(&self.pool, receipt));
        found.await.map_err(|error| database::refusal(&error))?.ok_or_else(Refusal::not_found)
    }

    /// Who was erased, for whoever may have missed it.
    pub(crate) async fn list_erased(
        self: Arc<Self>,
        _call: Call,
        request: ListErased,
    ) -> Result<ChangedPage, Refusal> {
        let ListErased(changed_since) = request;
        let read = || store::erased_list(&self.pool, &changed_since);
        database::read(&self.pool, read).await.map_err(|error| database::refusal(&error))
    }

    /// Notes that a group has erased.
    pub(crate) async fn erasure_done(
        self: Arc<Self>,
        _call: Call,
        request: ReportErased,
    ) -> Result<(), Refusal> {
        let ReportErased { user_id, group } = request;
        let done = writes::erasure_done(&self.pool, user_id, group, self.clock.now()).await;
        match done {
            Ok(_is_news) => Ok(()),
            Err(WriteError::Database(error)) => Err(database::refusal(&error)),
            Err(error) => Err(refusal_of(error)),
        }
    }
}
