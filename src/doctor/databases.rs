//! The databases: reachable, durable, up to date.

use actor_runtime::{clock::Clock, database};
use secrecy::SecretString;
use sqlx::{Connection as _, PgConnection};

use super::Check;
use crate::{
    config::{Config, Domain},
    embedded, migrate,
    output::counted,
    sql,
};

/// Further apart than this, ages and deadlines that cross the two are wrong, in seconds.
const SKEW_SECONDS_MAX: i64 = 5;

/// The database of every domain of this process. An embedded one is asked while it runs.
pub(super) async fn all(config: &Config, running: bool) -> Vec<Check> {
    let mut checks = Vec::new();
    for domain in config.groups.domains() {
        let name = format!("database {domain}");
        checks.push(match config.databases.urls.get(&domain) {
            Some(url) => one(name, domain, url, "given").await,
            None if !running => Check::good(name, stopped(config)),
            None => match embedded::running_database_url(&config.storage.data_dir, domain) {
                Ok(url) => one(name, domain, &url, "embedded").await,
                Err(error) => {
                    Check::odd(name, format!("{error:#}"), "run doctor as the user of the service")
                }
            },
        });
    }
    checks
}

fn stopped(config: &Config) -> String {
    match embedded::cluster_major(&config.storage.data_dir) {
        Ok(Some(major)) => format!("embedded, not running, made by Postgres {major}"),
        _ => "embedded, will be created".to_owned(),
    }
}

async fn one(name: String, domain: Domain, url: &SecretString, kind: &str) -> Check {
    let mut connection = match migrate::connect(url).await {
        Ok(connection) => connection,
        Err(error) => {
            let advice = match kind {
                "given" => format!("check {}_DATABASE_URL", domain.name().to_uppercase()),
                _ => "it may be starting; see postgres.log in the data directory".to_owned(),
            };
            return Check::bad(name, format!("{kind}, {}", migrate::described(&error)), advice);
        }
    };
    let check = match examine(name.clone(), domain, &mut connection, kind).await {
        Ok(check) => check,
        Err(error) => {
            let found = format!("{kind}, {error:#}");
            Check::bad(name, found, "the role must own the database")
        }
    };
    if let Err(error) = connection.close().await {
        tracing::warn!(cause = %database::describe(&error), "a connection did not close");
    }
    check
}

async fn examine(
    name: String,
    domain: Domain,
    connection: &mut PgConnection,
    kind: &str,
) -> anyhow::Result<Check> {
    let version = sql::text(connection, "SELECT current_setting('server_version')").await?;
    let version = version.split_whitespace().next().unwrap_or_default().to_owned();
    let found = format!("{kind}, Postgres {version}");
    for setting in ["fsync", "synchronous_commit", "full_page_writes"] {
        let value = sql::text(connection, &format!("SELECT current_setting('{setting}')")).await?;
        // Stricter than `on` is `remote_apply`; weaker are `off`, `local` and `remote_write`.
        if value != "on" && value != "remote_apply" {
            let found = format!("{found}, {setting} = {value}");
            let advice = format!("acknowledged data could be lost: set {setting} = on");
            return Ok(Check::bad(name, found, advice));
        }
    }
    let theirs = sql::text(connection, "SELECT extract(epoch FROM now())::bigint::text").await?;
    let skew_seconds = theirs.parse::<i64>()? - Clock::System.now().timestamp();
    if skew_seconds.abs() > SKEW_SECONDS_MAX {
        let found = format!("{found}, its clock is {skew_seconds} s off ours");
        return Ok(Check::bad(name, found, "synchronise the clocks (NTP)"));
    }
    Ok(match migrate::pending(domain, connection).await? {
        0 => Check::good(name, format!("{found}, durable, up to date")),
        pending => Check::odd(
            name,
            format!("{found}, durable, {} to apply", counted(pending, "migration")),
            "`lunation migrate` does so, and the next start",
        ),
    })
}
