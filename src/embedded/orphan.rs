//! What a killed lunation or a killed Postgres left behind.
//!
//! A postmaster that outlived its lunation is stopped, not adopted: a new one is our own child
//! with our own settings. The pid file is never deleted, since it also names the shared memory by
//! which Postgres itself finds backends that still live; deleting it is how clusters get corrupted.

use std::{ffi::OsStr, fs, path::Path, time::Duration};

use anyhow::{Context as _, Result};
use rustix::process::{Pid, Signal, test_kill_process};

use crate::orphan;

/// A process id that no system hands out, for pid files whose process is gone.
const NOBODY: i32 = i32::MAX;

/// Politely, then with less patience.
const STOP: [(Signal, Duration); 3] = [
    (Signal::INT, Duration::from_secs(10)),
    (Signal::QUIT, Duration::from_secs(10)),
    (Signal::KILL, Duration::from_secs(10)),
];

/// Stops a live postmaster of a cluster that is not our child. Blocks.
pub(super) fn stop(data: &Path) -> Result<()> {
    let pid_file = data.join("postmaster.pid");
    if let Some(pid) = orphan::pid_in(&pid_file)?
        && is_postmaster_of(pid, data)
    {
        orphan::stop("Postgres", pid, &STOP, |pid| is_postmaster_of(pid, data))?;
    }
    disarm(&pid_file)
}

/// Takes the process id out of a pid file whose process is somebody else now, or has ended and was
/// not yet waited for. Postgres would take either for a running server, if it is of its user;
/// everything else in the file stays.
fn disarm(pid_file: &Path) -> Result<()> {
    // Read again: a server that was stopped in order has deleted it.
    let Some(pid) = orphan::pid_in(pid_file)? else { return Ok(()) };
    if test_kill_process(pid).is_err() {
        return Ok(());
    }
    let text = fs::read_to_string(pid_file)?;
    let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
    fs::write(pid_file, format!("{NOBODY}\n{rest}"))
        .with_context(|| format!("{} cannot be written", pid_file.display()))
}

/// Whether a process is the postmaster of a cluster: by its working directory, or by its command
/// line where that may not be seen. A process that has ended and was not yet waited for has
/// neither.
fn is_postmaster_of(pid: Pid, data: &Path) -> bool {
    let directory = fs::read_link(format!("/proc/{}/cwd", pid.as_raw_nonzero()));
    directory.is_ok_and(|directory| directory == data)
        || orphan::was_started_as(pid, "postgres", &[OsStr::new("-D"), data.as_os_str()])
}
