//! Connections to a domain's Postgres, their time limits, and what a database error means.

use std::{borrow::Cow, str::FromStr, time::Duration};

use contracts::Refusal;
use sqlx::{
    Connection, PgConnection, PgPool, PgTransaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// How to reach a domain's database.
#[derive(Clone)]
pub struct DatabaseOptions {
    /// A `postgres://` URL. It may hold a password: never log it.
    pub url: String,
    /// Most connections of one pool.
    pub connections_max: u32,
    /// Shown in `pg_stat_activity`.
    pub application_name: String,
}

/// Longest wait for a connection.
const ACQUIRE_TIMEOUT: Duration = Duration::from_millis(500);
/// A connection that was idle for longer is pinged before it is used: the server may have gone.
/// Pinging always would cost half of the throughput (measured, `tech.md` §1.5).
const PING_AFTER_IDLE: Duration = Duration::from_secs(1);

/// Opens a pool. It connects on first use, so a database that is away is an error of the first
/// request and not of the start.
///
/// # Errors
///
/// The URL is not one.
pub fn open(options: &DatabaseOptions) -> Result<PgPool, sqlx::Error> {
    let connect = PgConnectOptions::from_str(&options.url)?
        .application_name(&options.application_name)
        .options([
            ("statement_timeout", "2000"),
            ("lock_timeout", "1000"),
            ("idle_in_transaction_session_timeout", "5000"),
        ]);
    Ok(pool_options(options.connections_max).connect_lazy_with(connect))
}

/// Opens a small pool for bookkeeping whose loss in a power cut is harmless (leases, marks): its
/// commits do not wait for the disk.
///
/// # Errors
///
/// The URL is not one.
pub fn open_relaxed(options: &DatabaseOptions) -> Result<PgPool, sqlx::Error> {
    let connect = PgConnectOptions::from_str(&options.url)?
        .application_name(&format!("{}-relay", options.application_name))
        .options([
            ("statement_timeout", "2000"),
            ("idle_in_transaction_session_timeout", "5000"),
            ("synchronous_commit", "off"),
        ]);
    Ok(pool_options(2).connect_lazy_with(connect))
}

fn pool_options(connections_max: u32) -> PgPoolOptions {
    PgPoolOptions::new()
        .max_connections(connections_max)
        .acquire_timeout(ACQUIRE_TIMEOUT)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for < PING_AFTER_IDLE {
                    return Ok(true);
                }
                Ok(connection.ping().await.is_ok())
            })
        })
}

/// Begins a transaction. Pooled connections that died with a restarted server are passed over:
/// nothing was sent on them yet, so trying the next one is safe.
///
/// # Errors
///
/// No connection could be had.
pub async fn begin(pool: &PgPool) -> Result<PgTransaction<'static>, sqlx::Error> {
    let attempts_max = pool.options().get_max_connections();
    let mut attempt = 0;
    loop {
        attempt += 1;
        match pool.begin().await {
            Err(error) if is_connection_loss(&error) && attempt <= attempts_max => {}
            begun => return begun,
        }
    }
}

/// Lets each statement of this transaction take a minute, for what has to be done as a whole however
/// much there is. It stays below what `anti_entropy` counts on.
///
/// # Errors
///
/// The database's.
pub async fn take_time_in_txn(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    sqlx::query_scalar!("SELECT set_config('statement_timeout', '60s', true)")
        .fetch_one(connection)
        .await?;
    Ok(())
}

/// Reads by one statement, again if its connection was lost: a read changes nothing, so it may be
/// done again, and each try drops one of the pooled connections that died with a restarted server.
///
/// # Errors
///
/// The database's.
pub async fn read<T, Reading>(
    pool: &PgPool,
    mut read: impl FnMut() -> Reading,
) -> Result<T, sqlx::Error>
where
    Reading: Future<Output = Result<T, sqlx::Error>>,
{
    let attempts_max = pool.options().get_max_connections();
    let mut attempt = 0;
    loop {
        attempt += 1;
        match read().await {
            Err(error) if is_connection_loss(&error) && attempt <= attempts_max => {}
            done => return done,
        }
    }
}

/// Whether the connection was lost, as opposed to a statement refused.
pub fn is_connection_loss(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) => true,
        // 57P01..57P03: the server shuts down, crashed, or starts up.
        sqlx::Error::Database(database) => {
            database.code().is_some_and(|code| code.starts_with("57P0"))
        }
        _ => false,
    }
}

/// A statement that took longer than it may.
const TOOK_TOO_LONG: &str = "57014";

/// Whether the database is away or overloaded for everybody: no statement is to blame.
pub fn is_away(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(database) => database.code().is_some_and(|code| {
            // Connection (08), authorisation (28: the server does not let this process in),
            // resources (53), operator intervention (57), system (58), no such database.
            (["08", "28", "53", "57", "58"].iter().any(|class| code.starts_with(class))
                || code == "3D000")
                && code != TOOK_TOO_LONG
        }),
        _ => false,
    }
}

/// Whether the same work may succeed if it is tried again: the database is away or overloaded, took
/// too long, or chose this transaction as the victim of a deadlock.
pub fn is_transient(error: &sqlx::Error) -> bool {
    let sqlx::Error::Database(database) = error else { return is_away(error) };
    is_away(error)
        || database.code().is_some_and(|code| {
            // Deadlock and serialisation (40), lock not available (55P03), and a transaction that
            // the server ended because this process was too slow (25P03).
            code.starts_with("40") || [TOOK_TOO_LONG, "55P03", "25P03"].contains(&code.as_ref())
        })
}

/// What a database error is to the one who asked. The cause is logged here, once.
pub fn refusal(error: &sqlx::Error) -> Refusal {
    let cause = describe(error);
    if is_transient(error) {
        tracing::warn!(%cause, "the database did not answer");
        Refusal::unavailable()
    } else {
        tracing::error!(%cause, "the database refused a statement");
        Refusal::internal()
    }
}

/// The error without any value: a database's own text may quote the row.
pub fn describe(error: &sqlx::Error) -> Cow<'static, str> {
    match error {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or(Cow::Borrowed("none"));
            let constraint = database.constraint().unwrap_or("none");
            format!("SQLSTATE {code}, constraint {constraint}").into()
        }
        sqlx::Error::Io(error) => format!("i/o: {}", error.kind()).into(),
        sqlx::Error::Tls(_) => "TLS".into(),
        sqlx::Error::PoolTimedOut => "no connection in time".into(),
        sqlx::Error::PoolClosed => "the pool is closed".into(),
        sqlx::Error::RowNotFound => "no row".into(),
        sqlx::Error::ColumnDecode { index, .. } => format!("column {index} did not decode").into(),
        sqlx::Error::Decode(_) => "a value cannot be read".into(),
        sqlx::Error::Protocol(_) => "protocol".into(),
        _ => "another error of the client library".into(),
    }
}

/// The name of the constraint that a statement violated, if that is what the error is.
pub fn violated_constraint(error: &sqlx::Error) -> Option<&str> {
    match error {
        sqlx::Error::Database(database) => database.constraint(),
        _ => None,
    }
}

/// Whether the database answers.
pub async fn is_healthy(pool: &PgPool) -> bool {
    read(pool, || sqlx::query_scalar!("SELECT 1").fetch_one(pool)).await.is_ok()
}
