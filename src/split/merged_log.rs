//! The log lines of all processes in one stream, each with the name of its process.

use std::{
    io::{self, Read, Write},
    sync::{Arc, Mutex, PoisonError},
};

use crate::keeper;

/// The longest line that is passed on whole, in bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Where all lines go. Clones write to the same place, a line at a time.
#[derive(Clone)]
pub(super) struct MergedLog {
    target: Arc<Mutex<dyn Write + Send>>,
    label_width: usize,
}

impl MergedLog {
    /// Lines go to a target; labels are padded to the longest of them.
    pub(super) fn new(target: impl Write + Send + 'static, label_width: usize) -> Self {
        Self { target: Arc::new(Mutex::new(target)), label_width }
    }

    /// Copies every line of a process until it has ended. A target that is gone ends nobody: the
    /// lines are read all the same, or the process would stand still.
    pub(super) fn copy(&self, label: &str, source: impl Read) {
        let read = keeper::each_line(source, LINE_BYTES_MAX, |line| {
            let labelled = labelled(label, self.label_width, line);
            let mut target = self.target.lock().unwrap_or_else(PoisonError::into_inner);
            let _gone: io::Result<()> = target.write_all(&labelled);
        });
        if let Err(error) = read {
            tracing::warn!(process = label, %error, "a log cannot be read any more");
        }
    }
}

/// A JSON line gets a member, any other line a prefix.
fn labelled(label: &str, width: usize, line: &[u8]) -> Vec<u8> {
    let (start, rest) = line.strip_prefix(b"{").map_or_else(
        || (format!("{label:width$} | "), line),
        |members| (format!("{{\"process\":\"{label}\","), members),
    );
    let mut text = start.into_bytes();
    text.extend_from_slice(rest);
    if !text.ends_with(b"\n") {
        text.push(b'\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_carry_the_name_of_their_process() {
        let kept = Kept::default();
        let log = MergedLog::new(kept.clone(), 5);
        log.copy("api", &b"plain\n{\"level\":\"INFO\"}\nunfinished"[..]);
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let expected =
            "api   | plain\n{\"process\":\"api\",\"level\":\"INFO\"}\napi   | unfinished\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn lines_of_several_processes_stay_whole() {
        let kept = Kept::default();
        let log = MergedLog::new(kept.clone(), 1);
        let lines = |letter: &str| (letter.repeat(200) + "\n").repeat(200);
        std::thread::scope(|threads| {
            for letter in ["a", "b", "c"] {
                let log = log.clone();
                threads.spawn(move || log.copy(letter, lines(letter).as_bytes()));
            }
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 600);
        for line in text.lines() {
            let (label, rest) = line.split_once(" | ").unwrap();
            assert_eq!(rest, label.repeat(200));
        }
    }
}
