//! A private Postgres and a private NATS server, set up as their containers set them up.

use std::{
    fs::{self, File},
    net::TcpListener,
    os::unix::{
        fs::{MetadataExt as _, PermissionsExt as _},
        process::CommandExt as _,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::{
    signals,
    tools::{root, run, text},
    wait,
};

/// A port that nobody uses at this moment.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// A process that is asked to stop when it is dropped.
pub(crate) struct Stopped(pub(crate) Child);

impl Stopped {
    /// Sends a signal by its name.
    pub(crate) fn signal(&self, name: &str) {
        signals::send(name, &self.0);
    }
}

impl Drop for Stopped {
    fn drop(&mut self) {
        for _ in 0..200 {
            if matches!(self.0.try_wait(), Ok(Some(_)) | Err(_)) {
                return;
            }
            // Fast shutdown, to Postgres; to others, the end. It may have gone in between.
            let _gone = Command::new("kill").args(["-INT", &self.0.id().to_string()]).status();
            wait::pause_in_drop();
        }
        let _gone = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// One server for all domains, where each container has its own.
pub(crate) struct Postgres {
    _server: Stopped,
    _directory: TempDir,
    programs: PathBuf,
    pub(crate) port: u16,
    password: String,
}

impl Postgres {
    /// Makes a cluster whose superuser has this password, as the image does, and starts it.
    pub(crate) async fn start(password: &str) -> Self {
        let directory = tempfile::Builder::new().prefix("lunation-deploy-").tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o711)).unwrap();
        let (home, programs, port) = (directory.path().join("pg"), programs(), free_port());
        fs::create_dir(&home).unwrap();
        let password_file = home.join("password");
        fs::write(&password_file, password).unwrap();
        if let Some((user, _)) = unprivileged() {
            run(Command::new("chown").arg("-R").arg(user.to_string()).arg(&home));
        }
        let data = home.join("data");
        run(as_unprivileged(&programs.join("initdb"))
            .args(["-U", "postgres", "-A", "scram-sha-256", "-E", "UTF8", "--no-sync", "--pwfile"])
            .arg(&password_file)
            .arg("-D")
            .arg(&data));
        let log = File::create(directory.path().join("postgres.log")).unwrap();
        let child = as_unprivileged(&programs.join("postgres"))
            .arg("-D")
            .arg(&data)
            .args(["-p", &port.to_string(), "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off"])
            .arg("-c")
            .arg(format!("unix_socket_directories={}", home.display()))
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        let password = password.to_owned();
        let server =
            Self { _server: Stopped(child), _directory: directory, programs, port, password };
        wait::until("Postgres to take connections", || async {
            server.query("postgres", &server.password, "postgres", "select 1").ok()
        })
        .await;
        server
    }

    /// Runs what the image runs when a container of a database starts for the first time.
    pub(crate) fn prepare(&self, container: &Value) {
        let mut command = Command::new(root().join("deploy/postgres/role.sh"));
        for (name, value) in container["environment"].as_object().unwrap() {
            command.env(name, value.as_str().unwrap());
        }
        // The image's own: the superuser is called so unless POSTGRES_USER says otherwise.
        command.env("POSTGRES_USER", "postgres");
        self.reach(&mut command, &self.password);
        run(&mut command);
    }

    /// Asks as somebody; `Err` is what the server says.
    pub(crate) fn query(
        &self,
        user: &str,
        password: &str,
        database: &str,
        sql: &str,
    ) -> Result<String, String> {
        let mut command = Command::new(self.programs.join("psql"));
        command.args(["-X", "-A", "-t", "-U", user, "-d", database, "-c", sql]);
        self.reach(&mut command, password);
        let output = command.output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.success() { Ok(text(&output.stdout)) } else { Err(text(&output.stderr)) }
    }

    fn reach(&self, command: &mut Command, password: &str) {
        let path = format!("{}:/usr/local/bin:/usr/bin:/bin", self.programs.display());
        command.env("PATH", path).env("PGHOST", "127.0.0.1").env("PGPORT", self.port.to_string());
        command.env("PGPASSWORD", password).current_dir("/");
    }
}

/// The NATS server with the committed configuration; only addresses and the directory are local.
pub(crate) struct Nats {
    _server: Stopped,
    _directory: TempDir,
    pub(crate) port: u16,
}

impl Nats {
    /// Starts the container's command with its environment and waits until its health check, asked
    /// here, is content.
    pub(crate) async fn start(container: &Value) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (port, monitoring) = (free_port(), free_port());
        let configuration = directory.path().join("server.conf");
        let local = text("nats/server.conf")
            .replace("0.0.0.0:4222", &format!("127.0.0.1:{port}"))
            .replace("0.0.0.0:8222", &format!("127.0.0.1:{monitoring}"))
            .replace("\"/data\"", &format!("{:?}", directory.path().join("data")));
        fs::write(&configuration, local).unwrap();
        let mut words = container["command"].as_array().unwrap().iter();
        assert_eq!(words.next().unwrap(), "nats-server");
        let mut command = Command::new(nats_program());
        for word in words.map(|word| word.as_str().unwrap()) {
            let is_file = word == "/etc/nats/server.conf";
            command.arg(if is_file { configuration.to_str().unwrap() } else { word });
        }
        command.env_clear();
        for (name, value) in container["environment"].as_object().unwrap() {
            command.env(name, value.as_str().unwrap());
        }
        let log = File::create(directory.path().join("nats.log")).unwrap();
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
        let server = Self { _server: Stopped(child), _directory: directory, port };
        let check = container["healthcheck"]["test"].as_array().unwrap().last().unwrap();
        let url = check.as_str().unwrap().replace(":8222/", &format!(":{monitoring}/"));
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        wait::until("NATS to be well", || async {
            client.get(&url).send().await.ok().filter(|answer| answer.status().is_success())
        })
        .await;
        server
    }
}

/// Postgres refuses to run as root, so root's runs as its own user.
fn as_unprivileged(program: &Path) -> Command {
    let mut command = Command::new(program);
    if let Some((user, group)) = unprivileged() {
        command.uid(user).gid(group);
    }
    // From there, because the unprivileged user may not enter the present directory.
    command.current_dir("/");
    command
}

/// The numbers of the user `postgres`, if this is root.
fn unprivileged() -> Option<(u32, u32)> {
    let probe = tempfile::NamedTempFile::new().unwrap();
    if fs::metadata(probe.path()).unwrap().uid() != 0 {
        return None;
    }
    let users = fs::read_to_string("/etc/passwd").unwrap();
    let line = users.lines().find(|line| line.starts_with("postgres:")).unwrap();
    let mut numbers = line.split(':').skip(2).map(|number| number.parse().unwrap());
    Some((numbers.next().unwrap(), numbers.next().unwrap()))
}

/// Where Postgres' programs are: as `scripts/test` found them, or where Debian keeps the newest.
#[expect(clippy::disallowed_methods, reason = "a test run is configured from outside")]
fn programs() -> PathBuf {
    if let Some(named) = std::env::var_os("PG_BIN") {
        return named.into();
    }
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest = versions.map(|entry| entry.path().join("bin")).max();
    newest.expect("PG_BIN names the directory of Postgres' programs")
}

/// Debian installs the server where an ordinary user's PATH does not look.
fn nats_program() -> PathBuf {
    let in_sbin = Path::new("/usr/sbin/nats-server");
    if in_sbin.exists() { in_sbin.to_owned() } else { PathBuf::from("nats-server") }
}
