//! What a killed lunation or a killed Postgres left behind.

use std::{path::Path, process::Child};

use super::*;

/// Runs the server as a child of nobody: what is left when lunation is killed where the kernel
/// does not tell Postgres.
fn orphan(cluster: &Cluster) -> Pid {
    let (pid, mut child) = orphan_not_waited_for(cluster);
    // Waited for in a thread, as init would, so that it can end entirely.
    std::thread::spawn(move || child.wait());
    pid
}

/// The same, of an init that has not come to it yet: once it ends, its process id stays taken.
fn orphan_not_waited_for(cluster: &Cluster) -> (Pid, Child) {
    let mut command = cluster.command(&cluster.binaries.program("postgres"));
    command.args(cluster.server_arguments()).stderr(Stdio::null());
    let child = command.spawn().unwrap();
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    wait_until("the orphan is ready", || is_ready(cluster));
    (pid, child)
}

#[tokio::test]
async fn a_live_orphan_is_stopped_and_a_killed_one_recovered_from() {
    let place = place();
    let data_dir = open(&place);
    let cluster = prepared(&data_dir).await;
    for killed in [false, true] {
        let orphan = orphan(&cluster);
        if killed {
            kill_process(orphan, Signal::KILL).unwrap();
            wait_until("the killed orphan is gone", || test_kill_process(orphan).is_err());
        }
        let embedded = start(&data_dir).await;
        assert!(test_kill_process(orphan).is_err(), "the orphan still runs");
        assert_ne!(embedded.postmaster().await, orphan);
        connect(&embedded, Domain::Analytics).await.ping().await.unwrap();
        embedded.stop().await;
    }
}

#[tokio::test]
async fn a_pid_file_that_names_a_stranger_does_not_block_the_start() {
    let place = place();
    let data_dir = open(&place);
    let cluster = prepared(&data_dir).await;
    // A live process of Postgres' own user: Postgres alone would refuse to start.
    let mut command = cluster.command(Path::new("/bin/sleep"));
    let mut stranger = command.arg("1000").spawn().unwrap();
    let pid_file = cluster.data.join("postmaster.pid");
    // With a minus it is what a server of one session leaves, as the one that sets a password.
    for sign in ["", "-"] {
        let pid = format!("{sign}{}", stranger.id());
        fs::write(&pid_file, format!("{pid}\n{}\n0\n5432\n", cluster.data.display())).unwrap();
        if let Some(account) = data_dir.account() {
            std::os::unix::fs::chown(&pid_file, Some(account.uid), Some(account.gid)).unwrap();
        }
        fs::write(cluster.socket_directory.join(".s.PGSQL.5432.lock"), &pid).unwrap();
        let embedded = start(&data_dir).await;
        connect(&embedded, Domain::Users).await.ping().await.unwrap();
        assert!(stranger.try_wait().unwrap().is_none(), "the stranger was stopped");
        embedded.stop().await;
    }
    stranger.kill().unwrap();
    stranger.wait().unwrap();
}

#[tokio::test]
async fn backends_of_a_killed_postmaster_are_waited_for() {
    let place = place();
    let data_dir = open(&place);
    let cluster = prepared(&data_dir).await;
    let orphan = orphan(&cluster);
    let url = cluster.database_url(Domain::Users);
    let mut busy = connect_to(&url).await;
    let backend = sql::text(&mut busy, "SELECT pg_backend_pid()::text").await.unwrap();
    let mut watcher = connect_to(&url).await;
    // A backend in the middle of a computation does not notice that its postmaster died.
    let computing = sql::text(&mut busy, "SELECT count(*)::text FROM generate_series(1, 10000000)");
    let killing_and_starting = async {
        let state = format!("SELECT state FROM pg_stat_activity WHERE pid = {backend}");
        while sql::text(&mut watcher, &state).await.unwrap() != "active" {
            tokio::task::yield_now().await;
        }
        kill_process(orphan, Signal::KILL).unwrap();
        wait_until("the postmaster is gone", || test_kill_process(orphan).is_err());
        assert!(runs(&backend), "the backend left too early to show anything");
        let embedded = start(&data_dir).await;
        assert!(!runs(&backend), "a backend of the former server still runs");
        embedded
    };
    let (_, embedded) = tokio::join!(computing, killing_and_starting);
    embedded.stop().await;
}

/// Whether a process runs; one that has ended and was not yet waited for by its parent does not.
fn runs(pid: &str) -> bool {
    let output = Command::new("ps").args(["-o", "state=", "-p", pid]).output().unwrap();
    let state = String::from_utf8(output.stdout).unwrap();
    !state.trim().is_empty() && !state.trim().starts_with('Z')
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn an_orphan_killed_while_it_is_asked_to_stop_does_not_block_the_start() {
    let place = place();
    let data_dir = open(&place);
    let cluster = prepared(&data_dir).await;
    let (orphan, mut child) = orphan_not_waited_for(&cluster);
    // So that the request to stop finds it alive, and is still unheard when it is killed.
    kill_process(orphan, Signal::STOP).unwrap();
    let killing = std::thread::spawn(move || {
        wait_until("it is asked to stop", || is_pending(Signal::INT, orphan));
        kill_process(orphan, Signal::KILL).unwrap();
    });
    let embedded = start(&data_dir).await;
    killing.join().unwrap();
    connect(&embedded, Domain::Users).await.ping().await.unwrap();
    embedded.stop().await;
    child.wait().unwrap();
}

/// Whether a signal was sent to a process and has not reached it.
#[cfg(target_os = "linux")]
fn is_pending(signal: Signal, pid: Pid) -> bool {
    let status = fs::read_to_string(format!("/proc/{}/status", pid.as_raw_nonzero())).unwrap();
    let pending = status.lines().find_map(|line| line.strip_prefix("ShdPnd:")).unwrap();
    u64::from_str_radix(pending.trim(), 16).unwrap() >> (signal.as_raw() - 1) & 1 == 1
}
