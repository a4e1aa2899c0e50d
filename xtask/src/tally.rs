//! How requests failed, counted.

use std::{collections::BTreeMap, fmt};

/// The ways in which a request may fail and be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Failure {
    /// 503 with `Retry-After`: certainly not carried out.
    Refused,
    /// 503 that does not say when to try again: never right.
    RefusedBare,
    /// 504: perhaps carried out.
    Interrupted,
    /// 500, or another status that blames the server.
    Internal,
    /// Nobody listened.
    Unconnected,
    /// A connection that had been accepted broke before the answer.
    Reset,
    /// No answer within the client's patience.
    TimedOut,
}

/// How often requests failed in which way, with an example each: which request, and what was said.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    counts: BTreeMap<Failure, u64>,
    examples: BTreeMap<Failure, String>,
}

impl Tally {
    /// Counts a failure; `said` is what came with it, to the request of this id.
    pub fn count(&mut self, failure: Failure, said: &str, request_id: &str) {
        *self.counts.entry(failure).or_default() += 1;
        self.examples.entry(failure).or_insert_with(|| format!("{request_id}: {said}"));
    }

    /// Adds another tally.
    pub fn add(&mut self, other: Self) {
        for (failure, count) in other.counts {
            *self.counts.entry(failure).or_default() += count;
        }
        for (failure, example) in other.examples {
            self.examples.entry(failure).or_insert(example);
        }
    }

    /// How often requests failed in this way.
    pub fn of(&self, failure: Failure) -> u64 {
        self.counts.get(&failure).copied().unwrap_or_default()
    }

    /// Failures of other kinds than these, described; none if there are none.
    pub fn other_than(&self, expected: &[Failure]) -> Option<String> {
        let others: Vec<String> = self
            .counts
            .iter()
            .filter(|(failure, _)| !expected.contains(failure))
            .map(|(failure, count)| format!("{count} {failure:?}: {}", self.example(*failure)))
            .collect();
        (!others.is_empty()).then(|| others.join("; "))
    }

    fn example(&self, failure: Failure) -> &str {
        self.examples.get(&failure).map_or("", String::as_str)
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.counts.is_empty() {
            return formatter.write_str("none");
        }
        for (index, (failure, count)) in self.counts.iter().enumerate() {
            let separator = if index == 0 { "" } else { ", " };
            write!(formatter, "{separator}{failure:?} {count}")?;
        }
        Ok(())
    }
}
