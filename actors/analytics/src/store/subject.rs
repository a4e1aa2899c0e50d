//! `subject`: which version of a user's cycles the derived rows reflect, and the statistics.

use contracts::{
    UserId, Version,
    analytics::{Regularity, Statistics},
    events::ChangedUser,
};
use sqlx::{PgConnection, PgPool};

use crate::derive::MODEL;

/// What became of the attempt to move a user on to a version.
pub(crate) enum Advanced {
    /// The version is set, and the row locked. What was stored before is that of this version by
    /// the same model; none if that is not known.
    From(Option<Version>),
    /// The user already has this version or a newer one.
    AlreadyAt(Version),
    /// The user was erased: nothing may be stored any more.
    Erased,
}

/// Locks the user's row and moves it on to `version` if that is newer than what is applied, or
/// the same version by another model. One statement decides and writes, so of two processes that
/// race the second waits for the first and then sees what it did. A version never goes back.
pub(crate) async fn subject_advance_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
    version: Version,
    statistics: &Statistics,
) -> Result<Advanced, sqlx::Error> {
    let Statistics {
        total_cycles_tracked,
        average_cycle_length,
        average_period_length,
        cycle_regularity,
    } = statistics;
    let advanced = sqlx::query!(
        r#"INSERT INTO subject AS s (user_id, applied_version, model, total_cycles,
               average_cycle_length, average_period_length, cycle_regularity)
           VALUES ($1, $2, $3, $4, $5, $6, $7)
           ON CONFLICT (user_id) DO UPDATE SET
               applied_version = excluded.applied_version,
               model = excluded.model,
               replaced_version = CASE WHEN s.model = excluded.model THEN s.applied_version END,
               total_cycles = excluded.total_cycles,
               average_cycle_length = excluded.average_cycle_length,
               average_period_length = excluded.average_period_length,
               cycle_regularity = excluded.cycle_regularity
           WHERE s.erased_at IS NULL
             AND (s.applied_version < excluded.applied_version
                  OR (s.applied_version = excluded.applied_version AND s.model <> excluded.model))
           RETURNING replaced_version"#,
        user_id.get(),
        version.get(),
        MODEL,
        total_cycles_tracked,
        *average_cycle_length,
        *average_period_length,
        regularity_word(*cycle_regularity),
    )
    .fetch_optional(&mut *connection)
    .await?;
    if let Some(row) = advanced {
        return Ok(Advanced::From(row.replaced_version.map(Version::new)));
    }
    let row = sqlx::query!(
        r#"SELECT applied_version, erased_at IS NOT NULL AS "erased!" FROM subject
           WHERE user_id = $1"#,
        user_id.get(),
    )
    .fetch_one(connection)
    .await?;
    Ok(if row.erased {
        Advanced::Erased
    } else {
        Advanced::AlreadyAt(Version::new(row.applied_version))
    })
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

/// The statistics of a user and the version that they reflect.
pub(crate) async fn subject_statistics(
    pool: &PgPool,
    user_id: UserId,
) -> Result<(Version, Statistics), sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT applied_version, total_cycles, average_cycle_length, average_period_length,
                  cycle_regularity
           FROM subject WHERE user_id = $1"#,
        user_id.get(),
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok((Version::ZERO, nothing_tracked())) };
    let statistics = Statistics {
        total_cycles_tracked: row.total_cycles,
        average_cycle_length: row.average_cycle_length,
        average_period_length: row.average_period_length,
        cycle_regularity: regularity_parse(&row.cycle_regularity),
    };
    Ok((Version::new(row.applied_version), statistics))
}

/// Keeps those users whose derived state is older than the given version of their cycles, or was
/// computed by another model.
pub(crate) async fn subject_list_behind(
    pool: &PgPool,
    users: &[ChangedUser],
) -> Result<Vec<ChangedUser>, sqlx::Error> {
    let (ids, versions): (Vec<i64>, Vec<i64>) =
        users.iter().map(|user| (user.user_id.get(), user.version.get())).unzip();
    let rows = sqlx::query!(
        r#"SELECT owner.user_id AS "user_id!", owner.version AS "version!"
           FROM unnest($1::bigint[], $2::bigint[]) AS owner(user_id, version)
           LEFT JOIN subject s ON s.user_id = owner.user_id
           WHERE s.user_id IS NULL
              OR (s.erased_at IS NULL
                  AND (s.applied_version < owner.version
                       OR (s.applied_version = owner.version AND s.model <> $3)))
           ORDER BY owner.user_id"#,
        &ids,
        &versions,
        MODEL,
    )
    .fetch_all(pool)
    .await?;
    let behind = rows.into_iter().map(|row| ChangedUser {
        user_id: UserId::new(row.user_id),
        version: Version::new(row.version),
    });
    Ok(behind.collect())
}

fn nothing_tracked() -> Statistics {
    Statistics {
        total_cycles_tracked: 0,
        average_cycle_length: None,
        average_period_length: None,
        cycle_regularity: Regularity::Unknown,
    }
}

const fn regularity_word(regularity: Regularity) -> &'static str {
    match regularity {
        Regularity::VeryRegular => "very_regular",
        Regularity::Regular => "regular",
        Regularity::Irregular => "irregular",
        Regularity::Unknown => "unknown",
    }
}

/// The table's check constraint holds the words to these four.
fn regularity_parse(word: &str) -> Regularity {
    match word {
        "very_regular" => Regularity::VeryRegular,
        "regular" => Regularity::Regular,
        "irregular" => Regularity::Irregular,
        _ => Regularity::Unknown,
    }
}
