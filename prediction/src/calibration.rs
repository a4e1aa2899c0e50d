//! How far the rule was off on real cycles: the constants behind probabilities and ranges.
//!
//! Residual = observed start minus predicted start, in days. Everything here was counted on the
//! development half of the Fehring/Marquette study (83 women, 860 cycles); the README has the
//! derivation, its command and the counts.

use crate::sums::LengthSums;

/// Offsets from a predicted date in days, first and last, both inclusive.
#[derive(Clone, Copy)]
pub(crate) struct Offsets(pub(crate) i32, pub(crate) i32);

/// How the rule did on one class of histories.
pub(crate) struct Calibration {
    /// Share of starts within 2 days of the predicted one.
    pub(crate) within_two_days: f64,
    /// Quantiles of the residual: 25–75 %, 10–90 %, 2.5–97.5 %. Ordered and nested.
    pub(crate) start: [(f64, Offsets); 3],
    /// 10 % and 90 % quantile of observed ovulation minus (predicted start minus 14 days).
    pub(crate) ovulation: Offsets,
}

/// The class of a history by the lengths that its prediction uses: the population variance
/// bounds, 2 and 5 days squared, are the earlier system's.
pub(crate) fn of(lengths: &LengthSums) -> &'static Calibration {
    match lengths.count() {
        0 => &NO_LENGTH,
        1 => &ONE_LENGTH,
        _ if lengths.variance_is_under(2) => &VARIANCE_UNDER_2,
        _ if lengths.variance_is_under(5) => &VARIANCE_UNDER_5,
        _ => &VARIANCE_FROM_5,
    }
}

/// 83 residuals, 75 ovulations; the 0.95 range is pooled (README).
static NO_LENGTH: Calibration = Calibration {
    within_two_days: 0.58,
    start: [(0.5, Offsets(-1, 4)), (0.8, Offsets(-2, 7)), (0.95, Offsets(-4, 11))],
    ovulation: Offsets(-3, 8),
};

/// 77 residuals, 67 ovulations; the 0.95 range is pooled (README).
static ONE_LENGTH: Calibration = Calibration {
    within_two_days: 0.60,
    start: [(0.5, Offsets(-3, 2)), (0.8, Offsets(-5, 5)), (0.95, Offsets(-8, 8))],
    ovulation: Offsets(-5, 4),
};

/// 299 residuals, 276 ovulations.
static VARIANCE_UNDER_2: Calibration = Calibration {
    within_two_days: 0.79,
    start: [(0.5, Offsets(-1, 2)), (0.8, Offsets(-2, 3)), (0.95, Offsets(-4, 6))],
    ovulation: Offsets(-2, 3),
};

/// 190 residuals, 176 ovulations.
static VARIANCE_UNDER_5: Calibration = Calibration {
    within_two_days: 0.75,
    start: [(0.5, Offsets(-1, 2)), (0.8, Offsets(-2, 4)), (0.95, Offsets(-5, 6))],
    ovulation: Offsets(-3, 3),
};

/// 211 residuals, 180 ovulations.
static VARIANCE_FROM_5: Calibration = Calibration {
    within_two_days: 0.58,
    start: [(0.5, Offsets(-2, 2)), (0.8, Offsets(-4, 5)), (0.95, Offsets(-6, 11))],
    ovulation: Offsets(-4, 4),
};
