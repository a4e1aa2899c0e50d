//! The ledger of erasures: kept apart from backups, and applied to a database that was restored from
//! one, before anybody is served from it.

mod file;
mod keeper;

use actor_runtime::clock::Ids;
use chrono::{DateTime, Utc};
use contracts::{Call, UserId};
use serde::{Deserialize, Serialize};
use sqlx::{Connection, PgConnection};
use std::time::Duration;
use uuid::Uuid;

use crate::{store, writes::erasure::erase_in_txn};

pub(crate) use keeper::Keeper;
pub use {
    file::{LedgerError, LedgerFile, LedgerHead, LedgerText},
    keeper::{Enforced, enforce as enforce_ledger},
};

/// Erasures in one page.
const PAGE: i64 = 1_000;
/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// One erasure: no more of a person than an id that is never used again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerEntry {
    /// Who was erased.
    pub user_id: UserId,
    /// The receipt, which still shows how far it has come.
    pub receipt: Uuid,
    /// When.
    pub erased_at: DateTime<Utc>,
}

/// The greatest id that an account ever had. After a restore no new account may get one up to it: it
/// could belong to somebody of whom other databases still hold something.
///
/// # Errors
///
/// The database's.
pub async fn last_user_id(connection: &mut PgConnection) -> Result<UserId, sqlx::Error> {
    store::account_last_id(connection).await
}

/// A page of the ledger, by id.
///
/// # Errors
///
/// The database's.
pub async fn ledger_page(
    connection: &mut PgConnection,
    after: Option<UserId>,
) -> Result<Vec<LedgerEntry>, sqlx::Error> {
    store::ledger_list(connection, after, PAGE).await
}

/// Erases whoever the ledger names, once more: the account, if the backup brought it back, and by the
/// saga what the groups hold. Whether there was anything to do.
///
/// # Errors
///
/// The database's.
pub async fn ledger_apply(
    connection: &mut PgConnection,
    entry: &LedgerEntry,
) -> Result<bool, sqlx::Error> {
    let user_id = entry.user_id;
    let mut transaction = connection.begin().await?;
    if store::erasure_of_user(&mut *transaction, user_id).await?.is_some() {
        return Ok(false);
    }
    let call = Call::new(Ids.request_id("ledger"), Ids.trace(), PATIENCE);
    store::sessions_end_all_in_txn(&mut transaction, user_id, None).await?;
    erase_in_txn(&mut transaction, &call, entry, None).await?;
    transaction.commit().await?;
    Ok(true)
}

/// Sees to it that no new account gets an id up to this one.
///
/// # Errors
///
/// The database's.
pub async fn pass_user_id(connection: &mut PgConnection, last: UserId) -> Result<(), sqlx::Error> {
    store::account_pass_id(connection, last).await
}

/// The name of a database of users, which its backups share: a ledger is of one of them.
///
/// # Errors
///
/// The database's.
pub async fn ledger_database(connection: &mut PgConnection) -> Result<Uuid, sqlx::Error> {
    store::lineage_read(connection).await
}

/// Takes over the name that a ledger has: its ids are those of this database.
///
/// # Errors
///
/// The database's.
pub async fn adopt_ledger(connection: &mut PgConnection, name: Uuid) -> Result<(), sqlx::Error> {
    store::lineage_write(connection, name).await
}
