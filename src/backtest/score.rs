//! Everything that is counted.

use prediction::{
    Method, Step,
    constants::CONFIDENCE_WITHIN_DAYS,
    metrics::{Known, Summary, summary},
};

use super::{case::Case, fertile::Fertile, gaps::Gaps, tally::Tally};

/// Levels of central ranges at which what was stated is compared with what came.
pub(super) const LEVELS: [f64; 10] = [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95];

/// Fewer forecasts are not summarised: they would be one person's single cycles, and say nothing
/// about a method.
pub(super) const FORECASTS_MIN: usize = 3;

/// How good all forecasts were.
#[derive(Default)]
pub(super) struct Score {
    pub(super) people: u32,
    last_client: Option<String>,
    /// Forecasts by each method.
    pub(super) forecasts: u64,
    pub(super) left_out: u32,
    /// By [`Method::ALL`], then by [`Known::ALL`].
    tallies: [[Tally; Known::ALL.len()]; Method::ALL.len()],
    pub(super) stated: Stated,
    pub(super) gaps: Gaps,
    pub(super) fertile: Fertile,
}

/// What the model stated and what came, over forecasts from one or more lengths.
#[derive(Default)]
pub(super) struct Stated {
    pub(super) forecasts: u32,
    inside: [u32; LEVELS.len()],
    confidence: f64,
}

impl Score {
    /// Counts a case; gives the forecasts of the model.
    pub(super) fn add(&mut self, case: &Case) -> Vec<Step> {
        // Cases of a person follow one another.
        if self.last_client.as_deref() != Some(case.client()) {
            self.last_client = Some(case.client().to_owned());
            self.people += 1;
        }
        self.gaps.add(case);
        if let Case::Log(log) = case {
            self.left_out += log.left_out;
            self.fertile.add(log);
        }
        for (method, tallies) in Method::ALL.into_iter().zip(&mut self.tallies).skip(1) {
            count(&case.steps(method), tallies);
        }
        let steps = case.steps(Method::Model);
        self.forecasts += steps.len() as u64;
        count(&steps, &mut self.tallies[0]);
        for step in &steps {
            self.stated.add(step);
        }
        steps
    }

    /// The summary of a method's forecasts from so many known lengths, if there were enough.
    pub(super) fn summary(&self, method: Method, known: Known) -> Option<Summary> {
        let row = Method::ALL.iter().position(|it| *it == method)?;
        let column = Known::ALL.iter().position(|it| *it == known)?;
        let summary = self.tallies.get(row)?.get(column)?.summary();
        summary.filter(|summary| summary.count >= FORECASTS_MIN)
    }
}

impl Stated {
    /// Each level with the share of starts inside its range.
    pub(super) fn shares(&self) -> impl Iterator<Item = (f64, f64)> {
        let count = f64::from(self.forecasts.max(1));
        LEVELS.into_iter().zip(self.inside.map(|inside| f64::from(inside) / count))
    }

    /// The mean of the stated probabilities to be within two days of the shown one.
    pub(super) fn confidence(&self) -> f64 {
        self.confidence / f64::from(self.forecasts.max(1))
    }

    fn add(&mut self, step: &Step) {
        let Some(table) = step.said.table.as_ref().filter(|_| Known::Any.contains(step.n_known))
        else {
            return;
        };
        self.forecasts += 1;
        self.confidence += table.probability_within(CONFIDENCE_WITHIN_DAYS);
        let actual = f64::from(step.actual_days);
        for (level, inside) in LEVELS.into_iter().zip(&mut self.inside) {
            let (first, last) = table.interval_days(level);
            *inside += u32::from(first <= actual && actual <= last);
        }
    }
}

/// Counts one person's forecasts by how much was known.
fn count(steps: &[Step], tallies: &mut [Tally; Known::ALL.len()]) {
    for (known, tally) in Known::ALL.into_iter().zip(tallies) {
        if let Some(one) = summary(steps.iter().filter(|step| known.contains(step.n_known))) {
            tally.add(&one);
        }
    }
}
