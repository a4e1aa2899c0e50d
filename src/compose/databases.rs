//! The databases of the domains in this process.

use actor_runtime::database::{self, DatabaseOptions};
use anyhow::{Context as _, Result};
use secrecy::ExposeSecret as _;
use sqlx::PgPool;

use crate::{config::Domain, serve::Launch};

/// A domain's database: for its actors, and with relaxed commits for its relay.
pub(super) struct Pools {
    pub(super) main: PgPool,
    pub(super) relay: PgPool,
}

impl Pools {
    /// Pools that connect when they are first asked.
    ///
    /// # Errors
    /// The domain has no database here, or its URL cannot be used.
    pub(super) fn open(launch: &Launch, domain: Domain) -> Result<Self> {
        let url = launch.databases.get(&domain);
        let url = url.with_context(|| format!("{domain} has no database"))?;
        let options = DatabaseOptions {
            url: url.expose_secret().to_owned(),
            connections_max: launch.config.databases.pool_max,
            application_name: format!("lunation-{domain}"),
        };
        // The error's own text may hold the URL.
        let unusable = |_| anyhow::anyhow!("the database URL of {domain} cannot be used");
        Ok(Self {
            main: database::open(&options).map_err(unusable)?,
            relay: database::open_relaxed(&options).map_err(unusable)?,
        })
    }
}
