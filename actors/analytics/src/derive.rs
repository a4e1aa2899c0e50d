//! The derived state of one user: a pure function of the user's cycles, of what is known of the
//! person, and of the day.
//!
//! Whoever computes it, whenever and however often, gets the same rows with the same ids: that is
//! what lets the database be dropped, and several processes work on one user.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use chrono::NaiveDate;
use contracts::{
    CycleId, UserId, Version,
    analytics::{CycleAnalytics, Prediction, Statistics},
    cycles::{History, HistoryCycle},
};
use prediction::{CycleStatistics, HistoryError};

use crate::{
    anchor::Anchor,
    known::{Known, KnownQuestion, Newest},
    log::{Log, Walk, fingerprints::Mark},
    outlook::Outlook,
    patterns::patterns,
    statistics::statistics,
};

/// Everything that is stored of one user.
pub(crate) struct Derived {
    pub(crate) user_id: UserId,
    pub(crate) key: Key,
    pub(crate) date_of_birth: Option<NaiveDate>,
    /// What lies before this day the user wants to be forgotten.
    pub(crate) forget_before: Option<NaiveDate>,
    pub(crate) statistics: Statistics,
    pub(crate) known: Known,
    /// One for each cycle, oldest start first.
    pub(crate) cycles: Vec<CycleAnalytics>,
    /// One for each cycle, in the same order.
    pub(crate) marks: Arc<[Mark]>,
    log: Log,
    /// By position: the predictions that differ from what is believed to be stored; none where
    /// nothing can be predicted.
    prepared: BTreeMap<usize, Option<Prediction>>,
}

/// What a state was derived from. One state may replace another if its key is greater in one member
/// and lower in none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Key {
    /// The version of the cycles.
    pub(crate) cycles: Version,
    /// The version of the person; none while nothing was heard of them.
    pub(crate) person: Option<Version>,
    /// The day as of which it was derived.
    pub(crate) day: NaiveDate,
}

/// What is known of a person.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Person {
    /// None while nothing was heard of them.
    pub(crate) version: Option<Version>,
    pub(crate) date_of_birth: Option<NaiveDate>,
}

/// A state that was stored, and what it takes to see what the next one changes.
#[derive(Clone)]
pub(crate) struct Believed {
    pub(crate) key: Key,
    pub(crate) person: Person,
    pub(crate) marks: Arc<[Mark]>,
    questions: Arc<[KnownQuestion]>,
    /// Of the newest cycle: what its forecast depended on, and the first day that said something.
    newest: Option<(i64, Option<NaiveDate>)>,
}

/// Derives the state of one user. What `believed` says to be stored already is not made again.
///
/// # Errors
///
/// The cycles are not in ascending order, or one ends before it starts.
pub(crate) fn derive(
    history: &History,
    person: Person,
    day: NaiveDate,
    believed: Option<&Believed>,
) -> Result<Derived, HistoryError> {
    let log = Log::new(history, person.date_of_birth)?;
    let (statistics, numbers) = statistics(&log);
    let rows = history.cycles.iter().zip(&numbers);
    let cycles: Vec<_> =
        rows.map(|(cycle, numbers)| cycle_analytics(history.user_id, cycle, numbers)).collect();
    let bases = log.forecast_bases();
    let rests: Vec<i64> = cycles.iter().enumerate().map(|(at, row)| log.rest(at, row)).collect();
    let fingerprints = cycles.iter().zip(bases.iter().zip(&rests));
    let mut marks: Vec<Mark> =
        fingerprints.map(|(cycle, (base, rest))| Mark::new(cycle.id, *base, *rest, None)).collect();

    let stored = Stored::of(believed);
    let newest_at = cycles.len().saturating_sub(1);
    let from = marks.iter().position(|mark| !stored.has(mark)).unwrap_or(newest_at).min(newest_at);
    let walk = log.walk(from);
    let parts = bases.last().zip(rests.last());
    let newest =
        parts.and_then(|(base, rest)| Some(stored.newest(log.newest(&walk)?, *base, *rest, day)));
    let (newest, outlook) = newest.unzip();
    let known = Known {
        newest,
        questions: stored.questions_before(from, &cycles, &walk),
        symptom_patterns: if history.symptoms.is_empty() { Vec::new() } else { patterns(history) },
        ..log.known()
    };
    if let (Some(mark), Some(newest)) = (marks.last_mut(), &known.newest) {
        *mark = newest.mark(known.open_until(day));
    }
    let mut derived = Derived {
        user_id: history.user_id,
        key: Key { cycles: history.version, person: person.version, day },
        date_of_birth: person.date_of_birth,
        forget_before: history.forget_before,
        statistics,
        known,
        cycles,
        marks: marks.into(),
        log,
        prepared: BTreeMap::new(),
    };
    derived.prepare(&stored, from, &walk, outlook.flatten().as_ref());
    Ok(derived)
}

impl Derived {
    /// The prediction made from the cycles up to the one at a position; none where nothing can be
    /// predicted.
    pub(crate) fn prediction(&self, position: usize) -> Option<Prediction> {
        if let Some(prepared) = self.prepared.get(&position) {
            return prepared.clone();
        }
        self.predict(position, &Walk::default())
    }

    /// The start that was logged after the cycle at a position.
    pub(crate) fn next_start(&self, position: usize) -> Option<NaiveDate> {
        self.log.next_start(position)
    }

    /// The day from which on the active prediction has to be made again.
    pub(crate) fn due(&self) -> Option<NaiveDate> {
        self.known.due_after(self.key.day)
    }

    /// This state, once it is stored.
    pub(crate) fn believed(&self) -> Believed {
        Believed::new(
            self.key,
            Person { version: self.key.person, date_of_birth: self.date_of_birth },
            Arc::clone(&self.marks),
            &self.known,
        )
    }

    /// How many predictions were made.
    #[cfg(test)]
    pub(crate) fn prepared_count(&self) -> usize {
        self.prepared.len()
    }

    /// Makes the predictions that differ from what is stored. `outlook` is that of the newest cycle,
    /// if it was made already, the day aside.
    fn prepare(
        &mut self,
        stored: &Stored<'_>,
        from: usize,
        walk: &Walk,
        outlook: Option<&Outlook>,
    ) {
        let marks = Arc::clone(&self.marks);
        let Some((newest, settled)) = marks.split_last() else { return };
        for (position, mark) in settled.iter().enumerate().skip(from) {
            if !stored.has_forecast(mark) {
                self.prepared.insert(position, self.predict(position, walk));
            }
        }
        if !stored.has(newest) {
            let active = match (outlook, &self.known.newest) {
                (Some(outlook), Some(newest)) if self.known.open_until(self.key.day).is_none() => {
                    Some(newest.anchor.active(self.user_id, outlook, None))
                }
                _ => self.known.prediction(self.key.day).ok(),
            };
            self.prepared.insert(settled.len(), active);
        }
    }

    fn predict(&self, position: usize, walk: &Walk) -> Option<Prediction> {
        let Some(actual_start) = self.next_start(position) else {
            return self.known.prediction(self.key.day).ok();
        };
        self.log.settled(position, walk)?.settled(self.user_id, actual_start)
    }
}

impl Key {
    /// Whether this state may replace the other one or is the same.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        self.cycles >= other.cycles && self.person >= other.person && self.day >= other.day
    }
}

impl Newest {
    /// The mark of the newest cycle when nothing was logged up to a day.
    pub(crate) fn mark(&self, open_until: Option<NaiveDate>) -> Mark {
        Mark::new(self.anchor.cycle_id, self.forecast_base, self.rest, open_until)
    }
}

impl Believed {
    /// What is stored.
    pub(crate) fn new(key: Key, person: Person, marks: Arc<[Mark]>, known: &Known) -> Self {
        let newest = known.newest.as_ref();
        Self {
            key,
            person,
            marks,
            questions: known.questions.clone().into(),
            newest: newest.map(|newest| (newest.forecast_base, newest.open_from)),
        }
    }

    /// The same on a later day, when nothing but the newest cycle's rows has changed.
    pub(crate) fn moved(self, day: NaiveDate, newest: Option<Mark>) -> Self {
        let moved =
            |mark: &Mark| newest.filter(|new| new.cycle_id == mark.cycle_id).unwrap_or(*mark);
        let marks = self.marks.iter().map(moved).collect();
        Self { key: Key { day, ..self.key }, marks, ..self }
    }
}

/// What is believed to be stored, ready to be asked.
struct Stored<'a> {
    marks: HashMap<CycleId, &'a Mark>,
    questions: &'a [KnownQuestion],
    newest: Option<(i64, Option<NaiveDate>)>,
}

impl<'a> Stored<'a> {
    fn of(believed: Option<&'a Believed>) -> Self {
        let marks = believed.map_or(&[][..], |believed| &believed.marks);
        Self {
            marks: marks.iter().map(|mark| (mark.cycle_id, mark)).collect(),
            questions: believed.map_or(&[][..], |believed| &believed.questions),
            newest: believed.and_then(|believed| believed.newest),
        }
    }

    fn has(&self, mark: &Mark) -> bool {
        self.marks.get(&mark.cycle_id).is_some_and(|stored| *stored == mark)
    }

    fn has_forecast(&self, mark: &Mark) -> bool {
        self.marks.get(&mark.cycle_id).is_some_and(|stored| stored.forecast == mark.forecast)
    }

    /// The newest cycle. Which day is the first to say something follows from the forecast; that is
    /// not made for this alone if nothing that it depends on has changed, but given if it was.
    fn newest(
        &self,
        anchor: Anchor,
        forecast_base: i64,
        rest: i64,
        day: NaiveDate,
    ) -> (Newest, Option<Outlook>) {
        if let Some((_, open_from)) = self.newest.filter(|(base, _)| *base == forecast_base) {
            return (Newest { anchor, open_from, forecast_base, rest }, None);
        }
        let outlook = anchor.outlook(None, day).ok();
        // Once the days without a start reach into the widest range.
        let widest = outlook.as_ref().and_then(|outlook| outlook.next.intervals.last());
        let open_from = widest.map(|widest| widest.range.start);
        (Newest { anchor, open_from, forecast_base, rest }, outlook)
    }

    /// Nothing changed before `from`, so the questions about the gaps there are the same.
    fn questions_before(
        &self,
        from: usize,
        cycles: &[CycleAnalytics],
        walk: &Walk,
    ) -> Vec<KnownQuestion> {
        let before = cycles.get(..from).unwrap_or_default();
        let is_before =
            |question: &&KnownQuestion| before.iter().any(|cycle| cycle.id == question.cycle_id);
        self.questions.iter().filter(is_before).chain(&walk.questions).copied().collect()
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

#[cfg(test)]
#[path = "derive_tests.rs"]
mod tests;
