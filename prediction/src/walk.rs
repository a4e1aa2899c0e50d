//! Forecasts made strictly in time order: what the record of a person and the backtest count.

use crate::{
    Ahead, Length, Table, Window,
    constants::{METHOD, QUANTILE_LEVELS},
    numbers::{day_of, days, real},
};

/// How many of the newest lengths the rules of six take at most.
const RULE_LENGTHS_MAX: usize = 6;
/// What the rules say while no length is known, in days.
const RULE_LENGTH_DEFAULT_DAYS: f64 = 28.0;

/// A way to forecast a cycle length.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// The model of this crate.
    Model,
    /// The earlier system's rule: the last six lengths' mean without its fraction, 28 days without
    /// any.
    EarlierRule,
    /// The mean of all lengths, 28 days without any.
    MeanOfAll,
    /// The median of the last six lengths, 28 days without any.
    MedianOfSix,
}

/// What was said about one length before it was known.
#[derive(Clone, PartialEq)]
pub struct Said {
    /// The mean, in days; for a rule, its value.
    pub mean_days: f64,
    /// The day that was shown.
    pub date_days: u32,
    /// At [`QUANTILE_LEVELS`], in real-valued days; none for a rule, which says a date only.
    pub quantiles_days: Option<[f64; 7]>,
    /// The distribution; none for a rule.
    pub table: Option<Table>,
}

/// A forecast and what came of it.
#[derive(Clone, PartialEq)]
pub struct Step {
    /// How many lengths the sequence had before.
    pub n_known: u32,
    /// What was said.
    pub said: Said,
    /// The length that came, in days.
    pub actual_days: u32,
}

impl Method {
    /// All of them, the model first.
    pub const ALL: [Self; 4] = [Self::Model, Self::EarlierRule, Self::MeanOfAll, Self::MedianOfSix];

    /// The name, for tables and files; of the model with the version of its constants.
    pub fn name(self) -> &'static str {
        match self {
            Self::Model => METHOD,
            Self::EarlierRule => "average_cycle_length",
            Self::MeanOfAll => "mean_of_all",
            Self::MedianOfSix => "median_of_six",
        }
    }
}

/// Replays a sequence of lengths, oldest first: each is forecast from the ones before it alone, and
/// learned afterwards. Lengths that the person says hide a start are learned and not counted: they
/// are no length of one cycle. Unusable ones are counted, and the model does not learn them.
pub fn walk_forward(method: Method, age_years: Option<f64>, lengths: &[Length]) -> Vec<Step> {
    let mut window = Window::new(age_years);
    let mut steps = Vec::with_capacity(lengths.len());
    for (position, length) in lengths.iter().enumerate() {
        if !length.answer.is_some_and(crate::CyclesInGap::hides_a_start) {
            let said = match method {
                Method::Model => Said::from_table(window.state().table(Ahead::Next)),
                rule => Said::by_rule(rule, &lengths[..position]),
            };
            steps.push(Step { n_known: days(position), said, actual_days: length.days });
        }
        if method == Method::Model {
            // What the model cannot use it does not learn; the window is unchanged then.
            let _unusable = window.push(*length);
        }
    }
    steps
}

impl Said {
    /// What the table says.
    pub fn from_table(table: Table) -> Self {
        Self {
            mean_days: table.mean_days(),
            date_days: table.date_days(),
            quantiles_days: Some(QUANTILE_LEVELS.map(|level| table.quantile_days(level))),
            table: Some(table),
        }
    }

    /// What a rule says; the model's own method says the mean.
    fn by_rule(rule: Method, known: &[Length]) -> Self {
        let newest = &known[known.len().saturating_sub(RULE_LENGTHS_MAX)..];
        let value = match rule {
            Method::EarlierRule => mean(newest).map(f64::floor),
            Method::MedianOfSix => median(newest),
            Method::MeanOfAll | Method::Model => mean(known),
        };
        let mean_days = value.unwrap_or(RULE_LENGTH_DEFAULT_DAYS);
        Self { mean_days, date_days: day_of(mean_days), quantiles_days: None, table: None }
    }
}

impl Step {
    /// Shown minus actual, in days: positive if the period came earlier than said.
    pub fn error_days(&self) -> i64 {
        i64::from(self.said.date_days) - i64::from(self.actual_days)
    }
}

fn mean(lengths: &[Length]) -> Option<f64> {
    let sum: f64 = lengths.iter().map(|length| f64::from(length.days)).sum();
    (!lengths.is_empty()).then(|| sum / real(lengths.len()))
}

fn median(lengths: &[Length]) -> Option<f64> {
    let mut sorted: Vec<u32> = lengths.iter().map(|length| length.days).collect();
    sorted.sort_unstable();
    let upper = f64::from(*sorted.get(sorted.len() / 2)?);
    let lower = f64::from(*sorted.get((sorted.len() - 1) / 2)?);
    Some(0.5 * (lower + upper))
}
