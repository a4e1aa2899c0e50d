//! The earlier system's rule: the mean of the last six lengths after the last start.

use chrono::{NaiveDate, TimeDelta};

use crate::{
    DateRange, History, Interval, LoggedCycle, Prediction,
    calibration::{self, Calibration, Offsets},
    history::days_between,
    sums::LengthSums,
};

/// The name of the rule, as in [`Prediction::method`].
pub const METHOD: &str = "average_cycle_length";
/// How many of the newest known lengths each mean takes at most.
pub const LENGTHS_USED_MAX: usize = 6;
/// The cycle length assumed while none is known, in days.
pub const CYCLE_LENGTH_DAYS_DEFAULT: i32 = 28;
/// The period length assumed while none is known, in days.
pub const PERIOD_LENGTH_DAYS_DEFAULT: i32 = 5;
/// The longest period that is predicted, in days; the shortest is one day.
pub const PERIOD_LENGTH_DAYS_MAX: i32 = 31;

/// Next start minus ovulation, in days. Measured mean 14.15, sd 1.91 (development half, README).
const OVULATION_BEFORE_START_DAYS: i32 = 14;
/// The fertile window is the day of ovulation and the five before it: Wilcox, Weinberg and Baird,
/// N Engl J Med 1995;333:1517–21; Wilcox, Dunson and Baird, BMJ 2000;321:1259–62.
const FERTILE_DAYS_BEFORE_OVULATION: i32 = 5;

/// Predicts the next period after the newest cycle.
///
/// None without a logged cycle, and when a date would pass [`NaiveDate::MAX`].
pub fn predict(history: &History) -> Option<Prediction> {
    predict_at(history, history.len().checked_sub(1)?)
}

/// Predicts the period after the cycle at `anchor` (from 0) as if no later cycle had been logged.
///
/// None if there is no such cycle, and when a date would pass [`NaiveDate::MAX`].
pub fn predict_at(history: &History, anchor: usize) -> Option<Prediction> {
    let known = history.cycles().get(..=anchor)?;
    let last_start = known.last()?.start;
    let lengths = last_cycle_lengths(known);
    let length_days = lengths.mean_floor().unwrap_or(CYCLE_LENGTH_DAYS_DEFAULT);
    let predicted_start = shifted(last_start, length_days)?;
    let calibration = calibration::of(&lengths);
    let intervals = start_intervals(last_start, predicted_start, calibration)?;

    // All three end before the predicted start, so a shift can only fail by passing the first date
    // there is; that, like an absurdly short cycle, leaves the day of the last start.
    let in_this_cycle = |date, days| shifted(date, days).unwrap_or(last_start).max(last_start);
    let ovulation = in_this_cycle(predicted_start, -OVULATION_BEFORE_START_DAYS);
    let Offsets(first, last) = calibration.ovulation;
    Some(Prediction {
        predicted_start,
        predicted_end: shifted(predicted_start, average_period_length_days(known) - 1)?,
        confidence: calibration.within_two_days,
        method: METHOD,
        based_on_cycles: lengths.count(),
        intervals,
        ovulation,
        ovulation_range: DateRange {
            start: in_this_cycle(predicted_start, first - OVULATION_BEFORE_START_DAYS),
            end: in_this_cycle(predicted_start, last - OVULATION_BEFORE_START_DAYS),
        },
        fertile_window: DateRange {
            start: in_this_cycle(ovulation, -FERTILE_DAYS_BEFORE_OVULATION),
            end: ovulation,
        },
    })
}

/// Sums of the newest lengths from start to start.
fn last_cycle_lengths(known: &[LoggedCycle]) -> LengthSums {
    let newest_first =
        known.windows(2).rev().map(|pair| days_between(pair[0].start, pair[1].start));
    newest_first.take(LENGTHS_USED_MAX).collect()
}

/// The rounded mean of the newest known period lengths, 1 to [`PERIOD_LENGTH_DAYS_MAX`].
fn average_period_length_days(known: &[LoggedCycle]) -> i32 {
    let newest_first = known.iter().rev().filter_map(LoggedCycle::period_length_days);
    let lengths: LengthSums = newest_first.take(LENGTHS_USED_MAX).collect();
    lengths.mean_rounded().unwrap_or(PERIOD_LENGTH_DAYS_DEFAULT).clamp(1, PERIOD_LENGTH_DAYS_MAX)
}

/// The calibrated ranges around the predicted start, cut to begin after the last start. The cut
/// is monotone, so ranges stay nested, and each keeps the predicted start.
fn start_intervals(
    last_start: NaiveDate,
    predicted_start: NaiveDate,
    calibration: &Calibration,
) -> Option<[Interval; 3]> {
    let earliest = last_start.succ_opt()?;
    let interval = |(level, Offsets(first, last))| {
        let start = shifted(predicted_start, first).unwrap_or(earliest).max(earliest);
        let end = shifted(predicted_start, last)?;
        Some(Interval { level, range: DateRange { start, end } })
    };
    let [half, most, nearly_all] = calibration.start;
    Some([interval(half)?, interval(most)?, interval(nearly_all)?])
}

/// The date `days` later, or earlier if negative; none outside what `NaiveDate` holds.
fn shifted(date: NaiveDate, days: i32) -> Option<NaiveDate> {
    date.checked_add_signed(TimeDelta::days(i64::from(days)))
}
