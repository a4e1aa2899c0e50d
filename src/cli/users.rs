//! The commands of whoever looks after accounts.

use clap::{Args, Subcommand};

use super::Settings;

/// What to do with accounts.
#[derive(Debug, Subcommand)]
pub(crate) enum UsersCommand {
    /// Print a link by which the owner of an account can set a new password, once and within ten
    /// minutes: for where no mail is sent. Make sure that it is them.
    #[command(after_help = "Example:\n  lunation users reset-link ada@example.org\n\n\
                            Exit code 1 if there is no such account.")]
    ResetLink(ResetLinkArgs),
}

/// Whose password.
#[derive(Debug, Args)]
pub(crate) struct ResetLinkArgs {
    /// The e-mail address of the account.
    #[arg(value_name = "EMAIL")]
    pub(crate) email: String,
    /// The settings.
    #[command(flatten)]
    pub(crate) settings: Settings,
}
