//! A private Postgres for the tests of a domain, which include this file by its path: a cluster of
//! its own in a temporary directory, gone when it is dropped or when the process dies. It knows no
//! domain: whoever includes it names a migrator.

use std::{
    os::unix::{fs::PermissionsExt, process::ExitStatusExt},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use sqlx::{Connection, PgConnection, migrate::Migrator};
use tempfile::TempDir;

/// How long a server may take to start on a busy machine.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// A database with every migration applied, owned by a role that is no superuser.
pub(crate) struct TestDatabase {
    /// Where it is.
    pub(crate) url: String,
    server: Child,
    home: TempDir,
}

impl TestDatabase {
    /// Starts a server and makes the database.
    pub(crate) async fn start(migrator: &Migrator) -> Self {
        // In /tmp, because the path of a unix socket may have about 100 characters and no more.
        let home = tempfile::Builder::new().prefix("lunation-test-").tempdir_in("/tmp").unwrap();
        let bin = postgres_bin();
        let owner = unprivileged_user();
        if let Some(owner) = &owner {
            run(Command::new("chown").arg(owner).arg(home.path()));
        }
        std::fs::set_permissions(home.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
        let data = home.path().join("data");
        let arguments = ["-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C", "--no-sync"];
        run(as_user(owner.as_deref(), &bin.join("initdb")).args(arguments).arg("-D").arg(&data));

        let mut server = as_user(owner.as_deref(), &bin.join("postgres"));
        let socket = format!("unix_socket_directories={}", home.path().display());
        server.arg("-D").arg(&data).arg("-c").arg(socket);
        for setting in ["listen_addresses=", "fsync=off", "full_page_writes=off"] {
            server.arg("-c").arg(setting);
        }
        let server = server.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();

        let place = format!("localhost/{{}}?host={}", home.path().display());
        let database =
            |user: &str, name: &str| format!("postgres://{user}@{}", place.replace("{}", name));
        let started = Self { url: database("owner", "test"), server, home };
        let admin = connect(&database("postgres", "postgres")).await;
        admin.close().await.unwrap();
        let client = |program: &str| {
            let mut command = Command::new(bin.join(program));
            command.arg("-h").arg(started.home.path()).args(["-U", "postgres"]);
            command
        };
        run(client("createuser").arg("owner"));
        run(client("createdb").args(["-O", "owner", "test"]));
        migrator.run(&mut connect(&started.url).await).await.unwrap();
        started
    }
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        // Immediate shutdown: there is nothing worth writing to disk.
        run(Command::new("kill").arg("-QUIT").arg(self.server.id().to_string()));
        let status = self.server.wait().unwrap();
        assert_eq!(status.signal(), None, "the server was killed by somebody else");
    }
}

/// Connects as soon as the server answers.
async fn connect(url: &str) -> PgConnection {
    let deadline = Instant::now() + START_TIMEOUT;
    loop {
        match PgConnection::connect(url).await {
            Ok(connection) => return connection,
            Err(error) if Instant::now() > deadline => panic!("PostgreSQL did not start: {error}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// Postgres refuses root. `setpriv` also ends the server with this process, however it dies.
fn as_user(user: Option<&str>, program: &Path) -> Command {
    if !Path::new("/usr/bin/setpriv").exists() {
        return Command::new(program);
    }
    let mut command = Command::new("/usr/bin/setpriv");
    if let Some(user) = user {
        command.args(["--reuid", user, "--clear-groups"]);
    }
    command.args(["--pdeathsig", "QUIT", "--"]).arg(program).current_dir("/");
    command
}

fn unprivileged_user() -> Option<String> {
    if output(Command::new("id").arg("-u")) != "0" {
        return None;
    }
    let exists = |user: &&str| Command::new("id").arg(user).output().unwrap().status.success();
    Some((*["postgres", "nobody"].iter().find(|user| exists(user)).unwrap()).to_owned())
}

fn postgres_bin() -> PathBuf {
    #[expect(clippy::disallowed_methods, reason = "scripts/test names what it found in PG_BIN")]
    let named = std::env::var("PG_BIN").ok().map(PathBuf::from);
    let mut places: Vec<PathBuf> = named.into_iter().collect();
    if let Ok(found) = Command::new("pg_config").arg("--bindir").output() {
        places.push(String::from_utf8(found.stdout).unwrap().trim().into());
    }
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let mut versions: Vec<PathBuf> = debian.map(|entry| entry.unwrap().path()).collect();
    versions.sort_by_key(|path| path.file_name().unwrap().to_str().unwrap().parse::<u32>().ok());
    places.extend(versions.into_iter().rev().map(|version| version.join("bin")));
    let usable = |place: &PathBuf| place.join("initdb").exists();
    places.into_iter().find(usable).expect("install PostgreSQL, or name its directory in PG_BIN")
}

fn run(command: &mut Command) {
    output(command);
}

fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}
