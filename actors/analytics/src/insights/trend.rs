//! Whether cycles become longer or shorter.
//!
//! The slope is the median of the slopes between all pairs of cycles (Theil 1950; Sen, J Am Stat
//! Assoc 1968;63:1379–89), which one odd cycle does not move. It is a trend if it is at least half a
//! day per cycle and the test of Mann (Econometrica 1945;13:245–59) and Kendall, with its correction
//! for ties, says that chance does as much less than once in 20 times.

use std::collections::BTreeMap;

use contracts::analytics::{Insight, InsightKind};

use super::insight;

/// The rule in a sentence.
const SOURCE: &str = "Theil–Sen slope of at least 0.5 days per cycle (Sen, J Am Stat Assoc \
    1968;63:1379–89) and the Mann–Kendall test at 5 % (Mann, Econometrica 1945;13:245–59)";
/// A trend shows in so many cycles.
const LENGTHS_MIN: usize = 6;
/// The newest cycles that count: about a year.
const NEWEST_MAX: usize = 12;
/// The least slope that is told, in days per cycle.
const SLOPE_MIN: f64 = 0.5;
/// The two-sided 5 % point of the normal distribution.
const SIGNIFICANT: f64 = 1.959_964;

/// What is said of the newest lengths, oldest first; nothing of fewer than six.
pub(super) fn trend(lengths_days: &[i32]) -> Option<Insight> {
    let newest = lengths_days.get(lengths_days.len().saturating_sub(NEWEST_MAX)..)?;
    if newest.len() < LENGTHS_MIN {
        return None;
    }
    let (slope, count) = (slope(newest), newest.len());
    let message = if slope.abs() >= SLOPE_MIN && is_significant(newest) {
        let direction = if slope > 0.0 { "longer" } else { "shorter" };
        format!(
            "Your last {count} cycles have become {direction}, by {:.1} days from one to the next.",
            slope.abs()
        )
    } else {
        format!("Your last {count} cycles show no trend to longer or shorter ones.")
    };
    Some(insight(InsightKind::Info, "trend", Some(SOURCE), message))
}

/// The median of the slopes between all pairs, in days per cycle.
fn slope(lengths_days: &[i32]) -> f64 {
    let mut slopes: Vec<f64> = pairs(lengths_days)
        .map(|(apart, difference)| f64::from(difference) / f64::from(apart))
        .collect();
    slopes.sort_by(f64::total_cmp);
    let middle = slopes.len() / 2;
    match slopes.get(middle.saturating_sub(1)..=middle) {
        Some([lower, upper]) if slopes.len().is_multiple_of(2) => 0.5 * (lower + upper),
        _ => slopes.get(middle).copied().unwrap_or_default(),
    }
}

/// |S| − 1 > 1.96 √Var(S): S is the number of pairs that rise minus those that fall, its variance
/// n(n−1)(2n+5)/18 less t(t−1)(2t+5)/18 for each t equal lengths.
fn is_significant(lengths_days: &[i32]) -> bool {
    let score: i32 = pairs(lengths_days).map(|(_, difference)| difference.signum()).sum();
    let term = |count: i32| count * (count - 1) * (2 * count + 5);
    let mut counts: BTreeMap<i32, i32> = BTreeMap::new();
    for days in lengths_days {
        *counts.entry(*days).or_default() += 1;
    }
    let all: i32 = counts.values().sum();
    let tied: i32 = counts.values().map(|count| term(*count)).sum();
    let deviation = (f64::from(term(all) - tied) / 18.0).sqrt();
    f64::from(score.abs() - 1) > SIGNIFICANT * deviation
}

/// How many cycles apart, and by how many days the later one is longer.
fn pairs(lengths_days: &[i32]) -> impl Iterator<Item = (i32, i32)> {
    lengths_days.iter().enumerate().flat_map(move |(place, earlier)| {
        let later = lengths_days.iter().skip(place + 1);
        (1..).zip(later.map(move |later| later - earlier))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(lengths_days: &[i32]) -> Option<String> {
        trend(lengths_days).map(|said| said.message)
    }

    #[test]
    fn a_trend_takes_six_cycles() {
        assert_eq!(message(&[20, 22, 24, 26, 28]), None);
        assert_eq!(
            message(&[20, 22, 24, 26, 28, 30]).unwrap(),
            "Your last 6 cycles have become longer, by 2.0 days from one to the next."
        );
        assert_eq!(
            message(&[40, 39, 37, 36, 35, 33]).unwrap(),
            "Your last 6 cycles have become shorter, by 1.3 days from one to the next."
        );
    }

    #[test]
    fn little_is_no_trend_and_neither_is_chance() {
        let none = |lengths: &[i32]| message(lengths).unwrap().contains("no trend");
        assert!(none(&[28; 6]));
        // Rises in each pair of cycles, but by less than half a day for each.
        assert!(none(&[28, 28, 28, 29, 29, 29, 30, 30, 30, 31, 31, 31]));
        // 0.6 days for each, but three pairs of 15 fall: |S| = 9.
        assert!(none(&[28, 27, 30, 29, 32, 31]));
        // One odd cycle among even ones.
        assert!(none(&[28, 28, 28, 28, 28, 60]));
    }

    #[test]
    fn the_newest_twelve_count() {
        let mut lengths = vec![60, 55, 50, 45, 40];
        lengths.extend([28; 12]);
        assert!(message(&lengths).unwrap().contains("Your last 12 cycles show no trend"));
    }

    #[test]
    fn the_slope_is_the_median_of_all() {
        assert!((slope(&[1, 2, 3]) - 1.0).abs() < 1e-12);
        // 0, 0, 0, 1/3, 1/2 and 1: the middle two are 0 and 1/3.
        assert!((slope(&[1, 2, 2, 2]) - 1.0 / 6.0).abs() < 1e-12);
        assert!(slope(&[5]).abs() < 1e-12 && slope(&[]).abs() < 1e-12);
    }

    proptest! {
        #[test]
        fn turned_round_it_is_the_opposite(
            lengths in proptest::collection::vec(15..=120_i32, 6..=20)
        ) {
            let mut turned: Vec<i32> = lengths.clone();
            turned.drain(..turned.len().saturating_sub(NEWEST_MAX));
            let newest = turned.clone();
            turned.reverse();
            prop_assert!((slope(&newest) + slope(&turned)).abs() < 1e-9);
            prop_assert_eq!(is_significant(&newest), is_significant(&turned));
            let said = |lengths: &[i32]| message(lengths).unwrap();
            let opposite = said(&turned).replace("longer", "SHORT").replace("shorter", "longer");
            let mirrored = opposite.replace("SHORT", "shorter");
            if !said(&newest).contains("no trend") {
                prop_assert_eq!(said(&newest), mirrored);
            }
        }
    }
}
