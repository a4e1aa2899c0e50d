//! Data keys, each wrapped, and what is still to be sealed or wrapped anew.

use actor_runtime::seal::KeyId;
use chrono::{DateTime, Utc};
use contracts::{UserId, events::Topic};
use sqlx::{PgConnection, PgExecutor};

use crate::sealed::{Column, UserKey};

/// A user's data key, wrapped.
pub(crate) async fn data_key_get(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
) -> Result<Option<Vec<u8>>, sqlx::Error> {
    sqlx::query_scalar!("SELECT wrapped FROM data_key WHERE user_id = $1", user_id.get())
        .fetch_optional(executor)
        .await
}

/// Makes a data key for a user who has none. The caller has the user's outbox row, so nobody else
/// does so at the same time.
pub(crate) async fn data_key_make(
    connection: &mut PgConnection,
    user_id: UserId,
    key: &mut UserKey<'_>,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    let wrapped = key.make()?;
    sqlx::query!(
        "INSERT INTO data_key (user_id, wrapped, created_at) VALUES ($1, $2, $3)",
        user_id.get(),
        wrapped,
        at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Sees to it that the user's data key is known, and makes one if there is none. The caller has the
/// user's outbox row.
pub(crate) async fn data_key_require(
    connection: &mut PgConnection,
    user_id: UserId,
    key: &mut UserKey<'_>,
    at: DateTime<Utc>,
) -> Result<(), sqlx::Error> {
    if key.known().is_some() {
        return Ok(());
    }
    let wrapped = data_key_get(&mut *connection, user_id).await?;
    if !key.learn(wrapped.as_deref())? {
        data_key_make(connection, user_id, key, at).await?;
    }
    Ok(())
}

/// Under which keys data keys are wrapped: one look into the index for each, however many users
/// there are.
pub(crate) async fn data_key_wrapped_under(
    executor: impl PgExecutor<'_>,
) -> Result<Vec<KeyId>, sqlx::Error> {
    let ids = sqlx::query_scalar!(
        r#"WITH RECURSIVE used AS (
               (SELECT kek_id FROM data_key ORDER BY kek_id LIMIT 1)
               UNION ALL
               SELECT (SELECT kek_id FROM data_key WHERE kek_id > used.kek_id
                       ORDER BY kek_id LIMIT 1)
               FROM used WHERE used.kek_id IS NOT NULL
           )
           SELECT kek_id AS "kek_id!" FROM used WHERE kek_id IS NOT NULL"#,
    )
    .fetch_all(executor)
    .await?;
    Ok(ids.iter().filter_map(|id| KeyId::from_bytes(id)).collect())
}

/// How many data keys are wrapped under a key.
pub(crate) async fn data_key_count(
    executor: impl PgExecutor<'_>,
    under: KeyId,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM data_key WHERE kek_id = $1"#,
        under.as_bytes(),
    )
    .fetch_one(executor)
    .await
}

/// Some data keys that are wrapped under a key, by user, and locked: another process passes them
/// over.
pub(crate) async fn data_key_list_in_txn(
    connection: &mut PgConnection,
    under: KeyId,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<(UserId, Vec<u8>)>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT user_id, wrapped FROM data_key WHERE kek_id = $1 AND user_id > $2
           ORDER BY user_id LIMIT $3 FOR UPDATE SKIP LOCKED"#,
        under.as_bytes(),
        after.map_or(0, UserId::get),
        limit,
    )
    .fetch_all(connection)
    .await?;
    Ok(rows.into_iter().map(|row| (UserId::new(row.user_id), row.wrapped)).collect())
}

/// Puts data keys, wrapped anew, into the place of those that are locked.
pub(crate) async fn data_key_replace_in_txn(
    connection: &mut PgConnection,
    users: &[UserId],
    wrapped: &[Vec<u8>],
) -> Result<(), sqlx::Error> {
    let users: Vec<i64> = users.iter().map(|user_id| user_id.get()).collect();
    sqlx::query!(
        r#"UPDATE data_key SET wrapped = anew.wrapped
           FROM unnest($1::bigint[], $2::bytea[]) AS anew(user_id, wrapped)
           WHERE data_key.user_id = anew.user_id"#,
        &users,
        wrapped,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Some users of whom a text stands in clear, by id.
pub(crate) async fn in_clear_users(
    executor: impl PgExecutor<'_>,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<UserId>, sqlx::Error> {
    let users = sqlx::query_scalar!(
        r#"SELECT DISTINCT user_id FROM symptom
           WHERE (value IS NOT NULL OR notes IS NOT NULL) AND user_id > $1
           ORDER BY user_id LIMIT $2"#,
        after.map_or(0, UserId::get),
        limit,
    )
    .fetch_all(executor)
    .await?;
    Ok(users.into_iter().map(UserId::new).collect())
}

/// How many symptoms have a text in clear.
pub(crate) async fn in_clear_count(executor: impl PgExecutor<'_>) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM symptom WHERE value IS NOT NULL OR notes IS NOT NULL"#,
    )
    .fetch_one(executor)
    .await
}

/// Keeps the user's writes out until the transaction ends. Whether there is such a user.
pub(crate) async fn user_lock_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<bool, sqlx::Error> {
    let locked = sqlx::query_scalar!(
        "SELECT version FROM outbox WHERE topic = $1 AND user_id = $2 FOR UPDATE",
        Topic::CycleChanged.name(),
        user_id.get(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(locked.is_some())
}

/// Seals some texts of a user that stand in clear, and says how many there were. The caller has the
/// user's outbox row.
pub(crate) async fn in_clear_seal_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    key: &UserKey<'_>,
    limit: i64,
) -> Result<usize, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT id, value, notes FROM symptom
           WHERE user_id = $1 AND (value IS NOT NULL OR notes IS NOT NULL)
           ORDER BY id LIMIT $2"#,
        user_id.get(),
        limit,
    )
    .fetch_all(&mut *connection)
    .await?;
    let (mut ids, mut values, mut notes) = (Vec::new(), Vec::new(), Vec::new());
    for row in &rows {
        let seal = |column, text: Option<&String>| {
            text.map(|text| key.seal(column, row.id, text)).transpose()
        };
        ids.push(row.id);
        values.push(seal(Column::Value, row.value.as_ref())?);
        notes.push(seal(Column::Notes, row.notes.as_ref())?);
    }
    sqlx::query!(
        r#"UPDATE symptom SET
               value = NULL, value_sealed = coalesce(sealed.value, symptom.value_sealed),
               notes = NULL, notes_sealed = coalesce(sealed.notes, symptom.notes_sealed)
           FROM unnest($2::bigint[], $3::bytea[], $4::bytea[]) AS sealed(id, value, notes)
           WHERE symptom.user_id = $1 AND symptom.id = sealed.id"#,
        user_id.get(),
        &ids,
        &values as _,
        &notes as _,
    )
    .execute(connection)
    .await?;
    Ok(rows.len())
}
