//! How good the forecasts for one person were.

use chrono::{Days, NaiveDate};

use crate::{
    Ahead, Anchor, Said, Step, Use,
    constants::INTERVAL_LEVELS,
    metrics::{Summary, summary},
};

/// The record of one person's forecasts, oldest first.
#[derive(Clone, PartialEq)]
pub struct Record {
    /// One entry for each start that was forecast.
    pub entries: Vec<RecordEntry>,
    /// The same, counted; none without an entry.
    pub summary: Option<Summary>,
}

/// One forecast, made from the starts up to `last_start` alone, and what came of it.
#[derive(Clone, Copy, PartialEq)]
pub struct RecordEntry {
    /// The newest start when the forecast was made.
    pub last_start: NaiveDate,
    /// The start that was forecast.
    pub predicted_start: NaiveDate,
    /// The start that came.
    pub actual_start: NaiveDate,
    /// Predicted minus actual, in days: positive if the period came earlier than said.
    pub error_days: i64,
    /// Whether the start was inside the 0.5, 0.8 and 0.95 ranges that were shown (whole days).
    pub inside: [bool; 3],
    /// How many lengths the forecast was made from.
    pub known_lengths: u32,
}

/// The record over a timeline, newest `last` entries; `usize::MAX` for all.
///
/// A forecast counts if it was made (no obstacle) and the length that came was learned; lengths
/// that the person says hide a start are no length of one cycle and do not count. Those that only
/// the model suspects do count, or it would judge itself.
pub fn record(timeline: &[Anchor], last: usize) -> Record {
    let counted: Vec<(&Anchor, Step)> =
        timeline.iter().filter_map(|anchor| Some((anchor, step(anchor)?))).collect();
    let newest = &counted[counted.len().saturating_sub(last)..];
    let entries = newest.iter().filter_map(|(anchor, step)| entry(anchor, step)).collect();
    let summary = summary(newest.iter().map(|(_, step)| step));
    Record { entries, summary }
}

/// The forecast at an anchor, if it counts.
fn step(anchor: &Anchor) -> Option<Step> {
    let Use::Learned(length) = anchor.usage else { return None };
    let counts = !length.answer.is_some_and(crate::CyclesInGap::hides_a_start);
    counts.then(|| Step {
        n_known: anchor.known_lengths,
        said: Said::from_table(anchor.state.table(Ahead::Next)),
        actual_days: length.days,
    })
}

fn entry(anchor: &Anchor, step: &Step) -> Option<RecordEntry> {
    let date = |days: u32| anchor.start.checked_add_days(Days::new(days.into()));
    let table = step.said.table.as_ref()?;
    Some(RecordEntry {
        last_start: anchor.start,
        predicted_start: date(step.said.date_days)?,
        actual_start: date(step.actual_days)?,
        error_days: step.error_days(),
        inside: INTERVAL_LEVELS.map(|level| {
            let (first, end) = table.whole_days(level);
            (first..=end).contains(&step.actual_days)
        }),
        known_lengths: anchor.known_lengths,
    })
}
