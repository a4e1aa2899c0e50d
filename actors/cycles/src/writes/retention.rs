//! Saying how long what was logged is kept, and forgetting what is older.

use actor_runtime::group_commit::WriteError;
use chrono::{DateTime, Months, NaiveDate, Utc};
use contracts::{
    Refusal, UserId,
    cycles::{Retention, RetentionSet, SetRetention},
    events::Verb,
};
use sqlx::PgConnection;

use super::{Change, Stamp, gaps};
use crate::{sealed::UserKey, store};

/// What time has made too old is forgotten.
pub(crate) struct ForgetOld {
    pub(crate) user_id: UserId,
}

impl Change for SetRetention {
    type Answer = RetentionSet;

    fn user_id(&self) -> UserId {
        self.user_id
    }

    fn verb(&self) -> Verb {
        Verb::Edited
    }

    async fn carry_out(
        &self,
        connection: &mut PgConnection,
        stamp: Stamp,
        _key: &mut UserKey<'_>,
    ) -> Result<RetentionSet, WriteError> {
        let &Self { user_id, months } = self;
        let forget_before = if let Some(months) = months {
            Some(forget(connection, user_id, months, stamp).await?)
        } else {
            store::retention_delete_in_txn(connection, user_id).await?;
            None
        };
        let retention = Retention { months, forget_before };
        Ok(RetentionSet { retention, version: stamp.version })
    }
}

impl Change for ForgetOld {
    type Answer = ();

    fn user_id(&self) -> UserId {
        self.user_id
    }

    fn verb(&self) -> Verb {
        Verb::Deleted
    }

    /// The user may have changed their mind since the look that found them.
    async fn carry_out(
        &self,
        connection: &mut PgConnection,
        stamp: Stamp,
        _key: &mut UserKey<'_>,
    ) -> Result<(), WriteError> {
        let &Self { user_id } = self;
        let retention = store::retention_get(&mut *connection, user_id).await?;
        let months = retention.months.ok_or_else(Refusal::not_found)?;
        forget(connection, user_id, months, stamp).await?;
        Ok(())
    }
}

/// Forgets what is older than so many months, and remembers up to where.
async fn forget(
    connection: &mut PgConnection,
    user_id: UserId,
    months: i16,
    stamp: Stamp,
) -> Result<NaiveDate, WriteError> {
    let before = forget_before(stamp.at, months);
    if store::old_delete_in_txn(connection, user_id, before).await? {
        store::inputs_changed_in_all(connection, user_id, stamp).await?;
        // A cycle that stays because of a symptom may have lost its next start.
        gaps::forget_outdated(connection, user_id, stamp).await?;
    }
    store::retention_put_in_txn(connection, user_id, months, before, stamp.at).await?;
    Ok(before)
}

/// The first day that is kept: so many months before today in UTC, at the latest the last day of that
/// month, as Postgres counts too.
fn forget_before(now: DateTime<Utc>, months: i16) -> NaiveDate {
    let today = now.date_naive();
    let months = Months::new(u32::from(months.unsigned_abs()));
    today.checked_sub_months(months).unwrap_or(NaiveDate::MIN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn months_are_those_of_the_calendar() {
        let before = |now: &str, months| forget_before(now.parse().unwrap(), months).to_string();
        assert_eq!(before("2026-11-22T23:59:59Z", 24), "2024-11-22");
        assert_eq!(before("2026-05-31T00:00:00Z", 3), "2026-02-28");
        assert_eq!(before("2024-03-31T00:00:00Z", 601), "1974-02-28");
    }
}
