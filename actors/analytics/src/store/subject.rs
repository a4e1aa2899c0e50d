//! `subject`: what a user's derived rows were derived from, the statistics, and what is known.

use chrono::NaiveDate;
use contracts::{UserId, Version, analytics::Statistics};
use sqlx::{PgConnection, types::Json};

use super::subject_reads::regularity_word;
use crate::{
    derive::{Believed, Derived, Key},
    known::MODEL_NUMBER,
};

/// What became of the attempt to move a user on to a state.
pub(crate) enum Advanced {
    /// The state is set, and the row locked.
    Stored {
        /// Whether what it replaced is what was believed to be stored.
        as_believed: bool,
    },
    /// What is stored is not older in every respect, so it stays.
    At(StoredKey),
    /// The user was erased: nothing may be stored any more.
    Erased,
}

/// What a stored state was derived from, whoever derived it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StoredKey {
    pub(crate) model_number: i32,
    /// None if it is of a model that knew no days.
    pub(crate) key: Option<Key>,
    pub(crate) cycles: Version,
}

/// Locks the user's row and moves it on to a state if that is newer: greater than what is stored in
/// one of version of the cycles, version of the person, model number and day, and lower in none.
/// One statement decides and writes, so of two processes that race the second waits for the first
/// and then sees what it did. Nothing ever goes back.
pub(crate) async fn subject_advance_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    derived: &Derived,
    believed: Option<&Believed>,
) -> Result<Advanced, sqlx::Error> {
    let Statistics {
        total_cycles_tracked,
        average_cycle_length,
        average_period_length,
        cycle_regularity,
    } = &derived.statistics;
    let Key { cycles, person, day } = derived.key;
    let believed = believed.map(|believed| believed.key);
    let advanced = sqlx::query_scalar!(
        r#"INSERT INTO subject AS s (user_id, applied_version, person_version, date_of_birth,
               model_number, forecast_day, forecast_due, known, total_cycles,
               average_cycle_length, average_period_length, cycle_regularity, forget_before)
           VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $16)
           ON CONFLICT (user_id) DO UPDATE SET
               applied_version = excluded.applied_version,
               person_version = excluded.person_version,
               date_of_birth = excluded.date_of_birth,
               model_number = excluded.model_number,
               forecast_day = excluded.forecast_day,
               forecast_due = excluded.forecast_due,
               known = excluded.known,
               replaced_as_believed = coalesce(s.model_number = excluded.model_number
                   AND s.applied_version = $13
                   AND s.person_version IS NOT DISTINCT FROM $14
                   AND s.forecast_day = $15, false),
               total_cycles = excluded.total_cycles,
               average_cycle_length = excluded.average_cycle_length,
               average_period_length = excluded.average_period_length,
               cycle_regularity = excluded.cycle_regularity,
               forget_before = excluded.forget_before
           WHERE s.erased_at IS NULL
             AND s.applied_version <= excluded.applied_version
             AND coalesce(s.person_version, -1) <= coalesce(excluded.person_version, -1)
             AND s.model_number <= excluded.model_number
             AND coalesce(s.forecast_day, '-infinity') <= excluded.forecast_day
             AND (s.applied_version, s.person_version, s.model_number, s.forecast_day)
                 IS DISTINCT FROM (excluded.applied_version, excluded.person_version,
                     excluded.model_number, excluded.forecast_day)
           RETURNING replaced_as_believed"#,
        user_id.get(),
        cycles.get(),
        person.map(Version::get),
        derived.date_of_birth,
        MODEL_NUMBER,
        day,
        derived.due(),
        Json(&derived.known) as _,
        total_cycles_tracked,
        *average_cycle_length,
        *average_period_length,
        regularity_word(*cycle_regularity),
        believed.map(|key| key.cycles.get()),
        believed.and_then(|key| key.person).map(Version::get),
        believed.map(|key| key.day),
        derived.forget_before,
    )
    .fetch_optional(&mut *connection)
    .await?;
    match advanced {
        Some(as_believed) => Ok(Advanced::Stored { as_believed }),
        None => subject_key_in_txn(connection, user_id).await,
    }
}

/// Locks the user's row and moves it on to a later day, if it is still of this key.
pub(crate) async fn subject_advance_day_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    from: &Key,
    day: NaiveDate,
    due: Option<NaiveDate>,
) -> Result<Advanced, sqlx::Error> {
    let Key { cycles, person, day: before } = *from;
    let moved = sqlx::query!(
        r#"UPDATE subject SET forecast_day = $6, forecast_due = $7
           WHERE user_id = $1 AND erased_at IS NULL AND model_number = $2
             AND applied_version = $3 AND person_version IS NOT DISTINCT FROM $4
             AND forecast_day = $5 AND forecast_day < $6"#,
        user_id.get(),
        MODEL_NUMBER,
        cycles.get(),
        person.map(Version::get),
        before,
        day,
        due,
    )
    .execute(&mut *connection)
    .await?;
    if moved.rows_affected() > 0 {
        return Ok(Advanced::Stored { as_believed: true });
    }
    subject_key_in_txn(connection, user_id).await
}

/// Forgets which version is applied, so that any one is newer: for tests that show what the guard
/// prevents.
pub(crate) async fn subject_forget_version_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE subject SET applied_version = 0 WHERE user_id = $1", user_id.get())
        .execute(connection)
        .await?;
    Ok(())
}

/// What is stored of a user that could not be moved on.
async fn subject_key_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<Advanced, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT applied_version, person_version, model_number, forecast_day,
                  erased_at IS NOT NULL AS "erased!"
           FROM subject WHERE user_id = $1"#,
        user_id.get(),
    )
    .fetch_optional(connection)
    .await?;
    // Without a row there is nothing to be moved: somebody dropped it.
    let Some(row) = row.filter(|row| !row.erased) else { return Ok(Advanced::Erased) };
    let (cycles, person) =
        (Version::new(row.applied_version), row.person_version.map(Version::new));
    let key = row.forecast_day.map(|day| Key { cycles, person, day });
    Ok(Advanced::At(StoredKey { model_number: row.model_number, key, cycles }))
}
