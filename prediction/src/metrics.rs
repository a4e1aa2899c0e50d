//! Errors and calibration of forecasts.

use crate::{
    Step,
    constants::{INTERVAL_LEVELS, QUANTILE_LEVELS},
    numbers::real,
};

/// Steps by how many lengths were known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Known {
    /// None; reported alone, never part of [`Known::Any`].
    Nothing,
    /// One.
    One,
    /// Two.
    Two,
    /// Three to five.
    ThreeToFive,
    /// Six or more.
    SixOrMore,
    /// One or more.
    Any,
}

/// Errors and calibration of some forecasts, in days or as shares from 0 to 1.
#[derive(Clone, Copy, PartialEq)]
pub struct Summary {
    /// How many forecasts.
    pub count: usize,
    /// Mean of |shown day − actual day|.
    pub mae_days: f64,
    /// Root of the mean of (mean − actual)².
    pub rmse_days: f64,
    /// Mean of mean − actual: positive if periods came earlier than said.
    pub bias_days: f64,
    /// Share of shown days within 1, 2 and 3 days of the actual one.
    pub within: [f64; 3],
    /// Mean continuous ranked probability score, see [`crps_days`]; for a rule |mean − actual|.
    pub crps_days: f64,
    /// None for rules, which state no ranges.
    pub ranges: Option<RangeSummary>,
}

/// How the central ranges of 50, 80 and 95 % did, in real-valued days.
#[derive(Clone, Copy, PartialEq)]
pub struct RangeSummary {
    /// Share of actual days inside.
    pub coverage: [f64; 3],
    /// Mean width, in days.
    pub width_days: [f64; 3],
}

impl Known {
    /// All groups, in order; [`Known::Any`] last.
    pub const ALL: [Self; 6] =
        [Self::Nothing, Self::One, Self::Two, Self::ThreeToFive, Self::SixOrMore, Self::Any];

    /// Whether forecasts from so many lengths belong to the group.
    pub fn contains(self, n_known: u32) -> bool {
        match self {
            Self::Nothing => n_known == 0,
            Self::One => n_known == 1,
            Self::Two => n_known == 2,
            Self::ThreeToFive => (3..=5).contains(&n_known),
            Self::SixOrMore => n_known >= 6,
            Self::Any => n_known >= 1,
        }
    }

    /// The name, for tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Nothing => "n=0",
            Self::One => "n=1",
            Self::Two => "n=2",
            Self::ThreeToFive => "n=3-5",
            Self::SixOrMore => "n>=6",
            Self::Any => "all n>=1",
        }
    }
}

/// Summarises forecasts; none without any. Ranges are summarised if every one states them.
pub fn summary<'a>(steps: impl IntoIterator<Item = &'a Step>) -> Option<Summary> {
    let steps: Vec<&Step> = steps.into_iter().collect();
    if steps.is_empty() {
        return None;
    }
    let mean = |value: &dyn Fn(&Step) -> f64| {
        steps.iter().map(|step| value(step)).sum::<f64>() / real(steps.len())
    };
    let miss = |step: &Step| step.said.mean_days - f64::from(step.actual_days);
    let shown_off = |step: &Step| step.error_days().unsigned_abs();
    Some(Summary {
        count: steps.len(),
        mae_days: mean(&|step| f64::from(u32::try_from(shown_off(step)).unwrap_or(u32::MAX))),
        rmse_days: mean(&|step| miss(step).powi(2)).sqrt(),
        bias_days: mean(&miss),
        within: [1, 2, 3].map(|days| mean(&|step| share(shown_off(step) <= days))),
        crps_days: mean(&|step| match &step.said.quantiles_days {
            Some(quantiles) => crps_days(quantiles, f64::from(step.actual_days)),
            None => miss(step).abs(),
        }),
        ranges: range_summary(&steps),
    })
}

fn range_summary(steps: &[&Step]) -> Option<RangeSummary> {
    let mut ranges = RangeSummary { coverage: [0.0; 3], width_days: [0.0; 3] };
    for step in steps {
        let quantiles = step.said.quantiles_days?;
        let actual = f64::from(step.actual_days);
        for level in 0..INTERVAL_LEVELS.len() {
            let (first, last) = (quantiles[2 - level], quantiles[4 + level]);
            ranges.coverage[level] += share(first <= actual && actual <= last);
            ranges.width_days[level] += last - first;
        }
    }
    let count = real(steps.len());
    Some(RangeSummary {
        coverage: ranges.coverage.map(|sum| sum / count),
        width_days: ranges.width_days.map(|sum| sum / count),
    })
}

/// The continuous ranked probability score of a forecast, in days: twice the integral over τ of
/// the pinball loss of the piecewise linear quantile function through the quantiles at
/// [`QUANTILE_LEVELS`], its ends continued linearly to τ = 0 and 1. Gneiting and Raftery, J Am Stat
/// Assoc 2007;102:359–78.
pub fn crps_days(quantiles_days: &[f64; 7], actual_days: f64) -> f64 {
    let mut levels = [0.0; 9];
    let mut values = [0.0; 9];
    levels[1..8].copy_from_slice(&QUANTILE_LEVELS);
    values[1..8].copy_from_slice(quantiles_days);
    levels[8] = 1.0;
    values[0] = continued((levels[2], values[2]), (levels[1], values[1]), 0.0);
    values[8] = continued((levels[6], values[6]), (levels[7], values[7]), 1.0);
    let piece = |place: usize| {
        let (from, to) = (levels[place], levels[place + 1]);
        pinball_integral((from, values[place]), (to, values[place + 1]), actual_days)
    };
    (0..8).map(piece).sum()
}

/// The line through two points, at `level`.
fn continued((x0, y0): (f64, f64), (x1, y1): (f64, f64), level: f64) -> f64 {
    y1 + (y1 - y0) / (x1 - x0) * (level - x1)
}

/// 2 ∫ (1{y ≤ q(τ)} − τ)(q(τ) − y) dτ over one linear piece of q.
fn pinball_integral(from: (f64, f64), to: (f64, f64), actual: f64) -> f64 {
    let ((start, low), (end, high)) = (from, to);
    let slope = (high - low) / (end - start);
    let offset = low - slope * start - actual;
    let integral = |first: f64, last: f64, over: f64| {
        let at = |tau: f64| {
            let (square, cube) = (tau * tau, tau * tau * tau);
            over * (offset * tau + slope * square / 2.0)
                - (offset * square / 2.0 + slope * cube / 3.0)
        };
        at(last) - at(first)
    };
    if actual <= low {
        2.0 * integral(start, end, 1.0)
    } else if actual >= high {
        2.0 * integral(start, end, 0.0)
    } else {
        let crossing = start + (end - start) * (actual - low) / (high - low);
        2.0 * (integral(start, crossing, 0.0) + integral(crossing, end, 1.0))
    }
}

/// 1 for what holds, else 0: its mean is a share.
fn share(holds: bool) -> f64 {
    f64::from(u8::from(holds))
}
