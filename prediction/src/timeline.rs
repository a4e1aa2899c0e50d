//! What was known at each start of a log.

use chrono::{Datelike, NaiveDate};

use crate::{CycleNote, Episode, History, Obstacle, State, Use, Window, segments};

/// The average length of a Gregorian year, in days.
const YEAR_DAYS: f64 = 365.2425;

/// One logged start, and what was known when it was logged: from the starts up to it alone.
#[derive(Clone, PartialEq)]
pub struct Anchor {
    /// The logged start.
    pub start: NaiveDate,
    /// What the model had learned by then.
    pub state: State,
    /// How many lengths of its segment the model had learned by then; the state holds the newest 36.
    pub known_lengths: u32,
    /// Why nothing can be predicted from here while this start is the newest.
    pub obstacle: Option<Obstacle>,
    /// What became of the time to the next start.
    pub usage: Use,
    /// The probability that this time hides a start that was not logged; none unless its length
    /// was learned. From this length and earlier ones, so that later cycles never change it.
    pub missed_probability: Option<f64>,
}

/// Follows a log in time order, one entry for each cycle. Each person starts at the age on the first
/// day of the segment; the date of birth is optional.
///
/// Leak-free: an entry depends on later cycles through `usage` and `missed_probability` alone,
/// which need the next start. Answers, exclusions and episodes count as if known from the beginning.
pub fn timeline(
    history: &History,
    notes: &[CycleNote],
    episodes: &[Episode],
    date_of_birth: Option<NaiveDate>,
) -> Vec<Anchor> {
    let mut anchors = Vec::with_capacity(history.len());
    let mut window = Window::new(None);
    let mut known_lengths = 0;
    let segmented = segments(history, notes, episodes);
    for (position, (cycle, segmented)) in history.cycles().iter().zip(segmented).enumerate() {
        if segmented.segment_start == position {
            window = Window::new(age_years(date_of_birth, cycle.start));
            known_lengths = 0;
        }
        let mut anchor = Anchor {
            start: cycle.start,
            state: window.state().clone(),
            known_lengths,
            obstacle: segmented.obstacle,
            usage: segmented.usage,
            missed_probability: None,
        };
        if let Use::Learned(length) = segmented.usage {
            // `Learned` lengths are usable, so that each is taken.
            anchor.missed_probability =
                window.push(length).ok().map(|update| update.missed_probability);
            known_lengths += 1;
        }
        anchors.push(anchor);
    }
    anchors
}

/// The age on a day, in years with their fraction; none without a date of birth, or before it.
pub fn age_years(date_of_birth: Option<NaiveDate>, on: NaiveDate) -> Option<f64> {
    let born = date_of_birth?;
    let days = on.num_days_from_ce() - born.num_days_from_ce();
    (days >= 0).then(|| f64::from(days) / YEAR_DAYS)
}
