//! A process of the built binary, its output, and the ways in which it can end.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::Duration,
};

use serde::Deserialize;

use super::{signals, wait};

/// The binary under test: the one that was built with the tests, or another one that
/// `BINARY_UNDER_TEST` names, such as a release build.
#[expect(clippy::disallowed_methods, reason = "a test run is configured from outside")]
pub(crate) fn path() -> PathBuf {
    let named = std::env::var_os("BINARY_UNDER_TEST");
    named.map_or_else(|| PathBuf::from(env!("CARGO_BIN_EXE_lunation")), PathBuf::from)
}

/// The binary, without what the one who runs the tests has set for themselves.
pub(crate) fn binary() -> Command {
    binary_at(&path())
}

/// Another binary, likewise.
pub(crate) fn binary_at(path: &Path) -> Command {
    let mut command = Command::new(path);
    for domain in ["USERS", "CYCLES", "ANALYTICS", "NOTIFICATIONS"] {
        command.env_remove(format!("{domain}_DATABASE_URL"));
    }
    command.env_remove("NATS_URL");
    command
}

/// What a running instance writes into its data directory.
#[derive(Clone, Deserialize)]
pub(crate) struct Running {
    pub(crate) pid: u32,
    pub(crate) listen: SocketAddr,
    pub(crate) admin_listen: Option<SocketAddr>,
    /// The socket directory of the embedded Postgres.
    pub(crate) postgres_socket_dir: Option<PathBuf>,
}

/// One `lunation serve`.
pub(crate) struct Process {
    child: Child,
    pub(crate) running: Running,
    pub(crate) log: PathBuf,
}

/// How to start a process.
#[derive(Clone, Default)]
pub(crate) struct Start {
    /// Another binary than the one under test.
    pub(crate) binary: Option<PathBuf>,
    pub(crate) args: Vec<String>,
    pub(crate) environment: BTreeMap<String, String>,
}

impl Process {
    /// Starts `lunation serve` over a data directory and waits until it listens.
    pub(crate) async fn start(data_dir: &Path, start: &Start) -> Self {
        let started = Self::try_start(data_dir, start).await;
        started.unwrap_or_else(|ended| panic!("the service ended at start: {ended}"))
    }

    /// Starts it and waits until it listens, or has ended: then says how.
    pub(crate) async fn try_start(data_dir: &Path, start: &Start) -> Result<Self, String> {
        let mut process = Self::spawn(data_dir, start);
        let announced = data_dir.join("running.json");
        let log = process.log.clone();
        let pid = process.child.id();
        process.running =
            wait::until_within(Duration::from_mins(1), "the service to listen", || {
                let ended = process.child.try_wait().unwrap();
                let ended = ended.map(|status| Err(format!("{status}\n{}", tail(&log))));
                let running = fs::read(&announced)
                    .ok()
                    .and_then(|json| serde_json::from_slice::<Running>(&json).ok())
                    .filter(|running| running.pid == pid);
                async { ended.or_else(|| running.map(Ok)) }
            })
            .await?;
        Ok(process)
    }

    /// Starts the process without waiting for it to listen; its `running` is not filled in.
    pub(crate) fn spawn(data_dir: &Path, start: &Start) -> Self {
        let free = ["--listen", "127.0.0.1:0", "--admin-listen", "127.0.0.1:0"].map(str::to_owned);
        let args = free.into_iter().chain(start.args.clone()).collect();
        Self::spawn_plain(data_dir, &Start { args, ..start.clone() })
    }

    /// Like [`Process::spawn`], with no other addresses than those in `start`.
    pub(crate) fn spawn_plain(data_dir: &Path, start: &Start) -> Self {
        let log = data_dir.with_extension("log");
        let output = File::options().create(true).append(true).open(&log).unwrap();
        let child = binary_at(start.binary.as_deref().unwrap_or(&path()))
            .arg("serve")
            .arg("--data-dir")
            .arg(data_dir)
            .args(&start.args)
            .env("LUNATION_LOG_FORMAT", "json")
            .env("LUNATION_LOG_FILTER", "info,lunation=debug,lunation_actor_runtime=debug")
            // All the people of a test have one address.
            .env("LUNATION_CONNECTIONS_PER_ADDRESS_MAX", "4096")
            .envs(&start.environment)
            .stdin(Stdio::null())
            .stdout(output.try_clone().unwrap())
            .stderr(output)
            .spawn()
            .unwrap();
        let nowhere = SocketAddr::from(([127, 0, 0, 1], 0));
        let running = Running {
            pid: child.id(),
            listen: nowhere,
            admin_listen: None,
            postgres_socket_dir: None,
        };
        Self { child, running, log }
    }

    /// Where the embedded Postgres is reached.
    pub(crate) fn socket_dir(&self) -> String {
        let directory = self.running.postgres_socket_dir.as_ref().expect("Postgres is embedded");
        directory.to_str().expect("the path is text").to_owned()
    }

    /// SIGKILL: nothing is flushed, nothing is told.
    pub(crate) fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Sends a signal by its name, such as `TERM` or `STOP`.
    pub(crate) fn signal(&self, name: &str) {
        signals::send(name, &self.child);
    }

    /// Waits until the process has ended by itself.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        wait::until("the process to end", || {
            let status = self.child.try_wait().unwrap();
            async move { status }
        })
        .await
    }

    /// Whether the process still runs.
    pub(crate) fn lives(&mut self) -> bool {
        self.child.try_wait().unwrap().is_none()
    }

    /// Everything that it has printed so far.
    pub(crate) fn output(&self) -> String {
        String::from_utf8_lossy(&fs::read(&self.log).unwrap()).into_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(Some(_))) {
            return;
        }
        // A clean stop, so that the embedded Postgres goes too.
        self.signal("TERM");
        for _ in 0..200 {
            if !matches!(self.child.try_wait(), Ok(None)) {
                return;
            }
            wait::pause_in_drop();
        }
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn tail(log: &Path) -> String {
    let text = fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines.get(lines.len().saturating_sub(30)..).unwrap_or_default().join("\n")
}
