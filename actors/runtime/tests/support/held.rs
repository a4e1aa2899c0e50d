//! What a database holds on a user. The tables come from the catalogue, so that a new one cannot be
//! forgotten.

use std::collections::BTreeMap;

use contracts::UserId;
use sqlx::PgPool;

/// How many rows there are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Held {
    /// Those that say something, by table: every one that says whose its rows are.
    pub(crate) rows: BTreeMap<String, i64>,
    /// Those that say nothing but that the user was erased, and when.
    pub(crate) tombstones: i64,
}

impl Held {
    /// The tables that have none: what a test fills has to be in all that are to be emptied.
    pub(crate) fn empty_tables(&self) -> Vec<&str> {
        let empty = self.rows.iter().filter(|(_, rows)| **rows == 0);
        empty.map(|(table, _)| table.as_str()).collect()
    }

    /// All that say something, and the tombstones.
    pub(crate) fn counts(&self) -> (i64, i64) {
        (self.rows.values().sum(), self.tombstones)
    }
}

/// Looks into every table.
#[expect(clippy::disallowed_methods, reason = "a test asks the catalogue for its tables")]
pub(crate) async fn held(pool: &PgPool, user_id: UserId) -> Held {
    let tables: Vec<String> = sqlx::query_scalar(
        "SELECT table_name::text FROM information_schema.columns
         WHERE table_schema = 'public' AND column_name = 'user_id'",
    )
    .fetch_all(pool)
    .await
    .unwrap();
    let mut held = Held { rows: BTreeMap::new(), tombstones: 0 };
    for table in tables {
        // The model is the column's default, the same for everybody.
        let statement = format!(
            "SELECT count(*) FILTER (WHERE NOT is_tombstone), count(*) FILTER (WHERE is_tombstone)
             FROM (SELECT said ->> 'erased_at' IS NOT NULL AND NOT EXISTS (
                              SELECT FROM jsonb_each(said - '{{user_id,erased_at,model}}'::text[]) it
                              WHERE it.value NOT IN ('null', '0', 'false', '\"unknown\"'))
                          AS is_tombstone
                   FROM (SELECT to_jsonb(t) AS said FROM \"{table}\" t WHERE t.user_id = $1) rows)
                  judged"
        );
        let (rows, tombstones): (i64, i64) = sqlx::query_as(sqlx::AssertSqlSafe(statement))
            .bind(user_id.get())
            .fetch_one(pool)
            .await
            .unwrap();
        held.rows.insert(table, rows);
        held.tombstones += tombstones;
    }
    held
}
