//! The commands on the ledger of erasures.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::Settings;

/// What to do with the ledger of erasures.
#[derive(Debug, Subcommand)]
pub(crate) enum ErasuresCommand {
    /// Print who was erased, as JSON, one object a line: ids and times, nothing else.
    #[command(after_help = "Keep it apart from the backups, and as fresh as can be:\n  \
                            lunation erasures export > erasures.jsonl")]
    Export(Settings),
    /// Erase whoever a ledger names from a database that was restored from a backup.
    #[command(after_help = "The service does so by itself with the ledger that it keeps \
                            (users.erasure_ledger_file). This is for another one: before the service \
                            is started; more than once does no harm. The other databases follow when \
                            the service runs.")]
    Apply(ErasuresApplyArgs),
}

impl ErasuresCommand {
    /// The settings that say where the database is.
    pub(crate) fn settings(&self) -> &Settings {
        match self {
            Self::Export(settings) => settings,
            Self::Apply(arguments) => &arguments.settings,
        }
    }
}

/// Which ledger.
#[derive(Debug, Args)]
pub(crate) struct ErasuresApplyArgs {
    /// The file that `erasures export` wrote.
    #[arg(value_name = "FILE")]
    pub(crate) ledger: PathBuf,
    /// Take the ledger of another database for this one, which is to take its place.
    #[arg(long)]
    pub(crate) adopt: bool,
    /// The settings of the service.
    #[command(flatten)]
    pub(crate) settings: Settings,
}
