//! Stops at the wrong moment: while Postgres starts, and when nobody is left to ask for it.

use super::*;
use crate::orphan::pid_in;

/// Whether the cluster was shut down, and not left to crash recovery.
fn is_shut_down(data_dir: &DataDir) -> bool {
    let programs = PostgresPrograms::default();
    let binaries = Binaries::find(&programs, None).unwrap();
    let mut command = Command::new(binaries.program("pg_controldata"));
    let output = command.arg(data_dir.path().join("postgres/data")).env("LC_ALL", "C").output();
    String::from_utf8(output.unwrap().stdout).unwrap().contains("shut down\n")
}

#[tokio::test]
async fn a_start_that_is_stopped_leaves_nothing_running() {
    let place = place();
    let data_dir = open(&place);
    start(&data_dir).await.stop().await;
    let (programs, shutdown) = (PostgresPrograms::default(), CancellationToken::new());
    let stopping = async {
        let postmaster = postmaster_of(&data_dir, None).await;
        shutdown.cancel();
        postmaster
    };
    let starting = async {
        let started = Embedded::start(&data_dir, &programs, &shutdown).await;
        // At once: who is only asked to stop still runs.
        let left = pid_in(&data_dir.path().join("postgres/data/postmaster.pid")).unwrap();
        (started.unwrap().is_none(), left)
    };
    let (postmaster, (stopped, left)) = tokio::join!(stopping, starting);
    assert!(stopped, "it was told to stop");
    assert_eq!(left, None, "Postgres still runs");
    assert!(test_kill_process(postmaster).is_err());
    assert!(is_shut_down(&data_dir));
}

#[tokio::test]
async fn what_was_stopped_before_it_started_does_not_start() {
    let place = place();
    let data_dir = open(&place);
    let shutdown = CancellationToken::new();
    shutdown.cancel();
    let started = Embedded::start(&data_dir, &PostgresPrograms::default(), &shutdown).await;
    assert!(started.unwrap().is_none());
    // What was begun is whole.
    start(&data_dir).await.stop().await;
}

#[tokio::test]
async fn a_refused_start_leaves_nothing_running() {
    let place = place();
    let data_dir = open(&place);
    let embedded = start(&data_dir).await;
    let mut superuser = superuser(&embedded).await;
    run(&mut superuser, "ALTER ROLE users SET synchronous_commit = off").await;
    drop(superuser);
    embedded.stop().await;
    refusal(&data_dir).await;
    let left = pid_in(&data_dir.path().join("postgres/data/postmaster.pid")).unwrap();
    assert_eq!(left, None, "Postgres still runs");
}

#[tokio::test]
async fn a_stop_during_a_restart_waits_for_the_new_server() {
    let place = place();
    let data_dir = open(&place);
    let embedded = start(&data_dir).await;
    let former = embedded.postmaster().await;
    kill_process(former, Signal::KILL).unwrap();
    // Whoever supervises gives up at the moment that the new one runs.
    let fresh = tokio::select! {
        fresh = postmaster_of(&data_dir, Some(former)) => fresh,
        ended = embedded.supervise() => panic!("supervision ended: {ended:?}"),
    };
    embedded.stop().await;
    assert!(test_kill_process(fresh).is_err(), "the new Postgres still runs");
}

#[tokio::test]
async fn the_kernel_stops_the_server_of_a_killed_process() {
    let Some(wrapper) = crate::keeper::death_signal_wrapper() else { return };
    let place = place();
    let data_dir = open(&place);
    let cluster = prepared(&data_dir).await;
    cluster.clear_leftovers().unwrap();
    // A shell stands in for lunation: it starts the server as we do, and is killed.
    let mut command = cluster.command(Path::new("/bin/sh"));
    command.args(["-c", "\"$@\" & wait", "sh"]).arg(wrapper);
    command.args(["--pdeathsig", "INT", "--"]).arg(cluster.binaries.program("postgres"));
    let mut parent =
        command.args(cluster.server_arguments()).stderr(Stdio::null()).spawn().unwrap();
    wait_until("the server is ready", || is_ready(&cluster));
    parent.kill().unwrap();
    parent.wait().unwrap();
    let pid_file = cluster.data.join("postmaster.pid");
    wait_until("the server has stopped cleanly", || !pid_file.exists());
    assert!(is_shut_down(&data_dir));
}
