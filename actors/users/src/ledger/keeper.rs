//! Keeps the ledger as the database is, and the database as the ledger says: a database that was
//! restored from a backup is known by what it does not know.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use actor_runtime::{
    background::{self, LoopResult},
    database,
    supervisor::Child,
};
use chrono::TimeDelta;
use contracts::UserId;
use sqlx::{PgConnection, PgPool};
use tokio::{task, time};

use super::{LedgerEntry, LedgerError, LedgerFile, ledger_apply};
use crate::store;

/// How often it is looked for erasures of other processes, and whether the database is still the one
/// that it was.
const LOOK_EVERY: Duration = Duration::from_secs(2);
/// Erasures that are looked at again: clocks differ, and a commit may come late.
const OVERLAP: TimeDelta = TimeDelta::minutes(5);
/// Ids that are passed over after a restore, beyond the greatest that was written down: accounts may
/// have been made in the last seconds of which nobody had heard.
const UNHEARD_OF: i64 = 100_000;
/// Erasures in one page.
const PAGE: i64 = 1_000;

/// What a start found.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Enforced {
    /// Whether the database is older than the ledger.
    pub is_restored: bool,
    /// Who was erased again.
    pub erased: usize,
}

/// Erases again whoever the ledger names and the database does not, and writes into the ledger whom
/// only the database names. Before anybody is served.
///
/// # Errors
///
/// The ledger's, or the database's.
pub async fn enforce(
    connection: &mut PgConnection,
    ledger: &Arc<LedgerFile>,
) -> Result<Enforced, LedgerError> {
    let text = off_thread(ledger, LedgerFile::read).await?;
    let last = store::account_last_id(&mut *connection).await.map_err(of_database)?;
    let ids: Vec<UserId> = text.entries.iter().map(|entry| entry.user_id).collect();
    let missing = store::not_erased_of(&mut *connection, &ids).await.map_err(of_database)?;
    let missing: BTreeSet<UserId> = missing.into_iter().collect();
    let is_restored = !missing.is_empty() || last < text.last_user_id;
    if is_restored {
        let known = text.last_user_id.max(last).get();
        let passed = UserId::new(known.saturating_add(UNHEARD_OF));
        store::account_pass_id(&mut *connection, passed).await.map_err(of_database)?;
    }
    let mut erased = 0;
    for entry in text.entries.iter().filter(|entry| missing.contains(&entry.user_id)) {
        erased += usize::from(ledger_apply(connection, entry).await.map_err(of_database)?);
    }
    let mut after = None;
    loop {
        let page = store::ledger_list(&mut *connection, after, PAGE).await.map_err(of_database)?;
        after = page.last().map(|entry| entry.user_id);
        let last = store::account_last_id(&mut *connection).await.map_err(of_database)?;
        off_thread(ledger, move |ledger| ledger.append(&page, Some(last))).await?;
        if after.is_none() {
            break;
        }
    }
    ledger.seen().is_complete = true;
    Ok(Enforced { is_restored, erased })
}

/// Keeps a ledger, if one is kept.
#[derive(Clone)]
pub(crate) struct Keeper {
    pub(crate) ledger: Option<Arc<LedgerFile>>,
    pub(crate) pool: PgPool,
}

impl Keeper {
    /// Writes an erasure down before it is answered. If that cannot be done, the erasure stands all the
    /// same, and the look tries again.
    pub(crate) async fn note(&self, entry: LedgerEntry) {
        let Some(ledger) = &self.ledger else { return };
        let noted = off_thread(ledger, move |ledger| ledger.append(&[entry], None)).await;
        if let Err(error) = noted {
            tracing::error!(%error, "an erasure could not be written into the ledger; it is tried again");
        }
    }

    /// As a supervised child.
    pub(crate) fn child(self) -> Child {
        background::child("ledger of erasures", move |stop| {
            let keeper = self.clone();
            async move {
                match &keeper.ledger {
                    Some(ledger) => {
                        stop.run_until_cancelled(keeper.run(ledger)).await;
                    }
                    None => stop.cancelled().await,
                }
                LoopResult::Ok(())
            }
        })
    }

    async fn run(&self, ledger: &Arc<LedgerFile>) {
        let mut failed = false;
        loop {
            time::sleep(LOOK_EVERY).await;
            let looked = self.look(ledger).await;
            // Tried again and again: said once.
            match &looked {
                Err(error) if !failed => {
                    tracing::error!(%error, "the ledger of erasures cannot be kept");
                }
                Ok(()) if failed => tracing::info!("the ledger of erasures can be kept again"),
                Ok(()) | Err(_) => {}
            }
            failed = looked.is_err();
        }
    }

    async fn look(&self, ledger: &Arc<LedgerFile>) -> Result<(), LedgerError> {
        let (newest, known_last, is_complete) = {
            let seen = ledger.seen();
            (seen.newest, seen.last_user_id, seen.is_complete)
        };
        let since = newest.map(|(erased_at, _)| erased_at - OVERLAP);
        let read = || store::ledger_since(&self.pool, since);
        let recent = database::read(&self.pool, read).await.map_err(of_database)?;
        let mut connection = self.pool.acquire().await.map_err(of_database)?;
        let last = store::account_last_id(&mut connection).await.map_err(of_database)?;
        let knows = |user_id| recent.iter().any(|entry| entry.user_id == user_id);
        let is_older = newest.is_some_and(|(_, user_id)| !knows(user_id))
            || known_last.is_some_and(|known| last < known);
        if is_older || !is_complete {
            let Enforced { is_restored, erased } = enforce(&mut connection, ledger).await?;
            if is_restored {
                tracing::warn!(erased, "the database of users was restored under way");
            }
            return Ok(());
        }
        drop(connection);
        off_thread(ledger, move |ledger| ledger.append(&recent, Some(last))).await?;
        Ok(())
    }
}

/// Files are waited for elsewhere.
async fn off_thread<T: Send + 'static>(
    ledger: &Arc<LedgerFile>,
    work: impl FnOnce(&LedgerFile) -> Result<T, LedgerError> + Send + 'static,
) -> Result<T, LedgerError> {
    let ledger = Arc::clone(ledger);
    let worked = task::spawn_blocking(move || work(&ledger)).await;
    worked.map_err(|_| std::io::Error::other("the work was cut short"))?
}

#[expect(clippy::needless_pass_by_value, reason = "it stands in map_err")]
fn of_database(error: sqlx::Error) -> LedgerError {
    LedgerError::Database(database::describe(&error).into_owned())
}
