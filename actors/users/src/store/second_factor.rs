//! Second factors and recovery codes.

use chrono::{DateTime, Utc};
use contracts::{UserId, users::SecondFactor};
use sqlx::{PgConnection, PgPool};

/// A second factor as it is stored.
pub(crate) struct StoredFactor {
    pub(crate) secret_sealed: Vec<u8>,
    pub(crate) is_confirmed: bool,
}

/// Whether somebody has a second factor, and how many recovery codes.
pub(crate) async fn second_factor_state(
    pool: &PgPool,
    user_id: UserId,
) -> Result<SecondFactor, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT EXISTS (SELECT FROM second_factor
                          WHERE user_id = $1 AND confirmed_at IS NOT NULL) AS "enabled!",
                  (SELECT count(*) FROM recovery_code WHERE user_id = $1) AS "codes!""#,
        user_id.get(),
    )
    .fetch_one(pool)
    .await?;
    let recovery_codes_left = row.codes.try_into().unwrap_or(u32::MAX);
    Ok(SecondFactor { enabled: row.enabled, recovery_codes_left })
}

/// Somebody's second factor, confirmed or not.
pub(crate) async fn second_factor_read(
    pool: &PgPool,
    user_id: UserId,
) -> Result<Option<StoredFactor>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT secret_sealed, confirmed_at IS NOT NULL AS "is_confirmed!"
           FROM second_factor WHERE user_id = $1"#,
        user_id.get(),
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| StoredFactor {
        secret_sealed: row.secret_sealed,
        is_confirmed: row.is_confirmed,
    }))
}

/// Keeps a second factor that is to be confirmed, in the place of another such one; says whether
/// there was none that is confirmed.
pub(crate) async fn second_factor_enrol_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    secret_sealed: &[u8],
    created_at: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let enrolled = sqlx::query!(
        r#"INSERT INTO second_factor (user_id, secret_sealed, created_at) VALUES ($1, $2, $3)
           ON CONFLICT (user_id) DO UPDATE
           SET secret_sealed = excluded.secret_sealed, created_at = excluded.created_at
           WHERE second_factor.confirmed_at IS NULL"#,
        user_id.get(),
        secret_sealed,
        created_at,
    )
    .execute(connection)
    .await?;
    Ok(enrolled.rows_affected() == 1)
}

/// Confirms the second factor of this secret by the code of a time step; says whether it was there,
/// and not confirmed yet.
pub(crate) async fn second_factor_confirm_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    secret_sealed: &[u8],
    step: i64,
    confirmed_at: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let confirmed = sqlx::query!(
        r#"UPDATE second_factor SET confirmed_at = $4, last_step = $3
           WHERE user_id = $1 AND secret_sealed = $2 AND confirmed_at IS NULL"#,
        user_id.get(),
        secret_sealed,
        step,
        confirmed_at,
    )
    .execute(connection)
    .await?;
    Ok(confirmed.rows_affected() == 1)
}

/// Takes the code of a time step; says whether no code of it or of a later one was taken before.
pub(crate) async fn second_factor_use(
    pool: &PgPool,
    user_id: UserId,
    step: i64,
) -> Result<bool, sqlx::Error> {
    let used = sqlx::query!(
        r#"UPDATE second_factor SET last_step = $2
           WHERE user_id = $1 AND confirmed_at IS NOT NULL AND last_step < $2"#,
        user_id.get(),
        step,
    )
    .execute(pool)
    .await?;
    Ok(used.rows_affected() == 1)
}

/// Removes somebody's second factor with its recovery codes; says whether there was one.
pub(crate) async fn second_factor_delete_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<bool, sqlx::Error> {
    sqlx::query!("DELETE FROM recovery_code WHERE user_id = $1", user_id.get())
        .execute(&mut *connection)
        .await?;
    let deleted = sqlx::query!("DELETE FROM second_factor WHERE user_id = $1", user_id.get())
        .execute(connection)
        .await?;
    Ok(deleted.rows_affected() == 1)
}

/// Uses a recovery code up; says whether it was one.
pub(crate) async fn recovery_code_use_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    code_hash: &[u8; 32],
) -> Result<bool, sqlx::Error> {
    let used = sqlx::query!(
        "DELETE FROM recovery_code WHERE user_id = $1 AND code_hash = $2",
        user_id.get(),
        code_hash,
    )
    .execute(connection)
    .await?;
    Ok(used.rows_affected() == 1)
}

/// Puts these recovery codes in the place of all others.
pub(crate) async fn recovery_codes_replace_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    code_hashes: &[Vec<u8>],
) -> Result<(), sqlx::Error> {
    sqlx::query!("DELETE FROM recovery_code WHERE user_id = $1", user_id.get())
        .execute(&mut *connection)
        .await?;
    sqlx::query!(
        "INSERT INTO recovery_code (user_id, code_hash) SELECT $1, unnest($2::bytea[])",
        user_id.get(),
        code_hashes,
    )
    .execute(connection)
    .await?;
    Ok(())
}
