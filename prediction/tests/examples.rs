//! Worked examples with hand-computed dates.
#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use chrono::{Days, NaiveDate};
use lunation_prediction::{
    DateRange, History, HistoryError, LoggedCycle, METHOD, Prediction, Regularity, predict,
    predict_at, statistics,
};

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn cycle(start: &str, end: Option<&str>) -> LoggedCycle {
    LoggedCycle { start: day(start), end: end.map(day) }
}

/// A history from 2024-01-01 with these lengths; no period end is known.
fn with_lengths(lengths: &[u64]) -> History {
    let mut start = day("2024-01-01");
    let mut cycles = vec![LoggedCycle { start, end: None }];
    for length in lengths {
        start = start + Days::new(*length);
        cycles.push(LoggedCycle { start, end: None });
    }
    History::new(cycles).unwrap()
}

/// The predicted start as days after the last logged one.
fn predicted_length(lengths: &[u64]) -> i64 {
    let history = with_lengths(lengths);
    let last = history.cycles().last().unwrap().start;
    (predict(&history).unwrap().predicted_start - last).num_days()
}

/// First and last day, both inclusive, from a given date.
type Offsets = (i64, i64);

/// The ranges of the start as offsets from the predicted start.
fn offsets(prediction: &Prediction) -> Vec<Offsets> {
    let from = |date: NaiveDate| (date - prediction.predicted_start).num_days();
    prediction.intervals.iter().map(|i| (from(i.range.start), from(i.range.end))).collect()
}

fn percent(probability: f64) -> String {
    format!("{:.0}", probability * 100.0)
}

fn walk_through() -> History {
    History::new(vec![
        cycle("2024-11-15", Some("2024-11-20")),
        cycle("2024-12-13", Some("2024-12-18")),
        cycle("2025-01-10", Some("2025-01-15")),
    ])
    .unwrap()
}

#[test]
fn the_earlier_walk_through_is_predicted_to_the_day() {
    let prediction = predict(&walk_through()).unwrap();
    assert_eq!(prediction.predicted_start.to_string(), "2025-02-07");
    assert_eq!(prediction.predicted_end.to_string(), "2025-02-12");
    assert_eq!(prediction.method, METHOD);
    assert_eq!(prediction.based_on_cycles, 2);
    assert!((prediction.confidence - 0.79).abs() < 1e-12);
    assert_eq!(offsets(&prediction), [(-1, 2), (-2, 3), (-4, 6)]);
    assert_eq!(prediction.intervals.map(|i| percent(i.level)), ["50", "80", "95"]);
    assert_eq!(prediction.ovulation.to_string(), "2025-01-24");
    let range = |start, end| DateRange { start: day(start), end: day(end) };
    assert!(prediction.fertile_window == range("2025-01-19", "2025-01-24"));
    assert!(prediction.ovulation_range == range("2025-01-22", "2025-01-27"));
}

#[test]
fn nothing_logged_predicts_nothing() {
    assert!(predict(&History::default()).is_none());
    assert!(predict_at(&walk_through(), 3).is_none());
    assert_eq!(statistics(&History::default()).regularity, Regularity::Unknown);
}

#[test]
fn one_cycle_falls_back_on_defaults() {
    let prediction = predict(&History::new(vec![cycle("2025-01-10", None)]).unwrap()).unwrap();
    assert_eq!(prediction.predicted_start.to_string(), "2025-02-07");
    assert_eq!(prediction.predicted_end.to_string(), "2025-02-11");
    assert_eq!(prediction.based_on_cycles, 0);
    assert_eq!(offsets(&prediction), [(-1, 4), (-2, 7), (-4, 11)]);
}

#[test]
fn the_mean_loses_its_fraction_and_takes_six_lengths() {
    assert_eq!(predicted_length(&[28, 29]), 28);
    assert_eq!(predicted_length(&[28, 29, 29, 29, 29, 29]), 28);
    assert_eq!(predicted_length(&[400, 30, 30, 30, 30, 30, 30]), 30);
    assert_eq!(predict(&with_lengths(&[28; 9])).unwrap().based_on_cycles, 6);
}

#[test]
fn each_class_has_its_own_confidence() {
    // Population variances 1, 2.25, 4 and 6.25 days squared; the bounds are 2 and 5.
    let of = |lengths: &[u64]| percent(predict(&with_lengths(lengths)).unwrap().confidence);
    let classes: [&[u64]; 6] = [&[], &[28], &[28, 30], &[28, 31], &[26, 30], &[25, 30]];
    assert_eq!(classes.map(of), ["58", "60", "79", "75", "75", "58"]);
}

/// The table of the README, row by row; the default of 28 days leaves every range uncut.
#[test]
fn each_class_has_its_own_ranges() {
    let classes: [(&[u64], [Offsets; 4]); 5] = [
        (&[], [(-1, 4), (-2, 7), (-4, 11), (-3, 8)]),
        (&[28], [(-3, 2), (-5, 5), (-8, 8), (-5, 4)]),
        (&[28, 30], [(-1, 2), (-2, 3), (-4, 6), (-2, 3)]),
        (&[28, 31], [(-1, 2), (-2, 4), (-5, 6), (-3, 3)]),
        (&[25, 30], [(-2, 2), (-4, 5), (-6, 11), (-4, 4)]),
    ];
    for (lengths, expected) in classes {
        let prediction = predict(&with_lengths(lengths)).unwrap();
        let from = |date: NaiveDate| (date - prediction.ovulation).num_days();
        let range = prediction.ovulation_range;
        assert_eq!(offsets(&prediction), expected[..3], "{lengths:?}");
        assert_eq!((from(range.start), from(range.end)), expected[3], "{lengths:?}");
    }
}

#[test]
fn a_variance_on_a_bound_belongs_to_the_wider_class() {
    // 0 + 0 + 3 squared over 3, less the squared mean offset of 1, is 2; 9 + 1 + 1 + 9 over 4 is 5.
    assert_eq!(percent(predict(&with_lengths(&[28, 28, 31])).unwrap().confidence), "75");
    assert_eq!(percent(predict(&with_lengths(&[26, 28, 30, 32])).unwrap().confidence), "58");
    let exactly_two = statistics(&with_lengths(&[28, 28, 31]));
    assert_eq!(exactly_two.cycle_variance_days2, Some(2.0));
    assert_eq!(exactly_two.regularity, Regularity::Regular);
    let exactly_five = statistics(&with_lengths(&[26, 28, 30, 32]));
    assert_eq!(exactly_five.cycle_variance_days2, Some(5.0));
    assert_eq!(exactly_five.regularity, Regularity::Irregular);
}

#[test]
fn period_lengths_are_averaged_rounded_and_bounded() {
    let length = |ends: &[Option<&str>]| {
        let starts = ["2025-01-01", "2025-02-01", "2025-03-10"];
        let cycles = starts.iter().zip(ends).map(|(start, end)| cycle(start, *end));
        let prediction = predict(&History::new(cycles.collect()).unwrap()).unwrap();
        (prediction.predicted_end - prediction.predicted_start).num_days() + 1
    };
    assert_eq!(length(&[Some("2025-01-04"), Some("2025-02-05"), None]), 5); // 4.5
    assert_eq!(length(&[Some("2025-01-04"), Some("2025-02-04"), Some("2025-03-14")]), 4); // 4.33
    assert_eq!(length(&[Some("2025-01-01"), None, None]), 1);
    assert_eq!(length(&[None, None, Some("2027-03-10")]), 31);
}

#[test]
fn a_very_short_cycle_keeps_every_date_after_the_last_start() {
    let history = with_lengths(&[2, 2]);
    let last = history.cycles()[2].start;
    let prediction = predict(&history).unwrap();
    assert_eq!(offsets(&prediction), [(-1, 2), (-1, 3), (-1, 6)]);
    assert_eq!(prediction.ovulation, last);
    assert!(prediction.fertile_window == DateRange { start: last, end: last });
}

#[test]
fn absurd_dates_neither_panic_nor_overflow() {
    let cycles = |starts: &[NaiveDate]| {
        let cycles = starts.iter().map(|start| LoggedCycle { start: *start, end: Some(*start) });
        History::new(cycles.collect()).unwrap()
    };
    assert!(predict(&cycles(&[NaiveDate::MAX])).is_none());
    assert!(predict(&cycles(&[NaiveDate::MIN, NaiveDate::MAX])).is_none());
    assert!(predict(&cycles(&[NaiveDate::MIN])).is_some());
    let span = statistics(&cycles(&[NaiveDate::MIN, NaiveDate::MAX]));
    let days = (NaiveDate::MAX - NaiveDate::MIN).num_days();
    assert_eq!(span.cycles[0].cycle_length_days.map(i64::from), Some(days));
    let whole_period = LoggedCycle { start: NaiveDate::MIN, end: Some(NaiveDate::MAX) };
    assert_eq!(whole_period.period_length_days().map(i64::from), Some(days + 1));
    assert_eq!(predicted_length(&[900]), 900);
}

#[test]
fn statistics_of_the_walk_through() {
    let statistics = statistics(&walk_through());
    assert_eq!(statistics.total_cycles, 3);
    assert_eq!(statistics.average_cycle_length_days, Some(28.0));
    assert_eq!(statistics.average_period_length_days, Some(6.0));
    assert_eq!(statistics.regularity, Regularity::VeryRegular);
    let newest = statistics.cycles[2];
    assert_eq!((newest.cycle_length_days, newest.is_regular), (None, None));
    assert_eq!(newest.average_cycle_length_days, Some(28.0));
}

#[test]
fn statistics_round_means_to_a_tenth_and_nothing_else() {
    let statistics = statistics(&with_lengths(&[28, 28, 30]));
    assert_eq!(statistics.average_cycle_length_days, Some(28.7));
    assert_eq!(statistics.average_period_length_days, None);
    assert_eq!(statistics.cycles[2].average_cycle_length_days, Some(86.0 / 3.0));
    assert_eq!(statistics.cycle_variance_days2, Some(8.0 / 9.0));
}

#[test]
fn a_regular_cycle_is_normal_and_near_the_running_average() {
    let regular = |lengths: &[u64]| {
        let rows = statistics(&with_lengths(lengths)).cycles;
        rows.iter().map(|row| row.is_regular).collect::<Vec<_>>()
    };
    assert_eq!(regular(&[23, 24]), [Some(false), Some(true), None]);
    assert_eq!(regular(&[38, 39]), [Some(true), Some(false), None]);
    // Running averages 31 (7 from 24 and from 38 alike) and, after 24, 24, 38: 28.67, 9.33 away.
    assert_eq!(regular(&[24, 38]), [Some(true), Some(true), None]);
    assert_eq!(regular(&[24, 24, 38]), [Some(true), Some(true), Some(false), None]);
    assert_eq!(regular(&[]), [None]);
}

#[test]
fn what_is_no_history_is_refused_by_position() {
    let refused = |cycles| History::new(cycles).err();
    let twice = vec![cycle("2025-01-01", None), cycle("2025-01-01", None)];
    assert_eq!(refused(twice), Some(HistoryError::NotAscending { index: 1 }));
    let early = vec![cycle("2025-01-01", None), cycle("2025-02-01", Some("2025-01-31"))];
    assert_eq!(refused(early), Some(HistoryError::EndBeforeStart { index: 1 }));
}

#[test]
fn debug_and_errors_show_no_date() {
    let history = walk_through();
    let prediction = predict(&history).unwrap();
    let shown = format!(
        "{history:?} {prediction:?} {:?} {:?} {:?}",
        history.cycles(),
        statistics(&history),
        prediction.intervals
    );
    assert!(!shown.contains(|c: char| c.is_ascii_digit()), "{shown}");
}
