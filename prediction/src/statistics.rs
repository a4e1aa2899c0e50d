//! Plain statistics of what was logged; nothing here is predicted.

use std::ops::RangeInclusive;

use crate::{History, LoggedCycle, history::days_between, sums::LengthSums};

/// Normal frequency of periods, in days from start to start: Munro, Critchley and Fraser, "The
/// two FIGO systems for normal and abnormal uterine bleeding symptoms…: 2018 revisions",
/// Int J Gynecol Obstet 2018;143:393–408.
pub const NORMAL_LENGTH_DAYS: RangeInclusive<i32> = 24..=38;
/// The farthest that a regular cycle is from the running average, in days. FIGO 2018 calls
/// periods regular when the shortest and longest cycle differ by at most 7 to 9 days, by age;
/// the reading for a single cycle is this crate's own.
pub const REGULAR_DEVIATION_DAYS_MAX: i32 = 7;

/// Population variance under which cycles are very regular, in days squared.
const VERY_REGULAR_UNDER_DAYS2: i128 = 2;
/// Population variance under which cycles are regular, in days squared.
const REGULAR_UNDER_DAYS2: i128 = 5;

/// Statistics of all logged cycles.
#[derive(Clone, PartialEq)]
pub struct Statistics {
    /// How many cycles were logged, the newest (still open) one included.
    pub total_cycles: usize,
    /// Mean days from start to start, to a tenth; none before the second start.
    pub average_cycle_length_days: Option<f64>,
    /// Mean inclusive days of bleeding, to a tenth; none before the first end.
    pub average_period_length_days: Option<f64>,
    /// Population variance of the cycle lengths, in days squared, not rounded; 0 for one length.
    pub cycle_variance_days2: Option<f64>,
    /// How much the lengths vary.
    pub regularity: Regularity,
    /// One row for each cycle, in the order of the history.
    pub cycles: Vec<CycleStatistics>,
}

/// How much cycle lengths vary, by their population variance in days squared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Regularity {
    /// Under 2.
    VeryRegular,
    /// From 2 to under 5.
    Regular,
    /// 5 or more.
    Irregular,
    /// Fewer than two lengths are known.
    Unknown,
}

/// Statistics of one cycle, from it and the cycles before it alone. The row depends on later
/// cycles only through the next start, which gives the cycle its length.
#[derive(Clone, Copy, PartialEq)]
pub struct CycleStatistics {
    /// Days from this start to the next one; none for the newest cycle.
    pub cycle_length_days: Option<i32>,
    /// Inclusive days of bleeding; none while the end was not logged.
    pub period_length_days: Option<i32>,
    /// Mean of the lengths known up to and with this cycle, in days, not rounded.
    pub average_cycle_length_days: Option<f64>,
    /// Their population variance, in days squared, not rounded; 0 for one length.
    pub cycle_variance_days2: Option<f64>,
    /// Whether the length is in [`NORMAL_LENGTH_DAYS`] and at most
    /// [`REGULAR_DEVIATION_DAYS_MAX`] from the running average; none while it is unknown.
    pub is_regular: Option<bool>,
}

/// Computes the statistics of a history: one pass, in exact integers.
pub fn statistics(history: &History) -> Statistics {
    let cycles = history.cycles();
    let mut lengths = LengthSums::default();
    let mut rows = Vec::with_capacity(cycles.len());
    for (index, cycle) in cycles.iter().enumerate() {
        let next = cycles.get(index + 1);
        rows.push(cycle_statistics(*cycle, next, &mut lengths));
    }
    let periods: LengthSums = cycles.iter().filter_map(LoggedCycle::period_length_days).collect();
    Statistics {
        total_cycles: cycles.len(),
        average_cycle_length_days: lengths.mean_to_a_tenth(),
        average_period_length_days: periods.mean_to_a_tenth(),
        cycle_variance_days2: lengths.variance(),
        regularity: regularity(&lengths),
        cycles: rows,
    }
}

/// One row; adds the cycle's length, if known, to the running sums.
fn cycle_statistics(
    cycle: LoggedCycle,
    next: Option<&LoggedCycle>,
    lengths: &mut LengthSums,
) -> CycleStatistics {
    let cycle_length_days = next.map(|next| days_between(cycle.start, next.start));
    if let Some(days) = cycle_length_days {
        lengths.add(days);
    }
    CycleStatistics {
        cycle_length_days,
        period_length_days: cycle.period_length_days(),
        average_cycle_length_days: lengths.mean(),
        cycle_variance_days2: lengths.variance(),
        is_regular: cycle_length_days.map(|days| {
            NORMAL_LENGTH_DAYS.contains(&days)
                && lengths.mean_is_within(REGULAR_DEVIATION_DAYS_MAX, days)
        }),
    }
}

fn regularity(lengths: &LengthSums) -> Regularity {
    if lengths.count() < 2 {
        Regularity::Unknown
    } else if lengths.variance_is_under(VERY_REGULAR_UNDER_DAYS2) {
        Regularity::VeryRegular
    } else if lengths.variance_is_under(REGULAR_UNDER_DAYS2) {
        Regularity::Regular
    } else {
        Regularity::Irregular
    }
}
