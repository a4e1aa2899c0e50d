//! A private Postgres for one test: made, migrated, and gone with it.

use std::{
    fs,
    os::unix::fs::{MetadataExt, chown},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use actor_runtime::database::{self, DatabaseOptions};
use sqlx::{PgPool, migrate::Migrator};
use tempfile::TempDir;

/// A Postgres server of its own on a Unix socket, with one migrated database.
pub(crate) struct TestDatabase {
    server: Server,
    url: String,
}

impl TestDatabase {
    /// Makes a cluster, starts it and applies the migrations.
    pub(crate) async fn start(migrator: &Migrator) -> Self {
        let server = Server::start();
        let socket = server.directory.path().display().to_string();
        let url = format!("postgres://postgres@localhost/postgres?host={socket}");
        let database = Self { server, url };
        let pool = database.pool();
        migrator.run(&pool).await.unwrap();
        pool.close().await;
        database
    }

    /// A pool as the product opens it.
    pub(crate) fn pool(&self) -> PgPool {
        let options = DatabaseOptions {
            url: self.url.clone(),
            connections_max: 8,
            application_name: "test".to_owned(),
        };
        database::open(&options).unwrap()
    }

    /// Stops the server as a power cut would.
    pub(crate) fn stop(&self) {
        self.server.stop();
    }
}

struct Server {
    directory: TempDir,
    programs: PathBuf,
    account: Option<&'static str>,
}

impl Server {
    fn start() -> Self {
        // Not in $TMPDIR: the path of a socket may have no more than 107 bytes.
        let directory = tempfile::Builder::new().prefix("lunation-pg-").tempdir_in("/tmp").unwrap();
        let account = unprivileged_account(directory.path());
        if let Some(account) = account {
            chown(directory.path(), Some(user_id(account)), None).unwrap();
        }
        let server = Self { directory, programs: find_programs(), account };
        let data = server.data();
        server.run("initdb", &["--pgdata", &data, "-U", "postgres", "-A", "trust", "--no-sync"]);
        let socket = server.directory.path().display();
        let options = format!(
            "-c listen_addresses='' -c unix_socket_directories='{socket}' -c fsync=off \
             -c max_connections=60 -c shared_buffers=16MB"
        );
        let log = format!("{socket}/log");
        server.run("pg_ctl", &["start", "-w", "-D", &data, "-l", &log, "-o", &options]);
        server
    }

    fn stop(&self) {
        self.run("pg_ctl", &["stop", "-w", "-m", "immediate", "-D", &self.data()]);
    }

    fn data(&self) -> String {
        self.directory.path().join("data").display().to_string()
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        let mut command = match self.account {
            None => Command::new(&program),
            Some(account) => {
                let mut command = Command::new("setpriv");
                let reuid = format!("--reuid={account}");
                command.args([&reuid, "--clear-groups", "--"]).arg(&program);
                command
            }
        };
        let status = command
            .args(arguments)
            .current_dir(self.directory.path())
            .env("LC_ALL", "C.UTF-8")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{} {arguments:?}: {status}", program.display());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if Path::new(&self.data()).join("postmaster.pid").exists() {
            self.stop();
        }
    }
}

/// Postgres refuses root; an ordinary user runs it as they are.
fn unprivileged_account(own: &Path) -> Option<&'static str> {
    let is_root = fs::metadata(own).unwrap().uid() == 0;
    let exists = |account: &&str| output("id", &["-u", account]).is_some();
    is_root.then(|| ["postgres", "nobody"].into_iter().find(exists).unwrap())
}

fn user_id(account: &str) -> u32 {
    output("id", &["-u", account]).unwrap().parse().unwrap()
}

/// Where `initdb` and `pg_ctl` are: Debian's places (the newest first), what `pg_config` says,
/// Homebrew's, the PATH.
fn find_programs() -> PathBuf {
    let mut places: Vec<PathBuf> = Vec::new();
    for parent in ["/usr/lib/postgresql", "/opt/homebrew/opt", "/usr/local/opt"] {
        let entries = fs::read_dir(parent).into_iter().flatten().flatten();
        places.extend(entries.map(|entry| entry.path().join("bin")));
    }
    places.sort();
    places.reverse();
    places.extend(output("pg_config", &["--bindir"]).map(PathBuf::from));
    let in_path = output("sh", &["-c", "command -v initdb"]).map(PathBuf::from);
    places.extend(in_path.and_then(|program| program.parent().map(Path::to_owned)));
    let has_server = |place: &PathBuf| {
        ["initdb", "pg_ctl", "postgres"].iter().all(|program| place.join(program).exists())
    };
    places.into_iter().find(has_server).expect("a Postgres server is installed")
}

fn output(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stderr(Stdio::null()).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
