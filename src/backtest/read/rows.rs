//! CSV: a row for each cycle.

use std::{fs::File, path::Path};

use anyhow::{Result, anyhow};
use chrono::NaiveDate;
use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};
use prediction::{History, Length};

use super::{Age, Place, Reader, Take, logged, logs, unreadable};
use crate::backtest::case::{Case, Log};

/// Ovulations count if they are so many days before the next start: others are slips, or no
/// ovulations. The constants of the model were fitted to these.
const LUTEAL_DAYS: std::ops::RangeInclusive<u32> = 5..=25;

/// Where the columns are.
struct Columns {
    client: usize,
    what: What,
    number: Option<usize>,
    age: Option<usize>,
    ovulation: Option<(usize, usize)>,
}

#[derive(Clone, Copy)]
enum What {
    Length(usize),
    Start(usize),
}

/// The rows of one person so far.
struct Person {
    log: Log,
    starts: Vec<NaiveDate>,
    last_number: Option<u32>,
}

pub(super) fn each(path: &Path, file: File, reader: &mut Reader, take: Take<'_>) -> Result<()> {
    let mut rows = ReaderBuilder::new().trim(Trim::All).from_reader(file);
    let head = rows.headers().map_err(|error| refused(path, &error))?.clone();
    let columns = Columns::of(&head).map_err(|what| Place { path, line: 1 }.error(what))?;
    let mut row = StringRecord::new();
    let mut person: Option<Person> = None;
    while rows.read_record(&mut row).map_err(|error| refused(path, &error))? {
        let line = row.position().map_or(0, csv::Position::line);
        let place = Place { path, line };
        let client = row.get(columns.client).filter(|client| !client.is_empty());
        let client = client.ok_or_else(|| place.error("a row needs a client"))?;
        if person.as_ref().is_none_or(|person| person.log.client != client) {
            if let Some(done) = person.take() {
                done.hand_over(path, take)?;
            }
            reader.begin(client, place)?;
        }
        let person = match &mut person {
            Some(person) => person,
            none => none.insert(Person::new(client, columns.age(&row, place)?)),
        };
        person.add(&columns, &row, place)?;
    }
    person.map_or(Ok(()), |person| person.hand_over(path, take))
}

impl Columns {
    fn of(head: &StringRecord) -> Result<Self, &'static str> {
        let column = |name: &str| head.iter().position(|cell| cell == name);
        let length = column("cycle_length_days").map(What::Length);
        let what = length.or_else(|| column("start_date").map(What::Start));
        Ok(Self {
            client: column("client")
                .ok_or("there is no column `client`; cells are separated by commas")?,
            what: what.ok_or("there is neither a column `cycle_length_days` nor `start_date`")?,
            number: column("cycle_number"),
            age: column("age"),
            ovulation: column("ovulation_day").zip(column("luteal_length_days")),
        })
    }

    fn age(&self, row: &StringRecord, place: Place<'_>) -> Result<Option<f64>> {
        let text = self.age.and_then(|column| row.get(column)).filter(|text| !text.is_empty());
        text.map(|text| place.age_years(text.parse().ok())).transpose()
    }

    /// How many days after the start ovulation was. Rows that contradict themselves say nothing.
    fn ovulation(&self, row: &StringRecord, length_days: u32) -> Option<u32> {
        let (ovulation, luteal) = self.ovulation?;
        let number = |column: usize| row.get(column)?.parse::<u32>().ok();
        let (cycle_day, luteal_days) = (number(ovulation)?, number(luteal)?);
        let consistent = cycle_day.checked_add(luteal_days) == Some(length_days);
        (consistent && LUTEAL_DAYS.contains(&luteal_days)).then(|| cycle_day.checked_sub(1))?
    }
}

impl Person {
    fn new(client: &str, age_years: Option<f64>) -> Self {
        let log = Log {
            client: client.to_owned(),
            part: 1,
            age_years,
            lengths: Vec::new(),
            ovulations: Vec::new(),
            left_out: 0,
        };
        Self { log, starts: Vec::new(), last_number: None }
    }

    fn add(&mut self, columns: &Columns, row: &StringRecord, place: Place<'_>) -> Result<()> {
        place.one_more(self.log.lengths.len().max(self.starts.len()))?;
        if let Some(column) = columns.number {
            let number = row.get(column).and_then(|text| text.parse::<u32>().ok());
            let number =
                number.ok_or_else(|| place.error("a cycle_number must be a whole number"))?;
            if self.last_number.is_some_and(|last| last >= number) {
                return Err(place.error("out of the order of time: the cycle_number must rise"));
            }
            self.last_number = Some(number);
        }
        match columns.what {
            What::Length(column) => {
                let days = row.get(column).and_then(|text| text.parse().ok());
                let days = place.length_days(days)?;
                self.log.lengths.push(Length::new(days));
                self.log.ovulations.push(columns.ovulation(row, days));
            }
            What::Start(column) => {
                let start = row.get(column).and_then(|text| text.parse::<NaiveDate>().ok());
                let start =
                    start.ok_or_else(|| place.error("a start_date must be a date, YYYY-MM-DD"))?;
                if self.starts.last().is_some_and(|last| *last >= start) {
                    return Err(place.error("out of the order of time: the start_date must rise"));
                }
                self.starts.push(start);
            }
        }
        Ok(())
    }

    fn hand_over(self, path: &Path, take: Take<'_>) -> Result<()> {
        let Self { log, starts, last_number: _ } = self;
        if starts.is_empty() {
            return take(Case::Log(log));
        }
        // Each start was compared with the one before it.
        let history = History::new(logged(&starts)).map_err(|_| unordered(path))?;
        let age = Age::Years(log.age_years);
        logs(&log.client, age, &history, &[], &[]).into_iter().map(Case::Log).try_for_each(take)
    }
}

fn unordered(path: &Path) -> anyhow::Error {
    anyhow!("{}: starts out of the order of time", path.display())
}

/// What the format itself refuses. The library's messages may hold what is in the file.
fn refused(path: &Path, error: &csv::Error) -> anyhow::Error {
    let line = error.position().map_or(1, csv::Position::line);
    let place = Place { path, line };
    match error.kind() {
        ErrorKind::Io(error) => unreadable(path, error),
        ErrorKind::Utf8 { .. } => place.error("not UTF-8"),
        ErrorKind::UnequalLengths { .. } => place.error("not as many cells as the first row"),
        _ => place.error("not CSV"),
    }
}
