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

use std::{fs, io::Write, path::Path};

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
    nothing_is_overwritten(arguments)?;
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

/// What is read is not written, and two results are two files.
fn nothing_is_overwritten(arguments: &BacktestArgs) -> Result<()> {
    let BacktestArgs { files, svg, predictions_jsonl } = arguments;
    let results = [svg, predictions_jsonl].into_iter().flatten();
    if let Some(twice) = results.clone().find(|result| files.iter().any(|it| is_same(it, result))) {
        bail!("{}: is read, so it cannot be written too", twice.display());
    }
    if let (Some(one), Some(other)) = (svg, predictions_jsonl)
        && is_same(one, other)
    {
        bail!("{}: two results cannot be written to one file", one.display());
    }
    Ok(())
}

fn is_same(one: &Path, other: &Path) -> bool {
    one == other
        || fs::canonicalize(one)
            .ok()
            .is_some_and(|it| fs::canonicalize(other).is_ok_and(|other| it == other))
}
