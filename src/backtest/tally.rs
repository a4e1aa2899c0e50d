//! Summaries of people, put together without keeping what they were made of.

use prediction::metrics::{RangeSummary, Summary};

/// Sums from which the summary of everybody comes.
#[derive(Clone, Copy, Default)]
pub(super) struct Tally {
    count: usize,
    absolute: f64,
    squared: f64,
    bias: f64,
    within: [f64; 3],
    crps: f64,
    coverage: [f64; 3],
    width: [f64; 3],
    /// How many of the forecasts stated ranges.
    with_ranges: usize,
}

impl Tally {
    /// Adds one person's.
    pub(super) fn add(&mut self, one: &Summary) {
        let weight = real(one.count);
        self.count += one.count;
        self.absolute += weight * one.mae_days;
        self.squared += weight * one.rmse_days.powi(2);
        self.bias += weight * one.bias_days;
        add_each(&mut self.within, one.within, weight);
        self.crps += weight * one.crps_days;
        if let Some(ranges) = &one.ranges {
            add_each(&mut self.coverage, ranges.coverage, weight);
            add_each(&mut self.width, ranges.width_days, weight);
            self.with_ranges += one.count;
        }
    }

    /// The summary of all; none of nobody.
    pub(super) fn summary(&self) -> Option<Summary> {
        let count = real(self.count);
        let ranges = RangeSummary {
            coverage: self.coverage.map(|sum| sum / count),
            width_days: self.width.map(|sum| sum / count),
        };
        (self.count > 0).then(|| Summary {
            count: self.count,
            mae_days: self.absolute / count,
            rmse_days: (self.squared / count).sqrt(),
            bias_days: self.bias / count,
            within: self.within.map(|sum| sum / count),
            crps_days: self.crps / count,
            ranges: (self.with_ranges == self.count).then_some(ranges),
        })
    }
}

fn add_each(sums: &mut [f64; 3], means: [f64; 3], weight: f64) {
    for (sum, mean) in sums.iter_mut().zip(means) {
        *sum += weight * mean;
    }
}

/// A count as a real number.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(super) fn real(count: usize) -> f64 {
    count as f64
}
