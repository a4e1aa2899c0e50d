//! Which symptoms cluster in which phase of the cycle: counts, and no causes.
//!
//! A symptom's days are those on which it was logged, each once, in cycles that are over. They are
//! compared with the days on which it could have been logged: of a cycle whose end was said only the
//! days of bleeding, since later symptoms are refused then (docs/decisions/0010), of one without an
//! end all days to the day before the next start. If the symptom had nothing to do with the cycle, its
//! days would be spread over the phases as those days are. It is told that it clusters in a phase if
//! - it could have been logged in another phase too, in at least 3 cycles,
//! - it was logged there in at least 3 cycles and on at least 5 days,
//! - at least 1.5 times as often as if its days were spread evenly over those days, and
//! - chance does that less than once in 20 times: P(X ≥ k) ≤ exp(−n·KL(k/n ‖ p)) ≤ 0.05, Chernoff's
//!   bound for n days of which k are in a phase that has the share p of those days (Ann Math Stat
//!   1952;23:493–507).
//!
//! Signs of ovulation are no symptoms.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::NaiveDate;
use contracts::{
    CycleId,
    analytics::{CyclePhase, SymptomPattern},
    cycles::{GapAnswer, History, HistoryCycle, OVULATION_TEST, TEMPERATURE},
};
use prediction::Luteal;

use crate::phases::{OvulationDays, days_between};

/// So many of the newest cycles that are over are looked at.
const CYCLES_MAX: usize = 36;
/// A pattern shows in so many cycles,
const CYCLES_MIN: usize = 3;
/// on so many days,
const DAYS_MIN: usize = 5;
/// so many times as often as its days alone explain,
const RATIO_MIN: f64 = 1.5;
/// and with at most this probability by chance.
const CHANCE_MAX: f64 = 0.05;
/// So many patterns are told.
const PATTERNS_MAX: usize = 20;
/// Days of bleeding while no end was logged.
const BLEEDING_DAYS: u32 = 5;

/// The clusters in the newest cycles that are over, clearest first.
pub(crate) fn patterns(history: &History) -> Vec<SymptomPattern> {
    let at_risk = DaysAtRisk::of(history);
    let mut logged: BTreeMap<String, Logged<'_>> = BTreeMap::new();
    for symptom in &history.symptoms {
        let Some((cycle, phase)) = at_risk.days.get(&symptom.date) else { continue };
        let name = symptom.symptom_type.trim().to_lowercase();
        if [OVULATION_TEST, TEMPERATURE].contains(&name.as_str()) {
            continue;
        }
        let entry = logged.entry(name).or_default();
        entry.wording = &symptom.symptom_type;
        entry.days.insert(symptom.date, (*cycle, *phase));
    }
    let mut patterns: Vec<SymptomPattern> =
        logged.values().flat_map(|logged| logged.patterns(&at_risk)).collect();
    patterns.sort_by(|one, other| {
        let by_ratio = other.ratio.total_cmp(&one.ratio);
        by_ratio.then(other.days_in_phase.cmp(&one.days_in_phase))
    });
    patterns.truncate(PATTERNS_MAX);
    patterns
}

/// The days on which a symptom could have been logged, and the phase of each.
struct DaysAtRisk {
    days: HashMap<NaiveDate, (CycleId, CyclePhase)>,
    in_phase: HashMap<CyclePhase, PhaseAtRisk>,
}

/// What there is of one phase.
#[derive(Default)]
struct PhaseAtRisk {
    days: usize,
    cycles: BTreeSet<CycleId>,
}

impl DaysAtRisk {
    /// The days of the newest cycles that are over, were not left out, touch no episode, hide no
    /// start as far as the user says, and are as long as a cycle is.
    fn of(history: &History) -> Self {
        let luteal = Luteal::from_past(&[]);
        let mut days = HashMap::new();
        let mut in_phase = HashMap::new();
        let pairs = history.cycles.windows(2).rev();
        for (cycle, next_start) in pairs
            .filter_map(|pair| Some((pair.first()?, pair.last()?.start_date)))
            .filter(|(cycle, next_start)| is_plain(history, cycle, *next_start))
            .take(CYCLES_MAX)
        {
            let length = days_between(cycle.start_date, next_start).unwrap_or_default();
            let Some(ovulation) = OvulationDays::of_past(length, None, &luteal) else { continue };
            let end = cycle.end_date.and_then(|end| days_between(cycle.start_date, end));
            let bled = end.map_or(BLEEDING_DAYS, |end| end + 1);
            let loggable = if cycle.end_date.is_some() { length.min(bled) } else { length };
            for (day, date) in (0..loggable).zip(cycle.start_date.iter_days()) {
                let phase =
                    if day < bled { CyclePhase::Menstruation } else { ovulation.phase(day) };
                days.insert(date, (cycle.id, phase));
                let at_risk: &mut PhaseAtRisk = in_phase.entry(phase).or_default();
                at_risk.days += 1;
                at_risk.cycles.insert(cycle.id);
            }
        }
        Self { days, in_phase }
    }

    /// The share of all days that a phase has.
    fn share(&self, phase: CyclePhase) -> f64 {
        real(self.in_phase.get(&phase).map_or(0, |at_risk| at_risk.days)) / real(self.days.len())
    }

    /// Whether a symptom could have been logged outside a phase in enough cycles to compare with.
    fn compares(&self, phase: CyclePhase) -> bool {
        let others = self.in_phase.iter().filter(|(other, _)| **other != phase);
        let cycles: BTreeSet<CycleId> =
            others.flat_map(|(_, at_risk)| at_risk.cycles.iter().copied()).collect();
        cycles.len() >= CYCLES_MIN
    }
}

/// Where one symptom was logged.
#[derive(Default)]
struct Logged<'a> {
    /// The user's newest words for it.
    wording: &'a str,
    days: BTreeMap<NaiveDate, (CycleId, CyclePhase)>,
}

impl Logged<'_> {
    fn patterns(&self, at_risk: &DaysAtRisk) -> Vec<SymptomPattern> {
        let mut by_phase: HashMap<CyclePhase, Vec<CycleId>> = HashMap::new();
        for (cycle, phase) in self.days.values() {
            by_phase.entry(*phase).or_default().push(*cycle);
        }
        let pattern = |(phase, days): (CyclePhase, Vec<CycleId>)| {
            let cycles: BTreeSet<CycleId> = days.iter().copied().collect();
            let (share, expected) =
                (real(days.len()) / real(self.days.len()), at_risk.share(phase));
            let ratio = share / expected;
            let clusters = at_risk.compares(phase)
                && cycles.len() >= CYCLES_MIN
                && days.len() >= DAYS_MIN
                && ratio >= RATIO_MIN
                && chance_at_most(self.days.len(), share, expected) <= CHANCE_MAX;
            clusters.then(|| SymptomPattern {
                symptom_type: self.wording.to_owned(),
                phase,
                days_in_phase: count(days.len()),
                days_total: count(self.days.len()),
                cycles: count(cycles.len()),
                ratio: (ratio * 100.0).round() / 100.0,
            })
        };
        by_phase.into_iter().filter_map(pattern).collect()
    }
}

/// Whether the days of a cycle are those of one cycle, as far as anybody says.
fn is_plain(history: &History, cycle: &HistoryCycle, next_start: NaiveDate) -> bool {
    let missed =
        matches!(cycle.gap_answer, Some(GapAnswer::MissedUnknown | GapAnswer::MissedOn(_)));
    let touched = history.episodes.iter().any(|episode| {
        episode.start_date < next_start && episode.end_date.is_none_or(|end| end > cycle.start_date)
    });
    !cycle.excluded && !missed && !touched
}

/// Chernoff's bound on the probability that of `days` at least the share `observed` is in a phase
/// whose share is `expected`, by chance.
fn chance_at_most(days: usize, observed: f64, expected: f64) -> f64 {
    let term = |observed: f64, expected: f64| {
        if observed <= 0.0 { 0.0 } else { observed * (observed / expected).ln() }
    };
    let divergence = term(observed, expected) + term(1.0 - observed, 1.0 - expected);
    (-real(days) * divergence).exp()
}

fn count(number: usize) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

fn real(number: usize) -> f64 {
    f64::from(count(number))
}

#[cfg(test)]
#[path = "patterns_tests.rs"]
mod tests;
