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
    let known = user_of(url).and_then(Credential::parse);
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

/// The user whom the first URL with one names: the client signs in everywhere as that one.
pub(crate) fn user_of(urls: &str) -> Option<&str> {
    urls.split(',').find_map(|url| {
        let place = url.split_once("://").map_or(url, |(_, place)| place);
        let (user, _password) = place.rsplit_once('@')?.0.split_once(':')?;
        Some(user)
    })
}

#[cfg(test)]
mod tests {
    use super::user_of;

    #[test]
    fn a_url_may_name_a_user() {
        for (url, user) in [
            ("nats://operator:pw@h:4222", Some("operator")),
            ("all:p:w@h, other:pw@i", Some("all")),
            ("nats://h1:4222,nats://users:pw@h2", Some("users")),
            ("nats://token@h", None),
            ("nats://h:4222", None),
            ("", None),
        ] {
            assert_eq!(user_of(url), user, "{url}");
        }
    }
}
