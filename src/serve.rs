//! The order in which `serve` brings things up, and takes them down again.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Result, anyhow};
use metrics_exporter_prometheus::PrometheusHandle;
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;

use crate::{
    compose,
    config::{Config, Domain, Profile},
    embedded::{DataDir, Embedded},
    erasures,
    lifecycle::{self, GaveUp, Listeners},
    migrate,
    sealing::{self, Rings},
    telemetry,
};

/// What the composition of the actors gets: everything outside them, ready.
pub(crate) struct Launch {
    /// The configuration, checked.
    pub(crate) config: Config,
    /// Bound sockets.
    pub(crate) listeners: Listeners,
    /// The migrated databases of the domains in this process: given or embedded.
    pub(crate) databases: BTreeMap<Domain, SecretString>,
    /// The signing key of the users group.
    pub(crate) signing_key: SigningKey,
    /// The keys of what is sealed in them.
    pub(crate) sealing: Rings,
    /// Where erasures are written down, and who stands there was erased again.
    pub(crate) ledger: Option<Arc<users::LedgerFile>>,
    /// Renders the metrics.
    pub(crate) metrics: PrometheusHandle,
    /// Cancelled when the process is to stop; whoever gives up may cancel it too.
    pub(crate) shutdown: CancellationToken,
}

/// Where the signing key is.
pub(crate) struct SigningKey {
    /// Its file.
    pub(crate) path: PathBuf,
    /// Whether to generate it if it is missing; never in the production profile.
    pub(crate) generate: bool,
}

impl SigningKey {
    /// Where a configuration has it.
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            path: config.auth.signing_key_path(&config.storage.data_dir),
            generate: config.auth.signing_key_file.is_none()
                && config.profile == Profile::Development,
        }
    }
}

/// Runs the service until a signal stops it.
///
/// # Errors
/// Something could not be started, or a part gave up.
pub(crate) async fn serve(config: Config) -> Result<()> {
    let metrics = telemetry::metrics()?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let shutdown = lifecycle::shutdown_on_signal()?;
    let listeners = Listeners::bind(&config.http).await?;
    let Some(local) = Box::pin(Local::start(&config, &shutdown)).await? else { return Ok(()) };
    let result = Box::pin(run(config, listeners, &local, metrics, shutdown)).await;
    local.stop().await;
    result
}

async fn run(
    config: Config,
    listeners: Listeners,
    local: &Local,
    metrics: PrometheusHandle,
    shutdown: CancellationToken,
) -> Result<()> {
    let databases = local.databases(&config);
    tokio::select! {
        migrated = Box::pin(migrate::up(&databases)) => migrated?,
        () = shutdown.cancelled() => return Ok(()),
    }
    sealing::generate(&config)?;
    let sealing = sealing::open(&config).await?;
    sealing::check(&config, &sealing, &databases).await?;
    let ledger = match databases.get(&Domain::Users) {
        Some(url) => {
            let path = erasures::ledger_path(&config, local.data_dir());
            Box::pin(erasures::enforce(path, url)).await?
        }
        None => None,
    };
    let signing_key = SigningKey::of(&config);
    let stopping = shutdown.clone();
    let launch =
        Launch { config, listeners, databases, signing_key, sealing, ledger, metrics, shutdown };
    let mut served = Box::pin(compose::serve(launch));
    tokio::select! {
        result = &mut served => result,
        lost = local.lost() => {
            // What is left stops in order; its database is gone, so nothing can be lost by it.
            stopping.cancel();
            if let Err(error) = served.await {
                tracing::error!(%error, "the service did not stop cleanly");
            }
            Err(lost)
        }
    }
}

/// What this process keeps on this machine: the locked data directory and the embedded cluster,
/// as far as they are needed.
pub(crate) struct Local {
    embedded: Option<Embedded>,
    // Dropped last: nobody else may have the directory while the cluster runs.
    data_dir: Option<DataDir>,
}

impl Local {
    /// Locks the data directory if anything is kept there, and starts the cluster if a domain of
    /// this process has no database of its own. None if `shutdown` came first.
    ///
    /// # Errors
    /// As [`DataDir::open`] and [`Embedded::start`].
    pub(crate) async fn start(
        config: &Config,
        shutdown: &CancellationToken,
    ) -> Result<Option<Self>> {
        let needs_cluster =
            config.groups.domains().any(|domain| !config.databases.urls.contains_key(&domain));
        let needs_key = config.groups.has_domain(Domain::Users)
            && config.auth.signing_key_file.is_none()
            || sealing::is_kept_here(config);
        if !needs_cluster && !needs_key {
            return Ok(Some(Self { embedded: None, data_dir: None }));
        }
        let data_dir = DataDir::open(&config.storage.data_dir)?;
        tracing::info!(path = %data_dir.path().display(), "the data directory is locked");
        if !needs_cluster {
            return Ok(Some(Self { embedded: None, data_dir: Some(data_dir) }));
        }
        let embedded = Embedded::start(&data_dir, &config.storage.programs, shutdown).await?;
        Ok(embedded.map(|it| Self { embedded: Some(it), data_dir: Some(data_dir) }))
    }

    /// The data directory, if one is used.
    pub(crate) fn data_dir(&self) -> Option<&Path> {
        self.data_dir.as_ref().map(DataDir::path)
    }

    /// The database of every domain in this process.
    pub(crate) fn databases(&self, config: &Config) -> BTreeMap<Domain, SecretString> {
        let given = |domain| config.databases.urls.get(&domain).cloned();
        let own = |domain| Some(self.embedded.as_ref()?.database_url(domain));
        config
            .groups
            .domains()
            .filter_map(|domain| Some((domain, given(domain).or_else(|| own(domain))?)))
            .collect()
    }

    /// The directory of the embedded cluster's socket, if a database of this process is there.
    pub(crate) fn postgres_socket_dir(
        databases: &BTreeMap<Domain, SecretString>,
    ) -> Option<PathBuf> {
        databases.values().find_map(|url| {
            let options: PgConnectOptions = url.expose_secret().parse().ok()?;
            options.get_socket().cloned()
        })
    }

    /// Stops the cluster.
    pub(crate) async fn stop(self) {
        if let Some(embedded) = &self.embedded {
            embedded.stop().await;
        }
    }

    /// Keeps the cluster running; resolves when that has failed.
    pub(crate) async fn lost(&self) -> anyhow::Error {
        match &self.embedded {
            Some(embedded) => match embedded.supervise().await {
                Ok(()) => anyhow!("the embedded Postgres was stopped"),
                Err(error) => GaveUp(format!("{error:#}")).into(),
            },
            None => std::future::pending().await,
        }
    }
}
