//! The outbox: one row for each (topic, user), whose version is the user's version.
//!
//! The write transaction bumps the row *first*. That row lock makes versions dense and puts them
//! in commit order, and it is the only per-user lock that a write takes.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contracts::{
    Call, UserId, Version,
    call::{RequestId, TraceContext},
    events::{ChangedPage, ChangedSince, ChangedUser, Event, SCHEMA, Topic, Verb, WakeUp},
};
use sqlx::{PgConnection, PgPool};

use crate::clock::Ids;

/// How long a claimed row is left alone by other relays.
const LEASE_SECONDS: f64 = 10.0;
/// How much of the past is published again when a stream went back.
const REPUBLISH_HOURS: i32 = 24;
/// How many users at a time.
const REPUBLISH_PAGE: i64 = 1_000;

/// Raises the user's version by one and marks the row as due. The caller owns the transaction,
/// and this is its first statement.
///
/// # Errors
///
/// The database's.
pub async fn bump_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    topic: Topic,
    verb: Verb,
    call: &Call,
    ids: Ids,
) -> Result<Version, sqlx::Error> {
    let version = sqlx::query_scalar!(
        r#"INSERT INTO outbox (topic, user_id, version, event_id, verb, request_id, traceparent, dirty_since)
           VALUES ($1, $2, 1, $3, $4, $5, $6, now())
           ON CONFLICT (topic, user_id) DO UPDATE SET
               version = outbox.version + 1,
               event_id = excluded.event_id,
               verb = excluded.verb,
               request_id = excluded.request_id,
               traceparent = excluded.traceparent,
               dirty_since = coalesce(outbox.dirty_since, now()),
               changed_at = now(),
               not_before = least(outbox.not_before, now())
           RETURNING version"#,
        topic.name(),
        user_id.get(),
        ids.event_id(),
        verb.name(),
        call.request_id.as_str(),
        call.trace.as_str(),
    )
    .fetch_one(connection)
    .await?;
    Ok(Version::new(version))
}

/// The user's current version; zero if nothing was ever written.
///
/// # Errors
///
/// The database's.
pub async fn current_version(
    connection: &mut PgConnection,
    user_id: UserId,
    topic: Topic,
) -> Result<Version, sqlx::Error> {
    let version = sqlx::query_scalar!(
        "SELECT version FROM outbox WHERE topic = $1 AND user_id = $2",
        topic.name(),
        user_id.get(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(version.map_or(Version::ZERO, Version::new))
}

/// A page of users whose state changed, for a consumer that may have missed something.
///
/// # Errors
///
/// The database's.
pub async fn changed_since(
    pool: &PgPool,
    topic: Topic,
    request: &ChangedSince,
) -> Result<ChangedPage, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT user_id, version FROM outbox
           WHERE topic = $1 AND user_id > $2 AND changed_at >= coalesce($3, '-infinity'::timestamptz)
           ORDER BY user_id LIMIT $4"#,
        topic.name(),
        request.after.map_or(0, UserId::get),
        request.since as Option<DateTime<Utc>>,
        request.limit.clamp(1, 1_000),
    )
    .fetch_all(pool)
    .await?;
    let users = rows
        .into_iter()
        .map(|row| ChangedUser {
            user_id: UserId::new(row.user_id),
            version: Version::new(row.version),
        })
        .collect();
    Ok(ChangedPage { users })
}

/// A row that this relay may publish until its lease ends.
pub(crate) struct Claimed {
    pub(crate) event: Event,
    /// How often it was claimed since it was last published, this time included.
    pub(crate) attempt: u32,
}

/// Claims due rows by lease. No lock is held when this returns.
pub(crate) async fn claim(
    pool: &PgPool,
    topic: Topic,
    rows_max: i64,
) -> Result<Vec<Claimed>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"UPDATE outbox o
           SET not_before = now() + make_interval(secs => $3), attempts = o.attempts + 1
           FROM (SELECT topic, user_id FROM outbox
                 WHERE topic = $1 AND version > published_version AND not_before <= now()
                 ORDER BY not_before LIMIT $2 FOR UPDATE SKIP LOCKED) due
           WHERE o.topic = due.topic AND o.user_id = due.user_id
           RETURNING o.user_id, o.version, o.event_id, o.verb, o.request_id, o.traceparent, o.attempts"#,
        topic.name(),
        rows_max,
        LEASE_SECONDS,
    )
    .fetch_all(pool)
    .await?;
    let claimed = rows.into_iter().map(|row| {
        let wake_up = WakeUp {
            event_id: row.event_id,
            user_id: UserId::new(row.user_id),
            version: Version::new(row.version),
            verb: Verb::parse(&row.verb).unwrap_or(Verb::Edited),
            schema: SCHEMA,
        };
        let event = Event {
            topic,
            wake_up,
            request_id: RequestId::parse(&row.request_id)
                .unwrap_or_else(|| Ids.request_id("relay")),
            trace: TraceContext::parse(&row.traceparent).unwrap_or_else(|| Ids.trace()),
        };
        Claimed { event, attempt: u32::try_from(row.attempts).unwrap_or(1) }
    });
    Ok(claimed.collect())
}

/// Marks what was published, and remembers how far the stream has come. The rows are locked in
/// ascending user order, as the batches of a group commit are, so the two cannot deadlock.
pub(crate) async fn mark_published(
    pool: &PgPool,
    topic: Topic,
    published: &[(UserId, Version)],
    stream_sequence: Option<u64>,
) -> Result<(), sqlx::Error> {
    let (users, versions): (Vec<i64>, Vec<i64>) =
        published.iter().map(|(user, version)| (user.get(), version.get())).unzip();
    let sequence = stream_sequence.and_then(|sequence| i64::try_from(sequence).ok());
    sqlx::query!(
        r#"WITH locked AS (
               SELECT o.user_id, p.version
               FROM outbox o JOIN unnest($2::bigint[], $3::bigint[]) AS p(user_id, version)
                   USING (user_id)
               WHERE o.topic = $1 ORDER BY o.user_id FOR UPDATE OF o),
           marked AS (
               UPDATE outbox o SET
                   published_version = greatest(o.published_version, locked.version),
                   attempts = 0,
                   dirty_since = CASE WHEN o.version = locked.version THEN NULL ELSE o.dirty_since END
               FROM locked WHERE o.topic = $1 AND o.user_id = locked.user_id)
           INSERT INTO relay_position (topic, last_sequence)
           SELECT $1, $4 WHERE $4::bigint IS NOT NULL
           ON CONFLICT (topic) DO UPDATE SET
               last_sequence = greatest(relay_position.last_sequence, excluded.last_sequence)"#,
        topic.name(),
        &users,
        &versions,
        sequence,
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// Gives rows that could not be published another time.
pub(crate) async fn postpone(
    pool: &PgPool,
    topic: Topic,
    users: &[UserId],
    delay: Duration,
) -> Result<(), sqlx::Error> {
    let users: Vec<i64> = users.iter().map(|user| user.get()).collect();
    sqlx::query!(
        r#"UPDATE outbox o SET not_before = now() + make_interval(secs => $3)
           FROM (SELECT user_id FROM outbox
                 WHERE topic = $1 AND user_id = ANY($2) AND version > published_version
                 ORDER BY user_id FOR UPDATE) due
           WHERE o.topic = $1 AND o.user_id = due.user_id"#,
        topic.name(),
        &users,
        delay.as_secs_f64(),
    )
    .execute(pool)
    .await?;
    Ok(())
}

/// How far the stream had come by the last acknowledgement.
pub(crate) async fn position(pool: &PgPool, topic: Topic) -> Result<Option<u64>, sqlx::Error> {
    let sequence = sqlx::query_scalar!(
        "SELECT last_sequence FROM relay_position WHERE topic = $1",
        topic.name()
    )
    .fetch_optional(pool)
    .await?;
    Ok(sequence.and_then(|sequence| u64::try_from(sequence).ok()))
}

/// The stream went back: what changed in the last day is published again, a page of users at a
/// time, so that no statement holds many users' locks for long. The position is set last: a crash
/// in between begins anew.
pub(crate) async fn republish_recent(
    pool: &PgPool,
    topic: Topic,
    stream_sequence: u64,
) -> Result<usize, sqlx::Error> {
    let mut rows = 0;
    let mut after = Some(0);
    while let Some(user_id) = after {
        let page = sqlx::query_scalar!(
            r#"UPDATE outbox o SET published_version = o.version - 1, not_before = now(),
                   dirty_since = coalesce(o.dirty_since, now())
               FROM (SELECT user_id FROM outbox
                     WHERE topic = $1 AND user_id > $2
                         AND changed_at > now() - make_interval(hours => $3)
                     ORDER BY user_id LIMIT $4 FOR UPDATE) recent
               WHERE o.topic = $1 AND o.user_id = recent.user_id
               RETURNING o.user_id"#,
            topic.name(),
            user_id,
            REPUBLISH_HOURS,
            REPUBLISH_PAGE,
        )
        .fetch_all(pool)
        .await?;
        rows += page.len();
        after = page.into_iter().max();
    }
    sqlx::query!(
        "UPDATE relay_position SET last_sequence = $2 WHERE topic = $1",
        topic.name(),
        i64::try_from(stream_sequence).unwrap_or(i64::MAX),
    )
    .execute(pool)
    .await?;
    Ok(rows)
}
