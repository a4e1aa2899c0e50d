//! How long before the next start ovulation is, for one woman.

use std::sync::LazyLock;

use crate::{
    Table,
    constants::{
        LUTEAL_BETWEEN_DAYS, LUTEAL_DEVIATION_DAYS, LUTEAL_MAX_DAYS, LUTEAL_MEAN_DAYS,
        LUTEAL_MIN_DAYS, LUTEAL_REFERENCE_LENGTH_DAYS, LUTEAL_SLOPE, LUTEAL_WITHIN_DAYS,
        OVULATORY_LENGTH_MAX_DAYS, OVULATORY_LENGTH_MIN_DAYS,
    },
    normal,
    numbers::{day_of, index, real},
};

/// Values of D that are reckoned with.
const SHARES: usize = 13;
/// So many standard deviations around the mean are in the table of a next start.
const DEVIATIONS: f64 = 10.0;
/// Luteal phases that the constants were fitted to, as next start minus ovulation, in days.
const PLAUSIBLE_DAYS: std::ops::RangeInclusive<u32> = 6..=26;

/// [`Luteal::shares`] of somebody of whom no ovulation is known, from the shortest ovulatory length
/// on: most forecasts are made with it, and half of their time would go into it.
static USUAL_SHARES: LazyLock<Vec<[f64; SHARES]>> = LazyLock::new(|| {
    let usual = Luteal::from_past(&[]);
    (OVULATORY_LENGTH_MIN_DAYS..=OVULATORY_LENGTH_MAX_DAYS)
        .map(|length| usual.computed_shares(length))
        .collect()
});

/// An ovulation of a cycle that is over.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct PastOvulation {
    before_next_start_days: u32,
    cycle_length_days: u32,
}

impl PastOvulation {
    /// Ovulation `day` days after the start (0 is the first day of bleeding) of a cycle of so many
    /// days; none unless it is 6 to 26 days before the next start, which the constants were fitted to.
    pub fn new(day: u32, cycle_length_days: u32) -> Option<Self> {
        let before_next_start_days = cycle_length_days.checked_sub(day)?;
        let plausible = PLAUSIBLE_DAYS.contains(&before_next_start_days);
        plausible.then_some(Self { before_next_start_days, cycle_length_days })
    }
}

/// The distribution of D = next start − ovulation for one woman, in days: normal, its mean
/// 14.16 + 0.147 (L − 29) + her own excess.
#[derive(Clone, Copy, PartialEq)]
pub struct Luteal {
    /// Days by which her D exceeds what the cycle length lets expect.
    excess: f64,
    /// Her mean whatever the length: for a cycle whose length is not known yet.
    mean: f64,
    /// Of D in a cycle of known length.
    deviation: f64,
    /// Of D in a cycle whose length is not known yet.
    open_deviation: f64,
    /// Whether none of her ovulations is known.
    is_usual: bool,
}

impl Luteal {
    /// What is known of a woman with these past ovulations, in any order: with j of them the excess
    /// is Σ(D − E[D|L])/(j + λ) and the deviation 1.50 √(1 + 1/(j + λ)), λ = (1.50/1.19)². Without
    /// any, the excess is 0 and the deviation 1.84. The normal-normal model of Gelman and others,
    /// "Bayesian Data Analysis" (3rd ed., 2013), section 2.5.
    pub fn from_past(past: &[PastOvulation]) -> Self {
        let prior_weight = (LUTEAL_WITHIN_DAYS / LUTEAL_BETWEEN_DAYS).powi(2);
        let weight = real(past.len()) + prior_weight;
        // Whole numbers are summed, so that their order makes no difference.
        let before: u64 = past.iter().map(|one| u64::from(one.before_next_start_days)).sum();
        let lengths: u64 = past.iter().map(|one| u64::from(one.cycle_length_days)).sum();
        let (before, lengths) = (whole(before), whole(lengths));
        let from_reference = lengths - LUTEAL_REFERENCE_LENGTH_DAYS * real(past.len());
        let expected = LUTEAL_MEAN_DAYS * real(past.len()) + LUTEAL_SLOPE * from_reference;
        let shrunk_deviation = LUTEAL_WITHIN_DAYS * (1.0 + 1.0 / weight).sqrt();
        Self {
            excess: (before - expected) / weight,
            mean: (before + prior_weight * LUTEAL_MEAN_DAYS) / weight,
            deviation: if past.is_empty() { LUTEAL_DEVIATION_DAYS } else { shrunk_deviation },
            open_deviation: shrunk_deviation,
            is_usual: past.is_empty(),
        }
    }

    /// P(D = 8), …, P(D = 20) in a cycle of so many days; they add up to 1. The mean is kept within
    /// 8 to 20, or all of them could round to 0.
    pub(super) fn shares(&self, length_days: u32) -> [f64; SHARES] {
        let place = length_days.checked_sub(OVULATORY_LENGTH_MIN_DAYS).filter(|_| self.is_usual);
        let usual = place.and_then(|place| USUAL_SHARES.get(index(place)));
        usual.copied().unwrap_or_else(|| self.computed_shares(length_days))
    }

    fn computed_shares(&self, length_days: u32) -> [f64; SHARES] {
        let from_reference = f64::from(length_days) - LUTEAL_REFERENCE_LENGTH_DAYS;
        let mean = (LUTEAL_MEAN_DAYS + self.excess + LUTEAL_SLOPE * from_reference)
            .clamp(f64::from(LUTEAL_MIN_DAYS), f64::from(LUTEAL_MAX_DAYS));
        let tail = |edge: f64| normal::upper_tail((edge - mean) / self.deviation);
        let mut shares = [0.0; SHARES];
        let mut edge = f64::from(LUTEAL_MIN_DAYS) - 0.5;
        let mut before = tail(edge);
        for share in &mut shares {
            edge += 1.0;
            let after = tail(edge);
            *share = before - after;
            before = after;
        }
        let total: f64 = shares.iter().sum();
        shares.map(|share| share / total)
    }

    /// The next start when ovulation was on `day` (0 is the first day of bleeding) of this cycle:
    /// normal around `day` + (ΣD + λ · 14.16)/(j + λ) with deviation 1.50 √(1 + 1/(j + λ)). Replaces
    /// the calendar's table: on the development half the mean error is 1.1 days against 1.8.
    pub fn next_start_after(&self, day: u32) -> Table {
        let deviation = self.open_deviation;
        let mean = f64::from(day) + self.mean;
        let first = day_of(mean - DEVIATIONS * deviation).max(day.saturating_add(1));
        let last = day_of(mean + DEVIATIONS * deviation).max(first);
        let tail = |end: u32| normal::upper_tail((f64::from(end) + 0.5 - mean) / deviation);
        Table::from_tails(first, (first..=last).map(tail))
    }
}

const _: () = assert!(LUTEAL_MAX_DAYS - LUTEAL_MIN_DAYS + 1 == 13 && SHARES == 13);

#[expect(clippy::cast_precision_loss, reason = "sums of days are far below 2^52")]
fn whole(days: u64) -> f64 {
    days as f64
}
