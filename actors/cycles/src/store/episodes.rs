//! Episodes.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    EpisodeId, UserId,
    cycles::{Episode, EpisodeKind},
    page::{Page, PageRequest},
};
use sqlx::{PgConnection, PgExecutor};

/// A page of episodes, newest start first.
pub(crate) async fn episode_page(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    page: PageRequest,
) -> Result<Page<Episode>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"WITH page AS (
               SELECT * FROM episode WHERE user_id = $1
               ORDER BY start_date DESC, id DESC LIMIT $2 OFFSET $3
           )
           SELECT counted.total AS "total!", page.id AS "id?", page.kind AS "kind?",
                  page.start_date AS "start_date?", page.end_date AS "end_date?",
                  page.created_at AS "created_at?", page.updated_at AS "updated_at?"
           FROM (SELECT count(*) AS total FROM episode WHERE user_id = $1) counted
           LEFT JOIN page ON true
           ORDER BY page.start_date DESC, page.id DESC"#,
        user_id.get(),
        page.limit,
        page.offset,
    )
    .fetch_all(executor)
    .await?;

    let total = rows.first().map_or(0, |row| row.total);
    // The one row of an empty page has a total and no episode.
    let episodes = rows.into_iter().filter_map(|row| {
        let row = EpisodeRow {
            id: row.id?,
            kind: row.kind?,
            start_date: row.start_date?,
            end_date: row.end_date,
            created_at: row.created_at?,
            updated_at: row.updated_at?,
        };
        row.into_episode(user_id)
    });
    Ok(Page { rows: episodes.collect(), total })
}

/// One episode.
pub(crate) async fn episode_get(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    episode_id: EpisodeId,
) -> Result<Option<Episode>, sqlx::Error> {
    let row = sqlx::query_as!(
        EpisodeRow,
        r#"SELECT id, kind, start_date, end_date, created_at, updated_at
           FROM episode WHERE user_id = $1 AND id = $2"#,
        user_id.get(),
        episode_id.get(),
    )
    .fetch_optional(executor)
    .await?;
    Ok(row.and_then(|row| row.into_episode(user_id)))
}

/// Another episode of the user that is of this kind and shares a day with this one.
pub(crate) async fn episode_overlapping(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    kind: EpisodeKind,
    (start, end): (NaiveDate, Option<NaiveDate>),
    except: Option<EpisodeId>,
) -> Result<Option<EpisodeId>, sqlx::Error> {
    let other = sqlx::query_scalar!(
        r#"SELECT id FROM episode
           WHERE user_id = $1 AND kind = $2
             AND daterange(start_date, end_date, '[]') && daterange($3::date, $4::date, '[]')
             AND ($5::bigint IS NULL OR id <> $5)
           ORDER BY start_date LIMIT 1"#,
        user_id.get(),
        name(kind),
        start,
        end,
        except.map(EpisodeId::get),
    )
    .fetch_optional(executor)
    .await?;
    Ok(other.map(EpisodeId::new))
}

/// How many episodes the user has.
pub(crate) async fn episode_count(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
) -> Result<i64, sqlx::Error> {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM episode WHERE user_id = $1"#,
        user_id.get(),
    )
    .fetch_one(executor)
    .await
}

/// Inserts an episode. None if it overlaps another one of its kind: that is no error here, so the
/// transaction can still say which.
pub(crate) async fn episode_insert(
    connection: &mut PgConnection,
    user_id: UserId,
    kind: EpisodeKind,
    (start, end): (NaiveDate, Option<NaiveDate>),
    at: DateTime<Utc>,
) -> Result<Option<EpisodeId>, sqlx::Error> {
    let id = sqlx::query_scalar!(
        r#"INSERT INTO episode (user_id, kind, start_date, end_date, created_at, updated_at)
           VALUES ($1, $2, $3, $4, $5, $5)
           ON CONFLICT DO NOTHING RETURNING id"#,
        user_id.get(),
        name(kind),
        start,
        end,
        at,
    )
    .fetch_optional(connection)
    .await?;
    Ok(id.map(EpisodeId::new))
}

/// Stores what an edit made of an episode.
pub(crate) async fn episode_update(
    connection: &mut PgConnection,
    user_id: UserId,
    episode: &Episode,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"UPDATE episode SET kind = $3, start_date = $4, end_date = $5, updated_at = $6
           WHERE user_id = $1 AND id = $2"#,
        user_id.get(),
        episode.id.get(),
        name(episode.kind),
        episode.start_date,
        episode.end_date,
        episode.updated_at,
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Deletes an episode. Returns its start; none if there was no such episode.
pub(crate) async fn episode_delete(
    connection: &mut PgConnection,
    user_id: UserId,
    episode_id: EpisodeId,
) -> Result<Option<NaiveDate>, sqlx::Error> {
    sqlx::query_scalar!(
        "DELETE FROM episode WHERE user_id = $1 AND id = $2 RETURNING start_date",
        user_id.get(),
        episode_id.get(),
    )
    .fetch_optional(connection)
    .await
}

pub(super) struct EpisodeRow {
    pub(super) id: i64,
    pub(super) kind: String,
    pub(super) start_date: NaiveDate,
    pub(super) end_date: Option<NaiveDate>,
    pub(super) created_at: DateTime<Utc>,
    pub(super) updated_at: DateTime<Utc>,
}

impl EpisodeRow {
    /// None if the kind is one of a later version that this process does not know.
    pub(super) fn into_episode(self, user_id: UserId) -> Option<Episode> {
        let Self { id, kind, start_date, end_date, created_at, updated_at } = self;
        Some(Episode {
            id: EpisodeId::new(id),
            user_id,
            kind: kind_of(&kind)?,
            start_date,
            end_date,
            created_at,
            updated_at,
        })
    }
}

const KINDS: [EpisodeKind; 6] = [
    EpisodeKind::Pregnancy,
    EpisodeKind::Postpartum,
    EpisodeKind::Breastfeeding,
    EpisodeKind::HormonalContraception,
    EpisodeKind::Perimenopause,
    EpisodeKind::Pause,
];

/// The kind of a word, as it stands in the table.
pub(super) fn kind_of(word: &str) -> Option<EpisodeKind> {
    KINDS.into_iter().find(|kind| name(*kind) == word)
}

/// The word in the table; its constraint `episode_kind` knows the same ones.
const fn name(kind: EpisodeKind) -> &'static str {
    match kind {
        EpisodeKind::Pregnancy => "pregnancy",
        EpisodeKind::Postpartum => "postpartum",
        EpisodeKind::Breastfeeding => "breastfeeding",
        EpisodeKind::HormonalContraception => "hormonal_contraception",
        EpisodeKind::Perimenopause => "perimenopause",
        EpisodeKind::Pause => "pause",
    }
}
