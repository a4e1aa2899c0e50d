//! `lunation erasures`: the ledger of who was erased, for databases that are restored from backups.

use std::{
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context as _, Result, anyhow, bail};
use secrecy::SecretString;
use sqlx::{Connection as _, PgConnection};
use tokio::task::spawn_blocking;
use users::{LedgerError, LedgerFile, LedgerHead, LedgerText};

use crate::{
    cli::{ErasuresApplyArgs, ErasuresCommand},
    config::{Config, Domain},
    embedded, lifecycle, migrate,
    serve::Local,
};

/// The name of the ledger in the data directory.
const LEDGER_FILE: &str = "erasures.jsonl";

/// Where the ledger is kept; nowhere without a data directory, unless the configuration says.
pub(crate) fn ledger_path(config: &Config, data_dir: Option<&Path>) -> Option<PathBuf> {
    config.erasures.ledger_file.clone().or_else(|| Some(data_dir?.join(LEDGER_FILE)))
}

/// Erases again whoever was erased after the backup that the database of users was restored from, and
/// completes the ledger. Before anybody is served.
///
/// # Errors
/// The ledger cannot be kept, is of another database, or the database fails.
pub(crate) async fn enforce(
    path: Option<PathBuf>,
    url: &SecretString,
) -> Result<Option<Arc<LedgerFile>>> {
    let Some(path) = path else {
        tracing::warn!(
            "no ledger of erasures is kept, so a restored backup of users would bring back who was \
             erased since; users.erasure_ledger_file says where to keep one"
        );
        return Ok(None);
    };
    let mut connection = migrate::connect(url).await.map_err(|error| migrate::described(&error))?;
    let name = users::ledger_database(&mut connection).await;
    let name = name.map_err(|error| migrate::described(&error))?;
    let shown = path.display().to_string();
    let opened = spawn_blocking(move || LedgerFile::open(path, name)).await?;
    let ledger = opened.map_err(|error| explained(error, &shown))?;
    let ledger = Arc::new(ledger);
    let enforced = users::enforce_ledger(&mut connection, &ledger).await;
    let enforced = enforced.map_err(|error| explained(error, &shown))?;
    if enforced.is_restored {
        let erased = enforced.erased;
        tracing::warn!(erased, "the database of users is older than the ledger of erasures");
    }
    connection.close().await.map_err(|error| migrate::described(&error))?;
    Ok(Some(ledger))
}

fn explained(error: LedgerError, path: &str) -> anyhow::Error {
    let is_of_another = matches!(error, LedgerError::OtherDatabase);
    let error = anyhow!(error).context(format!("the ledger of erasures {path}"));
    if is_of_another {
        error.context(
            "if this database takes the place of that one, run `lunation erasures apply --adopt` on \
             the ledger; otherwise give it a ledger of its own by users.erasure_ledger_file",
        )
    } else {
        error
    }
}

/// Does it.
///
/// # Errors
/// There is no database of users, it fails, or the ledger is none.
pub(crate) async fn run(
    config: &Config,
    command: &ErasuresCommand,
    out: &mut impl Write,
) -> Result<()> {
    let data_dir = &config.storage.data_dir;
    let given = config.databases.urls.get(&Domain::Users).cloned();
    let url = given.or_else(|| embedded::database_url_if_running(data_dir, Domain::Users));
    if let Some(url) = url {
        return on_database(&url, command, out).await;
    }
    if embedded::cluster_major(data_dir)?.is_none() {
        bail!(
            "there is no database in {}; name its directory with --data-dir, or set \
             USERS_DATABASE_URL",
            data_dir.display()
        );
    }
    // The embedded server does not run: it is started for this.
    let shutdown = lifecycle::shutdown_on_signal()?;
    let stopped = || anyhow!("stopped by a signal");
    let local = Box::pin(Local::start(config, &shutdown)).await?.ok_or_else(stopped)?;
    let databases = local.databases(config);
    let result = match databases.get(&Domain::Users) {
        Some(url) => {
            let work = Box::pin(on_database(url, command, out));
            shutdown.run_until_cancelled(work).await.unwrap_or_else(|| Err(stopped()))
        }
        None => Err(anyhow!("the group users has no database here")),
    };
    local.stop().await;
    result
}

async fn on_database(
    url: &SecretString,
    command: &ErasuresCommand,
    out: &mut impl Write,
) -> Result<()> {
    if let ErasuresCommand::Apply(_) = command {
        // A backup may be of an earlier build.
        migrate::up(&[(Domain::Users, url.clone())].into()).await?;
    }
    let mut connection = migrate::connect(url).await.map_err(|error| migrate::described(&error))?;
    match command {
        ErasuresCommand::Export(_) => export(&mut connection, out).await?,
        ErasuresCommand::Apply(arguments) => {
            apply(&mut connection, arguments, out).await?;
        }
    }
    connection.close().await.map_err(|error| migrate::described(&error))
}

async fn export(connection: &mut PgConnection, out: &mut impl Write) -> Result<()> {
    let described = |error| migrate::described(&error);
    let name = users::ledger_database(connection).await.map_err(described)?;
    let last_user_id = users::last_user_id(connection).await.map_err(described)?;
    let head = LedgerHead::new(name, last_user_id);
    writeln!(out, "{}", serde_json::to_string(&head)?)?;
    let mut after = None;
    loop {
        let page = users::ledger_page(connection, after).await.map_err(described)?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.user_id);
        for entry in &page {
            writeln!(out, "{}", serde_json::to_string(entry)?)?;
        }
    }
}

/// Reads the whole ledger before anything is done: half of one is none.
async fn apply(
    connection: &mut PgConnection,
    arguments: &ErasuresApplyArgs,
    out: &mut impl Write,
) -> Result<()> {
    let described = |error| migrate::described(&error);
    let file = &arguments.ledger;
    let read = || -> Result<LedgerText> { Ok(LedgerText::parse(&std::fs::read_to_string(file)?)?) };
    let ledger = read().with_context(|| format!("the ledger {}", file.display()))?;
    if ledger.database != users::ledger_database(connection).await.map_err(described)? {
        if !arguments.adopt {
            bail!(
                "the ledger {} is of another database: who has an id there may be somebody else here. \
                 If this database takes the place of that one, say so by --adopt",
                file.display()
            );
        }
        users::adopt_ledger(connection, ledger.database).await.map_err(described)?;
    }
    users::pass_user_id(connection, ledger.last_user_id).await.map_err(described)?;
    let mut erased = 0;
    for entry in &ledger.entries {
        erased += usize::from(users::ledger_apply(connection, entry).await.map_err(described)?);
    }
    let known = ledger.entries.len() - erased;
    writeln!(out, "{erased} erased, {known} were erased already")?;
    Ok(())
}
