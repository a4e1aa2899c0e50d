//! `cargo xtask`: chores of Lunation's developers.
#![expect(clippy::print_stdout, reason = "a command line tells its user what it does")]

mod drills;
mod instance;

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

/// Chores of Lunation's developers.
#[derive(Parser)]
#[command(bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Does things to a split instance under load, and counts what must not be
    Drills(drills::Options),
}

#[tokio::main]
async fn main() -> Result<ExitCode> {
    let Chore::Drills(options) = Arguments::parse().chore;
    let is_clean = drills::run(options).await?;
    Ok(if is_clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
