//! What prediction needs of a user.

use contracts::{
    CycleId, UserId, Version,
    cycles::{History, HistoryCycle},
    events::Topic,
};
use sqlx::PgExecutor;

/// The user's cycles, oldest start first, and the version that they are the state of: one
/// statement, so one snapshot.
pub(crate) async fn history_get(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
) -> Result<History, sqlx::Error> {
    let rows = sqlx::query!(
        r#"SELECT outbox.version AS "version?", cycle.id AS "id?", cycle.start_date AS "start_date?",
                  cycle.end_date AS "end_date?", cycle.input_version AS "input_version?",
                  cycle.input_changed_at AS "input_changed_at?"
           FROM (SELECT $1::bigint AS user_id) owner
           LEFT JOIN outbox ON outbox.topic = $2 AND outbox.user_id = owner.user_id
           LEFT JOIN cycle ON cycle.user_id = owner.user_id
           ORDER BY cycle.start_date"#,
        user_id.get(),
        Topic::CycleChanged.name(),
    )
    .fetch_all(executor)
    .await?;

    let version = rows.first().and_then(|row| row.version).map_or(Version::ZERO, Version::new);
    // The one row of a user without cycles has a version and no cycle.
    let cycles = rows.into_iter().filter_map(|row| {
        Some(HistoryCycle {
            id: CycleId::new(row.id?),
            start_date: row.start_date?,
            end_date: row.end_date,
            input_version: Version::new(row.input_version?),
            input_changed_at: row.input_changed_at?,
        })
    });
    Ok(History { user_id, version, cycles: cycles.collect() })
}
