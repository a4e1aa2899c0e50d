//! Taking along what is held on one, and bringing it back.

use std::sync::Arc;

use actor_runtime::database;
use contracts::{
    Call, Refusal,
    users::{
        AccountExport, BeginImport, DataRequestKind, ExportAccount, GetProfile, ListApiTokens,
        ListSessions,
    },
};

use super::{Service, refusal_of};
use crate::{
    store::{self, AccountDetails},
    writes::export as writes,
};

impl Service {
    /// Begins an export, and reads what this group holds.
    pub(crate) async fn export_account(
        self: Arc<Self>,
        call: Call,
        request: ExportAccount,
    ) -> Result<AccountExport, Refusal> {
        let ExportAccount { user_id, kind } = request;
        if kind == DataRequestKind::Import {
            return Err(Refusal::invalid("/kind", "must be an export"));
        }
        let exported_at = self.clock.now();
        let begun = writes::begin(&self.pool, &call, user_id, kind, exported_at).await;
        begun.map_err(refusal_of)?;
        tracing::info!(%user_id, request_id = %call.request_id, kind = kind.name(), "an export");
        let user = self.get_profile(&GetProfile { user_id }).await?;
        let read = || store::account_details_read(&self.pool, user_id);
        let details = database::read(&self.pool, read).await;
        let details = details.map_err(|error| database::refusal(&error))?;
        let AccountDetails { updated_at, second_factor } =
            details.ok_or_else(Refusal::unauthenticated)?;
        let read = || store::data_requests_list(&self.pool, user_id);
        let requests = database::read(&self.pool, read).await;
        let requests = requests.map_err(|error| database::refusal(&error))?;
        let sessions = Arc::clone(&self).list_sessions(call.clone(), ListSessions { user_id });
        let sessions = sessions.await?.sessions;
        let api_tokens = self.list_api_tokens(call, ListApiTokens { user_id }).await?.tokens;
        Ok(AccountExport {
            exported_at,
            user,
            updated_at,
            sessions,
            api_tokens,
            second_factor,
            requests,
        })
    }

    /// Lets an import begin.
    pub(crate) async fn begin_import(
        self: Arc<Self>,
        call: Call,
        request: BeginImport,
    ) -> Result<(), Refusal> {
        let BeginImport { user_id } = request;
        let kind = DataRequestKind::Import;
        let begun = writes::begin(&self.pool, &call, user_id, kind, self.clock.now()).await;
        begun.map_err(refusal_of)?;
        tracing::info!(%user_id, request_id = %call.request_id, "an import");
        Ok(())
    }
}
