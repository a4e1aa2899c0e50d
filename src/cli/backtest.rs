//! `lunation backtest`.

use std::path::PathBuf;

use clap::Args;

/// What its files are.
pub(super) const FILES: &str = "\
Files, by the end of their name; several are read as one set of people:
  .csv    client, cycle_length_days [, cycle_number, age, ovulation_day, luteal_length_days]
          or client, start_date [, age]. The rows of a client stand together, in the order of time;
          columns of other names are ignored. Age is in years at the first cycle.
  .json   one person: what GET /api/users/export answers; then age, episodes, excluded cycles and
          answers about gaps count as in the product. Or what GET /api/cycles/cycles?limit=100 answers.
  .jsonl  forecasts, one a line: {\"client\", \"n_known\", \"age\", \"history\", \"true_cycles_in_each\",
          \"actual_days\"}: lengths that hide starts which were not logged, and how many.

Examples:
  lunation backtest development.csv --svg backtest.svg
  lunation backtest development.csv --predictions-jsonl predictions.jsonl";

/// What to replay.
#[derive(Debug, Args)]
pub(crate) struct BacktestArgs {
    /// Logs in the past, see below.
    #[arg(value_name = "FILE", required = true)]
    pub(crate) files: Vec<PathBuf>,
    /// Draw error and calibration.
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// Write each forecast of the model and what came of it, one JSON object a line. Unlike what
    /// is printed, this is about single cycles.
    #[arg(long, value_name = "FILE")]
    pub(crate) predictions_jsonl: Option<PathBuf>,
}
