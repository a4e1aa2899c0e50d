//! A private nats-server with JetStream that can be killed, wiped and brought back.

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use super::{signals, wait};

/// One server on a free port.
pub(crate) struct NatsServer {
    directory: TempDir,
    store: PathBuf,
    child: Option<Child>,
    port: u16,
}

impl NatsServer {
    /// Starts a server with an empty store.
    pub(crate) async fn start() -> Self {
        let directory = tempfile::Builder::new().prefix("lunation-nats-").tempdir().unwrap();
        let store = directory.path().join("store");
        let mut server = Self { directory, store, child: None, port: 0 };
        server.run().await;
        server
    }

    /// Where it is reached.
    pub(crate) fn url(&self) -> String {
        format!("nats://127.0.0.1:{}", self.port)
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ended_already = child.kill();
            child.wait().unwrap();
        }
    }

    /// A clean end, by which everything is in its store. One that does not run stays so.
    pub(crate) fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            signals::send("TERM", &child);
            child.wait().unwrap();
        }
    }

    /// Where everything is that it has stored.
    pub(crate) fn store(&self) -> &Path {
        &self.store
    }

    /// Starts it again on the same port, over whatever its store holds.
    pub(crate) async fn restart(&mut self) {
        self.kill();
        self.run().await;
    }

    /// Removes everything that it stored. The server must not run.
    pub(crate) fn wipe(&self) {
        assert!(self.child.is_none(), "kill the server first");
        let _absent = fs::remove_dir_all(self.store());
    }

    /// Removes everything that it stored from under the running server.
    pub(crate) fn delete_under_way(&self) {
        assert!(self.child.is_some(), "the server does not run");
        // The server may make a file anew in between.
        let removed = || fs::remove_dir_all(self.store()).is_ok() || !self.store().exists();
        assert!((0..100).any(|_| removed()), "the store cannot be removed");
    }

    /// Copies the store elsewhere, to be put back later.
    pub(crate) fn copy_store(&self, to: &Path) {
        copy(self.store(), to);
    }

    /// Puts an older copy of the store back. The server must not run.
    pub(crate) fn put_store_back(&self, from: &Path) {
        self.wipe();
        copy(from, self.store());
    }

    /// An independent client.
    pub(crate) async fn client(&self) -> async_nats::Client {
        async_nats::connect(self.url()).await.unwrap()
    }

    async fn run(&mut self) {
        let ports = self.directory.path().join("ports");
        let _absent = fs::remove_dir_all(&ports);
        fs::create_dir_all(&ports).unwrap();
        let port = if self.port == 0 { "-1".to_owned() } else { self.port.to_string() };
        let child = Command::new(binary())
            .args(["-a", "127.0.0.1", "-p", &port, "-js", "-sd"])
            .arg(self.store())
            .arg("--ports_file_dir")
            .arg(&ports)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let ports_file = ports.join(format!("nats-server_{}.ports", child.id()));
        self.child = Some(child);
        self.port = wait::until("nats-server to listen", || {
            let port = fs::read(&ports_file).ok().and_then(|json| port_of(&json));
            async move { port }
        })
        .await;
    }
}

impl Drop for NatsServer {
    fn drop(&mut self) {
        self.kill();
    }
}

fn port_of(json: &[u8]) -> Option<u16> {
    let ports: Value = serde_json::from_slice(json).ok()?;
    ports["nats"][0].as_str()?.rsplit(':').next()?.parse().ok()
}

/// Debian installs the server where an ordinary user's PATH does not look.
fn binary() -> PathBuf {
    let in_sbin = Path::new("/usr/sbin/nats-server");
    if in_sbin.exists() { in_sbin.to_owned() } else { PathBuf::from("nats-server") }
}

fn copy(from: &Path, to: &Path) {
    let copied = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(copied.success());
}
