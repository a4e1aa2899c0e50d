//! Against real Postgres. As root these run the server as `postgres` or `nobody`, otherwise as the
//! user who runs them.

mod orphans;
mod roles;
mod stops;

use std::{
    fs,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::PathBuf,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use secrecy::{ExposeSecret as _, SecretString};
use sqlx::{Connection as _, PgConnection};
use tempfile::TempDir;

use super::*;
use crate::sql;

/// A directory that Postgres' user can pass through, whatever the umask of who runs the tests.
fn place() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    directory
}

fn open(place: &TempDir) -> DataDir {
    DataDir::open(&place.path().join("data dir")).unwrap()
}

async fn start(data_dir: &DataDir) -> Embedded {
    let never = CancellationToken::new();
    let started = Embedded::start(data_dir, &PostgresPrograms::default(), &never).await;
    started.unwrap().expect("nobody stops it")
}

/// Why a start is refused.
async fn refusal(data_dir: &DataDir) -> String {
    let never = CancellationToken::new();
    let started = Embedded::start(data_dir, &PostgresPrograms::default(), &never).await;
    started.err().unwrap().to_string()
}

async fn connect(embedded: &Embedded, domain: Domain) -> PgConnection {
    connect_to(&embedded.database_url(domain)).await
}

async fn connect_to(url: &SecretString) -> PgConnection {
    PgConnection::connect(url.expose_secret()).await.unwrap()
}

async fn superuser(embedded: &Embedded) -> PgConnection {
    let cluster = &embedded.cluster;
    let options = provision::superuser(cluster);
    PgConnection::connect_with(&options).await.unwrap()
}

async fn run(connection: &mut PgConnection, statement: &str) {
    sql::run(connection, statement.to_owned()).await.unwrap();
}

const POLL: Duration = Duration::from_millis(5);

/// Polls a condition until it holds; a test that waits in vain fails.
fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !holds() {
        assert!(Instant::now() < deadline, "waited in vain until {what}");
        std::thread::sleep(POLL);
    }
}

/// The postmaster that the pid file names, from the moment that there is one, ready or not.
async fn postmaster_of(data_dir: &DataDir, other_than: Option<Pid>) -> Pid {
    let pid_file = data_dir.path().join("postgres/data/postmaster.pid");
    let appears = async {
        loop {
            match crate::orphan::pid_in(&pid_file).unwrap() {
                Some(pid) if Some(pid) != other_than => return pid,
                _ => tokio::time::sleep(POLL).await,
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), appears).await.expect("a postmaster starts")
}

#[tokio::test]
async fn everything_is_durable_and_nothing_listens_beyond_this_machine() {
    let place = place();
    let data_dir = open(&place);
    let embedded = start(&data_dir).await;
    for domain in Domain::ALL {
        let mut connection = connect(&embedded, domain).await;
        run(&mut connection, "CREATE TABLE mine (id bigint)").await;
        for setting in ["fsync", "synchronous_commit", "full_page_writes", "data_checksums"] {
            let show = format!("SELECT current_setting('{setting}')");
            assert_eq!(sql::text(&mut connection, &show).await.unwrap(), "on", "{setting}");
        }
        let listens = "SELECT current_setting('listen_addresses')";
        assert_eq!(sql::text(&mut connection, listens).await.unwrap(), "");
    }
    embedded.stop().await;
}

#[tokio::test]
async fn a_clean_stop_and_start_keeps_data_and_leaves_nothing_running() {
    let place = place();
    let data_dir = open(&place);
    let embedded = start(&data_dir).await;
    let mut connection = connect(&embedded, Domain::Cycles).await;
    run(&mut connection, "CREATE TABLE kept AS SELECT 42 AS value").await;
    let postmaster = embedded.postmaster().await;
    embedded.stop().await;
    assert!(test_kill_process(postmaster).is_err(), "the postmaster still runs");
    assert!(!data_dir.path().join("postgres/data/postmaster.pid").exists());
    let embedded = start(&data_dir).await;
    let mut connection = connect(&embedded, Domain::Cycles).await;
    assert_eq!(sql::text(&mut connection, "SELECT value::text FROM kept").await.unwrap(), "42");
    embedded.stop().await;
}

#[tokio::test]
async fn a_killed_postmaster_is_restarted_in_place() {
    let place = place();
    let data_dir = open(&place);
    let embedded = start(&data_dir).await;
    let mut connection = connect(&embedded, Domain::Users).await;
    run(&mut connection, "CREATE TABLE kept AS SELECT 7 AS value").await;
    let killed = embedded.postmaster().await;
    kill_process(killed, Signal::KILL).unwrap();
    let watch = async {
        loop {
            if let Ok(mut fresh) =
                PgConnection::connect(embedded.database_url(Domain::Users).expose_secret()).await
                && embedded.postmaster().await != killed
            {
                break sql::text(&mut fresh, "SELECT value::text FROM kept").await.unwrap();
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let value = tokio::select! {
        value = watch => value,
        ended = embedded.supervise() => panic!("supervision ended: {ended:?}"),
    };
    assert_eq!(value, "7");
    embedded.stop().await;
}

#[tokio::test]
async fn a_postmaster_that_keeps_dying_is_given_up() {
    let place = place();
    let data_dir = open(&place);
    let embedded = start(&data_dir).await;
    let kill_for_ever = async {
        loop {
            let runs = |server: &Server| server.exit_status().is_none();
            if embedded.server.try_lock().is_ok_and(|it| it.as_ref().is_some_and(runs)) {
                let postmaster = embedded.postmaster().await;
                let _ = kill_process(postmaster, Signal::KILL);
            }
            tokio::time::sleep(POLL).await;
        }
    };
    let ended = tokio::select! {
        ended = embedded.supervise() => ended,
        () = kill_for_ever => unreachable!(),
    };
    assert!(ended.unwrap_err().to_string().contains("died 4 times within a minute"));
    embedded.stop().await;
}

/// The postmaster writes its state into its pid file.
fn is_ready(cluster: &Cluster) -> bool {
    let pid_file = fs::read_to_string(cluster.data.join("postmaster.pid")).unwrap_or_default();
    pid_file.lines().last().is_some_and(|line| line.trim() == "ready")
}

async fn prepared(data_dir: &DataDir) -> Cluster {
    start(data_dir).await.stop().await;
    let account = data_dir.account().cloned();
    Cluster::prepare(data_dir.path(), account, &PostgresPrograms::default()).unwrap()
}

#[tokio::test]
async fn a_half_made_cluster_is_made_anew() {
    let place = place();
    let data_dir = open(&place);
    let unfinished = data_dir.path().join("postgres/data.new");
    let embedded = start(&data_dir).await;
    embedded.stop().await;
    fs::create_dir(&unfinished).unwrap();
    fs::write(unfinished.join("rubbish"), "").unwrap();
    fs::remove_dir_all(data_dir.path().join("postgres/data")).unwrap();
    let embedded = start(&data_dir).await;
    assert!(!unfinished.exists());
    embedded.stop().await;
}

#[tokio::test]
async fn a_cluster_without_durability_or_of_another_version_is_refused() {
    let place = place();
    let data_dir = open(&place);
    let embedded = start(&data_dir).await;
    let mut superuser = superuser(&embedded).await;
    run(&mut superuser, "ALTER ROLE users SET synchronous_commit = off").await;
    embedded.stop().await;
    let refused = refusal(&data_dir).await;
    assert!(refused.contains("sets synchronous_commit"), "{refused}");

    let version = data_dir.path().join("postgres/data/PG_VERSION");
    fs::write(&version, "9\n").unwrap();
    let refused = refusal(&data_dir).await;
    assert!(refused.contains("was made by Postgres 9"), "{refused}");
}

#[tokio::test]
async fn a_path_too_long_for_a_socket_gets_a_short_one() {
    let place = place();
    let long = place.path().join("x".repeat(60)).join("y".repeat(60));
    let data_dir = DataDir::open(&long).unwrap();
    let embedded = start(&data_dir).await;
    let directory = embedded.cluster.socket_directory.clone();
    assert!(directory.starts_with("/tmp"), "{}", directory.display());
    assert_eq!(fs::metadata(&directory).unwrap().mode() & 0o777, 0o700);
    connect(&embedded, Domain::Users).await.ping().await.unwrap();
    let other = running_database_url(data_dir.path(), Domain::Users).unwrap();
    connect_to(&other).await.ping().await.unwrap();
    embedded.stop().await;
    assert!(!directory.exists());
}

#[test]
fn the_data_directory_is_private_and_has_one_holder() {
    let place = place();
    let path = place.path().join("data dir");
    assert_eq!(DataDir::holder(&path).unwrap(), None);
    let data_dir = open(&place);
    let mode = fs::metadata(&path).unwrap().mode() & 0o777;
    assert_eq!(mode, if is_root() { 0o710 } else { 0o700 });
    let refused = DataDir::open(&path).err().unwrap().to_string();
    let pid = std::process::id();
    assert!(refused.contains(&path.display().to_string()), "{refused}");
    assert!(refused.contains(&format!("(process {pid})")), "{refused}");
    assert_eq!(DataDir::holder(&path).unwrap(), Some(pid.to_string()));
    drop(data_dir);
    assert_eq!(DataDir::holder(&path).unwrap(), None);
    drop(open(&place));
}

#[test]
fn directories_that_cannot_be_ours_are_refused_and_left_alone() {
    let place = place();
    let refusal = |path: PathBuf| format!("{:#}", DataDir::open(&path).err().unwrap());

    let foreign = place.path().join("foreign");
    fs::create_dir(&foreign).unwrap();
    fs::write(foreign.join("thesis.tex"), "").unwrap();
    let mode = fs::metadata(&foreign).unwrap().mode();
    assert!(refusal(foreign.clone()).contains("holds other things (thesis.tex)"));
    assert_eq!(fs::metadata(&foreign).unwrap().mode(), mode);
    assert_eq!(fs::read_dir(&foreign).unwrap().count(), 1);

    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(refusal(file).contains("is no directory"));

    let newer = place.path().join("newer");
    fs::create_dir(&newer).unwrap();
    fs::write(newer.join("layout"), "2\n").unwrap();
    assert!(refusal(newer).contains("made by a newer lunation"));

    assert!(refusal(PathBuf::from("/proc/lunation")).contains("--data-dir"));
}

#[tokio::test]
async fn root_is_told_which_directory_its_postgres_cannot_enter() {
    if !is_root() {
        return;
    }
    let closed = tempfile::tempdir().unwrap();
    fs::set_permissions(closed.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let data_dir = DataDir::open(&closed.path().join("data")).unwrap();
    let refused = refusal(&data_dir).await;
    let expected = format!("cannot enter {} (mode 700)", closed.path().display());
    assert!(refused.contains(&expected), "{refused}");
}
