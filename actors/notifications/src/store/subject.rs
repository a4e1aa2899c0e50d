//! What was last heard of a user's prediction, and the lock of everything that follows from it.

use actor_runtime::faults;
use chrono::NaiveDate;
use contracts::{
    CycleId, PredictionId, UserId, Version,
    analytics::{ActivePrediction, PredictedStart},
    events::ChangedUser,
};
use sqlx::{PgConnection, PgPool};

/// A user as this group knows them.
pub(crate) struct Subject {
    pub(crate) applied_version: Version,
    pub(crate) as_of_version: Version,
    pub(crate) facts: Option<PredictedStart>,
    pub(crate) is_erased: bool,
}

impl Subject {
    /// Whether the snapshot says something newer.
    ///
    /// The version of the cycles decides, for it comes from the source of truth: if the analytics
    /// database is dropped and rebuilt, the version of the predictions starts from 1 again, while
    /// that of the cycles goes on. In between both rise together.
    pub(crate) fn is_older_than(&self, snapshot: &ActivePrediction) -> bool {
        (self.as_of_version, self.applied_version) < (snapshot.as_of_version, snapshot.version)
            || faults::is_off("notifications.version_guard")
    }
}

/// Locks the user's row until the end of the transaction, and makes it if there is none.
pub(crate) async fn subject_lock_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<Subject, sqlx::Error> {
    if let Some(subject) = subject_lock_existing_in_txn(connection, user_id).await? {
        return Ok(subject);
    }
    sqlx::query!(
        "INSERT INTO subject (user_id) VALUES ($1) ON CONFLICT DO NOTHING",
        user_id.get(),
    )
    .execute(&mut *connection)
    .await?;
    subject_lock_existing_in_txn(connection, user_id).await?.ok_or(sqlx::Error::RowNotFound)
}

async fn subject_lock_existing_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<Option<Subject>, sqlx::Error> {
    let row = sqlx::query_as!(
        SubjectRow,
        r#"SELECT applied_version, as_of_version, prediction_id, anchor_cycle_id,
                  predicted_start_date, erased_at IS NOT NULL AS "is_erased!"
           FROM subject WHERE user_id = $1 FOR UPDATE"#,
        user_id.get(),
    )
    .fetch_optional(connection)
    .await?;
    Ok(row.map(Subject::from))
}

/// Stores the facts of a snapshot and its versions.
pub(crate) async fn subject_update_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    snapshot: &ActivePrediction,
) -> Result<(), sqlx::Error> {
    let ActivePrediction {
        user_id: _,
        version,
        as_of_version,
        erased: _,
        forget_before: _,
        active,
    } = snapshot;
    let active = active.as_ref();
    sqlx::query!(
        r#"UPDATE subject
           SET applied_version = $2, as_of_version = $3, prediction_id = $4, anchor_cycle_id = $5,
               predicted_start_date = $6
           WHERE user_id = $1"#,
        user_id.get(),
        version.get(),
        as_of_version.get(),
        active.map(|active| active.prediction_id.get()),
        active.map(|active| active.anchor_cycle_id.get()),
        active.map(|active| active.predicted_start_date),
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Keeps those whose applied version is not the owner's. One that is higher is kept too: the owner
/// was rebuilt and counts anew. Erased users are never behind.
pub(crate) async fn subject_list_behind(
    pool: &PgPool,
    users: &[ChangedUser],
) -> Result<Vec<ChangedUser>, sqlx::Error> {
    let ids: Vec<i64> = users.iter().map(|user| user.user_id.get()).collect();
    let versions: Vec<i64> = users.iter().map(|user| user.version.get()).collect();
    let rows = sqlx::query!(
        r#"SELECT owner.user_id AS "user_id!", owner.version AS "version!"
           FROM unnest($1::bigint[], $2::bigint[]) AS owner (user_id, version)
           LEFT JOIN subject ON subject.user_id = owner.user_id
           WHERE coalesce(subject.applied_version, 0) <> owner.version
             AND subject.erased_at IS NULL"#,
        &ids,
        &versions,
    )
    .fetch_all(pool)
    .await?;
    let users = rows.into_iter().map(|row| ChangedUser {
        user_id: UserId::new(row.user_id),
        version: Version::new(row.version),
    });
    Ok(users.collect())
}

struct SubjectRow {
    applied_version: i64,
    as_of_version: i64,
    prediction_id: Option<i64>,
    anchor_cycle_id: Option<i64>,
    predicted_start_date: Option<NaiveDate>,
    is_erased: bool,
}

impl From<SubjectRow> for Subject {
    fn from(row: SubjectRow) -> Self {
        let SubjectRow {
            applied_version,
            as_of_version,
            prediction_id,
            anchor_cycle_id,
            predicted_start_date,
            is_erased,
        } = row;
        // All three or none: the table holds that.
        let facts = prediction_id.zip(anchor_cycle_id).zip(predicted_start_date).map(
            |((prediction_id, anchor_cycle_id), predicted_start_date)| PredictedStart {
                prediction_id: PredictionId::new(prediction_id),
                anchor_cycle_id: CycleId::new(anchor_cycle_id),
                predicted_start_date,
            },
        );
        Self {
            applied_version: Version::new(applied_version),
            as_of_version: Version::new(as_of_version),
            facts,
            is_erased,
        }
    }
}
