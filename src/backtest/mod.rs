//! `lunation backtest`: replays the predictor over what came, and says how good it was.
//!
//! People are read one after another, counted and forgotten: what stays are sums, and the names
//! of those who were seen. What is printed is about all of them together.

mod case;
mod chart;
mod fertile;
mod gaps;
mod predictions;
mod read;
mod report;
mod score;
mod tally;

#[cfg(test)]
mod tests;

use std::{fs, io::Write};

use anyhow::{Context as _, Result, bail};

use self::{predictions::Predictions, read::Reader, score::Score};
use crate::cli::BacktestArgs;

/// Replays the files and prints how good the forecasts were.
///
/// # Errors
///
/// A file cannot be read or says something impossible; then nothing is printed. Or a result cannot
/// be written.
pub(crate) fn run(arguments: &BacktestArgs, out: &mut impl Write) -> Result<()> {
    let mut predictions =
        arguments.predictions_jsonl.as_deref().map(Predictions::create).transpose()?;
    let mut score = Score::default();
    let mut reader = Reader::default();
    for path in &arguments.files {
        reader.each(path, &mut |case| {
            let steps = score.add(&case);
            if let Some(predictions) = &mut predictions {
                predictions.add(&case, &steps)?;
            }
            Ok(())
        })?;
    }
    if let Some(predictions) = predictions {
        predictions.finish()?;
    }
    if score.forecasts == 0 {
        bail!("there is nothing to forecast: nobody has two starts one after the other");
    }
    if let Some(path) = &arguments.svg {
        let drawn = chart::svg(&score);
        fs::write(path, drawn).with_context(|| format!("{} cannot be written", path.display()))?;
    }
    report::print(&score, out)
}
