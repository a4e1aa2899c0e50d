//! What one person has had acknowledged, and so what has to be stored.

use std::{collections::BTreeMap, ops::RangeInclusive};

use chrono::{Days, NaiveDate};
use reqwest::Method;
use serde_json::{Value, json};

use crate::random::Random;

/// The first day that may be logged.
const FIRST_DAY: NaiveDate = day(1900);
/// From here on nothing is appended: a start in the future is refused.
const LAST_DAY: NaiveDate = day(2024);
/// Fewer cycles are not removed from.
const CYCLES_MIN: usize = 8;
/// More are not logged: a drill is about many writes, not about long histories.
const CYCLES_MAX: usize = 24;
/// Cycle lengths that a prediction learns from, in days.
const LEARNED_DAYS: RangeInclusive<i64> = 15..=120;
/// It learns from so many of the newest ones.
const LEARNED_MAX: usize = 36;

/// A cycle as it was acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cycle {
    /// Its id.
    pub id: i64,
    /// The last day of the period, if it was told.
    pub end: Option<NaiveDate>,
}

/// The acknowledged cycles of one person, by their first day, and the version that they have.
#[derive(Clone, Debug, Default)]
pub struct Ledger {
    /// The cycles.
    pub cycles: BTreeMap<NaiveDate, Cycle>,
    /// The version of the last acknowledged write.
    pub version: i64,
    /// How many writes were acknowledged.
    pub acknowledged: u64,
}

/// A write to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Log a cycle after the newest.
    Append { start: NaiveDate },
    /// Tell the last day of a period.
    SetEnd { start: NaiveDate, id: i64, end: NaiveDate },
    /// Remove a cycle.
    Remove { start: NaiveDate, id: i64 },
}

/// What an answer says that cannot be.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Contradiction {
    /// Its version is not higher than that of a write that was acknowledged before.
    Fell,
    /// It passes over a version: something was written that nobody asked for, or twice.
    Skipped,
    /// It is no answer to the write.
    Nonsense,
}

impl Ledger {
    /// What to write next.
    pub(crate) fn next(&self, random: &mut Random) -> Operation {
        let newest = self.cycles.keys().next_back().copied();
        let has_room =
            self.cycles.len() < CYCLES_MAX && newest.is_none_or(|newest| newest < LAST_DAY);
        let roll = random.below(10);
        if has_room && (self.cycles.len() < CYCLES_MIN || roll < 6) {
            let start = newest.map(|newest| newest + Days::new(24 + random.below(10)));
            return Operation::Append { start: start.unwrap_or(FIRST_DAY) };
        }
        let starts: Vec<NaiveDate> = self.cycles.keys().copied().collect();
        let start = random.pick(&starts).copied().unwrap_or(FIRST_DAY);
        let id = self.cycles.get(&start).map_or(0, |cycle| cycle.id);
        if self.cycles.len() > CYCLES_MIN && roll < 9 {
            Operation::Remove { start, id }
        } else {
            Operation::SetEnd { start, id, end: start + Days::new(2 + random.below(5)) }
        }
    }

    /// Enters an acknowledged write.
    pub(crate) fn enter(
        &mut self,
        operation: &Operation,
        answer: &Value,
    ) -> Result<(), Contradiction> {
        let version = answer["version"].as_i64().ok_or(Contradiction::Nonsense)?;
        let before = self.version;
        self.acknowledged += 1;
        self.version = before.max(version);
        match *operation {
            Operation::Append { start } => {
                let id = answer["cycle"]["id"].as_i64().ok_or(Contradiction::Nonsense)?;
                self.cycles.insert(start, Cycle { id, end: None });
            }
            Operation::SetEnd { start, id, end } => {
                self.cycles.insert(start, Cycle { id, end: Some(end) });
            }
            Operation::Remove { start, .. } => {
                self.cycles.remove(&start);
            }
        }
        match version - before {
            1 => Ok(()),
            ..=0 => Err(Contradiction::Fell),
            _ => Err(Contradiction::Skipped),
        }
    }

    /// The days from each start to the next, newest last.
    pub(crate) fn lengths(&self) -> Vec<i64> {
        let starts: Vec<NaiveDate> = self.cycles.keys().copied().collect();
        starts.iter().zip(starts.iter().skip(1)).map(|(a, b)| (*b - *a).num_days()).collect()
    }

    /// How many lengths a prediction has to be based on: those that can be learned from.
    pub(crate) fn learned(&self) -> i64 {
        let learned = self.lengths().into_iter().filter(|days| LEARNED_DAYS.contains(days));
        i64::try_from(learned.count().min(LEARNED_MAX)).unwrap_or(i64::MAX)
    }
}

impl Operation {
    /// Method, path, body, and the status of success.
    pub(crate) fn request(&self) -> (Method, String, Option<Value>, u16) {
        let path = |id: i64| format!("/api/cycles/cycles/{id}");
        match self {
            Self::Append { start } => {
                let body = json!({"start_date": start.to_string()});
                (Method::POST, "/api/cycles/cycles".to_owned(), Some(body), 201)
            }
            Self::SetEnd { id, end, .. } => {
                (Method::PUT, path(*id), Some(json!({"end_date": end.to_string()})), 200)
            }
            Self::Remove { id, .. } => (Method::DELETE, path(*id), None, 200),
        }
    }
}

const fn day(year: i32) -> NaiveDate {
    match NaiveDate::from_ymd_opt(year, 1, 1) {
        Some(day) => day,
        None => NaiveDate::MIN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn acknowledge(ledger: &mut Ledger, operation: &Operation) -> Result<(), Contradiction> {
        let version = ledger.version + 1;
        ledger.enter(operation, &json!({"version": version, "cycle": {"id": version}}))
    }

    #[test]
    fn a_long_drill_stays_within_what_may_be_logged() {
        let (mut ledger, mut random) = (Ledger::default(), Random::new(1));
        for _ in 0..20_000 {
            let operation = ledger.next(&mut random);
            if let Operation::SetEnd { start, id, .. } | Operation::Remove { start, id } = operation
            {
                assert_eq!(ledger.cycles[&start].id, id, "{operation:?}");
            }
            assert_eq!(acknowledge(&mut ledger, &operation), Ok(()));
            assert!(ledger.cycles.len() <= CYCLES_MAX);
            assert!(ledger.lengths().iter().all(|length| *length >= 24));
        }
        assert!(*ledger.cycles.keys().next_back().unwrap() < LAST_DAY + Days::new(40));
        assert_eq!(ledger.acknowledged, 20_000);
    }

    #[test]
    fn versions_that_fall_or_skip_are_contradictions() {
        let mut ledger = Ledger { version: 5, ..Ledger::default() };
        let operation = Operation::Append { start: FIRST_DAY };
        let answer = |version: i64| json!({"version": version, "cycle": {"id": 1}});
        assert_eq!(ledger.enter(&operation, &answer(6)), Ok(()));
        assert_eq!(ledger.enter(&operation, &answer(6)), Err(Contradiction::Fell));
        assert_eq!(ledger.enter(&operation, &answer(8)), Err(Contradiction::Skipped));
        assert_eq!(ledger.enter(&operation, &json!({})), Err(Contradiction::Nonsense));
    }

    #[test]
    fn lengths_that_nobody_has_are_not_learned_from() {
        let mut ledger = Ledger::default();
        let mut start = FIRST_DAY;
        for length in [14, 15, 28, 120, 121] {
            assert_eq!(acknowledge(&mut ledger, &Operation::Append { start }), Ok(()));
            start = start + Days::new(length);
        }
        assert_eq!(acknowledge(&mut ledger, &Operation::Append { start }), Ok(()));
        assert_eq!(ledger.learned(), 3);
    }
}
