//! Brings databases up to date. Each migration runs under the database's advisory lock, so any
//! number of processes may start at once.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    time::{Duration, Instant},
};

use actor_runtime::database;
use anyhow::{Context as _, Result, anyhow};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection,
    migrate::{MigrateError, Migrator},
    postgres::PgConnectOptions,
};

use crate::{config::Domain, sql};

/// How long a database may be away while we start: in a cluster everything starts at once.
const START_PATIENCE: Duration = Duration::from_secs(30);

/// Brings the databases of these domains up to date.
///
/// # Errors
/// One cannot be reached or refuses a migration; the message names the domain.
pub(crate) async fn up(databases: &BTreeMap<Domain, SecretString>) -> Result<()> {
    let each = databases.iter().map(|(domain, url)| async move {
        up_one(*domain, url).await.with_context(|| format!("the database of {domain}"))
    });
    futures::future::try_join_all(each).await?;
    Ok(())
}

/// The migrations that a database still needs.
///
/// # Errors
/// It cannot be asked.
pub(crate) async fn pending(domain: Domain, connection: &mut PgConnection) -> Result<usize> {
    let applied = applied(connection).await.map_err(|error| described(&error))?;
    Ok(known(domain).iter().filter(|version| !applied.contains(version)).count())
}

/// Connects once.
///
/// # Errors
/// The server is away or refuses; the message holds no part of the URL but what the server says.
pub(crate) async fn connect(url: &SecretString) -> sqlx::Result<PgConnection> {
    let options: PgConnectOptions = url.expose_secret().parse()?;
    let options = options.application_name("lunation-migrate").disable_statement_logging();
    PgConnection::connect_with(&options).await
}

async fn up_one(domain: Domain, url: &SecretString) -> Result<()> {
    let mut connection = connect_patiently(domain, url).await?;
    let before = applied(&mut connection).await.map_err(|error| described(&error))?;
    for newer in before.iter().filter(|version| !known(domain).contains(version)) {
        // A rolling upgrade: migrations only expand, so this build works on a newer schema.
        tracing::warn!(%domain, version = newer, "a newer lunation has migrated this database");
    }
    let migrator = migrator(domain);
    let migrator = Migrator {
        migrations: Cow::Borrowed(&migrator.migrations),
        ignore_missing: true,
        ..Migrator::DEFAULT
    };
    migrator.run(&mut connection).await.map_err(|error| match error {
        MigrateError::Execute(error) => described(&error),
        MigrateError::ExecuteMigration(error, version) => {
            described(&error).context(format!("migration {version} failed"))
        }
        other => anyhow!(other),
    })?;
    let count = known(domain).iter().filter(|version| !before.contains(version)).count();
    tracing::info!(%domain, applied = count, "the database is up to date");
    connection.close().await.map_err(|error| described(&error))
}

async fn connect_patiently(domain: Domain, url: &SecretString) -> Result<PgConnection> {
    let started = Instant::now();
    let mut warned = false;
    loop {
        match connect(url).await {
            Ok(connection) => return Ok(connection),
            Err(error) if database::is_transient(&error) && started.elapsed() < START_PATIENCE => {
                if !warned {
                    let cause = database::describe(&error);
                    tracing::warn!(%domain, %cause, "the database does not answer yet; waiting");
                    warned = true;
                }
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
            Err(error) => return Err(described(&error)),
        }
    }
}

/// The versions of the migrations that a database has.
async fn applied(connection: &mut PgConnection) -> sqlx::Result<Vec<i64>> {
    let table = "SELECT (to_regclass('_sqlx_migrations') IS NOT NULL)::text";
    if sql::text(connection, table).await? != "true" {
        return Ok(Vec::new());
    }
    let list = "SELECT coalesce(string_agg(version::text, ','), '') FROM _sqlx_migrations \
                WHERE success";
    let versions = sql::text(connection, list).await?;
    Ok(versions.split(',').filter_map(|version| version.parse().ok()).collect())
}

fn known(domain: Domain) -> Vec<i64> {
    migrator(domain).iter().map(|migration| migration.version).collect()
}

fn migrator(domain: Domain) -> &'static Migrator {
    match domain {
        Domain::Users => &users::MIGRATOR,
        Domain::Cycles => &cycles::MIGRATOR,
        Domain::Analytics => &analytics::MIGRATOR,
        Domain::Notifications => &notifications::MIGRATOR,
    }
}

/// The error without any value that a statement held.
pub(crate) fn described(error: &sqlx::Error) -> anyhow::Error {
    match error {
        // At a connection, the server's text says what to mend, and quotes at most a name.
        sqlx::Error::Database(refused)
            if refused.code().is_some_and(|code| code.starts_with("28") || code == "3D000") =>
        {
            anyhow!("the server refuses: {}", refused.message())
        }
        _ => anyhow!("{}", database::describe(error)),
    }
}
