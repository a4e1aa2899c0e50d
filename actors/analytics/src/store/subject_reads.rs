//! Reading subjects: one of them, and which of them are behind.

use std::sync::Arc;

use chrono::NaiveDate;
use contracts::{
    CycleId, UserId, Version,
    analytics::{Regularity, Statistics},
    events::ChangedUser,
};
use sqlx::PgPool;

use crate::{
    derive::{Believed, Key, Person},
    known::{Known, MODEL_NUMBER},
    log::fingerprints::Mark,
};

/// What is stored of a user, as far as recomputing it goes.
pub(crate) struct StoredSubject {
    /// What is known of the person.
    pub(crate) person: Person,
    /// What this program's model stored; none if another one did.
    pub(crate) believed: Option<Believed>,
    /// What is known of the user, if it was read.
    pub(crate) known: Option<Known>,
}

impl StoredSubject {
    /// What an actor remembers.
    pub(crate) fn remembered(believed: Believed) -> Self {
        Self { person: believed.person, believed: Some(believed), known: None }
    }
}

/// What is stored of a user; none if nothing is, or if the user was erased.
pub(crate) async fn subject_read(
    pool: &PgPool,
    user_id: UserId,
) -> Result<Option<StoredSubject>, sqlx::Error> {
    let row = sqlx::query!(
        r#"SELECT s.applied_version, s.person_version, s.date_of_birth, s.model_number,
                  s.forecast_day, s.known,
                  marks.ids AS "ids!", marks.forecasts AS "forecasts!", marks.alls AS "alls!"
           FROM subject s,
               LATERAL (SELECT coalesce(array_agg(id), '{}') AS ids,
                               coalesce(array_agg(forecast_fingerprint), '{}') AS forecasts,
                               coalesce(array_agg(fingerprint), '{}') AS alls
                        FROM cycle_analytics WHERE user_id = $1) marks
           WHERE s.user_id = $1 AND s.erased_at IS NULL"#,
        user_id.get(),
    )
    .fetch_optional(pool)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let person =
        Person { version: row.person_version.map(Version::new), date_of_birth: row.date_of_birth };
    let marks = row.ids.iter().zip(row.forecasts.iter().zip(&row.alls));
    let marks: Arc<[Mark]> = marks
        .map(|(id, (forecast, all))| Mark {
            cycle_id: CycleId::new(*id),
            forecast: *forecast,
            all: *all,
        })
        .collect();
    let known = Known::read(row.model_number, row.known);
    let believed = known.as_ref().zip(row.forecast_day).map(|(known, day)| {
        let cycles = Version::new(row.applied_version);
        Believed::new(Key { cycles, person: person.version, day }, person, marks, known)
    });
    Ok(Some(StoredSubject { person, believed, known }))
}

/// What is known of a user, and the version that it reflects; known is none where another model
/// stored it, until it is computed again.
pub(crate) async fn subject_known(
    pool: &PgPool,
    user_id: UserId,
) -> Result<(Version, Option<Known>), sqlx::Error> {
    let row = sqlx::query!(
        "SELECT applied_version, model_number, known FROM subject WHERE user_id = $1",
        user_id.get(),
    )
    .fetch_optional(pool)
    .await?;
    Ok(match row {
        Some(row) => (Version::new(row.applied_version), Known::read(row.model_number, row.known)),
        None => (Version::ZERO, Some(Known::nothing(user_id))),
    })
}

/// Keeps those users whose derived state is older than the given version of their cycles, or was
/// computed by an earlier model. What a later model computed is left to the programs that have it.
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
              OR (s.erased_at IS NULL AND s.model_number <= $3
                  AND (s.applied_version < owner.version OR s.model_number < $3))
           ORDER BY owner.user_id"#,
        &ids,
        &versions,
        MODEL_NUMBER,
    )
    .fetch_all(pool)
    .await?;
    let behind = rows.into_iter().map(|row| ChangedUser {
        user_id: UserId::new(row.user_id),
        version: Version::new(row.version),
    });
    Ok(behind.collect())
}

/// Keeps those users of whose person less is known than the given version. Those of whom nothing is
/// derived are not behind: there is nothing that their age could change.
pub(crate) async fn subject_list_person_behind(
    pool: &PgPool,
    users: &[ChangedUser],
) -> Result<Vec<ChangedUser>, sqlx::Error> {
    let (ids, versions): (Vec<i64>, Vec<i64>) =
        users.iter().map(|user| (user.user_id.get(), user.version.get())).unzip();
    let rows = sqlx::query!(
        r#"SELECT owner.user_id AS "user_id!", owner.version AS "version!"
           FROM unnest($1::bigint[], $2::bigint[]) AS owner(user_id, version)
           JOIN subject s ON s.user_id = owner.user_id
           WHERE s.erased_at IS NULL AND s.model_number <= $3
             AND coalesce(s.person_version, -1) < owner.version
           ORDER BY owner.user_id"#,
        &ids,
        &versions,
        MODEL_NUMBER,
    )
    .fetch_all(pool)
    .await?;
    let behind = rows.into_iter().map(|row| ChangedUser {
        user_id: UserId::new(row.user_id),
        version: Version::new(row.version),
    });
    Ok(behind.collect())
}

/// A page of the users whose active prediction has to be made again on a day, by id.
pub(crate) async fn subject_list_due(
    pool: &PgPool,
    day: NaiveDate,
    after: Option<UserId>,
    limit: i64,
) -> Result<Vec<UserId>, sqlx::Error> {
    let users = sqlx::query_scalar!(
        r#"SELECT user_id FROM subject
           WHERE forecast_due <= $1 AND user_id > $2 AND erased_at IS NULL AND model_number = $3
           ORDER BY user_id LIMIT $4"#,
        day,
        after.map_or(0, UserId::get),
        MODEL_NUMBER,
        limit,
    )
    .fetch_all(pool)
    .await?;
    Ok(users.into_iter().map(UserId::new).collect())
}

pub(super) const fn nothing_tracked() -> Statistics {
    Statistics {
        total_cycles_tracked: 0,
        average_cycle_length: None,
        average_period_length: None,
        cycle_regularity: Regularity::Unknown,
    }
}

pub(super) const fn regularity_word(regularity: Regularity) -> &'static str {
    match regularity {
        Regularity::VeryRegular => "very_regular",
        Regularity::Regular => "regular",
        Regularity::Irregular => "irregular",
        Regularity::Unknown => "unknown",
    }
}

/// The table's check constraint holds the words to these four.
pub(super) fn regularity_parse(word: &str) -> Regularity {
    match word {
        "very_regular" => Regularity::VeryRegular,
        "regular" => Regularity::Regular,
        "irregular" => Regularity::Irregular,
        _ => Regularity::Unknown,
    }
}
