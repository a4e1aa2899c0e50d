//! The derived state of one user: a pure function of the user's cycles.
//!
//! Whoever computes it, whenever and however often, gets the same rows with the same ids: that is
//! what lets the database be dropped, and several processes work on one user.

use std::sync::Arc;

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    CycleId, PredictionId, UserId, Version,
    analytics::{
        CycleAnalytics, DateRange, Prediction, PredictionInterval, Regularity, Statistics,
    },
    cycles::{History, HistoryCycle},
};
use prediction::{CycleStatistics, HistoryError, LoggedCycle};
use sha2::{Digest, Sha256};

/// Names this derivation. Whoever changes what is derived raises the number, so that every stored
/// state is computed again.
pub(crate) const MODEL: &str = "average_cycle_length/1";

/// Everything that is stored of one user.
pub(crate) struct Derived {
    pub(crate) user_id: UserId,
    /// The version of the cycles that this was computed from.
    pub(crate) version: Version,
    pub(crate) statistics: Statistics,
    /// One for each cycle, oldest start first.
    pub(crate) cycles: Vec<DerivedCycle>,
    /// One for each cycle, in the same order.
    pub(crate) marks: Arc<[Mark]>,
}

/// What is stored for one cycle.
pub(crate) struct DerivedCycle {
    pub(crate) analytics: CycleAnalytics,
    /// The prediction made from the cycles up to this one; none if its dates would pass what the
    /// calendar holds.
    pub(crate) prediction: Option<Prediction>,
}

/// A cycle, and what the rows stored for it hold: equal fingerprints, equal rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) cycle_id: CycleId,
    pub(crate) fingerprint: i64,
}

/// Why no state can be derived.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DeriveError {
    /// The owner answered with cycles that no person can have.
    #[error("the history is none: {0}")]
    NoHistory(#[from] HistoryError),
    /// A row could not be brought into bytes.
    #[error("a row has no fingerprint")]
    NoFingerprint(#[from] serde_json::Error),
}

/// Derives the state of one user from all their cycles.
///
/// # Errors
///
/// The cycles are not in ascending order, or one ends before it starts.
pub(crate) fn derive(history: &History) -> Result<Derived, DeriveError> {
    let logged =
        |cycle: &HistoryCycle| LoggedCycle { start: cycle.start_date, end: cycle.end_date };
    let known = prediction::History::new(history.cycles.iter().map(logged).collect())?;
    let statistics = prediction::statistics(&known);
    let mut cycles = Vec::with_capacity(history.cycles.len());
    let mut marks = Vec::with_capacity(history.cycles.len());
    let mut input = Input { version: Version::ZERO, changed_at: DateTime::<Utc>::MIN_UTC };
    for (index, (cycle, numbers)) in history.cycles.iter().zip(&statistics.cycles).enumerate() {
        input.version = input.version.max(cycle.input_version);
        input.changed_at = input.changed_at.max(cycle.input_changed_at);
        let next_start = history.cycles.get(index + 1).map(|next| next.start_date);
        let anchor = Anchor { user_id: history.user_id, cycle_id: cycle.id, input, next_start };
        let derived = DerivedCycle {
            analytics: cycle_analytics(history.user_id, cycle, numbers),
            prediction: prediction::predict_at(&known, index).map(|said| anchor.prediction(&said)),
        };
        marks.push(Mark { cycle_id: cycle.id, fingerprint: fingerprint(&derived)? });
        cycles.push(derived);
    }
    Ok(Derived {
        user_id: history.user_id,
        version: history.version,
        statistics: overall(&statistics),
        cycles,
        marks: marks.into(),
    })
}

/// What a prediction was computed from: the last change of any cycle up to its anchor.
#[derive(Clone, Copy)]
struct Input {
    version: Version,
    changed_at: DateTime<Utc>,
}

/// The newest cycle that a prediction was computed from.
struct Anchor {
    user_id: UserId,
    cycle_id: CycleId,
    input: Input,
    /// The start that was logged after it.
    next_start: Option<NaiveDate>,
}

impl Anchor {
    fn prediction(&self, said: &prediction::Prediction) -> Prediction {
        let prediction::Prediction {
            predicted_start,
            predicted_end,
            confidence,
            method,
            based_on_cycles,
            intervals,
            ovulation,
            ovulation_range,
            fertile_window,
        } = said;
        Prediction {
            id: self.prediction_id(method),
            user_id: self.user_id,
            predicted_start_date: *predicted_start,
            predicted_end_date: *predicted_end,
            confidence_score: *confidence,
            prediction_method: (*method).to_owned(),
            based_on_cycles: i32::try_from(*based_on_cycles).unwrap_or(i32::MAX),
            notes: Some(notes(said)),
            intervals: intervals.iter().map(interval).collect(),
            fertile_window: range(*fertile_window),
            ovulation_date: *ovulation,
            ovulation_range: range(*ovulation_range),
            is_active: self.next_start.is_none(),
            actual_start_date: self.next_start,
            created_at: self.input.changed_at,
        }
    }

    /// The first 53 bits of SHA-256 over a labelled tuple. All members but the last have a fixed
    /// width, so no two tuples have the same bytes.
    fn prediction_id(&self, method: &str) -> PredictionId {
        let digest = Sha256::new()
            .chain_update(b"lunation prediction id v1\0")
            .chain_update(self.user_id.get().to_be_bytes())
            .chain_update(self.cycle_id.get().to_be_bytes())
            .chain_update(self.input.version.get().to_be_bytes())
            .chain_update(method.as_bytes())
            .finalize();
        let bits = leading_u64(&digest) >> 11;
        PredictionId::new(i64::try_from(bits).unwrap_or(i64::MAX).max(1))
    }
}

fn cycle_analytics(
    user_id: UserId,
    cycle: &HistoryCycle,
    numbers: &CycleStatistics,
) -> CycleAnalytics {
    let CycleStatistics {
        cycle_length_days,
        period_length_days,
        average_cycle_length_days,
        cycle_variance_days2,
        is_regular,
    } = *numbers;
    CycleAnalytics {
        id: cycle.id,
        user_id,
        cycle_id: cycle.id,
        start_date: cycle.start_date,
        end_date: cycle.end_date,
        cycle_length: cycle_length_days,
        period_length: period_length_days,
        is_regular,
        average_cycle_length: average_cycle_length_days,
        cycle_variance: cycle_variance_days2,
        created_at: cycle.input_changed_at,
    }
}

fn overall(statistics: &prediction::Statistics) -> Statistics {
    Statistics {
        total_cycles_tracked: i32::try_from(statistics.total_cycles).unwrap_or(i32::MAX),
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

/// How the date came about, and what its confidence means.
fn notes(said: &prediction::Prediction) -> String {
    let basis = match said.based_on_cycles {
        0 => format!(
            "No cycle length is known yet, so {} days are assumed.",
            prediction::CYCLE_LENGTH_DAYS_DEFAULT
        ),
        1 => "From the one cycle length that is known.".to_owned(),
        count => format!("From the average of the last {count} cycle lengths."),
    };
    let percent = said.confidence * 100.0;
    format!(
        "{basis} Of dates predicted so in study records, {percent:.0} % were within 2 days of the \
         start."
    )
}

fn interval(interval: &prediction::Interval) -> PredictionInterval {
    let prediction::Interval { level, range } = *interval;
    PredictionInterval { level, start: range.start, end: range.end }
}

fn range(range: prediction::DateRange) -> DateRange {
    DateRange { start: range.start, end: range.end }
}

/// The first 64 bits of SHA-256 over the rows of one cycle: it is stored, so it has to be the same
/// in every process and every build.
fn fingerprint(cycle: &DerivedCycle) -> Result<i64, serde_json::Error> {
    let DerivedCycle { analytics, prediction } = cycle;
    let rows = serde_json::to_vec(&(MODEL, analytics, prediction))?;
    Ok(leading_u64(&Sha256::digest(rows)).cast_signed())
}

fn leading_u64(digest: &[u8]) -> u64 {
    digest.iter().take(8).fold(0, |bits, byte| bits << 8 | u64::from(*byte))
}

#[cfg(test)]
#[path = "derive_tests.rs"]
mod tests;
