//! What an operator does for the owner of an account.

use std::io::Write;

use actor_runtime::{
    clock::Clock,
    database::{self, DatabaseOptions},
};
use anyhow::{Context as _, Result, bail};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::PgPool;

use crate::{
    cli::UsersCommand,
    config::{Config, Domain},
    embedded, running,
};

/// Does what the command says.
///
/// # Errors
/// There is no such account, or the database of the users group cannot be asked.
pub(crate) async fn run(
    config: &Config,
    command: &UsersCommand,
    out: &mut impl Write,
) -> Result<()> {
    let url = users_database(config)?;
    let options = DatabaseOptions {
        url: url.expose_secret().to_owned(),
        connections_max: 1,
        application_name: "lunation-operator".to_owned(),
    };
    // The error's own text may hold the URL.
    let pool = database::open(&options)
        .map_err(|_| anyhow::anyhow!("the database URL of users cannot be used"))?;
    let done = match command {
        UsersCommand::ResetLink(arguments) => {
            reset_link(config, &pool, &arguments.email, out).await
        }
        UsersCommand::ResetSecondFactor(arguments) => {
            reset_second_factor(config, &pool, &arguments.email, out).await
        }
    };
    pool.close().await;
    done
}

/// Makes a link by which a new password can be set, and prints it with what to do with it.
async fn reset_link(
    config: &Config,
    pool: &PgPool,
    email: &str,
    out: &mut impl Write,
) -> Result<()> {
    let made = users::make_reset_token_for(pool, Clock::System, email).await;
    let token = made.map_err(|error| described(&error))?.with_context(unknown)?;
    if let Some(public_url) = &config.mail.public_url {
        writeln!(out, "{}", users::reset_link(public_url, &token))?;
    } else {
        writeln!(out, "{}", token.expose())?;
        writeln!(
            out,
            "\npublic_url is not set, so this is the token alone: it goes with the new password to \
             POST /api/users/password/reset/confirm"
        )?;
    }
    writeln!(out, "\nIt counts once, and for ten minutes.")?;
    Ok(())
}

/// Takes a second factor away that was lost.
async fn reset_second_factor(
    config: &Config,
    pool: &PgPool,
    email: &str,
    out: &mut impl Write,
) -> Result<()> {
    let mailer = config.mail.mailer()?;
    let reset = users::reset_second_factor_for(pool, Clock::System, mailer.as_ref(), email).await;
    if !reset.map_err(|error| described(&error))?.with_context(unknown)? {
        bail!("the account has no second factor");
    }
    writeln!(
        out,
        "The second factor and its recovery codes are gone: the password is enough now."
    )?;
    if mailer.is_none() {
        writeln!(out, "\nNo mail is sent (mail.smtp_url): tell the owner.")?;
    }
    Ok(())
}

fn described(error: &sqlx::Error) -> anyhow::Error {
    anyhow::anyhow!("the database of users: {}", database::describe(error))
}

fn unknown() -> &'static str {
    "there is no account with this e-mail address that can be used"
}

/// The database that is configured, or the embedded one of the instance that runs.
fn users_database(config: &Config) -> Result<SecretString> {
    if let Some(url) = config.databases.urls.get(&Domain::Users) {
        return Ok(url.clone());
    }
    let data_dir = &config.storage.data_dir;
    let is_running = running::read(data_dir).is_ok_and(|found| found.is_some());
    if !is_running {
        bail!(
            "no instance runs on {}; start it, or name its directory with --data-dir",
            data_dir.display()
        );
    }
    embedded::running_database_url(data_dir, Domain::Users)
}
