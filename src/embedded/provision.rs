//! What a server that has just started must show and get: durability, databases, roles.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use secrecy::ExposeSecret as _;
use sqlx::{
    ConnectOptions as _, Connection as _, PgConnection,
    error::DatabaseError,
    postgres::{PgConnectOptions, PgSslMode},
};

use super::{
    cluster::{Cluster, PORT},
    passwords::{Passwords, SUPERUSER},
    scram,
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

/// `invalid_password` of Postgres; also said to a role that has none.
const INVALID_PASSWORD: &str = "28P01";

/// What the role of a domain is. What it may do follows from owning its database.
const RIGHTS: &str = "LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS";

/// How a server that has started answers its superuser.
pub(super) enum Readiness {
    /// It takes connections; this is the first one.
    Connected(PgConnection),
    /// It knows another password, or none.
    PasswordRefused,
}

/// Waits until the server takes connections, and makes the first one.
pub(super) async fn wait_until_ready(cluster: &Cluster, server: &Server) -> Result<Readiness> {
    let options = superuser(cluster);
    let deadline = Instant::now() + START_PATIENCE;
    loop {
        let error = match PgConnection::connect_with(&options).await {
            Ok(connection) => return Ok(Readiness::Connected(connection)),
            Err(error) if refuses_password(&error) => return Ok(Readiness::PasswordRefused),
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

/// How the superuser connects.
pub(super) fn superuser(cluster: &Cluster) -> PgConnectOptions {
    PgConnectOptions::new_without_pgpass()
        .socket(&cluster.socket_directory)
        .port(PORT)
        .username(SUPERUSER)
        .password(cluster.passwords.superuser().expose_secret())
        .database("postgres")
        .ssl_mode(PgSslMode::Disable)
        .disable_statement_logging()
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

/// Creates what is missing of the four databases and their roles. Each role owns its database, has
/// its password and no right beyond it. Safe to repeat, and to continue after a kill in the middle.
pub(super) async fn databases_and_roles(
    connection: &mut PgConnection,
    passwords: &Passwords,
) -> Result<()> {
    let mut settled = Vec::new();
    for domain in Domain::ALL {
        let role = format!("SELECT count(*)::text FROM pg_roles WHERE rolname = '{domain}'");
        if text(connection, &role).await? == "0" {
            run(connection, format!("CREATE ROLE {domain}")).await?;
        }
        let database = format!("SELECT count(*)::text FROM pg_database WHERE datname = '{domain}'");
        if text(connection, &database).await? == "0" {
            run(connection, format!("CREATE DATABASE {domain} OWNER {domain}")).await?;
        }
        let verifier = scram::verifier(passwords.of(domain))?;
        settled.push(format!("ALTER ROLE {domain} {RIGHTS} PASSWORD '{verifier}'"));
    }
    let names = Domain::ALL.map(Domain::name).join(", ");
    let closed = format!("{names}, postgres, template0, template1");
    settled.push(format!("REVOKE ALL ON DATABASE {closed} FROM PUBLIC"));
    // One message, so one transaction and one wait for the disk.
    run(connection, settled.join("; ")).await?;
    Ok(())
}

fn refuses_password(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(DatabaseError::code);
    code.is_some_and(|code| code == INVALID_PASSWORD)
}
