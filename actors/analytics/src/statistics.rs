//! Statistics of the lengths that count.

use chrono::TimeDelta;
use contracts::analytics::{Regularity, Statistics};
use prediction::{CycleStatistics, CyclesInGap, History, LoggedCycle, SegmentedCycle, Use};

use crate::log::Log;

/// Statistics of a log, over all and for each cycle. Left out are lengths that the user left out,
/// those in an episode, and those of which the user says that they hide a start: such a cycle has
/// the averages of the one before it, and is neither regular nor irregular.
pub(crate) fn statistics(log: &Log) -> (Statistics, Vec<CycleStatistics>) {
    let counts: Vec<bool> = log.segmented.iter().map(counts).collect();
    if counts.iter().all(|counts| *counts) {
        let all = prediction::statistics(&log.history);
        return (overall(&all, log), all.cycles);
    }
    let those = prediction::statistics(&laid_end_to_end(log, &counts));
    let mut rows = those.cycles.iter();
    let mut before = NOTHING;
    let each = log.history.cycles().windows(2).map(Some).chain([None]);
    let cycles = log.history.cycles().iter().zip(each).zip(&counts);
    let cycles = cycles.map(|((cycle, pair), counts)| {
        if *counts {
            before = rows.next().copied().unwrap_or(NOTHING);
            return before;
        }
        CycleStatistics {
            cycle_length_days: pair.and_then(length_days),
            period_length_days: cycle.period_length_days(),
            is_regular: None,
            ..before
        }
    });
    let cycles = cycles.collect();
    (overall(&those, log), cycles)
}

const NOTHING: CycleStatistics = CycleStatistics {
    cycle_length_days: None,
    period_length_days: None,
    average_cycle_length_days: None,
    cycle_variance_days2: None,
    is_regular: None,
};

fn counts(cycle: &SegmentedCycle) -> bool {
    match cycle.usage {
        Use::Excluded | Use::InEpisode(_) | Use::ContradictsAnswer => false,
        Use::Learned(length) => !length.answer.is_some_and(CyclesInGap::hides_a_start),
        Use::Open => cycle.obstacle.is_none(),
        Use::TooShort | Use::TooLong => true,
    }
}

/// The cycles that count as a log of their own: each starts where the one before it ends. The first
/// one's date is of no account, nor is that of the open one.
fn laid_end_to_end(log: &Log, counts: &[bool]) -> History {
    let mut cycles = Vec::with_capacity(counts.len());
    let Some(mut start) = log.history.cycles().first().map(|first| first.start) else {
        return History::default();
    };
    let pairs = log.history.cycles().windows(2).map(Some).chain([None]);
    for ((cycle, pair), _) in
        log.history.cycles().iter().zip(pairs).zip(counts).filter(|(_, counts)| **counts)
    {
        let end = cycle.end.map(|end| start + (end - cycle.start));
        cycles.push(LoggedCycle { start, end });
        let days = pair.and_then(length_days).unwrap_or_default();
        start += TimeDelta::days(i64::from(days));
    }
    if counts.last() == Some(&false) {
        // The last length that counts has its end.
        cycles.push(LoggedCycle { start, end: None });
    }
    // Lengths are at least a day and periods are as they were.
    History::new(cycles).unwrap_or_default()
}

fn length_days(pair: &[LoggedCycle]) -> Option<i32> {
    let [cycle, next] = pair else { return None };
    i32::try_from((next.start - cycle.start).num_days()).ok()
}

fn overall(statistics: &prediction::Statistics, log: &Log) -> Statistics {
    Statistics {
        total_cycles_tracked: i32::try_from(log.history.len()).unwrap_or(i32::MAX),
        average_cycle_length: statistics.average_cycle_length_days,
        average_period_length: statistics.average_period_length_days,
        cycle_regularity: match statistics.regularity {
            prediction::Regularity::VeryRegular => Regularity::VeryRegular,
            prediction::Regularity::Regular => Regularity::Regular,
            prediction::Regularity::Irregular => Regularity::Irregular,
            prediction::Regularity::Unknown => Regularity::Unknown,
        },
    }
}
