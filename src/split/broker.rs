//! The NATS server of a split instance: private, with a credential for each group.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::Stdio,
    time::Duration,
};

use anyhow::{Context as _, Result};
use nats::accounts::{Credential, Passwords, ServerSettings, server_configuration};
use rustix::process::Signal;
use secrecy::{ExposeSecret as _, SecretString};
use tokio::{net::TcpStream, time::sleep};
use tokio_util::sync::CancellationToken;

use super::{merged_log::MergedLog, post::Post};
use crate::{
    embedded::private_file,
    keeper::{self, Keeper},
};

/// What it is called in the log.
const NAME: &str = "nats";
/// The port of NATS, taken if it is free, so that its own tools find it.
const USUAL_PORT: u16 = 4222;
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
    post: Post,
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
        let broker =
            Self { program, configuration, address, log, post: Post::new(NAME.to_owned()) };
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
        self.post.id()
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
        self.post.supervise(stopping, || self.launch(), |()| found()).await
    }

    /// Stops the server.
    pub(super) async fn stop(&self) {
        self.post.stop(&STOP).await;
    }

    async fn launch(&self) -> Result<()> {
        let mut command = keeper::bound(&self.program, "TERM");
        command.env_clear().arg("-c").arg(&self.configuration).stdout(Stdio::null());
        let log = self.log.clone();
        let keeper =
            Keeper::start(NAME, command, Signal::TERM, move |lines| log.copy(NAME, lines))?;
        self.post.fill(keeper, self.listens(), START_PATIENCE).await
    }

    async fn listens(&self) -> Result<()> {
        while TcpStream::connect(self.address).await.is_err() {
            sleep(LOOK_EVERY).await;
        }
        Ok(())
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
