//! What a drill comes to.

use std::{fmt, time::Duration};

use crate::tally::Tally;

/// The counts of a drill. All but the first few have to be 0.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Answers that the watchers had.
    pub polls: u64,
    /// Reads without an answer.
    pub unanswered: u64,
    /// How failed writes failed, before they were tried again.
    pub failures: Tally,
    /// The longest that it took from the end of the load until a person's read models were there.
    pub converged_after: Duration,
    /// Acknowledged writes that are not stored.
    pub lost: u64,
    /// Writes that are stored and were not acknowledged, or stored twice.
    pub doubled: u64,
    /// How often more than one prediction or pending reminder of a user was seen.
    pub double_active: u64,
    /// How often a version fell.
    pub regressions: u64,
    /// People whose read models are not what their cycles give.
    pub diverged: u64,
    /// Writes that failed to the end.
    pub unfinished: u64,
    /// What is wrong, in words.
    pub problems: Vec<String>,
}

impl Verdict {
    /// Whether nothing is wrong.
    pub fn is_clean(&self) -> bool {
        let Self { lost, doubled, double_active, regressions, diverged, unfinished, .. } = self;
        lost + doubled + double_active + regressions + diverged + unfinished == 0
            && self.problems.is_empty()
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            acknowledged,
            polls,
            unanswered,
            failures,
            converged_after,
            lost,
            doubled,
            double_active,
            regressions,
            diverged,
            unfinished,
            problems,
        } = self;
        writeln!(
            formatter,
            "{acknowledged} writes acknowledged, {polls} polls ({unanswered} unanswered), \
             read models there {converged_after:.1?} after the end"
        )?;
        writeln!(formatter, "failed and tried again: {failures}")?;
        write!(
            formatter,
            "{lost} lost, {doubled} doubled, {double_active} double-active, {regressions} \
             regressions, {diverged} diverged, {unfinished} unfinished"
        )?;
        for problem in problems.iter().take(20) {
            write!(formatter, "\n  {problem}")?;
        }
        Ok(())
    }
}
