//! What a killed lunation or a killed Postgres left behind.
//!
//! A postmaster that outlived its lunation is stopped, not adopted: a new one is our own child
//! with our own settings. The pid file is never deleted, since it also names the shared memory by
//! which Postgres itself finds backends that still live; deleting it is how clusters get corrupted.

use std::{
    fs, io,
    path::Path,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process, test_kill_process};

/// A process id that no system hands out, for pid files whose process is gone.
const NOBODY: i32 = i32::MAX;

/// Stops a live postmaster of a cluster that is not our child: politely, then with less patience.
/// Blocks.
pub(super) fn stop(data: &Path) -> Result<()> {
    let pid_file = data.join("postmaster.pid");
    let Some(pid) = pid_in(&pid_file)? else { return Ok(()) };
    if !is_postmaster_of(pid, data) {
        return disarm(&pid_file, pid);
    }
    let pid_number = pid.as_raw_nonzero().get();
    tracing::warn!(pid = pid_number, "stopping a Postgres that outlived its lunation");
    for (signal, patience_seconds) in [(Signal::INT, 10), (Signal::QUIT, 10), (Signal::KILL, 10)] {
        match kill_process(pid, signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => {
                return Err(error)
                    .context(format!("Postgres (process {pid_number}) cannot be stopped"));
            }
        }
        if left_within(pid, data, Duration::from_secs(patience_seconds)) {
            return Ok(());
        }
    }
    bail!("a former Postgres (process {pid_number}) of this data directory does not stop")
}

/// The process id in a pid file; none if there is no file, or no process id in it. A server of one
/// session writes its own with a minus.
fn pid_in(pid_file: &Path) -> Result<Option<Pid>> {
    match fs::read_to_string(pid_file) {
        Ok(text) => {
            let number = text.lines().next().and_then(|line| line.trim().parse::<i32>().ok());
            Ok(number.and_then(i32::checked_abs).and_then(Pid::from_raw))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", pid_file.display())),
    }
}

/// Takes the process id out of a pid file whose process is somebody else now. Postgres would take
/// any live process of its user for a running server; everything else in the file stays.
fn disarm(pid_file: &Path, pid: Pid) -> Result<()> {
    if test_kill_process(pid).is_err() {
        return Ok(());
    }
    let text = fs::read_to_string(pid_file)?;
    let rest = text.split_once('\n').map_or("", |(_, rest)| rest);
    fs::write(pid_file, format!("{NOBODY}\n{rest}"))
        .with_context(|| format!("{} cannot be written", pid_file.display()))
}

fn left_within(pid: Pid, data: &Path, patience: Duration) -> bool {
    let deadline = Instant::now() + patience;
    while is_postmaster_of(pid, data) {
        if Instant::now() > deadline {
            return false;
        }
        sleep(Duration::from_millis(20));
    }
    true
}

/// Whether a process is the postmaster of a cluster: by its working directory, or by its command
/// line where that may not be seen. A process that has ended and was not yet waited for has
/// neither.
fn is_postmaster_of(pid: Pid, data: &Path) -> bool {
    let process = format!("/proc/{}", pid.as_raw_nonzero());
    if Path::new("/proc/self/cmdline").exists() {
        let directory = fs::read_link(format!("{process}/cwd"));
        if directory.is_ok_and(|directory| directory == data) {
            return true;
        }
        let arguments = fs::read(format!("{process}/cmdline")).unwrap_or_default();
        return is_server_command(arguments.split(|byte| *byte == 0), data);
    }
    let pid = pid.as_raw_nonzero().to_string();
    let Ok(output) = Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid]).output() else {
        return false;
    };
    let line = String::from_utf8_lossy(&output.stdout);
    line.contains(&format!("postgres -D {} ", data.display()))
}

fn is_server_command<'a>(mut arguments: impl Iterator<Item = &'a [u8]>, data: &Path) -> bool {
    let program = arguments.next().unwrap_or_default();
    program.ends_with(b"postgres")
        && arguments.any(|argument| argument == data.as_os_str().as_encoded_bytes())
}
