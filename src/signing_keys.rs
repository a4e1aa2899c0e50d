//! `lunation keys`: the files of the signing keys, which running processes look at.

use std::{io::Write, path::PathBuf};

use actor_runtime::clock::Clock;
use anyhow::{Context as _, Result};
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::json;
use users::{KeyStage, KeyState};

use crate::{
    cli::{KeysArgs, KeysCommand, Settings},
    config::Config,
    table::Table,
};

/// Does what the command says. `load` reads the configuration, if it has to say where the keys are.
///
/// # Errors
/// The keys cannot be read or written, or one waits already.
pub(crate) fn run(
    command: &KeysCommand,
    load: impl FnOnce(&Settings) -> Result<Config>,
    out: &mut impl Write,
) -> Result<()> {
    let now = Clock::System.now();
    match command {
        KeysCommand::List(arguments) => {
            show(&users::list_keys(&path(arguments, load)?, now)?, arguments.json, out)
        }
        KeysCommand::Rotate(arguments) => {
            let path = path(&arguments.keys, load)?;
            users::rotate_keys(&path, now, arguments.activate_in)?;
            show(&users::list_keys(&path, now)?, arguments.keys.json, out)
        }
        KeysCommand::Retire(arguments) => {
            let path = path(arguments, load)?;
            let count = users::retire_keys(&path, now)?;
            if !arguments.json {
                writeln!(out, "{count} taken away")?;
            }
            show(&users::list_keys(&path, now)?, arguments.json, out)
        }
    }
}

fn path(arguments: &KeysArgs, load: impl FnOnce(&Settings) -> Result<Config>) -> Result<PathBuf> {
    if let Some(file) = &arguments.file {
        return Ok(file.clone());
    }
    let (config, data_dir) = (arguments.config.clone(), arguments.data_dir.clone());
    let config = load(&Settings { config, data_dir, ..Settings::default() });
    let config = config.context("the configuration says where the key is, unless --file does")?;
    Ok(config.auth.signing_key_path(&config.storage.data_dir))
}

fn show(keys: &[KeyState], as_json: bool, out: &mut impl Write) -> Result<()> {
    if as_json {
        for KeyState { key_id, path, stage, from, until } in keys {
            let stage = name_of(*stage);
            let key = json!({
                "key_id": key_id, "stage": stage, "from": from, "until": until, "file": path,
            });
            writeln!(out, "{key}")?;
        }
        return Ok(());
    }
    let mut table = Table::new(&["KEY", "STAGE", "SIGNS FROM", "TAKEN UNTIL", "FILE"]);
    for KeyState { key_id, path, stage, from, until } in keys {
        let time = |time: &Option<DateTime<Utc>>| {
            let written = time.map(|time| time.to_rfc3339_opts(SecondsFormat::Secs, true));
            written.unwrap_or_else(|| "-".to_owned())
        };
        let file = path.display().to_string();
        table.row([key_id.clone(), name_of(*stage).to_owned(), time(from), time(until), file]);
    }
    Ok(table.print(out)?)
}

const fn name_of(stage: KeyStage) -> &'static str {
    match stage {
        KeyStage::Next => "next",
        KeyStage::Current => "current",
        KeyStage::Former => "former",
        KeyStage::Retired => "retired",
    }
}
