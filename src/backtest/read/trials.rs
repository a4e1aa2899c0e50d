//! JSON lines: forecasts whose truth is known.

use std::{fs::File, io::BufRead as _, path::Path};

use anyhow::Result;
use prediction::Length;
use serde::Deserialize;

use super::{Place, Reader, Take, text, unreadable};
use crate::backtest::case::{Case, Trial};

#[derive(Deserialize)]
struct Line {
    client: String,
    n_known: usize,
    age: Option<f64>,
    history: Vec<u32>,
    true_cycles_in_each: Vec<u32>,
    actual_days: u32,
}

pub(super) fn each(path: &Path, file: File, reader: &mut Reader, take: Take<'_>) -> Result<()> {
    let mut file = text(file).map_err(|error| unreadable(path, &error))?;
    let mut text = Vec::new();
    let mut client = None;
    for line in 1.. {
        text.clear();
        let read = file.read_until(b'\n', &mut text);
        if read.map_err(|error| unreadable(path, &error))? == 0 {
            break;
        }
        if text.trim_ascii().is_empty() {
            continue;
        }
        let place = Place { path, line };
        // The library's messages may hold what is in the file.
        let parsed = serde_json::from_slice(&text);
        let parsed: Line = parsed.map_err(|error| {
            place.error(format_args!("column {}: not a forecast", error.column()))
        })?;
        let trial = trial(parsed, place)?;
        if client.as_ref() != Some(&trial.client) {
            reader.begin(&trial.client, place)?;
            client = Some(trial.client.clone());
        }
        take(Case::Trial(trial))?;
    }
    Ok(())
}

fn trial(line: Line, place: Place<'_>) -> Result<Trial> {
    let Line { client, n_known, age, history, true_cycles_in_each, actual_days } = line;
    if history.len() != n_known || true_cycles_in_each.len() != n_known {
        let what = "`history` and `true_cycles_in_each` must have n_known values";
        return Err(place.error(what));
    }
    place.one_more(n_known)?;
    let length = |days: u32| Ok(Length::new(place.length_days(Some(days))?));
    Ok(Trial {
        client,
        age_years: age.map(|years| place.age_years(Some(years))).transpose()?,
        known: history.into_iter().map(length).collect::<Result<_>>()?,
        newest_hides_a_start: true_cycles_in_each.last().map(|cycles| *cycles > 1),
        actual: length(actual_days)?,
    })
}
