//! Reading files, one person at a time. What they say is never repeated in a message.

mod export;
mod rows;
mod trials;

use std::{
    collections::HashSet,
    fmt,
    fs::File,
    io::{self, BufRead as _, BufReader},
    path::Path,
};

use anyhow::{Context as _, Error, Result, anyhow, bail};
use chrono::NaiveDate;
use prediction::{CycleNote, Episode, History, LoggedCycle, Use, age_years, segments};

use super::case::{Case, Log};

/// The longest length that a file may state, in days. Longer ones are slips of the keyboard.
const LENGTH_DAYS_MAX: u32 = 3_650;
/// Most cycles of one person: they are kept until the last is read. A life has 500; a file in which
/// one has more has something else in its column `client`.
const CYCLES_MAX: usize = 5_000;
/// The oldest age, in years.
const AGE_YEARS_MAX: f64 = 130.0;

/// Reads files, and knows whom it has seen.
#[derive(Default)]
pub(super) struct Reader {
    clients: HashSet<String>,
    files: u32,
}

/// What takes the cases, one after another.
type Take<'a> = &'a mut dyn FnMut(Case) -> Result<()>;

impl Reader {
    /// Hands over each case of a file, in order.
    ///
    /// # Errors
    ///
    /// The file cannot be read or says something impossible: the message names the line.
    pub(super) fn each(&mut self, path: &Path, take: Take<'_>) -> Result<()> {
        let open = || File::open(path).with_context(|| format!("{}", path.display()));
        self.files += 1;
        let file = self.files;
        let end = path.extension().and_then(|end| end.to_str()).map(str::to_ascii_lowercase);
        match end.as_deref() {
            Some("csv") => rows::each(path, open()?, self, take),
            Some("json") => export::each(path, open()?, file, take),
            Some("jsonl") => trials::each(path, open()?, self, take),
            _ => bail!("{}: the name must end in .csv, .json or .jsonl", path.display()),
        }
    }

    /// Notes that somebody's lines begin. Those of one client must stand together: a second part
    /// would be forecast as if nothing were known, and be counted as another person.
    fn begin(&mut self, client: &str, place: Place<'_>) -> Result<()> {
        if !self.clients.insert(client.to_owned()) {
            return Err(place.error("a client again whose lines stand further up"));
        }
        Ok(())
    }
}

/// A line of a file.
#[derive(Clone, Copy)]
struct Place<'a> {
    path: &'a Path,
    line: u64,
}

impl Place<'_> {
    fn error(self, what: impl fmt::Display) -> Error {
        anyhow!("{}:{}: {what}", self.path.display(), self.line)
    }

    /// One more cycle of somebody who has so many.
    fn one_more(self, count: usize) -> Result<()> {
        if count < CYCLES_MAX {
            return Ok(());
        }
        Err(self.error(format_args!("more than {CYCLES_MAX} cycles of one client")))
    }

    /// A length, from 1 to 3650 days.
    fn length_days(self, days: Option<u32>) -> Result<u32> {
        let known = days.filter(|days| (1..=LENGTH_DAYS_MAX).contains(days));
        known.ok_or_else(|| {
            self.error(format_args!(
                "a cycle length must be a whole number of days, 1 to {LENGTH_DAYS_MAX}"
            ))
        })
    }

    /// An age, from 0 to 130 years.
    fn age_years(self, years: Option<f64>) -> Result<f64> {
        let known = years.filter(|years| (0.0..=AGE_YEARS_MAX).contains(years));
        known.ok_or_else(|| {
            self.error(format_args!("an age must be a number of years, 0 to {AGE_YEARS_MAX}"))
        })
    }
}

/// When somebody was how old.
#[derive(Clone, Copy)]
enum Age {
    /// In years at the first cycle, if it is known.
    Years(Option<f64>),
    Born(Option<NaiveDate>),
}

/// The logs of somebody whose starts are known: one, and another after each episode. Which lengths
/// count is decided as in the product.
fn logs(
    client: &str,
    age: Age,
    history: &History,
    notes: &[CycleNote],
    episodes: &[Episode],
) -> Vec<Log> {
    let mut logs: Vec<Log> = Vec::new();
    let mut segment = None;
    for (cycle, segmented) in history.cycles().iter().zip(segments(history, notes, episodes)) {
        if segment != Some(segmented.segment_start) {
            segment = Some(segmented.segment_start);
            logs.push(Log {
                client: client.to_owned(),
                part: u32::try_from(logs.len() + 1).unwrap_or(u32::MAX),
                age_years: match age {
                    Age::Years(years) => years,
                    Age::Born(date) => age_years(date, cycle.start),
                },
                lengths: Vec::new(),
                ovulations: Vec::new(),
                left_out: 0,
            });
        }
        let Some(log) = logs.last_mut() else { continue };
        match segmented.usage {
            Use::Learned(length) => log.lengths.push(length),
            Use::Open => {}
            _ => log.left_out += 1,
        }
    }
    logs
}

/// A file of text, from after the mark that some editors begin one with.
fn text(file: File) -> io::Result<BufReader<File>> {
    const MARK: &[u8] = "\u{feff}".as_bytes();
    let mut text = BufReader::new(file);
    if text.fill_buf()?.starts_with(MARK) {
        text.consume(MARK.len());
    }
    Ok(text)
}

/// That a file cannot be read. The system's messages may hold more than their kind.
fn unreadable(path: &Path, error: &io::Error) -> Error {
    anyhow!("{}: {}", path.display(), error.kind())
}

/// Starts without ends, which no length needs.
fn logged(starts: &[NaiveDate]) -> Vec<LoggedCycle> {
    starts.iter().map(|start| LoggedCycle { start: *start, end: None }).collect()
}
