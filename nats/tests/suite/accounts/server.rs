//! A nats-server with the rendered configuration, and a client that speaks its protocol by hand: it
//! sees every refusal, in order.

use std::{
    fs,
    io::{BufRead, BufReader, Write},
    net::{SocketAddr, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use nats::{
    Bus, Connection, NatsOptions,
    accounts::{Credential, Passwords, ServerSettings, server_configuration},
};
use tempfile::TempDir;

use crate::support::PATIENCE;

/// Killed on drop.
pub(super) struct GuardedServer {
    process: Child,
    directory: TempDir,
    address: SocketAddr,
    passwords: Passwords,
}

/// One thing that a client may do or not.
#[derive(Clone, Copy, Debug)]
pub(super) enum Attempt {
    Publish(&'static str),
    Subscribe(&'static str),
    Queue(&'static str, &'static str),
}

impl GuardedServer {
    pub(super) fn start() -> Self {
        Self::start_with(|configuration| configuration)
    }

    /// A server whose configuration somebody has changed.
    pub(super) fn start_with(change: impl FnOnce(String) -> String) -> Self {
        let directory = TempDir::new().unwrap();
        let passwords = Passwords::new(|credential| format!("p{credential}\"\\ @:/%"));
        let settings = ServerSettings {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            monitoring: None,
            store_dir: directory.path().join("store"),
            passwords: &passwords,
            sync_always: false,
        };
        let configuration = directory.path().join("server.conf");
        fs::write(&configuration, change(server_configuration(&settings))).unwrap();
        let process = Command::new(program())
            .arg("-c")
            .arg(&configuration)
            .arg("--ports_file_dir")
            .arg(directory.path())
            .arg("-l")
            .arg(directory.path().join("log"))
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let port = crate::support::port_of(directory.path(), process.id());
        let address = SocketAddr::from(([127, 0, 0, 1], port));
        Self { process, directory, address, passwords }
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn url(&self, credential: Credential) -> String {
        let escape = |byte: u8| format!("%{byte:02x}");
        let password: Vec<String> = self.passwords.of(credential).bytes().map(escape).collect();
        let password = password.concat();
        format!("nats://{credential}:{password}@{}", self.address)
    }

    pub(super) async fn connection(&self, credential: Credential) -> Connection {
        let options = NatsOptions {
            url: self.url(credential),
            client_name: format!("test {credential}"),
            inbox_prefix: Some(credential.inbox_prefix()),
        };
        Connection::connect(options).await.unwrap()
    }

    pub(super) async fn bus(&self, credential: Credential) -> Bus {
        Bus::jetstream(self.connection(credential).await, 1)
    }

    /// A client that knows nothing of ours.
    pub(super) async fn client(&self, credential: Credential) -> async_nats::Client {
        async_nats::ConnectOptions::new()
            .user_and_password(
                credential.name().to_owned(),
                self.passwords.of(credential).to_owned(),
            )
            .custom_inbox_prefix(credential.inbox_prefix())
            .connect(self.address.to_string())
            .await
            .unwrap()
    }

    /// What the server has refused to anybody so far.
    pub(super) fn violations(&self) -> Vec<String> {
        let log = fs::read_to_string(self.directory.path().join("log")).unwrap();
        log.lines().filter(|line| line.contains("Violation")).map(str::to_owned).collect()
    }

    /// Tries all in this order and says which of them were refused.
    pub(super) fn refusals(&self, credential: Credential, attempts: &[Attempt]) -> Vec<bool> {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream.set_nodelay(true).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let password = self.passwords.of(credential);
        let connect = serde_json::json!({
            "user": credential.name(), "pass": password, "verbose": false, "lang": "test",
            "version": "0", "protocol": 1, "headers": true, "no_responders": true,
        });
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
        let mut refused = Vec::new();
        write!(stream, "CONNECT {connect}\r\n").unwrap();
        for (number, attempt) in attempts.iter().enumerate() {
            let line = match attempt {
                Attempt::Publish(subject) => format!("PUB {subject} 5\r\nprobe\r\nPING\r\n"),
                Attempt::Subscribe(subject) => {
                    format!("SUB {subject} {number}\r\nUNSUB {number}\r\nPING\r\n")
                }
                Attempt::Queue(subject, queue) => {
                    format!("SUB {subject} {queue} {number}\r\nUNSUB {number}\r\nPING\r\n")
                }
            };
            stream.write_all(line.as_bytes()).unwrap();
            let mut is_refused = false;
            loop {
                let line = lines.next().expect("the connection is open");
                if line == "PONG" {
                    break;
                }
                assert!(!line.contains("Authorization"), "{credential}: {line}");
                is_refused |= line.starts_with("-ERR 'Permissions Violation");
            }
            refused.push(is_refused);
        }
        refused
    }
}

impl Drop for GuardedServer {
    fn drop(&mut self) {
        if self.process.kill().is_ok() {
            self.process.wait().unwrap();
        }
    }
}

pub(super) fn program() -> PathBuf {
    let debian = Path::new("/usr/sbin/nats-server");
    if debian.exists() { debian.to_owned() } else { PathBuf::from("nats-server") }
}
