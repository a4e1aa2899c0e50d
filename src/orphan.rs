//! Programs that outlived the lunation that had started them: found by their pid files, recognised
//! by what they were started with, and stopped.

use std::{
    ffi::OsStr,
    fs, io,
    path::Path,
    process::Command,
    thread::sleep,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use rustix::process::{Pid, Signal, kill_process};

/// How often it is looked whether a program has ended.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// The process id in a pid file; none if there is no file, or no process id in it. A Postgres of
/// one session writes its own with a minus.
///
/// # Errors
/// The file cannot be read.
pub(crate) fn pid_in(pid_file: &Path) -> Result<Option<Pid>> {
    match fs::read_to_string(pid_file) {
        Ok(text) => {
            let number = text.lines().next().and_then(|line| line.trim().parse::<i32>().ok());
            Ok(number.and_then(i32::checked_abs).and_then(Pid::from_raw))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} cannot be read", pid_file.display())),
    }
}

/// Stops a process for as long as it is the one that is meant: by one signal after another, each
/// with its patience. Blocks.
///
/// # Errors
/// It cannot be signalled, or does not end.
pub(crate) fn stop(
    name: &str,
    pid: Pid,
    signals: &[(Signal, Duration)],
    is_meant: impl Fn(Pid) -> bool,
) -> Result<()> {
    let pid_number = pid.as_raw_nonzero().get();
    tracing::warn!(pid = pid_number, "stopping a {name} that outlived its lunation");
    for (signal, patience) in signals {
        // Right before each signal: in the meantime its id may have become somebody else's.
        if !is_meant(pid) {
            return Ok(());
        }
        match kill_process(pid, *signal) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => {}
            Err(error) => {
                return Err(error)
                    .context(format!("{name} (process {pid_number}) cannot be stopped"));
            }
        }
        let deadline = Instant::now() + *patience;
        while Instant::now() < deadline {
            if !is_meant(pid) {
                return Ok(());
            }
            sleep(LOOK_EVERY);
        }
    }
    if !is_meant(pid) {
        return Ok(());
    }
    bail!("a former {name} (process {pid_number}) of this data directory does not stop")
}

/// Whether a process is this program, started with these arguments in a row. A process that has
/// ended and was not yet waited for has no command line any more.
pub(crate) fn was_started_as(pid: Pid, program: &str, arguments: &[&OsStr]) -> bool {
    let pid = pid.as_raw_nonzero();
    if Path::new("/proc/self/cmdline").exists() {
        let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        let parts: Vec<&[u8]> = line.split(|byte| *byte == 0).collect();
        let arguments: Vec<&[u8]> = arguments.iter().map(|it| it.as_encoded_bytes()).collect();
        return parts.first().is_some_and(|first| first.ends_with(program.as_bytes()))
            && parts.windows(arguments.len()).any(|some| some == arguments);
    }
    let pid = pid.to_string();
    let Ok(output) = Command::new("ps").args(["-ww", "-o", "command=", "-p", &pid]).output() else {
        return false;
    };
    let line = String::from_utf8_lossy(&output.stdout);
    let arguments: Vec<_> = arguments.iter().map(|it| it.to_string_lossy()).collect();
    format!("{} ", line.trim_end()).contains(&format!("{program} {} ", arguments.join(" ")))
}
