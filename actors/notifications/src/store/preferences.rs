//! Preferences. Their row is made with the defaults of the table when somebody first asks.

use actor_runtime::database;
use chrono::{DateTime, Utc};
use contracts::{UserId, Version, notifications::Preferences};
use sqlx::{PgConnection, PgPool};

use super::subject::subject_lock_in_txn;

/// The preferences and the version that the reminders reflect, in one snapshot; the row is made if
/// there is none. No preferences: the user was erased.
pub(crate) async fn preferences_get_or_create(
    pool: &PgPool,
    user_id: UserId,
    now: DateTime<Utc>,
) -> Result<(Version, Option<Preferences>), sqlx::Error> {
    let found = preferences_get(pool, user_id).await?;
    if found.1.is_some() {
        return Ok(found);
    }
    // Under the lock of the user's row: an erasure is either seen here, or comes after and takes what
    // is made here away.
    let mut transaction = database::begin(pool).await?;
    if subject_lock_in_txn(&mut transaction, user_id).await?.is_erased {
        return Ok((Version::ZERO, None));
    }
    preferences_ensure_in_txn(&mut transaction, user_id, now).await?;
    transaction.commit().await?;
    preferences_get(pool, user_id).await
}

async fn preferences_get(
    pool: &PgPool,
    user_id: UserId,
) -> Result<(Version, Option<Preferences>), sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT preferences.user_id, period_reminder_enabled, reminder_days_before,
                  email_enabled, push_enabled, created_at, updated_at,
                  coalesce(subject.as_of_version, 0) AS "as_of_version!"
           FROM preferences LEFT JOIN subject ON subject.user_id = preferences.user_id
           WHERE preferences.user_id = $1 AND subject.erased_at IS NULL"#,
        user_id.get(),
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok((Version::ZERO, None)) };
    let preferences = PreferencesRow {
        user_id: row.user_id,
        period_reminder_enabled: row.period_reminder_enabled,
        reminder_days_before: row.reminder_days_before,
        email_enabled: row.email_enabled,
        push_enabled: row.push_enabled,
        created_at: row.created_at,
        updated_at: row.updated_at,
    };
    Ok((Version::new(row.as_of_version), Some(preferences.into())))
}

/// The preferences, made if there are none. The caller holds the lock of the user's subject row,
/// so nobody changes them meanwhile.
pub(crate) async fn preferences_ensure_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    now: DateTime<Utc>,
) -> Result<Preferences, sqlx::Error> {
    if let Some(preferences) = preferences_get_in_txn(connection, user_id).await? {
        return Ok(preferences);
    }
    sqlx::query!(
        r#"INSERT INTO preferences (user_id, created_at, updated_at) VALUES ($1, $2, $2)
           ON CONFLICT DO NOTHING"#,
        user_id.get(),
        now,
    )
    .execute(&mut *connection)
    .await?;
    preferences_get_in_txn(connection, user_id).await?.ok_or(sqlx::Error::RowNotFound)
}

async fn preferences_get_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<Option<Preferences>, sqlx::Error> {
    let row = sqlx::query_as!(
        PreferencesRow,
        r#"SELECT user_id, period_reminder_enabled, reminder_days_before, email_enabled,
                  push_enabled, created_at, updated_at
           FROM preferences WHERE user_id = $1"#,
        user_id.get(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(Preferences::from))
}

/// Stores changed preferences.
pub(crate) async fn preferences_update_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    preferences: &Preferences,
) -> Result<(), sqlx::Error> {
    let Preferences {
        id: _,
        user_id: _,
        period_reminder_enabled,
        reminder_days_before,
        email_enabled,
        push_enabled,
        created_at: _,
        updated_at,
    } = preferences;
    sqlx::query!(
        r#"UPDATE preferences
           SET period_reminder_enabled = $2, reminder_days_before = $3, email_enabled = $4,
               push_enabled = $5, updated_at = $6
           WHERE user_id = $1"#,
        user_id.get(),
        period_reminder_enabled,
        reminder_days_before,
        email_enabled,
        push_enabled,
        updated_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

struct PreferencesRow {
    user_id: i64,
    period_reminder_enabled: bool,
    reminder_days_before: i16,
    email_enabled: bool,
    push_enabled: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<PreferencesRow> for Preferences {
    fn from(row: PreferencesRow) -> Self {
        let PreferencesRow {
            user_id,
            period_reminder_enabled,
            reminder_days_before,
            email_enabled,
            push_enabled,
            created_at,
            updated_at,
        } = row;
        Self {
            id: user_id,
            user_id: UserId::new(user_id),
            period_reminder_enabled,
            reminder_days_before,
            email_enabled,
            push_enabled,
            created_at,
            updated_at,
        }
    }
}
