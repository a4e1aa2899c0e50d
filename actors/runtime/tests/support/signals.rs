//! Signals to processes that a test has started.

use std::process::{Child, Command};

use rustix::process::{Pid, WaitOptions, waitpid};

/// Sends a signal by its name. A process that is told to stop has stopped when this returns: the
/// kernel stops one thread after the other, and until the last one has, it may still answer. Not for one that has stopped already: that is not
/// reported twice.
pub(crate) fn send(name: &str, child: &Child) {
    send_to(name, child.id());
    if name == "STOP" {
        let pid = Pid::from_child(child);
        let stopped = waitpid(Some(pid), WaitOptions::UNTRACED).expect("it is a child of the test");
        assert!(stopped.is_some_and(|(_, status)| status.stopped()), "ended instead of stopping");
    }
}

/// Sends a signal by its name to a process that need not be a child of the test.
pub(crate) fn send_to(name: &str, pid: u32) {
    let sent = Command::new("kill").args(["-s", name, &pid.to_string()]).status();
    assert!(sent.expect("there is a kill command").success(), "kill -s {name} {pid}");
}
