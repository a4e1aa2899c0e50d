//! What was asked to be taken along or brought back, and what else an export holds of an account.

use chrono::{DateTime, Utc};
use contracts::{
    SessionId, UserId,
    users::{DataRequest, DataRequestKind, ExportedSecondFactor},
};
use sqlx::{PgConnection, PgPool};

/// What an export holds of an account besides what other reads give.
pub(crate) struct AccountDetails {
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) second_factor: Option<ExportedSecondFactor>,
}

/// When a sign-in that is good was opened, and the account's row is locked until the transaction ends:
/// of two requests of one user the second sees the first.
pub(crate) async fn signed_in_at_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    session_id: SessionId,
    now: DateTime<Utc>,
) -> Result<Option<DateTime<Utc>>, sqlx::Error> {
    sqlx::query!("SELECT id FROM account WHERE id = $1 FOR NO KEY UPDATE", user_id.get())
        .fetch_optional(&mut *connection)
        .await?;
    sqlx::query_scalar!(
        r#"SELECT created_at FROM session
           WHERE user_id = $1 AND id = $2 AND kind = 'sign_in' AND expires_at > $3"#,
        user_id.get(),
        session_id.get(),
        now,
    )
    .fetch_optional(connection)
    .await
}

/// Forgets requests that are older than `since`, and says when each of a kind was made since, oldest
/// first.
pub(crate) async fn data_requests_since_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    kind: DataRequestKind,
    since: DateTime<Utc>,
) -> Result<Vec<DateTime<Utc>>, sqlx::Error> {
    sqlx::query!(
        "DELETE FROM data_request WHERE user_id = $1 AND requested_at <= $2",
        user_id.get(),
        since,
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query_scalar!(
        r#"SELECT requested_at FROM data_request WHERE user_id = $1 AND kind = $2
           ORDER BY requested_at, id"#,
        user_id.get(),
        kind.name(),
    )
    .fetch_all(connection)
    .await
}

/// Notes a request.
pub(crate) async fn data_request_insert_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    kind: DataRequestKind,
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "INSERT INTO data_request (user_id, kind, requested_at) VALUES ($1, $2, $3)",
        user_id.get(),
        kind.name(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// What was asked for lately, oldest first.
pub(crate) async fn data_requests_list(
    pool: &PgPool,
    user_id: UserId,
) -> Result<Vec<DataRequest>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT kind, requested_at FROM data_request WHERE user_id = $1
           ORDER BY requested_at, id"#,
        user_id.get(),
    )
    .fetch_all(pool)
    .await?;
    let requests = rows.into_iter().filter_map(|row| {
        let kind = DataRequestKind::parse(&row.kind)?;
        Some(DataRequest { kind, requested_at: row.requested_at })
    });
    Ok(requests.collect())
}

/// What else is held of an account; none if there is none.
pub(crate) async fn account_details_read(
    pool: &PgPool,
    user_id: UserId,
) -> Result<Option<AccountDetails>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT account.updated_at, second_factor.created_at AS "created_at?",
                  second_factor.confirmed_at AS "confirmed_at?",
                  (SELECT count(*) FROM recovery_code WHERE user_id = $1) AS "codes!"
           FROM account LEFT JOIN second_factor ON second_factor.user_id = account.id
           WHERE account.id = $1"#,
        user_id.get(),
    )
    .fetch_optional(pool)
    .await?;
    Ok(row.map(|row| AccountDetails {
        updated_at: row.updated_at,
        second_factor: row.created_at.map(|created_at| ExportedSecondFactor {
            created_at,
            confirmed_at: row.confirmed_at,
            recovery_codes_left: row.codes.try_into().unwrap_or(u32::MAX),
        }),
    }))
}
