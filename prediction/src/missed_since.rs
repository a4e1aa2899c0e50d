//! Whether a start went unlogged since somebody said that none had.

use crate::{Ahead, State, constants::SILENCE_DAYS};

/// The share of the next start's distribution of which it is known what it is worth: see
/// [`SILENCE_DAYS`] for how its outermost tail did.
const TAIL_MIN: f64 = 0.01;

impl State {
    /// The probability that a period has come already and was not logged, given that none had up to
    /// and with `answered` days after the last logged start, and that nothing was logged up to and with
    /// `day`: the greatest up to then, as in [`State::missed_start_probability_up_to`]. None had come
    /// by then, so 0 until then; and 1 after 120 days more ([`SILENCE_DAYS`]).
    ///
    /// It is g/(1 − F₁ + g) with g = π(F₁ − F₂) + π²(F₂ − F₃), where F₁ is the distribution of the
    /// next start, known to come after `answered`, and F₂ and F₃ are those of sums of it and one and
    /// two further cycles. If less than 1 % of the next start's distribution was left by then, its tail
    /// says nothing of what is left of so long a cycle, and today may be anywhere in one: F₁ is then
    /// that of a renewal process in equilibrium, as after 120 days of silence.
    pub fn missed_start_probability_since(&self, answered: u32, day: u32) -> f64 {
        if day <= answered {
            return 0.0;
        }
        if day - answered >= SILENCE_DAYS {
            return 1.0;
        }
        let cycle = self.table(Ahead::Next);
        let still_open =
            cycle.given_open_until(answered).filter(|_| cycle.later_than(answered) >= TAIL_MIN);
        let next = still_open.unwrap_or_else(|| cycle.recurrence_after(answered));
        let second = next.followed_by(&cycle);
        let third = second.followed_by(&cycle);
        let skip = self.skip_probability();
        let probability = |day: u32| {
            let [first, second, third] = [&next, &second, &third].map(|one| one.later_than(day));
            let once = skip * (second - first).max(0.0);
            let hidden = once + skip * skip * (third - second).max(0.0);
            if hidden > 0.0 { hidden / (first + hidden) } else { 0.0 }
        };
        (answered + 1..=day).map(probability).fold(0.0, f64::max)
    }
}
