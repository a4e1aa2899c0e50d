//! The state file: who is finished, one number a line.

use std::{
    collections::BTreeSet,
    fs::{self, File},
    io::{self, Write as _},
    path::Path,
    sync::{Mutex, PoisonError},
};

use anyhow::{Context as _, Result, bail};

use crate::cli::DemoArgs;

/// Who is finished, and where that is kept.
pub(super) struct Finished {
    known: BTreeSet<u32>,
    file: Option<Mutex<File>>,
}

impl Finished {
    /// Reads the file, if one is named, and opens it for more. It belongs to one instance and one
    /// seed: its first line says which.
    pub(super) fn open(path: Option<&Path>, arguments: &DemoArgs) -> Result<Self> {
        let Some(path) = path else { return Ok(Self { known: BTreeSet::new(), file: None }) };
        let shown = path.display();
        let head = format!("lunation demo, seed {}, {}", arguments.seed, arguments.base_url);
        let text = match fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
            Err(error) => return Err(error).with_context(|| format!("{shown} cannot be read")),
        };
        // A last line that was cut short does not count: that person is simply asked for again.
        let mut lines = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n'));
        let first = lines.next();
        if first.is_some_and(|line| line != head) {
            bail!("{shown} belongs to another run (\"{}\")", first.unwrap_or_default());
        }
        let known = lines.filter_map(|line| line.parse().ok()).collect();
        let file = File::options().create(true).append(true).open(path);
        let mut file = file.with_context(|| format!("{shown} cannot be written"))?;
        if first.is_none() {
            writeln!(file, "{head}")?;
        }
        Ok(Self { known, file: Some(Mutex::new(file)) })
    }

    pub(super) fn contains(&self, index: u32) -> bool {
        self.known.contains(&index)
    }

    pub(super) fn add(&self, index: u32) -> Result<()> {
        let Some(file) = &self.file else { return Ok(()) };
        let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(file, "{index}").context("the state file cannot be written")
    }
}
