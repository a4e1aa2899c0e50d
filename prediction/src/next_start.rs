//! The next start, by whatever says most about it.

use crate::{
    Ahead, Basis, Ovulation, Situation, Table, constants::SILENCE_DAYS, history::days_between,
    mixture::mixed,
};

/// Truncation that takes away less than this leaves the later starts to the model's own formula.
const TRUNCATED_MIN: f64 = 0.01;
/// The share of positive readings that no ovulation followed: more than 7 % of the biopsies that
/// were taken 7 to 13 days after a home test was read as positive showed that there had been none
/// ("Absence of secretory endometrium after false-positive home urine luteinizing hormone testing",
/// Fertil Steril 2004;82:1273–7). A rise of temperature is taken to be no better.
const WRONG_SIGNS: f64 = 0.07;
/// Signs less probably right than this are dropped.
const RIGHT_MIN: f64 = 0.001;

/// The next start and the ovulation before it, in days after the last logged start.
pub(crate) struct NextStart {
    pub(crate) basis: Basis,
    pub(crate) start: Table,
    pub(crate) ovulation: Ovulation,
    /// Whether days that passed have ruled out more than 1 % of what the lengths say.
    pub(crate) is_conditioned: bool,
}

impl NextStart {
    /// `cycle` is the state's table of the next start.
    ///
    /// From 120 open days on ([`SILENCE_DAYS`]) cycles are taken to have gone on unlogged: the start is
    /// then the first of a renewal process in equilibrium, as probable on the j-th day to come as a
    /// cycle of at least j days is. If a start was missed, it is the second one by the model.
    ///
    /// With a sign of ovulation it is a mixture: the start that follows from it, or, if the sign was
    /// wrong (7 % before any day passed), what would be said without it. Each day without a start
    /// weighs the two anew, P(right) = 0.93 S(t)/(0.93 S(t) + 0.07 U(t)): S is the probability that
    /// a start that follows from it comes later, U that one of which only is known that it did not come
    /// before the sign does. So a sign that no start followed is soon believed no more.
    pub(crate) fn of(situation: &Situation<'_>, cycle: &Table) -> Self {
        let Situation { last_start, open_until, missed_start, ovulation, luteal, .. } = *situation;
        let since_start = |day| u32::try_from(days_between(last_start, day)).ok();
        let open_days = open_until.and_then(since_start);
        let unsigned = Self::without_signs(situation, cycle, open_days);
        let Some(seen) = ovulation.filter(|_| !missed_start).and_then(since_start) else {
            return unsigned;
        };
        let following = luteal.next_start_after(seen);
        let (right, wrong) = match open_days {
            Some(days) if days > seen => {
                let from_then = Self::without_signs(situation, cycle, Some(seen)).start;
                (following.later_than(days), from_then.later_than(days))
            }
            Some(days) => (following.later_than(days), 1.0),
            None => (1.0, 1.0),
        };
        let (right, wrong) = ((1.0 - WRONG_SIGNS) * right, WRONG_SIGNS * wrong);
        // Without a day left for either there is nothing but what would be said without the sign.
        let right = if right > 0.0 { right / (right + wrong) } else { 0.0 };
        if right < RIGHT_MIN {
            return unsigned;
        }
        unsigned.or_rather(right, &still_open(&following, open_days).0, &Ovulation::seen(seen))
    }

    /// By what was said of starts alone.
    fn without_signs(situation: &Situation<'_>, cycle: &Table, open_days: Option<u32>) -> Self {
        let Situation { state, missed_start, luteal, .. } = *situation;
        if let Some(days) = open_days.filter(|days| *days >= SILENCE_DAYS) {
            return Self {
                basis: Basis::Silence,
                start: cycle.recurrence_after(days),
                ovulation: Ovulation::in_silence(cycle, days, &luteal),
                is_conditioned: true,
            };
        }
        if missed_start {
            let (start, is_conditioned) = still_open(&state.table(Ahead::Second), open_days);
            let ovulation = Ovulation::in_cycle_before(&start, cycle, &luteal);
            return Self { basis: Basis::MissedStart, start, ovulation, is_conditioned };
        }
        let (start, is_conditioned) = still_open(cycle, open_days);
        let ovulation = Ovulation::before(&start, &luteal);
        Self { basis: Basis::Lengths, start, ovulation, is_conditioned }
    }

    /// A mixture of the two; what is more probable is what it rests on.
    fn or_rather(self, probability: f64, start: &Table, ovulation: &Ovulation) -> Self {
        Self {
            basis: if probability >= 0.5 { Basis::Ovulation } else { self.basis },
            start: mixed(&self.start, start, probability),
            ovulation: self.ovulation.or_rather(probability, ovulation),
            is_conditioned: true,
        }
    }
}

/// What is left of a table, and whether the days that passed took more than 1 % of it away.
fn still_open(table: &Table, open_days: Option<u32>) -> (Table, bool) {
    let Some(days) = open_days else { return (table.clone(), false) };
    let left = table.given_open_until(days).unwrap_or_else(|| table.clone());
    (left, table.later_than(days) < 1.0 - TRUNCATED_MIN)
}
