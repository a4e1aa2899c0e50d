//! Erasing one's account, and following how far it has come.

use std::sync::Arc;

use actor_runtime::{database, group_commit::WriteError};
use chrono::TimeDelta;
use contracts::{
    Call, Refusal,
    events::ChangedPage,
    limits,
    users::{EraseAccount, Erasure, FindErasure, GetErasure, ListErased, ReportErased},
};

use super::{Service, refusal_of};
use crate::{
    ledger::LedgerEntry,
    store::{self, Credentials},
    writes::erasure as writes,
};

/// How long the session is known in which an erasure was asked for: by then the last token of it has
/// expired.
pub(crate) const ASKED_FOR: TimeDelta = TimeDelta::seconds(
    (limits::ACCESS_TOKEN_TTL_MAX.as_secs() + limits::TOKEN_LEEWAY.as_secs()).cast_signed(),
);

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
        let Erasure { receipt, erased_at, .. } = erasure;
        self.ledger.note(LedgerEntry { user_id, receipt, erased_at }).await;
        self.forget_attempts(&call, &user.email).await;
        self.erasure_poke.poke();
        tracing::info!(%user_id, request_id = %call.request_id, "an account was erased");
        Ok(erasure)
    }

    /// The erasure that was asked for in a session, while a token of it may still be good: for whoever
    /// lost the answer with the receipt.
    pub(crate) async fn find_erasure(
        self: Arc<Self>,
        _call: Call,
        request: FindErasure,
    ) -> Result<Erasure, Refusal> {
        let FindErasure { user_id, session_id } = request;
        let since = self.clock.now() - ASKED_FOR;
        let read = || store::erasure_asked_by(&self.pool, user_id, session_id, since);
        let found = database::read(&self.pool, read).await;
        found.map_err(|error| database::refusal(&error))?.ok_or_else(Refusal::unauthenticated)
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
