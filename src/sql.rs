//! Statements that no macro can check at build time: server settings, roles and databases have no
//! table behind them. Nothing here takes a value from outside.

use sqlx::{AssertSqlSafe, Executor as _, PgConnection, Row as _};

/// Runs a statement.
pub(crate) async fn run(connection: &mut PgConnection, statement: String) -> sqlx::Result<()> {
    connection.execute(raw(statement)).await?;
    Ok(())
}

/// The first column of the first row of a statement that answers with text.
pub(crate) async fn text(connection: &mut PgConnection, statement: &str) -> sqlx::Result<String> {
    connection.fetch_one(raw(statement.to_owned())).await?.try_get(0)
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that runs unchecked SQL")]
fn raw(statement: String) -> sqlx::RawSql {
    sqlx::raw_sql(AssertSqlSafe(statement))
}
