//! Standard output, and what becomes of a command when nobody reads it any more.

use std::{
    fmt,
    io::{self, Write},
};

use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Standard output. When its reader has gone (`| head`), writing fails with an error that
/// [`reader_has_gone`] knows: that is how a command ends, not what is wrong with it.
pub(crate) struct Output(io::Stdout);

/// What an error of [`Output`] holds when its reader has gone.
#[derive(Debug)]
struct ReaderGone;

/// Standard output of this process.
pub(crate) fn stdout() -> Output {
    Output(io::stdout())
}

/// A number of things whose plural ends in an s.
pub(crate) fn counted<N>(number: N, noun: &str) -> String
where
    N: fmt::Display + Copy + PartialEq + From<u8>,
{
    let ending = if number == N::from(1) { "" } else { "s" };
    format!("{number} {noun}{ending}")
}

/// Whether a command failed only because nobody reads what it prints.
pub(crate) fn reader_has_gone(error: &anyhow::Error) -> bool {
    let causes = error.chain().filter_map(|cause| cause.downcast_ref::<io::Error>());
    causes.filter_map(io::Error::get_ref).any(|inner| inner.downcast_ref::<ReaderGone>().is_some())
}

impl Output {
    /// Whether the reader has gone. A command that has nothing to print for a long time asks from
    /// time to time, since it would not find out by printing. False where the system cannot say.
    pub(crate) fn has_no_reader(&self) -> bool {
        let mut descriptors = [PollFd::new(&self.0, PollFlags::empty())];
        let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
        let ready = poll(&mut descriptors, Some(&at_once));
        let gone = PollFlags::ERR | PollFlags::HUP;
        ready.is_ok() && descriptors.iter().any(|it| it.revents().intersects(gone))
    }
}

impl Write for Output {
    fn write(&mut self, buffer: &[u8]) -> io::Result<usize> {
        self.0.write(buffer).map_err(mark)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush().map_err(mark)
    }
}

/// Tells a broken standard output from any other broken pipe.
fn mark(error: io::Error) -> io::Error {
    match error.kind() {
        kind @ io::ErrorKind::BrokenPipe => io::Error::new(kind, ReaderGone),
        _other => error,
    }
}

impl fmt::Display for ReaderGone {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("nobody reads the output any more")
    }
}

impl std::error::Error for ReaderGone {}

#[cfg(test)]
mod tests {
    use anyhow::Context as _;

    use super::*;

    #[test]
    fn only_the_output_s_own_broken_pipe_is_no_failure() {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        let ours = Err::<(), _>(mark(broken())).context("the table").unwrap_err();
        assert!(reader_has_gone(&ours));
        let of_a_socket = Err::<(), _>(broken()).context("the request").unwrap_err();
        assert!(!reader_has_gone(&of_a_socket));
        let full = mark(io::Error::from(io::ErrorKind::StorageFull));
        assert!(!reader_has_gone(&full.into()));
    }
}
