//! Each forecast in a line of its own, for other evaluators.

use std::{
    collections::BTreeMap,
    fs::File,
    io::{BufWriter, Write as _},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use prediction::{Step, constants::QUANTILE_LEVELS};
use serde::Serialize;

use super::case::Case;

/// Days less probable than this are left out: the file would be mostly them.
const PROBABILITY_MIN: f64 = 1e-9;

/// The file.
pub(super) struct Predictions {
    path: PathBuf,
    file: BufWriter<File>,
}

#[derive(Serialize)]
struct Line<'a> {
    client: &'a str,
    n_known: u32,
    predicted_mean_days: f64,
    predicted_date_days: u32,
    quantiles: BTreeMap<String, f64>,
    pmf: BTreeMap<u32, f64>,
    actual_days: u32,
}

impl Predictions {
    pub(super) fn create(path: &Path) -> Result<Self> {
        let file = File::create(path).with_context(|| cannot_be_written(path))?;
        Ok(Self { path: path.to_owned(), file: BufWriter::new(file) })
    }

    pub(super) fn add(&mut self, case: &Case, steps: &[Step]) -> Result<()> {
        let name = case.name();
        for step in steps {
            let line = serde_json::to_string(&line(&name, step))?;
            writeln!(self.file, "{line}").with_context(|| cannot_be_written(&self.path))?;
        }
        Ok(())
    }

    pub(super) fn finish(mut self) -> Result<()> {
        self.file.flush().with_context(|| cannot_be_written(&self.path))
    }
}

fn line<'a>(client: &'a str, step: &Step) -> Line<'a> {
    let Step { n_known, said, actual_days } = step;
    let quantiles = said.quantiles_days.iter().flat_map(|days| QUANTILE_LEVELS.iter().zip(days));
    let days = said.table.iter().flat_map(prediction::Table::probabilities);
    Line {
        client,
        n_known: *n_known,
        predicted_mean_days: said.mean_days,
        predicted_date_days: said.date_days,
        quantiles: quantiles.map(|(level, days)| (level.to_string(), *days)).collect(),
        pmf: days.filter(|(_, probability)| *probability >= PROBABILITY_MIN).collect(),
        actual_days: *actual_days,
    }
}

fn cannot_be_written(path: &Path) -> String {
    format!("{} cannot be written", path.display())
}
