//! `lunation erasures`: the ledger of who was erased, for databases that are restored from backups.

use std::{
    fs::File,
    io::{BufRead as _, BufReader, Write},
    path::Path,
};

use anyhow::{Context as _, Result, anyhow, ensure};
use contracts::UserId;
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use sqlx::{Connection as _, PgConnection};
use users::LedgerEntry;

use crate::{
    cli::ErasuresCommand,
    config::{Config, Domain},
    embedded, lifecycle, migrate,
    serve::Local,
};

/// What the first line calls itself.
const NAME: &str = "lunation-erasures";
/// The notation of this build.
const VERSION: u16 = 1;

/// The first line.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Head {
    ledger: String,
    version: u16,
    /// The greatest id that an account ever had: none up to it may be given again.
    last_user_id: UserId,
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
    if let Some(url) =
        given.or_else(|| embedded::running_database_url(data_dir, Domain::Users).ok())
    {
        return on_database(&url, command, out).await;
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
            apply(&mut connection, &arguments.ledger, out).await?;
        }
    }
    connection.close().await.map_err(|error| migrate::described(&error))
}

async fn export(connection: &mut PgConnection, out: &mut impl Write) -> Result<()> {
    let last_user_id = users::last_user_id(connection).await;
    let last_user_id = last_user_id.map_err(|error| migrate::described(&error))?;
    let head = Head { ledger: NAME.to_owned(), version: VERSION, last_user_id };
    writeln!(out, "{}", serde_json::to_string(&head)?)?;
    let mut after = None;
    loop {
        let page = users::ledger_page(connection, after).await;
        let page = page.map_err(|error| migrate::described(&error))?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(last.user_id);
        for entry in &page {
            writeln!(out, "{}", serde_json::to_string(entry)?)?;
        }
    }
}

/// Reads the whole ledger before anything is done: half of one is none.
async fn apply(connection: &mut PgConnection, ledger: &Path, out: &mut impl Write) -> Result<()> {
    let (head, entries) =
        read(ledger).with_context(|| format!("the ledger {}", ledger.display()))?;
    let passed = users::pass_user_id(connection, head.last_user_id).await;
    passed.map_err(|error| migrate::described(&error))?;
    let mut erased = 0;
    for entry in &entries {
        let applied = users::ledger_apply(connection, entry).await;
        erased += usize::from(applied.map_err(|error| migrate::described(&error))?);
    }
    let known = entries.len() - erased;
    writeln!(out, "{erased} erased, {known} were erased already")?;
    Ok(())
}

fn read(ledger: &Path) -> Result<(Head, Vec<LedgerEntry>)> {
    let mut lines = BufReader::new(File::open(ledger)?).lines();
    let first = lines.next().context("it is empty")??;
    let head: Head = serde_json::from_str(&first).context("its first line is not that of one")?;
    ensure!(head.ledger == NAME, "it is not one");
    ensure!(head.version == VERSION, "it is of a newer build");
    let entry = |(number, line): (usize, std::io::Result<String>)| -> Result<LedgerEntry> {
        serde_json::from_str(&line?).with_context(|| format!("line {number}"))
    };
    let entries = (2..).zip(lines).map(entry).collect::<Result<Vec<_>>>()?;
    Ok((head, entries))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(text: &str) -> Result<(Head, Vec<LedgerEntry>)> {
        let directory = tempfile::tempdir()?;
        let path = directory.path().join("ledger");
        std::fs::write(&path, text)?;
        read(&path)
    }

    #[test]
    fn half_a_ledger_is_none() {
        let head = r#"{"ledger":"lunation-erasures","version":1,"last_user_id":9}"#;
        let entry = r#"{"user_id":7,"receipt":"0c7b1a55-6a1b-4f0e-9d3c-2f6f1f5c9b3a","erased_at":"2026-03-02T07:00:00Z"}"#;
        let (read, entries) = of(&format!("{head}\n{entry}\n")).unwrap();
        assert_eq!((read.last_user_id, entries.len()), (UserId::new(9), 1));
        assert_eq!(entries[0].user_id, UserId::new(7));
        for broken in [
            String::new(),
            entry.to_owned(),
            format!("{head}\n{}", entry.split_at(50).0),
            head.replace(":1,", ":2,"),
            head.replace("lunation-erasures", "other"),
        ] {
            assert!(of(&broken).is_err(), "{broken}");
        }
    }
}
