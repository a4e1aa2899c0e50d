//! What holds for the statistics of every history.
#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use chrono::{Days, NaiveDate};
use lunation_prediction::{History, LoggedCycle, Regularity, statistics};
use proptest::prelude::*;

/// A cycle as drawn: days to the next start, and days from start to end of bleeding if logged.
type Drawn = (u32, Option<u32>);

/// Mostly plausible lengths, sometimes absurd ones.
fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let length = prop_oneof![8 => 15u32..60, 1 => 1u32..15, 1 => 60u32..30_000];
    prop::collection::vec((length, prop::option::of(0u32..40)), 1..24)
}

/// Lays drawn cycles on the calendar, the first starting in 2001; the last length is not used.
fn history(drawn: &[Drawn]) -> History {
    let mut start = NaiveDate::from_ymd_opt(2001, 2, 3).unwrap();
    let mut cycles = Vec::new();
    for (length, period) in drawn {
        cycles.push(LoggedCycle { start, end: period.map(|days| start + Days::new(days.into())) });
        start = start + Days::new((*length).into());
    }
    History::new(cycles).unwrap()
}

proptest! {
    #[test]
    fn the_order_of_the_lengths_is_irrelevant(
        (ordered, shuffled) in prop::collection::vec(1u32..90, 0..=6).prop_flat_map(|lengths| {
            (Just(lengths.clone()), Just(lengths).prop_shuffle())
        }),
    ) {
        let build = |lengths: &[u32]| {
            let mut drawn: Vec<Drawn> = lengths.iter().map(|length| (*length, None)).collect();
            drawn.push((1, None));
            history(&drawn)
        };
        let (first, second) = (build(&ordered), build(&shuffled));
        let (first, second) = (statistics(&first), statistics(&second));
        prop_assert_eq!(first.cycle_variance_days2, second.cycle_variance_days2);
        prop_assert_eq!(first.average_cycle_length_days, second.average_cycle_length_days);
        prop_assert_eq!(first.regularity, second.regularity);
    }

    #[test]
    fn a_shift_in_time_changes_nothing(drawn in drawn(), days in 0u64..40_000) {
        let original = history(&drawn);
        let later = original.cycles().iter().map(|cycle| LoggedCycle {
            start: cycle.start + Days::new(days),
            end: cycle.end.map(|end| end + Days::new(days)),
        });
        let later = History::new(later.collect()).unwrap();
        prop_assert!(statistics(&original) == statistics(&later));
    }

    #[test]
    fn appending_changes_the_newest_row_only(drawn in drawn(), appended in (1u32..900, 0u32..9)) {
        let before = statistics(&history(&drawn));
        let mut longer = drawn.clone();
        longer.push((appended.0, Some(appended.1)));
        let after = statistics(&history(&longer));
        let untouched = before.cycles.len() - 1;
        prop_assert!(before.cycles[..untouched] == after.cycles[..untouched]);
        prop_assert!(before.cycles[untouched].cycle_length_days.is_none());
        prop_assert!(after.cycles[untouched].cycle_length_days.is_some());
        prop_assert_eq!(after.cycles.len(), after.total_cycles);
    }

    /// The oracle takes the textbook two-pass formulas in floating point.
    #[test]
    fn statistics_agree_with_the_textbook(drawn in drawn()) {
        let statistics = statistics(&history(&drawn));
        let mut lengths = Vec::new();
        for (row, (length, period)) in statistics.cycles.iter().zip(&drawn) {
            let known = row.cycle_length_days.is_some();
            prop_assert_eq!(known, lengths.len() + 1 < drawn.len());
            if known {
                lengths.push(f64::from(*length));
            }
            let count = f64::from(u32::try_from(lengths.len()).unwrap());
            let mean = lengths.iter().sum::<f64>() / count;
            let variance = lengths.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / count;
            prop_assert_eq!(row.average_cycle_length_days.is_some(), count > 0.0);
            if let (Some(m), Some(v)) = (row.average_cycle_length_days, row.cycle_variance_days2) {
                prop_assert!((m - mean).abs() <= 1e-9 * mean);
                prop_assert!((v - variance).abs() <= 1e-6 * variance.max(1.0));
            }
            prop_assert_eq!(row.period_length_days.map(i64::from), period.map(|days| i64::from(days) + 1));
        }
        prop_assert_eq!(statistics.regularity == Regularity::Unknown, lengths.len() < 2);
    }

    #[test]
    fn no_valid_history_panics(days in prop::collection::btree_set(-95_746_000i32..=95_746_000, 0..40)) {
        let date = |day: &i32| NaiveDate::from_num_days_from_ce_opt(*day);
        let starts: Vec<NaiveDate> = days.iter().filter_map(date).collect();
        let cycles = starts.iter().map(|start| LoggedCycle { start: *start, end: Some(NaiveDate::MAX) });
        let history = History::new(cycles.collect()).unwrap();
        prop_assert_eq!(statistics(&history).cycles.len(), starts.len());
    }
}
