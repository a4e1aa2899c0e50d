//! What the operator's commands have in common: the connection, and how little they log.

use anyhow::{Context as _, Result, bail};
use nats::{Connection, NatsOptions, accounts::Credential, operator::Operator};
use secrecy::{ExposeSecret as _, SecretString};

use crate::{
    config::{Log, LogFormat},
    telemetry,
};

/// Logs what goes wrong, and what else `more` names; in the notation of the log filter.
///
/// # Errors
/// Logging was started before.
pub(crate) fn log(more: &str) -> Result<()> {
    telemetry::start(&Log { format: LogFormat::Auto, filter: format!("warn{more}") })
}

/// Connects as an operator.
///
/// # Errors
/// The server cannot be reached, or lets nobody in with these credentials.
pub(crate) async fn connect(url: &SecretString) -> Result<Operator> {
    Ok(Operator::new(connection(url, Credential::Operator).await?))
}

/// Connects as whoever the URL names; answers arrive where that credential may listen.
///
/// # Errors
/// The server cannot be reached, or lets nobody in with these credentials.
pub(crate) async fn connection(url: &SecretString, credential: Credential) -> Result<Connection> {
    let url = url.expose_secret();
    let known = nats::credential_of(url);
    if let Some(known) = known {
        if ![credential, Credential::All].contains(&known) {
            bail!("the NATS user {known} is not for this; use {credential}");
        }
        // Without a permission that is needed, the work itself would end in a time-out.
        nats::probe(url, known).await.context("NATS cannot be used")?;
    }
    let credential = known.unwrap_or(credential);
    let options = NatsOptions {
        url: url.to_owned(),
        client_name: format!("lunation-{}", credential.name()),
        inbox_prefix: Some(credential.inbox_prefix()),
    };
    Connection::connect(options).await.context("NATS cannot be used")
}
