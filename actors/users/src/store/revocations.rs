//! Which sessions ended lately: what whoever verifies tokens asks for, and what is dropped in time.

use chrono::{DateTime, Utc};
use contracts::{SessionId, users::RevocationCursor};
use sqlx::PgPool;

/// One row of the feed.
pub(crate) struct RevocationRow {
    pub(crate) session_id: SessionId,
    transaction: i64,
    place: i64,
}

/// A page of the feed.
pub(crate) struct Revocations {
    pub(crate) rows: Vec<RevocationRow>,
    pub(crate) next: RevocationCursor,
    pub(crate) has_more: bool,
}

/// The rows after a cursor. It concerns no user: it is asked by whoever verifies tokens.
///
/// Transactions commit in another order than they began in. So a pass notes how far everything is
/// settled when it begins (`pg_snapshot_xmin`: each transaction before it has ended), and the next
/// pass begins there: what was still under way is found then, and some rows come twice. After a
/// restore transactions may count anew from less, and then everything is read again.
pub(crate) async fn revocations_list(
    pool: &PgPool,
    after: Option<RevocationCursor>,
    limit: i64,
) -> Result<Revocations, sqlx::Error> {
    let start = RevocationCursor { transaction: 0, place: 0, floor: 0 };
    let asked = after.unwrap_or(start);
    let rows = sqlx::query!(
        r#"WITH settled AS (
               SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS floor),
           cursor AS (
               SELECT CASE WHEN $3::bigint > floor THEN 0 ELSE $1::bigint END AS transaction,
                      CASE WHEN $3::bigint > floor THEN 0 ELSE $2::bigint END AS place
               FROM settled)
           SELECT settled.floor AS "floor!", revocation.session_id AS "session_id?",
                  revocation.transaction AS "transaction?", revocation.place AS "place?"
           FROM settled CROSS JOIN cursor
           LEFT JOIN LATERAL (
               SELECT * FROM revocation
               WHERE (revocation.transaction, revocation.place) > (cursor.transaction, cursor.place)
               ORDER BY revocation.transaction, revocation.place LIMIT $4) revocation ON true"#,
        asked.transaction,
        asked.place,
        asked.floor,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let now_settled = rows.first().map_or(0, |row| row.floor);
    let begins = asked.place == 0 || asked.floor > now_settled;
    let floor = if begins { now_settled } else { asked.floor };
    let found: Vec<RevocationRow> = rows
        .into_iter()
        .filter_map(|row| {
            Some(RevocationRow {
                session_id: SessionId::new(row.session_id?),
                transaction: row.transaction?,
                place: row.place?,
            })
        })
        .collect();
    let has_more = i64::try_from(found.len()).is_ok_and(|count| count >= limit);
    let next = match found.last() {
        Some(RevocationRow { transaction, place, .. }) if has_more => {
            RevocationCursor { transaction: *transaction, place: *place, floor }
        }
        _ => RevocationCursor { transaction: floor, place: 0, floor },
    };
    Ok(Revocations { rows: found, next, has_more })
}

/// Drops sessions that have expired and revocations that nobody needs any more; says whether that
/// was all.
pub(crate) async fn expired_purge(
    pool: &PgPool,
    now: DateTime<Utc>,
    idle_since: DateTime<Utc>,
    revoked_before: DateTime<Utc>,
    batch: i64,
) -> Result<bool, sqlx::Error> {
    let sessions = sqlx::query!(
        r#"DELETE FROM session WHERE id IN (
               SELECT id FROM session
               WHERE expires_at < $1 OR (kind = 'sign_in' AND last_used_at < $2) LIMIT $3)"#,
        now,
        idle_since,
        batch,
    )
    .execute(pool)
    .await?;
    let revocations = sqlx::query!(
        r#"DELETE FROM revocation WHERE place IN (
               SELECT place FROM revocation WHERE revoked_at < $1 LIMIT $2)"#,
        revoked_before,
        batch,
    )
    .execute(pool)
    .await?;
    let most = sessions.rows_affected().max(revocations.rows_affected());
    Ok(most < batch.unsigned_abs())
}
