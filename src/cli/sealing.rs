//! The commands on sealing keys.

use clap::{Args, Subcommand};

use super::Settings;

/// What to do with the keys that open what is sealed.
#[derive(Debug, Subcommand)]
pub(crate) enum SealingCommand {
    /// Show the sealing keys, which open what is sealed in the databases, and how much needs each of
    /// them.
    #[command(
        after_help = "A key that opens, that no data key is wrapped under, and that was not put in \
                            second place within the last minute, may be taken out of the file; old \
                            backups need it still."
    )]
    Status(SealingArgs),
    /// Put a new sealing key in the first place. Running processes see it within a minute, and wrap every
    /// data key under it while they serve.
    #[command(
        after_help = "For processes that share the file. Where each has its own copy, add the \
                            new key at the end of every copy first, and then move it to the front."
    )]
    RotateKek(SealingArgs),
}

/// Which keys.
#[derive(Debug, Args)]
pub(crate) struct SealingArgs {
    /// Those of one domain only.
    #[arg(long, value_name = "DOMAIN", value_parser = ["users", "cycles"])]
    pub(crate) of: Option<String>,
    /// The settings of the service.
    #[command(flatten)]
    pub(crate) settings: Settings,
}

impl SealingCommand {
    /// The settings that say where the keys are.
    pub(crate) fn settings(&self) -> &Settings {
        match self {
            Self::Status(arguments) | Self::RotateKek(arguments) => &arguments.settings,
        }
    }
}
