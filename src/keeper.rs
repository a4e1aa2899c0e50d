//! A program that this process runs: started by, and bound to, a thread that lives exactly as long
//! as it does.
//!
//! A death signal follows the *thread* that started a process, not its program: so a thread of its
//! own starts the program and then waits for it. If this process is killed, the thread dies with
//! it, and the kernel asks the program to stop.

use std::{
    ffi::OsStr,
    io::{self, BufRead as _, BufReader, Read},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, ChildStderr, Command, Stdio},
    sync::{OnceLock, mpsc},
    thread,
    time::Duration,
};

use anyhow::{Context as _, Result};
use rustix::{
    io::retry_on_intr,
    process::{Pid, Signal, WaitId, WaitIdOptions, kill_process, waitid},
};
use tokio::{sync::watch, time::timeout};

/// How long the last words of a program that has ended may take to arrive. What it started itself
/// may live on and hold its standard error open.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// A running program.
pub(crate) struct Keeper {
    name: String,
    pid: Pid,
    exit: watch::Receiver<Option<String>>,
    last_signal: Signal,
}

impl Keeper {
    /// Starts a program in a process group of its own, so that Ctrl-C in a terminal reaches this
    /// process alone. What it writes to its standard error goes to `lines`, on a thread that ends
    /// with the program. One that nobody stops gets `last_signal` when this value is dropped.
    ///
    /// # Errors
    /// It cannot be started.
    pub(crate) fn start(
        name: &str,
        mut command: Command,
        last_signal: Signal,
        lines: impl FnOnce(ChildStderr) + Send + 'static,
    ) -> Result<Self> {
        command.process_group(0).stdin(Stdio::null()).stderr(Stdio::piped());
        let program = command.get_program().display().to_string();
        let (started_sender, started) = mpsc::channel();
        let (exit_sender, exit) = watch::channel(None);
        let log_thread = format!("{name}-log");
        thread::Builder::new().name(format!("{name}-keeper")).spawn(move || {
            let mut child = match command.spawn() {
                Ok(child) => child,
                Err(error) => return drop(started_sender.send(Err(error))),
            };
            let (copying, copied) = mpsc::channel::<()>();
            let log = child.stderr.take().map(|stderr| {
                thread::Builder::new().name(log_thread).spawn(move || {
                    lines(stderr);
                    drop(copying);
                })
            });
            if let Some(Err(error)) = log {
                tracing::warn!(%error, "the log of a program is not kept");
            }
            drop(started_sender.send(Ok(child.id())));
            wait_for_end(&mut child);
            // Whoever hears of the end may ask what was said last.
            let _heard_or_not = copied.recv_timeout(LAST_WORDS);
            // Its id is free for another program from here on: `signal` reads under the same lock.
            exit_sender.send_modify(|exit| {
                let status = child.wait();
                *exit = Some(status.map_or_else(|error| error.to_string(), |it| it.to_string()));
            });
        })?;
        let id = started
            .recv()
            .context("the thread of a program ended")?
            .with_context(|| format!("{program} cannot be started"))?;
        let pid = i32::try_from(id).ok().and_then(Pid::from_raw).context("no process id")?;
        Ok(Self { name: name.to_owned(), pid, exit, last_signal })
    }

    /// The process id, as files name it.
    pub(crate) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// The process id.
    #[cfg(test)]
    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    /// Resolves when the program has ended, with how.
    pub(crate) fn exited(&self) -> impl Future<Output = String> + use<> {
        let mut exit = self.exit.clone();
        async move {
            let status = exit.wait_for(Option::is_some).await;
            status.ok().and_then(|status| status.clone()).unwrap_or_else(|| "unknown".to_owned())
        }
    }

    /// How the program ended, if it has.
    pub(crate) fn exit_status(&self) -> Option<String> {
        self.exit.borrow().clone()
    }

    /// Stops it by one signal after another, each with its patience.
    pub(crate) async fn stop(&self, signals: &[(Signal, Duration)]) {
        for (signal, patience) in signals {
            if !self.signal(*signal) {
                return;
            }
            if timeout(*patience, self.exited()).await.is_ok() {
                tracing::info!(program = self.name, "has stopped");
                return;
            }
            tracing::warn!(program = self.name, ?signal, "does not stop");
        }
    }

    /// Sends a signal unless the program has ended: its id may be somebody else's then.
    pub(crate) fn signal(&self, signal: Signal) -> bool {
        // Held until the signal is sent: as long as it is, nobody takes note of the end, and the
        // system gives the id to nobody else.
        let exit = self.exit.borrow();
        if exit.is_some() {
            return false;
        }
        match kill_process(self.pid, signal) {
            Ok(()) => true,
            Err(error) => {
                tracing::warn!(program = self.name, %error, "cannot be signalled");
                false
            }
        }
    }
}

impl Drop for Keeper {
    /// Asks a program that nobody stopped to stop, so that an error on the way leaves none behind.
    fn drop(&mut self) {
        self.signal(self.last_signal);
    }
}

/// Waits until a program has ended, and leaves it to be waited for: its id stays its own.
fn wait_for_end(child: &mut Child) {
    let ended = WaitIdOptions::EXITED | WaitIdOptions::NOWAIT;
    if let Err(error) = retry_on_intr(|| waitid(WaitId::Pid(Pid::from_child(child)), ended)) {
        tracing::warn!(%error, "a program cannot be waited for without its status");
        // Its id is given back a little early then; the caller gets the same status again.
        let _told_to_the_caller = child.wait();
    }
}

/// Hands on every line that a program writes, with its end, until all who write have ended. A line
/// longer than the bound comes in parts.
///
/// # Errors
/// It cannot be read any more.
pub(crate) fn each_line(
    source: impl Read,
    length_max: u64,
    mut hand_on: impl FnMut(&[u8]),
) -> io::Result<()> {
    let mut source = BufReader::new(source);
    let mut line = Vec::new();
    loop {
        line.clear();
        if source.by_ref().take(length_max).read_until(b'\n', &mut line)? == 0 {
            return Ok(());
        }
        hand_on(&line);
    }
}

/// A command that the kernel signals if this process is killed, where `setpriv` of util-linux
/// knows how (that of busybox does not).
pub(crate) fn bound(program: impl AsRef<OsStr>, death_signal: &str) -> Command {
    match death_signal_wrapper() {
        Some(wrapper) => {
            let mut command = Command::new(wrapper);
            command.args(["--pdeathsig", death_signal, "--"]).arg(program);
            command
        }
        None => Command::new(program),
    }
}

/// `setpriv`, if it knows death signals.
pub(crate) fn death_signal_wrapper() -> Option<&'static Path> {
    static FOUND: OnceLock<Option<&'static Path>> = OnceLock::new();
    *FOUND.get_or_init(|| {
        ["/usr/bin/setpriv", "/bin/setpriv"].map(Path::new).into_iter().find(|path| {
            let mut probe = Command::new(path);
            probe.args(["--pdeathsig", "INT", "--", "true"]);
            probe.stdout(Stdio::null()).stderr(Stdio::null());
            probe.status().is_ok_and(|status| status.success())
        })
    })
}

#[cfg(test)]
mod tests {
    use std::sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    };

    use rustix::process::test_kill_process;

    use super::*;

    #[tokio::test]
    async fn the_end_is_told_after_the_last_words() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "head -c 20000 /dev/zero >&2; exit 3"]);
        let read = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&read);
        // A byte at a time: what is left in the pipe when the program ends takes a while.
        let keeper = Keeper::start("words", command, Signal::TERM, move |mut lines| {
            while lines.read_exact(&mut [0]).is_ok() {
                counter.fetch_add(1, Ordering::Relaxed);
            }
        });
        let keeper = keeper.unwrap();
        assert_eq!(keeper.exited().await, "exit status: 3");
        assert_eq!(read.load(Ordering::Relaxed), 20_000);
        assert!(!keeper.signal(Signal::TERM), "it has ended");
    }

    #[tokio::test]
    async fn the_id_of_a_program_stays_its_own_until_its_end_is_known() {
        let mut command = Command::new("/bin/sh");
        // Its child holds the log open, so that the end is told late.
        command.args(["-c", "sleep 2 >/dev/null & exit 0"]);
        let keeper = Keeper::start("parent", command, Signal::TERM, |mut lines| {
            let _whole = io::copy(&mut lines, &mut io::sink());
        });
        let keeper = keeper.unwrap();
        while test_kill_process(keeper.pid()).is_ok() {
            tokio::task::yield_now().await;
        }
        assert_eq!(keeper.exit_status().as_deref(), Some("exit status: 0"));
        assert!(!keeper.signal(Signal::TERM), "the id may be somebody else's by now");
    }

    #[tokio::test]
    async fn what_does_not_hear_one_signal_gets_the_next() {
        let mut command = Command::new("/bin/sh");
        command.args(["-c", "trap '' TERM; echo ready >&2; exec sleep 60"]);
        let (ready, is_ready) = mpsc::channel();
        let keeper = Keeper::start("deaf", command, Signal::KILL, move |mut lines| {
            lines.read_exact(&mut [0; 6]).unwrap();
            ready.send(()).unwrap();
        });
        let keeper = keeper.unwrap();
        is_ready.recv().unwrap();
        let soon = Duration::from_millis(50);
        keeper.stop(&[(Signal::TERM, soon), (Signal::KILL, Duration::from_secs(10))]).await;
        assert!(keeper.exit_status().unwrap().contains("signal: 9"));
    }
}
