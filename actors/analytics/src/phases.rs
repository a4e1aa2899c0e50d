//! The phases of a cycle that is over, and how probable ovulation is on each of its days.

use chrono::NaiveDate;
use contracts::analytics::CyclePhase;
use prediction::{
    Luteal, Ovulation, PastOvulation, Table,
    constants::{LENGTH_MIN_DAYS, OVULATORY_LENGTH_MAX_DAYS},
};

/// Days that are at least so probably fertile belong to the phase of ovulation.
const OVULATION_PHASE_FROM: f64 = 0.5;

/// The days around ovulation in a cycle.
pub(crate) struct OvulationDays(Ovulation);

impl OvulationDays {
    /// In a cycle of so many days: as it was seen, or where the next start says that it most
    /// probably was. None if the length is none of a single cycle with an ovulation: under 15 or
    /// over 75 days.
    pub(crate) fn of_past(
        length_days: u32,
        seen_on_day: Option<u32>,
        luteal: &Luteal,
    ) -> Option<Self> {
        let is_ovulatory = (LENGTH_MIN_DAYS..=OVULATORY_LENGTH_MAX_DAYS).contains(&length_days);
        is_ovulatory.then(|| {
            let retrospective = || Ovulation::before(&Table::certain(length_days), luteal);
            // What was seen at a time from which no start follows was no ovulation.
            let seen = seen_on_day.filter(|day| PastOvulation::new(*day, length_days).is_some());
            Self(seen.map_or_else(retrospective, Ovulation::seen))
        })
    }

    /// The probability that a day is one of the six that end with ovulation. Days are counted from
    /// the start of the cycle: 0 is the first day of bleeding.
    pub(crate) fn fertile(&self, day: u32) -> f64 {
        self.0.fertile_probability(day)
    }

    /// The probability that ovulation was on a day.
    pub(crate) fn ovulation(&self, day: u32) -> f64 {
        self.0.probability(day)
    }

    /// The phase of a day without bleeding.
    pub(crate) fn phase(&self, day: u32) -> CyclePhase {
        dry_phase(day, self.0.table().date_days(), self.fertile(day))
    }
}

/// The phase of a day without bleeding, beside the most probable day of ovulation.
pub(crate) fn dry_phase<Day: Ord + Copy>(day: Day, ovulation: Day, fertile: f64) -> CyclePhase {
    if fertile >= OVULATION_PHASE_FROM || day == ovulation {
        CyclePhase::Ovulation
    } else if day < ovulation {
        CyclePhase::Follicular
    } else {
        CyclePhase::Luteal
    }
}

/// Days from one date to a later one; none if it is earlier.
pub(crate) fn days_between(from: NaiveDate, to: NaiveDate) -> Option<u32> {
    u32::try_from((to - from).num_days()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn past(length_days: u32, seen: Option<u32>) -> Option<OvulationDays> {
        OvulationDays::of_past(length_days, seen, &Luteal::from_past(&[]))
    }

    #[test]
    fn a_cycle_of_28_days_has_its_phases_in_order() {
        let days = past(28, None).unwrap();
        let phases: Vec<CyclePhase> = (0..28).map(|day| days.phase(day)).collect();
        let expected = [
            (CyclePhase::Follicular, 0..9),
            (CyclePhase::Ovulation, 9..15),
            (CyclePhase::Luteal, 15..28),
        ];
        for (phase, range) in expected {
            assert!(
                phases[range.clone()].iter().all(|given| *given == phase),
                "{phase:?} {phases:?}"
            );
        }
        let ovulations: f64 = (0..28).map(|day| days.ovulation(day)).sum();
        assert!((ovulations - 1.0).abs() < 1e-9);
    }

    #[test]
    fn an_ovulation_that_was_seen_is_known_to_a_few_days() {
        let days = past(28, Some(17)).unwrap();
        let certain: f64 = (16..=19).map(|day| days.ovulation(day)).sum();
        assert!((certain - 1.0).abs() < 1e-9 && days.ovulation(17) > 0.6);
        let fertile: Vec<u32> = (0..28).filter(|day| days.fertile(*day) > 0.0).collect();
        assert_eq!(fertile, (11..=19).collect::<Vec<_>>());
        // No start comes 3 days after an ovulation: there was another one, or none.
        let refuted = past(28, Some(25)).unwrap();
        assert!(refuted.ovulation(25) < 0.01 && refuted.ovulation(14) > 0.1);
    }

    #[test]
    fn only_lengths_of_one_cycle_have_phases() {
        let has = [14, 15, 75, 76].map(|length| past(length, None).is_some());
        assert_eq!(has, [false, true, true, false]);
    }
}
