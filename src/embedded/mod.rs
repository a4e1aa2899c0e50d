//! The embedded Postgres: a private cluster under the data directory, reached by a unix socket
//! alone, with a database and a role per domain, and a password per role.
//!
//! The cluster belongs to this process. It is stopped with it, restarted if it dies, and found and
//! stopped by the next start if both were killed. Nothing here trades durability for speed:
//! `fsync`, `synchronous_commit`, `full_page_writes` and data checksums are on, and a cluster where
//! they are not is refused.

mod access;
mod account;
mod binaries;
mod cluster;
mod lock;
mod log;
mod orphan;
mod passwords;
mod provision;
mod scram;
mod server;
#[cfg(test)]
mod tests;

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use secrecy::SecretString;
use tokio::{sync::Mutex, task::spawn_blocking};
use tokio_util::sync::CancellationToken;

pub(crate) use self::account::is_root;
pub(crate) use self::binaries::Binaries;
pub(crate) use self::lock::DataDir;
use self::{cluster::Cluster, passwords::Passwords, provision::Readiness, server::Server};
use crate::config::{Domain, PostgresPrograms};

/// How often Postgres may die within [`RESTART_WINDOW`] before we give up on it.
const RESTARTS_MAX: usize = 3;
const RESTART_WINDOW: Duration = Duration::from_mins(1);

/// How long backends of a killed postmaster may take to notice and leave.
const LEFTOVER_BACKENDS_PATIENCE: Duration = Duration::from_secs(20);

/// A running cluster.
pub(crate) struct Embedded {
    cluster: Arc<Cluster>,
    /// What runs, from the moment that it is started: whoever gives up waiting for it can stop it.
    server: Mutex<Option<Server>>,
    stopping: CancellationToken,
}

impl Embedded {
    /// Creates the cluster if there is none, recovers it if it was killed, and starts it. The data
    /// directory must stay locked for as long as the cluster runs. None if `shutdown` came first;
    /// nothing runs then, nor after an error.
    ///
    /// # Errors
    /// No Postgres on this machine, a cluster of another version, no room, no permission: each
    /// with what to do about it.
    pub(crate) async fn start(
        data_dir: &DataDir,
        programs: &PostgresPrograms,
        shutdown: &CancellationToken,
    ) -> Result<Option<Self>> {
        let (path, account) = (data_dir.path().to_owned(), data_dir.account().cloned());
        let programs = programs.clone();
        let cluster = spawn_blocking(move || Cluster::prepare(&path, account, &programs)).await??;
        let (server, stopping) = (Mutex::new(None), CancellationToken::new());
        let embedded = Self { cluster: Arc::new(cluster), server, stopping };
        let launched =
            launch(&embedded.cluster, &mut *embedded.server.lock().await, shutdown).await;
        match launched {
            Ok(Launched::Up) => Ok(Some(embedded)),
            unfinished => {
                embedded.stop().await;
                unfinished.map(|_told_to_stop| None)
            }
        }
    }

    /// The address of a domain's database, for its own role and with its password.
    pub(crate) fn database_url(&self, domain: Domain) -> SecretString {
        self.cluster.database_url(domain)
    }

    /// Restarts Postgres when it dies, until [`Self::stop`] is called. The address stays the same,
    /// so pools find it again by themselves.
    ///
    /// # Errors
    /// It died too often.
    pub(crate) async fn supervise(&self) -> Result<()> {
        let mut deaths: Vec<Instant> = Vec::new();
        loop {
            let Some(exited) = self.server.lock().await.as_ref().map(Server::exited) else {
                return Ok(());
            };
            let Some(status) = self.stopping.run_until_cancelled(exited).await else {
                return Ok(());
            };
            let mut server = self.server.lock().await;
            if self.stopping.is_cancelled() {
                return Ok(());
            }
            let now = Instant::now();
            deaths.retain(|death| now.duration_since(*death) < RESTART_WINDOW);
            deaths.push(now);
            if deaths.len() > RESTARTS_MAX {
                bail!("the embedded Postgres died {} times within a minute", deaths.len());
            }
            tracing::error!(%status, "the embedded Postgres died; starting it again");
            match launch(&self.cluster, &mut server, &self.stopping).await? {
                Launched::Up => {}
                Launched::ToldToStop => return Ok(()),
            }
        }
    }

    /// Stops Postgres cleanly: open transactions are rolled back, everything committed is on disk.
    pub(crate) async fn stop(&self) {
        self.stopping.cancel();
        if let Some(server) = self.server.lock().await.take() {
            server.stop().await;
        }
        self.cluster.remove_temporary_socket_directory();
    }

    /// The process id of the postmaster.
    #[cfg(test)]
    async fn postmaster(&self) -> rustix::process::Pid {
        self.server.lock().await.as_ref().unwrap().pid()
    }
}

/// The version of Postgres that made the cluster of a data directory; none if there is none yet.
///
/// # Errors
/// The files cannot be read.
pub(crate) fn cluster_major(data_dir: &Path) -> Result<Option<u32>> {
    cluster::major_of(&data_dir.join("postgres/data"))
}

/// The address of a domain's database on the cluster of a data directory, if an instance has it now
/// and lets us know.
pub(crate) fn database_url_if_running(data_dir: &Path, domain: Domain) -> Option<SecretString> {
    DataDir::holder(data_dir).ok().flatten()?;
    running_database_url(data_dir, domain).ok()
}

/// The address of a domain's database on the cluster of a data directory that another process runs.
///
/// # Errors
/// The files cannot be read.
pub(crate) fn running_database_url(data_dir: &Path, domain: Domain) -> Result<SecretString> {
    // As the one who runs it sees it: the place of a short socket is derived from this very path.
    let data_dir = data_dir.canonicalize()?;
    let passwords = Passwords::load(&data_dir)?;
    let directory = cluster::socket_directory(&data_dir)?;
    Ok(cluster::socket_url(&directory, domain, passwords.of(domain)))
}

/// What became of bringing up a server.
enum Launched {
    /// It takes connections.
    Up,
    /// Whoever wanted it no longer does.
    ToldToStop,
}

/// Brings up a server on a prepared cluster, with everything that a killed one left cleared away.
/// It is in `place` as soon as it runs.
///
/// What blocks is never left behind: it works on files that the next one to start works on too, so
/// a stop waits for it.
async fn launch(
    cluster: &Arc<Cluster>,
    place: &mut Option<Server>,
    stop: &CancellationToken,
) -> Result<Launched> {
    let started = Instant::now();
    let mut password_is_set = false;
    loop {
        let preparing = Arc::clone(cluster);
        spawn_blocking(move || preparing.clear_leftovers()).await??;
        if stop.is_cancelled() {
            return Ok(Launched::ToldToStop);
        }
        let server = place.insert(Server::spawn(cluster)?);
        let ready = stop.run_until_cancelled(provision::wait_until_ready(cluster, server)).await;
        let Some(ready) = ready else { return Ok(Launched::ToldToStop) };
        match ready {
            Ok(Readiness::Connected(mut connection)) => {
                let provisioned = stop.run_until_cancelled(async {
                    provision::check_durability(&mut connection).await?;
                    provision::databases_and_roles(&mut connection, &cluster.passwords)
                        .await
                        .context("the embedded databases could not be created")
                });
                match provisioned.await {
                    Some(provisioned) => provisioned?,
                    None => return Ok(Launched::ToldToStop),
                }
                tracing::info!(
                    version = %cluster.binaries.version,
                    elapsed_ms = started.elapsed().as_secs_f64() * 1e3,
                    "the embedded Postgres is ready"
                );
                return Ok(Launched::Up);
            }
            // The passwords were lost and made anew, or an earlier version made this cluster.
            Ok(Readiness::PasswordRefused) if !password_is_set => {
                tracing::info!("the embedded Postgres gets a new password for its superuser");
                server.stop().await;
                let stopped = Arc::clone(cluster);
                spawn_blocking(move || stopped.set_superuser_password(&stopped.data)).await??;
                password_is_set = true;
            }
            Ok(Readiness::PasswordRefused) => {
                bail!("the embedded Postgres refuses the password that its superuser just got")
            }
            // Postgres refuses to start while a backend of a killed postmaster lives: it notices
            // and leaves, but may finish its statement first.
            Err(error)
                if server.tail_contains("shared memory block")
                    && started.elapsed() < LEFTOVER_BACKENDS_PATIENCE =>
            {
                tracing::warn!(%error, "waiting for backends of the former Postgres to leave");
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(error) => return Err(error),
        }
    }
}
