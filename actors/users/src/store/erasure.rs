//! Erasures: taking everything of a person away, the tombstone that stays, and how far the groups
//! have come.

use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    SessionId, UserId, Version,
    events::{ChangedPage, ChangedSince, ChangedUser, Topic},
    users::{ErasingGroup, Erasure},
};
use sqlx::{PgConnection, PgExecutor, PgPool};
use uuid::Uuid;

use crate::ledger::LedgerEntry;

/// The version of every `user.erased`: nobody is erased twice.
const ERASED: Version = Version::FIRST;

/// An erasure for which there is something to do.
pub(crate) struct DueErasure {
    pub(crate) user_id: UserId,
    pub(crate) erased_at: DateTime<Utc>,
    /// Whether all groups have erased.
    pub(crate) is_done: bool,
}

struct LedgerRow {
    user_id: i64,
    receipt: Uuid,
    erased_at: DateTime<Utc>,
}

impl From<LedgerRow> for LedgerEntry {
    fn from(LedgerRow { user_id, receipt, erased_at }: LedgerRow) -> Self {
        Self { user_id: UserId::new(user_id), receipt, erased_at }
    }
}

/// When to look again. The first looks for late events come soon, for what was under way when the
/// groups erased; the last one after every process that was stopped in the middle has gone on.
const LOOKS_FOR_EVENTS_MINUTES: [i64; 3] = [5, 60, 24 * 60];
/// How long what a relay had under way may take: its publishing waits 5 s, and a bit.
const SETTLING: TimeDelta = TimeDelta::seconds(8);

/// Locks the account and tells which credentials it has now; none if there is no such account. Who is
/// going to end all sessions or to take the account away begins with it: of two who had begun with a
/// weaker lock (an entry of the audit log takes one) each would wait for the other.
pub(crate) async fn account_lock_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<Option<i64>, sqlx::Error> {
    sqlx::query_scalar!(
        "SELECT credentials_version FROM account WHERE id = $1 FOR UPDATE",
        user_id.get(),
    )
    .fetch_optional(connection)
    .await
}

/// Takes every row of the person away: with the account go its sessions, tokens, second factor and
/// reset links (`ON DELETE CASCADE`).
pub(crate) async fn account_delete_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"DELETE FROM idempotency
           WHERE user_id = $1 OR (user_id = 0 AND answer ->> 'user_id' = $1::bigint::text)"#,
        user_id.get(),
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "DELETE FROM outbox WHERE user_id = $1 AND topic <> $2",
        user_id.get(),
        Topic::UserErased.name(),
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("DELETE FROM account WHERE id = $1", user_id.get()).execute(connection).await?;
    Ok(())
}

/// Leaves the tombstone. The groups are told again if they have not answered by `next_look_at`.
/// Whether it is a new one.
pub(crate) async fn erasure_insert_in_txn(
    connection: &mut PgConnection,
    entry: &LedgerEntry,
    asked_by: Option<SessionId>,
    next_look_at: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let LedgerEntry { user_id, receipt, erased_at } = entry;
    let inserted = sqlx::query!(
        r#"INSERT INTO erasure (user_id, receipt, erased_at, asked_by, next_look_at)
           VALUES ($1, $2, $3, $4, $5) ON CONFLICT (user_id) DO NOTHING"#,
        user_id.get(),
        receipt,
        erased_at,
        asked_by.map(SessionId::get),
        next_look_at,
    )
    .execute(connection)
    .await?;
    Ok(inserted.rows_affected() > 0)
}

/// How far the erasure with this receipt has come. It concerns nobody who could be named.
pub(crate) async fn erasure_by_receipt(
    pool: &PgPool,
    receipt: Uuid,
) -> Result<Option<Erasure>, sqlx::Error> {
    sqlx::query_as!(
        Erasure,
        r#"SELECT receipt, erased_at, cycles_done_at, analytics_done_at, notifications_done_at,
                  events_done_at
           FROM erasure WHERE receipt = $1"#,
        receipt,
    )
    .fetch_optional(pool)
    .await
}

/// How far the erasure of a user has come, if they were erased.
pub(crate) async fn erasure_of_user(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
) -> Result<Option<Erasure>, sqlx::Error> {
    sqlx::query_as!(
        Erasure,
        r#"SELECT receipt, erased_at, cycles_done_at, analytics_done_at, notifications_done_at,
                  events_done_at
           FROM erasure WHERE user_id = $1"#,
        user_id.get(),
    )
    .fetch_optional(executor)
    .await
}

/// How far the erasure has come that was asked for in this session, since `since`.
pub(crate) async fn erasure_asked_by(
    pool: &PgPool,
    user_id: UserId,
    session_id: SessionId,
    since: DateTime<Utc>,
) -> Result<Option<Erasure>, sqlx::Error> {
    sqlx::query_as!(
        Erasure,
        r#"SELECT receipt, erased_at, cycles_done_at, analytics_done_at, notifications_done_at,
                  events_done_at
           FROM erasure WHERE user_id = $1 AND asked_by = $2 AND erased_at >= $3"#,
        user_id.get(),
        session_id.get(),
        since,
    )
    .fetch_optional(pool)
    .await
}

/// Forgets in which sessions erasures were asked for before: their last tokens have expired.
pub(crate) async fn erasures_forget_sessions(
    pool: &PgPool,
    before: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "UPDATE erasure SET asked_by = NULL WHERE asked_by IS NOT NULL AND erased_at < $1",
        before,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// A page of users who were erased, by id.
pub(crate) async fn erased_list(
    pool: &PgPool,
    request: &ChangedSince,
) -> Result<ChangedPage, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        r#"SELECT user_id FROM erasure
           WHERE user_id > $1 AND erased_at >= coalesce($2, '-infinity'::timestamptz)
           ORDER BY user_id LIMIT $3"#,
        request.after.map_or(0, UserId::get),
        request.since as Option<DateTime<Utc>>,
        request.limit.clamp(1, 1_000),
    )
    .fetch_all(pool)
    .await?;
    let user = |id| ChangedUser { user_id: UserId::new(id), version: ERASED };
    Ok(ChangedPage { users: ids.into_iter().map(user).collect() })
}

/// Notes that a group has erased. After the last one nobody has to be told any more, and the events
/// of the user are to be removed. Whether that was news.
pub(crate) async fn erasure_done_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    group: ErasingGroup,
    at: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let is_done = sqlx::query_scalar!(
        r#"UPDATE erasure SET
               cycles_done_at = CASE $2 WHEN 'cycles' THEN $3 ELSE cycles_done_at END,
               analytics_done_at = CASE $2 WHEN 'analytics' THEN $3 ELSE analytics_done_at END,
               notifications_done_at =
                   CASE $2 WHEN 'notifications' THEN $3 ELSE notifications_done_at END
           WHERE user_id = $1
             AND CASE $2 WHEN 'cycles' THEN cycles_done_at
                         WHEN 'analytics' THEN analytics_done_at
                         ELSE notifications_done_at END IS NULL
           RETURNING num_nulls(cycles_done_at, analytics_done_at, notifications_done_at) = 0
               AS "is_done!""#,
        user_id.get(),
        group.name(),
        at,
    )
    .fetch_optional(&mut *connection)
    .await?;
    if is_done == Some(true) {
        sqlx::query!(
            "UPDATE erasure SET next_look_at = $2, looks = 0 WHERE user_id = $1",
            user_id.get(),
            at + SETTLING,
        )
        .execute(&mut *connection)
        .await?;
        sqlx::query!("DELETE FROM outbox WHERE user_id = $1", user_id.get())
            .execute(connection)
            .await?;
    }
    Ok(is_done.is_some())
}

/// Some erasures for which there is something to do, whoever's they are.
pub(crate) async fn erasures_due(
    pool: &PgPool,
    now: DateTime<Utc>,
    limit: i64,
) -> Result<Vec<DueErasure>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT user_id, erased_at,
                  num_nulls(cycles_done_at, analytics_done_at, notifications_done_at) = 0
                      AS "is_done!"
           FROM erasure WHERE next_look_at <= $1 ORDER BY next_look_at LIMIT $2"#,
        now,
        limit,
    )
    .fetch_all(pool)
    .await?;
    let due = rows.into_iter().map(|row| DueErasure {
        user_id: UserId::new(row.user_id),
        erased_at: row.erased_at,
        is_done: row.is_done,
    });
    Ok(due.collect())
}

/// Locks an erasure that waits for a group, and puts the next look off: a minute at first, a quarter
/// of an hour at the most. Whether it still waits.
pub(crate) async fn erasure_wait_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    now: DateTime<Utc>,
) -> Result<bool, sqlx::Error> {
    let waiting = sqlx::query!(
        r#"UPDATE erasure SET
               looks = looks + 1,
               next_look_at = $2::timestamptz + least(interval '1 minute' * 2 ^ least(looks, 8),
                                                      interval '15 minutes')
           WHERE user_id = $1
             AND num_nulls(cycles_done_at, analytics_done_at, notifications_done_at) > 0"#,
        user_id.get(),
        now,
    )
    .execute(connection)
    .await?;
    Ok(waiting.rows_affected() > 0)
}

/// Notes that the events of these users were removed, and when to look for late ones.
pub(crate) async fn erasures_events_done(
    pool: &PgPool,
    users: &[UserId],
    now: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let users: Vec<i64> = users.iter().map(|user| user.get()).collect();
    let [soon, later, last] =
        LOOKS_FOR_EVENTS_MINUTES.map(|minutes| now + TimeDelta::minutes(minutes));
    sqlx::query!(
        r#"UPDATE erasure SET
               events_done_at = coalesce(events_done_at, $2),
               looks = looks + 1,
               next_look_at = CASE looks WHEN 0 THEN $3::timestamptz WHEN 1 THEN $4::timestamptz
                                         WHEN 2 THEN $5::timestamptz END
           WHERE user_id = ANY($1)
             AND num_nulls(cycles_done_at, analytics_done_at, notifications_done_at) = 0"#,
        &users,
        now,
        soon,
        later,
        last,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// The greatest id that an account ever had.
pub(crate) async fn account_last_id(connection: &mut PgConnection) -> Result<UserId, sqlx::Error> {
    let last = sqlx::query_scalar!(
        r#"SELECT CASE WHEN is_called THEN last_value ELSE 0 END AS "last!" FROM account_id_seq"#
    )
    .fetch_one(connection)
    .await?;
    Ok(UserId::new(last))
}

/// Sees to it that no new account gets an id up to this one.
pub(crate) async fn account_pass_id(
    connection: &mut PgConnection,
    last: UserId,
) -> Result<(), sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT setval('account_id_seq', $1) AS "set!" FROM account_id_seq
           WHERE $1 > CASE WHEN is_called THEN last_value ELSE 0 END"#,
        last.get(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(())
}

/// A page of the ledger, by id.
pub(crate) async fn ledger_list(
    connection: &mut PgConnection,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<LedgerEntry>, sqlx::Error> {
    let rows = sqlx::query_as!(
        LedgerRow,
        r#"SELECT user_id, receipt, erased_at FROM erasure
           WHERE user_id > $1 ORDER BY user_id LIMIT $2"#,
        after.map_or(0, UserId::get),
        limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(LedgerEntry::from).collect())
}

/// Who was erased since, and a ledger may not know of.
pub(crate) async fn ledger_since(
    pool: &PgPool,
    since: Option<DateTime<Utc>>,
) -> Result<Vec<LedgerEntry>, sqlx::Error> {
    let rows = sqlx::query_as!(
        LedgerRow,
        r#"SELECT user_id, receipt, erased_at FROM erasure
           WHERE erased_at >= coalesce($1, '-infinity'::timestamptz) ORDER BY erased_at, user_id"#,
        since as Option<DateTime<Utc>>,
    )
    .fetch_all(pool)
    .await?;
    Ok(rows.into_iter().map(LedgerEntry::from).collect())
}

/// Those of these users who have no tombstone.
pub(crate) async fn not_erased_of(
    connection: &mut PgConnection,
    users: &[UserId],
) -> Result<Vec<UserId>, sqlx::Error> {
    let users: Vec<i64> = users.iter().map(|user| user.get()).collect();
    let missing = sqlx::query_scalar!(
        r#"SELECT id AS "id!" FROM unnest($1::bigint[]) AS named(id)
           WHERE NOT EXISTS (SELECT FROM erasure WHERE user_id = id)"#,
        &users,
    )
    .fetch_all(connection)
    .await?;
    Ok(missing.into_iter().map(UserId::new).collect())
}

/// The name of this database, which its backups share.
pub(crate) async fn lineage_read(connection: &mut PgConnection) -> Result<Uuid, sqlx::Error> {
    sqlx::query_scalar!("SELECT name FROM lineage").fetch_one(connection).await
}

/// Gives it the name of another.
pub(crate) async fn lineage_write(
    connection: &mut PgConnection,
    name: Uuid,
) -> Result<(), sqlx::Error> {
    sqlx::query!("UPDATE lineage SET name = $1", name).execute(connection).await?;
    Ok(())
}
