//! What a server that has just started must show and get: durability, databases, roles.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::{
    cluster::{Cluster, PORT},
    server::Server,
};
use crate::{
    config::Domain,
    sql::{run, text},
};

/// How long crash recovery may take. It replays at most `max_wal_size` of log.
const START_PATIENCE: Duration = Duration::from_mins(2);

/// Settings without which a commit could be lost, or a damaged page go unseen.
const DURABLE: [&str; 4] = ["fsync", "synchronous_commit", "full_page_writes", "data_checksums"];

/// Waits until the server takes connections, and makes the first one.
pub(super) async fn wait_until_ready(cluster: &Cluster, server: &Server) -> Result<PgConnection> {
    let options = PgConnectOptions::new_without_pgpass()
        .socket(&cluster.socket_directory)
        .port(PORT)
        .username("postgres")
        .database("postgres")
        .ssl_mode(PgSslMode::Disable)
        .disable_statement_logging();
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        let error = match PgConnection::connect_with(&options).await {
            Ok(connection) => return Ok(connection),
            Err(error) => error,
        };
        if let Some(status) = server.exit_status() {
            bail!("the embedded Postgres ended at its start ({status}):\n{}", server.tail());
        }
        if Instant::now() > deadline {
            return Err(error).context(format!(
                "the embedded Postgres takes no connections:\n{}",
                server.tail()
            ));
        }
        tokio::time::sleep(Duration::from_millis(15)).await;
    }
}

/// Refuses a server that could lose what it has acknowledged. The command line decides these
/// settings, except that a role or a database may have its own `synchronous_commit`.
pub(super) async fn check_durability(connection: &mut PgConnection) -> Result<()> {
    for name in DURABLE {
        let value = text(connection, &format!("SELECT current_setting('{name}')")).await?;
        if value != "on" {
            bail!(
                "the embedded Postgres has {name} = {value}, so acknowledged data could be lost; \
                 it must be on"
            );
        }
    }
    let overridden = text(
        connection,
        "SELECT count(*)::text FROM pg_db_role_setting, unnest(setconfig) AS setting \
         WHERE setting LIKE 'synchronous_commit=%' AND setting <> 'synchronous_commit=on'",
    )
    .await?;
    if overridden != "0" {
        bail!(
            "a role or database of the embedded Postgres sets synchronous_commit, so acknowledged \
             data could be lost; reset it with ALTER ROLE … RESET synchronous_commit"
        );
    }
    Ok(())
}

/// Creates what is missing of the four databases and their roles. Each role owns its database and
/// can connect to no other. Safe to repeat, and to continue after a kill in the middle.
pub(super) async fn databases_and_roles(connection: &mut PgConnection) -> Result<()> {
    for domain in Domain::ALL {
        let role = format!("SELECT count(*)::text FROM pg_roles WHERE rolname = '{domain}'");
        if text(connection, &role).await? == "0" {
            let create = format!("CREATE ROLE {domain} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE");
            run(connection, create).await?;
        }
        let database = format!("SELECT count(*)::text FROM pg_database WHERE datname = '{domain}'");
        if text(connection, &database).await? == "0" {
            run(connection, format!("CREATE DATABASE {domain} OWNER {domain}")).await?;
        }
    }
    let names = Domain::ALL.map(Domain::name).join(", ");
    let closed = format!("{names}, postgres, template1");
    run(connection, format!("REVOKE ALL ON DATABASE {closed} FROM PUBLIC")).await?;
    Ok(())
}
