//! The server's own log: copied from its standard error into a file of bounded size, with the
//! last lines kept in memory for error messages.

use std::{
    collections::VecDeque,
    fs::{self, File, OpenOptions},
    io::{self, Read, Write as _},
    os::unix::fs::OpenOptionsExt as _,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
};

use crate::keeper;

/// At this size the file becomes `postgres.log.1`, so the two never take more than twice as much.
const FILE_BYTES_MAX: u64 = 4 * 1024 * 1024;
const LINE_BYTES_MAX: u64 = 8 * 1024;
const TAIL_LINES_MAX: usize = 12;

/// The last lines.
#[derive(Clone, Default)]
pub(super) struct Tail(Arc<Mutex<VecDeque<String>>>);

impl Tail {
    /// The last lines, as one text.
    pub(super) fn text(&self) -> String {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().cloned().collect::<Vec<_>>().join("\n")
    }

    fn push(&self, line: &[u8]) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(String::from_utf8_lossy(line).trim_end().to_owned());
        while lines.len() > TAIL_LINES_MAX {
            lines.pop_front();
        }
    }
}

/// Copies until the server and all its children have ended. A log that cannot be written is
/// reported once and then only drained: a full disk must not stop the server.
pub(super) fn copy(source: impl Read, path: &Path, tail: &Tail) {
    let mut target = Target::new(path);
    let mut reported = false;
    let read = keeper::each_line(source, LINE_BYTES_MAX, |line| {
        tail.push(line);
        if let Err(error) = target.write(line)
            && !reported
        {
            reported = true;
            tracing::warn!(%error, path = %path.display(), "the log of Postgres cannot be written");
        }
    });
    if let Err(error) = read {
        tracing::warn!(%error, "the log of Postgres cannot be read any more");
    }
}

struct Target {
    path: PathBuf,
    file: Option<File>,
    written_bytes: u64,
}

impl Target {
    fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), file: None, written_bytes: 0 }
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.written_bytes > FILE_BYTES_MAX {
            self.file = None;
            fs::rename(&self.path, self.path.with_extension("log.1"))?;
        }
        if self.file.is_none() {
            let file = OpenOptions::new().create(true).append(true).mode(0o600).open(&self.path)?;
            self.written_bytes = file.metadata()?.len();
            self.file = Some(file);
        }
        if let Some(file) = &mut self.file {
            file.write_all(line)?;
            self.written_bytes += line.len() as u64;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_is_bounded_and_ends_with_the_last_line() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("postgres.log");
        let line = format!("{}\n", "x".repeat(999));
        let source = line.repeat(20_000) + "the end\n";
        let tail = Tail::default();
        copy(source.as_bytes(), &path, &tail);
        let size = |path: &Path| fs::metadata(path).unwrap().len();
        let total = size(&path) + size(&path.with_extension("log.1"));
        assert!(total <= 2 * (FILE_BYTES_MAX + 2_000), "{total}");
        assert!(fs::read_to_string(&path).unwrap().ends_with("the end\n"));
        assert!(tail.text().ends_with("the end"));
        assert_eq!(tail.text().lines().count(), TAIL_LINES_MAX);
    }
}
