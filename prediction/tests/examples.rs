//! Worked examples with hand-computed numbers.
#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use chrono::{Days, NaiveDate};
use lunation_prediction::{
    History, HistoryError, Length, LoggedCycle, Method, Regularity, statistics, walk_forward,
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

fn walk_through() -> History {
    History::new(vec![
        cycle("2024-11-15", Some("2024-11-20")),
        cycle("2024-12-13", Some("2024-12-18")),
        cycle("2025-01-10", Some("2025-01-15")),
    ])
    .unwrap()
}

#[test]
fn nothing_logged_has_no_regularity() {
    assert_eq!(statistics(&History::default()).regularity, Regularity::Unknown);
}

#[test]
fn a_variance_on_a_bound_belongs_to_the_wider_class() {
    // 0 + 0 + 3 squared over 3, less the squared mean offset of 1, is 2; 9 + 1 + 1 + 9 over 4 is 5.
    let exactly_two = statistics(&with_lengths(&[28, 28, 31]));
    assert_eq!(exactly_two.cycle_variance_days2, Some(2.0));
    assert_eq!(exactly_two.regularity, Regularity::Regular);
    let exactly_five = statistics(&with_lengths(&[26, 28, 30, 32]));
    assert_eq!(exactly_five.cycle_variance_days2, Some(5.0));
    assert_eq!(exactly_five.regularity, Regularity::Irregular);
}

#[test]
fn absurd_dates_neither_panic_nor_overflow() {
    let cycles = |starts: &[NaiveDate]| {
        let cycles = starts.iter().map(|start| LoggedCycle { start: *start, end: Some(*start) });
        History::new(cycles.collect()).unwrap()
    };
    let span = statistics(&cycles(&[NaiveDate::MIN, NaiveDate::MAX]));
    let days = (NaiveDate::MAX - NaiveDate::MIN).num_days();
    assert_eq!(span.cycles[0].cycle_length_days.map(i64::from), Some(days));
    let whole_period = LoggedCycle { start: NaiveDate::MIN, end: Some(NaiveDate::MAX) };
    assert_eq!(whole_period.period_length_days().map(i64::from), Some(days + 1));
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
    let shown = format!("{history:?} {:?} {:?}", history.cycles(), statistics(&history));
    assert!(!shown.contains(|c: char| c.is_ascii_digit()), "{shown}");
}

#[test]
fn the_rules_say_what_they_always_said() {
    let said = |method, lengths: &[u32]| {
        let mut lengths: Vec<Length> = lengths.iter().map(|days| Length::new(*days)).collect();
        lengths.push(Length::new(28));
        let newest = walk_forward(method, None, &lengths).pop().unwrap();
        (newest.said.mean_days, newest.said.date_days)
    };
    let rules = [Method::EarlierRule, Method::MeanOfAll, Method::MedianOfSix];
    assert_eq!(rules.map(|rule| said(rule, &[])), [(28.0, 28); 3]);
    // The earlier rule: the mean of six without its fraction.
    assert_eq!(said(Method::EarlierRule, &[28, 29]), (28.0, 28));
    assert_eq!(said(Method::EarlierRule, &[28, 29, 29, 29, 29, 29]), (28.0, 28));
    assert_eq!(said(Method::EarlierRule, &[400, 30, 30, 30, 30, 30, 30]), (30.0, 30));
    assert_eq!(said(Method::MeanOfAll, &[28, 29]), (28.5, 29));
    assert_eq!(said(Method::MedianOfSix, &[400, 20, 30, 30, 31, 31, 90]), (30.5, 31));
}
