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
    ResetLink(AccountArgs),
    /// Take away the second factor of somebody who has lost it and the recovery codes too. Make sure
    /// that it is them: from then on their password alone is enough. They are told by mail, if mail is
    /// sent.
    #[command(after_help = "Example:\n  lunation users reset-second-factor ada@example.org\n\n\
                            A password of fewer than 15 characters was good enough beside it, and is \
                            not by itself: send a link (reset-link) too.\n\n\
                            Exit code 1 if there is no such account, or it has no second factor.")]
    ResetSecondFactor(AccountArgs),
}

impl UsersCommand {
    /// The settings that say where the database is.
    pub(crate) fn settings(&self) -> &Settings {
        let (Self::ResetLink(arguments) | Self::ResetSecondFactor(arguments)) = self;
        &arguments.settings
    }
}

/// Whose account.
#[derive(Debug, Args)]
pub(crate) struct AccountArgs {
    /// The e-mail address of the account.
    #[arg(value_name = "EMAIL")]
    pub(crate) email: String,
    /// The settings.
    #[command(flatten)]
    pub(crate) settings: Settings,
}
