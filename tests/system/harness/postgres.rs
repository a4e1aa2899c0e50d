//! A private Postgres for processes that bring none of their own: a server over the copied cluster
//! of the template, which can be killed, paused and brought back.

use std::{
    fs::{self, File},
    os::unix::{fs::MetadataExt as _, process::CommandExt as _},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use sqlx::{Connection as _, PgConnection};

use super::{signals, wait};

/// One server, reached by a unix socket alone.
pub(crate) struct Postgres {
    cluster: PathBuf,
    socket: PathBuf,
    log: PathBuf,
    passwords: Vec<(String, String)>,
    child: Option<Child>,
}

impl Postgres {
    /// Starts a server over the cluster of a data directory.
    pub(crate) async fn start(data_dir: &Path) -> Self {
        let root = data_dir.join("postgres");
        let mut server = Self {
            cluster: root.join("data"),
            socket: root.join("run"),
            log: data_dir.join("postgres.log"),
            passwords: passwords(data_dir),
            child: None,
        };
        server.run().await;
        server
    }

    /// The URL of a database for one of its roles.
    pub(crate) fn url(&self, role: &str, database: &str) -> String {
        let (_, password) = self.passwords.iter().find(|(it, _)| it == role).unwrap();
        let socket = self.socket.to_str().expect("the path is text");
        format!("postgres://{role}:{password}@localhost/{database}?host={socket}")
    }

    /// An immediate shutdown, as by a crash; the next start recovers.
    pub(crate) fn kill(&mut self) {
        if self.child.is_some() {
            // Who is stopped hears nothing.
            self.signal_all("CONT");
        }
        if let Some(mut child) = self.child.take() {
            signals::send("QUIT", &child);
            child.wait().unwrap();
        }
    }

    /// Starts it again after [`Postgres::kill`].
    pub(crate) async fn start_again(&mut self) {
        self.run().await;
    }

    /// Stops the server and every one of its processes where they are (`STOP`), or lets them go on
    /// (`CONT`).
    pub(crate) fn signal_all(&self, name: &str) {
        let server = self.child.as_ref().expect("the server runs");
        // The server first when it stops and last when it goes on: it starts nobody meanwhile.
        if name == "STOP" {
            signals::send(name, server);
        }
        let output = Command::new("pgrep").arg("-P").arg(server.id().to_string()).output().unwrap();
        let children = String::from_utf8(output.stdout).unwrap();
        for pid in children.lines() {
            let _gone_meanwhile = Command::new("kill").args([&format!("-{name}"), pid]).status();
        }
        if name != "STOP" {
            signals::send(name, server);
        }
    }

    async fn run(&mut self) {
        let owner = fs::metadata(&self.cluster).unwrap();
        let mut command = Command::new(program(&self.cluster));
        command.arg("-D").arg(&self.cluster);
        command.args(["-c", "max_connections=200", "-c", "listen_addresses=", "-c"]);
        command.arg(format!("unix_socket_directories={}", self.socket.display()));
        // As the guides say: what a statement was about is not for the server's log.
        command.args(["-c", "log_error_verbosity=terse", "-c", "log_min_error_statement=panic"]);
        // Postgres refuses root, who has made the cluster for somebody else.
        if owner.uid() != fs::metadata("/proc/self").unwrap().uid() {
            command.uid(owner.uid()).gid(owner.gid());
        }
        let log = File::options().create(true).append(true).open(&self.log).unwrap();
        command.current_dir("/").stdin(Stdio::null());
        command.stdout(log.try_clone().unwrap()).stderr(log);
        self.child = Some(command.spawn().unwrap());
        let url = self.url("postgres", "postgres");
        wait::until("Postgres to take connections", || async {
            PgConnection::connect(&url).await.ok()
        })
        .await
        .close()
        .await
        .unwrap();
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The roles of the embedded databases with their passwords, from the file of the instance.
pub(crate) fn passwords(data_dir: &Path) -> Vec<(String, String)> {
    let text = fs::read_to_string(data_dir.join("pgpass")).unwrap();
    let role_and_password = |line: &str| {
        let mut fields = line.split(':').skip(3).map(str::to_owned);
        (fields.next().unwrap(), fields.next().unwrap())
    };
    text.lines().map(role_and_password).collect()
}

/// The server of the version that made the cluster: where Debian keeps it, or on the PATH.
fn program(cluster: &Path) -> PathBuf {
    let major = fs::read_to_string(cluster.join("PG_VERSION")).unwrap();
    let debian = PathBuf::from(format!("/usr/lib/postgresql/{}/bin/postgres", major.trim()));
    if debian.exists() { debian } else { PathBuf::from("postgres") }
}
