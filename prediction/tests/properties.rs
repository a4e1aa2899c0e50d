//! What holds for every history.
#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use chrono::{Days, NaiveDate};
use lunation_prediction::{
    DateRange, History, LoggedCycle, Prediction, Regularity, predict, predict_at, statistics,
};
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

/// The rule in floating point, as the earlier system computed it: `int(mean)`, else 28.
fn mean_or_28(lengths: &[u32]) -> Days {
    let count = f64::from(u32::try_from(lengths.len()).unwrap());
    let mean = lengths.iter().copied().map(f64::from).sum::<f64>() / count;
    let whole = if lengths.is_empty() { 28.0 } else { mean.floor() };
    Days::new(format!("{whole}").parse().unwrap())
}

/// What a rearrangement of earlier cycles must not move: all dates relative to the last start.
fn relative(history: &History) -> (Prediction, Vec<i64>) {
    let last = history.cycles().last().unwrap().start;
    let prediction = predict(history).unwrap();
    let mut days = vec![(prediction.predicted_start - last).num_days()];
    let ends = |range: DateRange| [(range.start - last).num_days(), (range.end - last).num_days()];
    days.extend(prediction.intervals.iter().flat_map(|interval| ends(interval.range)));
    days.extend(ends(prediction.ovulation_range));
    days.extend(ends(prediction.fertile_window));
    (prediction, days)
}

proptest! {
    #[test]
    fn ranges_are_ordered_nested_and_after_the_last_start(drawn in drawn()) {
        let history = history(&drawn);
        let last = history.cycles().last().unwrap().start;
        let prediction = predict(&history).unwrap();
        let mut inner = DateRange { start: prediction.predicted_start, end: prediction.predicted_start };
        let mut level = 0.0;
        for interval in prediction.intervals {
            prop_assert!(interval.level > level && interval.level < 1.0);
            prop_assert!(interval.range.start > last);
            prop_assert!(interval.range.start <= inner.start && inner.end <= interval.range.end);
            (inner, level) = (interval.range, interval.level);
        }
        prop_assert!(prediction.confidence > 0.0 && prediction.confidence < 1.0);
        let period = (prediction.predicted_end - prediction.predicted_start).num_days() + 1;
        prop_assert!((1..=31).contains(&period));
    }

    #[test]
    fn ovulation_lies_in_this_cycle_and_in_its_ranges(drawn in drawn()) {
        let history = history(&drawn);
        let last = history.cycles().last().unwrap().start;
        let prediction = predict(&history).unwrap();
        prop_assert!(prediction.ovulation_range.contains(prediction.ovulation));
        prop_assert!(prediction.ovulation_range.start >= last);
        prop_assert!(prediction.ovulation < prediction.predicted_start);
        let window = prediction.fertile_window;
        prop_assert!(window.start >= last && window.end == prediction.ovulation);
        let days = (window.end - window.start).num_days() + 1;
        let room = (prediction.predicted_start - last).num_days() >= 19;
        let shortest = if room { 6 } else { 1 };
        prop_assert!((shortest..=6).contains(&days));
    }

    #[test]
    fn the_date_is_the_rule(drawn in drawn()) {
        let history = history(&drawn);
        let last = history.cycles().last().unwrap().start;
        let lengths: Vec<u32> = drawn[..drawn.len() - 1].iter().map(|cycle| cycle.0).collect();
        let used = &lengths[lengths.len().saturating_sub(6)..];
        let prediction = predict(&history).unwrap();
        let expected = mean_or_28(used);
        prop_assert_eq!(prediction.predicted_start, last + expected);
        prop_assert_eq!(usize::try_from(prediction.based_on_cycles).unwrap(), used.len());
    }

    #[test]
    fn the_date_depends_on_the_last_seven_starts_only(drawn in drawn()) {
        let history = history(&drawn);
        let starts = history.cycles().iter().map(|cycle| LoggedCycle { end: None, ..*cycle });
        let starts: Vec<LoggedCycle> = starts.collect();
        let newest = History::new(starts[starts.len().saturating_sub(7)..].to_vec()).unwrap();
        let (all, seven) = (predict(&history).unwrap(), predict(&newest).unwrap());
        prop_assert_eq!(all.predicted_start, seven.predicted_start);
        prop_assert!(all.intervals == seven.intervals && all.ovulation == seven.ovulation);
        prop_assert!(all.ovulation_range == seven.ovulation_range);
    }

    #[test]
    fn the_order_of_the_lengths_used_is_irrelevant(
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
        // Equal sums put the last start of both on the same day: all of it must be equal.
        prop_assert!(relative(&first) == relative(&second));
        let (first, second) = (statistics(&first), statistics(&second));
        prop_assert_eq!(first.cycle_variance_days2, second.cycle_variance_days2);
        prop_assert_eq!(first.average_cycle_length_days, second.average_cycle_length_days);
        prop_assert_eq!(first.regularity, second.regularity);
    }

    #[test]
    fn a_shift_in_time_shifts_everything(drawn in drawn(), days in 0u64..40_000) {
        let original = history(&drawn);
        let later = original.cycles().iter().map(|cycle| LoggedCycle {
            start: cycle.start + Days::new(days),
            end: cycle.end.map(|end| end + Days::new(days)),
        });
        let later = History::new(later.collect()).unwrap();
        prop_assert_eq!(relative(&original).1, relative(&later).1);
        prop_assert!(statistics(&original) == statistics(&later));
    }

    #[test]
    fn an_anchor_sees_nothing_after_it(drawn in drawn(), pick in any::<prop::sample::Index>()) {
        let whole = history(&drawn);
        let anchor = pick.index(whole.len());
        let prefix = History::new(whole.cycles()[..=anchor].to_vec()).unwrap();
        prop_assert!(predict_at(&whole, anchor) == predict(&prefix));
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
        if let Some(prediction) = predict(&history) {
            prop_assert!(Some(&prediction.predicted_start) > starts.last());
        }
    }

    #[test]
    fn neither_do_dates_at_the_ends_of_the_calendar(back in 0u64..80, length in 1u64..70) {
        let newest = NaiveDate::MAX - Days::new(back);
        let starts = [newest - Days::new(length), newest];
        let cycles = starts.map(|start| LoggedCycle { start, end: None });
        let prediction = predict(&History::new(cycles.to_vec()).unwrap());
        // One length: the widest range ends 8 days after the date, the period 4 days after it.
        prop_assert_eq!(prediction.is_some(), length + 8 <= back);
        let oldest = NaiveDate::MIN + Days::new(back);
        let cycle = LoggedCycle { start: oldest, end: None };
        prop_assert!(predict(&History::new(vec![cycle]).unwrap()).is_some());
    }
}
