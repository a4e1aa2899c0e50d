//! How often somebody may try to prove who they are.
//!
//! Attempts are counted by account and by address, in the database: so by all processes together, and
//! over restarts. An account that does not exist is counted as one that does. What is refused here is
//! refused before anything is looked up or hashed. `docs/decisions/0024-throttling.md` has the reasons.
//!
//! An address from which the account was signed in to lately has a count of its own: whoever fails
//! somewhere else does not keep its owner out. There an attempt is counted when it has failed, and
//! everywhere else before it is looked at, so that a hundred at once are not a hundred guesses.

mod names;

use std::net::IpAddr;

use actor_runtime::{
    database,
    seal::{DataKey, SealError},
};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{ErrorKind, Refusal};
use sqlx::{PgConnection, PgPool};

pub(crate) use names::Name;
use names::Names;

use crate::{store, validate};

/// Failures in a row that cost nothing.
const FREE: u32 = 5;
/// The longest wait after any but the last, in seconds.
const WAIT_SECONDS_MAX: i64 = 15 * 60;
/// Failures in a row after which nothing is looked at for a day (NIST SP 800-63B-4 §3.2.2: no more
/// than 100). A password reset ends the wait.
const IN_A_ROW_MAX: u32 = 100;
const LONGEST_WAIT: TimeDelta = TimeDelta::hours(24);
/// How long few failures are remembered, and many: longer than the longest wait.
const FEW_REMEMBERED: TimeDelta = TimeDelta::hours(1);
const MANY_REMEMBERED: TimeDelta = TimeDelta::hours(25);
/// How long an address counts as the owner's after they signed in from it. No address is kept for
/// longer, not even as a keyed hash; the audit log has networks.
const KNOWN_FOR: TimeDelta = TimeDelta::hours(1);
/// An address is noted again if it would be forgotten within this.
const KNOWN_AGAIN: TimeDelta = TimeDelta::minutes(30);
/// Mails that somebody may ask for to one address, in an hour.
const MAILS_PER_HOUR: u32 = 3;
const MINUTE: TimeDelta = TimeDelta::minutes(1);
const HOUR: TimeDelta = TimeDelta::hours(1);

/// Failures that one address may cause, whoever the attempts are for. A network of IPv6 (/64) counts
/// as one address.
#[derive(Clone, Copy, Debug)]
pub struct AddressLimits {
    /// In a minute.
    pub per_minute: u32,
    /// In an hour.
    pub per_hour: u32,
}

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Count {
    pub(crate) attempts: u32,
    /// The next attempt is looked at from here on.
    pub(crate) not_before: DateTime<Utc>,
    /// It counts until here.
    pub(crate) forget_at: DateTime<Utc>,
}

/// Counts attempts.
pub(crate) struct Throttle {
    pub(crate) limits: AddressLimits,
}

/// An attempt that may go on. It has to be told how it ended.
#[must_use]
pub(crate) struct Attempt {
    names: Names,
    /// Whether the account was signed in to from this address lately.
    is_known: bool,
}

/// How attempts become a wait.
#[derive(Clone, Copy)]
enum Rule {
    /// The more in a row, the longer.
    Ladder,
    /// So many in such a time.
    Window { max: u32, length: TimeDelta },
}

impl Throttle {
    /// Begins an attempt to prove to be the owner of the account with this address.
    ///
    /// # Errors
    ///
    /// `Throttled`: nothing was looked at, and nothing counted.
    pub(crate) async fn begin(
        &self,
        pool: &PgPool,
        key: &DataKey,
        email: &str,
        origin: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<Attempt, Refusal> {
        let names = Names::of(key, email, origin)?;
        let known = database::read(pool, || store::throttle_read(pool, &names.pair, now)).await;
        if let Some(known) = known.map_err(|error| database::refusal(&error))? {
            return if known.is_waiting(now) {
                Err(throttled(known.not_before, now))
            } else {
                Ok(Attempt { names, is_known: true })
            };
        }
        let mut counted = names.address_rules(self.limits);
        counted.push((names.account, Rule::Ladder));
        count_all(pool, &counted, now).await?;
        Ok(Attempt { names, is_known: false })
    }

    /// Counts a request that tells nothing of whether an account exists, by its address alone.
    ///
    /// # Errors
    ///
    /// `Throttled`.
    pub(crate) async fn count_address(
        &self,
        pool: &PgPool,
        key: &DataKey,
        origin: Option<IpAddr>,
        now: DateTime<Utc>,
    ) -> Result<(), Refusal> {
        let rules = Names::of(key, "", origin)?.address_rules(self.limits);
        if rules.is_empty() { Ok(()) } else { count_all(pool, &rules, now).await }
    }

    /// Forgets the attempts for an account that is gone. What is counted elsewhere for it is gone an
    /// hour later.
    ///
    /// # Errors
    ///
    /// The database's.
    pub(crate) async fn forget(
        &self,
        pool: &PgPool,
        key: &DataKey,
        email: &str,
        origin: Option<IpAddr>,
    ) -> Result<(), Refusal> {
        let Names { account, pair, address: _ } = Names::of(key, email, origin)?;
        in_transaction(pool, async |connection| {
            store::throttle_delete_in_txn(connection, &account).await?;
            store::throttle_delete_in_txn(connection, &pair).await
        })
        .await
    }

    /// Whether one more mail may be sent to an address; it is counted then.
    ///
    /// # Errors
    ///
    /// The database's.
    pub(crate) async fn may_send_mail(
        &self,
        pool: &PgPool,
        key: &DataKey,
        email: &str,
        now: DateTime<Utc>,
    ) -> Result<bool, Refusal> {
        let name = key.fingerprint("throttle mail", validate::key_of(email).as_bytes());
        let rule = Rule::Window { max: MAILS_PER_HOUR, length: HOUR };
        match count_all(pool, &[(name.map_err(refusal)?, rule)], now).await {
            Ok(()) => Ok(true),
            Err(refusal) if refusal.kind == ErrorKind::Throttled => Ok(false),
            Err(refusal) => Err(refusal),
        }
    }
}

impl Attempt {
    /// It failed.
    pub(crate) async fn failed(self, pool: &PgPool, now: DateTime<Utc>) -> Result<(), Refusal> {
        let Self { names, is_known } = self;
        if !is_known {
            return Ok(());
        }
        in_transaction(pool, async |connection| {
            let seen = store::throttle_lock_in_txn(connection, &names.pair, now).await?;
            let attempts = seen.filter(|seen| seen.forget_at > now).map_or(0, |seen| seen.attempts);
            let counted = ladder(attempts.saturating_add(1), now);
            // How long the address is known is decided by successes alone.
            let forget_at = seen.map_or(now, |seen| seen.forget_at);
            let counted = Count { forget_at, ..counted };
            store::throttle_write_in_txn(connection, &names.pair, &counted).await
        })
        .await
    }

    /// It proved something, and not enough: it counts neither for nor against anybody.
    pub(crate) async fn withdrawn(self, pool: &PgPool, now: DateTime<Utc>) -> Result<(), Refusal> {
        let Self { names, is_known } = self;
        if is_known {
            return Ok(());
        }
        in_transaction(pool, async |connection| {
            for name in names.address_names().into_iter().chain([names.account]) {
                store::throttle_take_back_in_txn(connection, &name, now).await?;
            }
            Ok(())
        })
        .await
    }

    /// It succeeded: the count begins anew, and the address is the owner's for a while.
    pub(crate) async fn succeeded(self, pool: &PgPool, now: DateTime<Utc>) -> Result<(), Refusal> {
        let Self { names, is_known } = self;
        if is_known {
            let seen = database::read(pool, || store::throttle_read(pool, &names.pair, now)).await;
            let seen = seen.map_err(|error| database::refusal(&error))?;
            let is_fresh = |seen: Count| seen.attempts == 0 && seen.forget_at > now + KNOWN_AGAIN;
            if seen.is_some_and(is_fresh) {
                return Ok(());
            }
        }
        in_transaction(pool, async |connection| {
            if !is_known {
                for name in names.address_names() {
                    store::throttle_take_back_in_txn(connection, &name, now).await?;
                }
                store::throttle_delete_in_txn(connection, &names.account).await?;
            }
            store::throttle_lock_in_txn(connection, &names.pair, now).await?;
            store::throttle_write_in_txn(connection, &names.pair, &known(now)).await
        })
        .await
    }
}

/// Notes that the account's owner is at this address, and forgets the failures of others: after a
/// registration or a password reset, in its transaction.
pub(crate) async fn welcome_in_txn(
    connection: &mut PgConnection,
    key: &DataKey,
    email: &str,
    origin: Option<IpAddr>,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    // A name that cannot be made is none that could be forgotten.
    let Ok(names) = Names::of(key, email, origin) else { return Ok(()) };
    store::throttle_delete_in_txn(connection, &names.account).await?;
    store::throttle_lock_in_txn(connection, &names.pair, now).await?;
    store::throttle_write_in_txn(connection, &names.pair, &known(now)).await
}

impl Count {
    /// Whether the next attempt is not looked at yet. Few failures cost no wait, so that a clock
    /// that differs a little from another process' costs none either.
    fn is_waiting(self, now: DateTime<Utc>) -> bool {
        self.attempts >= FREE && self.not_before > now
    }
}

impl Rule {
    /// The count after one more attempt, or when there may be one.
    fn count(self, seen: Option<Count>, now: DateTime<Utc>) -> Result<Count, DateTime<Utc>> {
        let seen = seen.filter(|seen| seen.forget_at > now && seen.attempts > 0);
        match (self, seen) {
            (Self::Ladder, None) => Ok(ladder(1, now)),
            (Self::Ladder, Some(seen)) if seen.is_waiting(now) => Err(seen.not_before),
            (Self::Ladder, Some(seen)) => Ok(ladder(seen.attempts.saturating_add(1), now)),
            (Self::Window { max: 0, length }, _) => Err(now + length),
            (Self::Window { max: _, length }, None) => {
                Ok(Count { attempts: 1, not_before: now, forget_at: now + length })
            }
            (Self::Window { max, length: _ }, Some(seen)) if seen.attempts >= max => {
                Err(seen.forget_at)
            }
            (Self::Window { .. }, Some(seen)) => Ok(Count { attempts: seen.attempts + 1, ..seen }),
        }
    }
}

/// So many failures in a row, the last one now.
fn ladder(attempts: u32, now: DateTime<Utc>) -> Count {
    let wait = match attempts {
        ..FREE => TimeDelta::zero(),
        IN_A_ROW_MAX.. => LONGEST_WAIT,
        // 2⁰, 2¹, …: after ten doublings it is the longest anyway.
        _ => TimeDelta::seconds((1 << (attempts - FREE).min(10)).min(WAIT_SECONDS_MAX)),
    };
    let remembered = if attempts < FREE { FEW_REMEMBERED } else { MANY_REMEMBERED };
    Count { attempts, not_before: now + wait, forget_at: now + remembered }
}

/// The owner was here.
fn known(now: DateTime<Utc>) -> Count {
    Count { attempts: 0, not_before: now, forget_at: now + KNOWN_FOR }
}

/// Counts an attempt under every name, or under none. The order is the same for everybody, so that
/// no two wait for each other.
async fn count_all(
    pool: &PgPool,
    counted: &[(Name, Rule)],
    now: DateTime<Utc>,
) -> Result<(), Refusal> {
    let failed = |error: sqlx::Error| database::refusal(&error);
    let mut transaction = database::begin(pool).await.map_err(failed)?;
    for (name, rule) in counted {
        let seen = store::throttle_lock_in_txn(&mut transaction, name, now).await;
        match rule.count(seen.map_err(failed)?, now) {
            Ok(count) => {
                let written = store::throttle_write_in_txn(&mut transaction, name, &count).await;
                written.map_err(failed)?;
            }
            Err(until) => {
                transaction.rollback().await.map_err(failed)?;
                return Err(throttled(until, now));
            }
        }
    }
    transaction.commit().await.map_err(failed)
}

/// What is counted may be counted twice if the commit is in doubt: that harms nobody for long.
async fn in_transaction(
    pool: &PgPool,
    work: impl AsyncFnOnce(&mut PgConnection) -> Result<(), sqlx::Error>,
) -> Result<(), Refusal> {
    let done = async {
        let mut transaction = database::begin(pool).await?;
        work(&mut transaction).await?;
        transaction.commit().await
    };
    done.await.map_err(|error| database::refusal(&error))
}

/// Whole seconds, rounded up: whoever waits for so long is let in.
fn throttled(until: DateTime<Utc>, now: DateTime<Utc>) -> Refusal {
    let milliseconds = (until - now).num_milliseconds().max(1);
    let seconds = milliseconds.saturating_add(999) / 1_000;
    Refusal::throttled(u32::try_from(seconds).unwrap_or(u32::MAX))
}

fn refusal(error: SealError) -> Refusal {
    tracing::error!(%error, "an attempt cannot be counted");
    Refusal::internal()
}

#[cfg(test)]
mod tests;
