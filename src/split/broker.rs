//! The NATS server of a split instance: private, with a credential for each group.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use nats::accounts::{Credential, Passwords, ServerSettings, server_configuration};
use rustix::process::Signal;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{net::TcpStream, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{member::restart_pause, merged_log::MergedLog};
use crate::{
    embedded::private_file,
    keeper::{self, Keeper},
    lifecycle::GaveUp,
};

/// The port of NATS, taken if it is free, so that its own tools find it.
const USUAL_PORT: u16 = 4222;
/// Deaths within [`DEATH_WINDOW`] that are borne.
const DEATHS_MAX: usize = 5;
const DEATH_WINDOW: Duration = Duration::from_secs(30);
/// How long the server may take to start.
const START_PATIENCE: Duration = Duration::from_secs(20);
const LOOK_EVERY: Duration = Duration::from_millis(10);
const STOP: [(Signal, Duration); 2] =
    [(Signal::TERM, Duration::from_secs(10)), (Signal::KILL, Duration::from_secs(5))];
const INSTALL: &str = if cfg!(target_os = "macos") {
    "brew install nats-server"
} else {
    "sudo apt-get install nats-server (Debian, Ubuntu), or https://github.com/nats-io/nats-server/releases"
};

/// A running server.
pub(super) struct Broker {
    program: PathBuf,
    configuration: PathBuf,
    address: SocketAddr,
    log: MergedLog,
    keeper: Mutex<Option<Keeper>>,
}

impl Broker {
    /// Writes the configuration, which holds the passwords, for our eyes only, and starts the
    /// server with it.
    ///
    /// # Errors
    /// There is no server on this machine, or it does not start.
    pub(super) async fn start(
        data_dir: &Path,
        search_path: &[PathBuf],
        any_port: bool,
        passwords: &Passwords,
        log: MergedLog,
    ) -> Result<Self> {
        let program = find(search_path)?;
        let directory = data_dir.join("nats");
        fs::create_dir_all(&directory)
            .with_context(|| format!("{} cannot be created", directory.display()))?;
        let address = free_address(any_port)?;
        let configuration = directory.join("server.conf");
        let settings = ServerSettings {
            listen: address,
            monitoring: None,
            store_dir: directory.join("store"),
            passwords,
            sync_always: false,
        };
        private_file::replace(&configuration, None, &server_configuration(&settings))?;
        let broker = Self { program, configuration, address, log, keeper: Mutex::new(None) };
        broker.launch().await?;
        Ok(broker)
    }

    /// Where it is, without credentials.
    pub(super) fn url(&self) -> String {
        format!("nats://{}", self.address)
    }

    /// Where it is, for one credential.
    pub(super) fn url_for(&self, name: &str, password: &str) -> SecretString {
        format!("nats://{name}:{password}@{}", self.address).into()
    }

    /// Leaves the operator's address, which holds a password, in a file for our eyes only.
    ///
    /// # Errors
    /// It cannot be written.
    pub(super) fn leave_for_operator(&self, password: &str) -> Result<()> {
        let url = self.url_for(Credential::Operator.name(), password);
        let path = self.configuration.with_file_name("operator.url");
        private_file::replace(&path, None, url.expose_secret())?;
        tracing::info!(
            "watch it live: NATS_URL=\"$(cat '{}')\" lunation events tail",
            path.display()
        );
        Ok(())
    }

    /// The process id of the server.
    pub(super) fn pid(&self) -> Option<u32> {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        keeper.as_ref().map(|keeper| keeper.pid().as_raw_nonzero().get().unsigned_abs())
    }

    /// Starts the server again when it dies, on the same address, until `stopping`; tells `found`
    /// that it is another process now.
    ///
    /// # Errors
    /// It died too often.
    pub(super) async fn supervise(
        &self,
        stopping: &CancellationToken,
        found: impl Fn(),
    ) -> Result<()> {
        let mut deaths: Vec<Instant> = Vec::new();
        while let Some(exited) = self.exited() {
            let status = tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                status = exited => status,
            };
            if stopping.is_cancelled() {
                return Ok(());
            }
            let now = Instant::now();
            deaths.retain(|death| now.duration_since(*death) < DEATH_WINDOW);
            deaths.push(now);
            if deaths.len() > DEATHS_MAX {
                return Err(GaveUp(format!("the NATS server died {} times", deaths.len())).into());
            }
            tracing::error!(%status, "the NATS server died; starting it again");
            stopping.run_until_cancelled(sleep(restart_pause(deaths.len()))).await;
            match stopping.run_until_cancelled(self.launch()).await {
                None => return Ok(()),
                Some(Ok(())) => found(),
                Some(Err(error)) => {
                    tracing::error!("{error:#}");
                    self.kill();
                }
            }
        }
        Ok(())
    }

    /// Stops the server.
    pub(super) async fn stop(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(keeper) = keeper {
            keeper.stop(&STOP).await;
        }
    }

    async fn launch(&self) -> Result<()> {
        let mut command = keeper::bound(&self.program, "TERM");
        command.env_clear().arg("-c").arg(&self.configuration).stdout(Stdio::null());
        let log = self.log.clone();
        let keeper =
            Keeper::start("nats", command, Signal::TERM, move |lines| log.copy("nats", lines))?;
        let exited = keeper.exited();
        *self.keeper.lock().unwrap_or_else(PoisonError::into_inner) = Some(keeper);
        tokio::select! {
            status = exited => bail!("the NATS server could not be started ({status}); its log lines say why"),
            () = self.listens() => Ok(()),
            () = sleep(START_PATIENCE) => bail!("the NATS server did not start in {START_PATIENCE:?}"),
        }
    }

    /// Ends one that does not start: what it died of then counts as its next death.
    fn kill(&self) {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        keeper.as_ref().map(|keeper| keeper.signal(Signal::KILL));
    }

    async fn listens(&self) {
        while TcpStream::connect(self.address).await.is_err() {
            sleep(LOOK_EVERY).await;
        }
    }

    fn exited(&self) -> Option<impl Future<Output = String> + use<>> {
        let keeper = self.keeper.lock().unwrap_or_else(PoisonError::into_inner);
        keeper.as_ref().map(Keeper::exited)
    }
}

/// The server's program: on the PATH, or where Debian and others keep it.
fn find(search_path: &[PathBuf]) -> Result<PathBuf> {
    let usual = ["/usr/sbin", "/usr/local/bin", "/usr/local/sbin", "/opt/homebrew/bin"];
    let places = search_path.iter().cloned().chain(usual.map(PathBuf::from));
    let found = places.map(|place| place.join("nats-server")).find(|path| path.is_file());
    found.with_context(|| {
        format!(
            "--split needs a NATS server, and there is no nats-server on this machine: {INSTALL}"
        )
    })
}

/// An address on the loopback interface that nobody listens on. Between this look and the server's
/// start somebody else may take it; the server then says so and the start fails.
fn free_address(any_port: bool) -> Result<SocketAddr> {
    let usual = SocketAddr::from((Ipv4Addr::LOCALHOST, USUAL_PORT));
    if !any_port && TcpListener::bind(usual).is_ok() {
        return Ok(usual);
    }
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("no free port for NATS")?;
    listener.local_addr().context("no free port for NATS")
}
