//! Ovulation and the fertile days around it. Information only: this is **not contraception**.

mod lh_tests;
mod luteal;
mod signs;
mod temperatures;

pub use lh_tests::{LhTest, from_tests};
pub use luteal::{Luteal, PastOvulation};
pub use signs::from_signs;
pub use temperatures::{SHIFT_LOW_DAYS, SHIFT_MIN_CELSIUS, Temperature, from_temperatures};

use crate::{
    Table,
    constants::{
        FERTILE_DAYS_BEFORE_OVULATION, FERTILE_SHOWN_FROM, LUTEAL_MAX_DAYS, LUTEAL_MEAN_DAYS,
        LUTEAL_MIN_DAYS, OVULATORY_LENGTH_MAX_DAYS, OVULATORY_LENGTH_MIN_DAYS,
    },
    mixture::mixed,
    numbers::{day_of, index},
};

/// Lengths less probable than this are passed over.
const PROBABILITY_MIN: f64 = 1e-7;
/// With less than this between the first possible length and 75 days, longer ones are reckoned with.
const LATE_ROOM_DAYS: u32 = 30;

/// [`Ovulation::seen`] begins so many days before the day that signs say.
const SEEN_BEFORE_DAYS: u32 = 1;
/// How probable ovulation is on each day from there on.
const SEEN_SHARES: [f64; 4] = [0.10, 0.63, 0.19, 0.08];

/// On which day ovulation is, and so which days are fertile. Days are counted from the start of
/// the cycle: 0 is the first day of bleeding, cycle day 1.
#[derive(Clone, PartialEq)]
pub struct Ovulation(Table);

impl Ovulation {
    /// Ovulation in the cycle that ends with the start of `next_start`:
    /// P(o) = Σ P(L) N(D = L − o; mean, sd), D in 8 to 20 days, normalised for each length L from 15
    /// to 75 days, or to the end of the table for somebody who is so late that little is left of it
    /// under 75. Without any such length it is 14 days before the shown start.
    pub fn before(next_start: &Table, luteal: &Luteal) -> Self {
        let late = next_start.first_day() > OVULATORY_LENGTH_MAX_DAYS - LATE_ROOM_DAYS;
        let longest = if late { next_start.last_day() } else { OVULATORY_LENGTH_MAX_DAYS };
        let mut masses = vec![0.0; index(longest) + 1];
        for length in OVULATORY_LENGTH_MIN_DAYS..=longest {
            let probability = next_start.probability(length);
            if probability < PROBABILITY_MIN {
                continue;
            }
            for (luteal_days, share) in (LUTEAL_MIN_DAYS..).zip(luteal.shares(length)) {
                if let Some(day) = length.checked_sub(luteal_days) {
                    masses[index(day)] += probability * share;
                }
            }
        }
        let without = || Self::on(next_start.date_days().saturating_sub(day_of(LUTEAL_MEAN_DAYS)));
        Table::from_masses(0, &masses).map_or_else(without, Self)
    }

    /// Ovulation before the first start after `open_until`, when nothing is known of where in a
    /// cycle that day is: for the lengths L of `cycle` from 15 to 75 days, and the days j = 1 … L
    /// that may be left of each, P(o) = Σ P(L)/E\[L\] N(D = `open_until` + j − o; mean, sd). It may
    /// have passed.
    pub(crate) fn in_silence(cycle: &Table, open_until: u32, luteal: &Luteal) -> Self {
        let first = open_until.saturating_add(1).saturating_sub(LUTEAL_MAX_DAYS);
        let mut masses = vec![0.0; index(LUTEAL_MAX_DAYS + OVULATORY_LENGTH_MAX_DAYS)];
        for length in OVULATORY_LENGTH_MIN_DAYS..=OVULATORY_LENGTH_MAX_DAYS {
            let probability = cycle.probability(length);
            for (luteal_days, share) in (LUTEAL_MIN_DAYS..).zip(luteal.shares(length)) {
                // With one day left ovulation is `luteal_days` − 1 days before `open_until`.
                let from = index(LUTEAL_MAX_DAYS - luteal_days);
                for mass in &mut masses[from..from + index(length)] {
                    *mass += probability * share;
                }
            }
        }
        Self(Table::from_masses(first, &masses).unwrap_or_else(|| Table::certain(first)))
    }

    /// Ovulation in the cycle that ends with the start of `next_start`, when nothing is known of when
    /// that cycle began: P(o) = Σ P(s) Σ P(L) N(D = s − o; mean, sd), for the lengths L of `cycle` from
    /// 15 to 75 days.
    pub(crate) fn in_cycle_before(next_start: &Table, cycle: &Table, luteal: &Luteal) -> Self {
        let mut luteal_shares = vec![0.0; index(LUTEAL_MAX_DAYS - LUTEAL_MIN_DAYS) + 1];
        for length in OVULATORY_LENGTH_MIN_DAYS..=OVULATORY_LENGTH_MAX_DAYS {
            let probability = cycle.probability(length);
            for (sum, share) in luteal_shares.iter_mut().zip(luteal.shares(length)) {
                *sum += probability * share;
            }
        }
        let mut masses = vec![0.0; index(next_start.last_day())];
        for (day, probability) in next_start.probabilities() {
            for (luteal_days, share) in (LUTEAL_MIN_DAYS..).zip(&luteal_shares) {
                if let Some(mass) =
                    day.checked_sub(luteal_days).and_then(|o| masses.get_mut(index(o)))
                {
                    *mass += probability * share;
                }
            }
        }
        Self(Table::from_masses(0, &masses).unwrap_or_else(|| Table::certain(0)))
    }

    /// Ovulation on a day that is known.
    pub fn on(day: u32) -> Self {
        Self(Table::certain(day))
    }

    /// Ovulation that signs dated to a day ([`from_signs`]): on it in 63 of 100 cycles, and in 10, 19 and
    /// 8 on the day before, the day after, and two days after.
    ///
    /// Of 26 follicles 73 % had ruptured within 24 hours of a positive test and 92 % within 48 (Miller
    /// and Soules, Obstet Gynecol 1996;87:13–17); in almost 10 % of 283 cycles with ultrasound it was
    /// earlier than the hormone says (Ecochard and others, BJOG 2001;108:822–9), which is taken from
    /// the first day. A rise of temperature is no more exact, and is taken to be as exact.
    pub fn seen(day: u32) -> Self {
        let first = day.saturating_sub(SEEN_BEFORE_DAYS);
        // Of a sign on the first day of a cycle the day before is none of it.
        let skipped = index(SEEN_BEFORE_DAYS - (day - first));
        Self(
            Table::from_masses(first, &SEEN_SHARES[skipped..])
                .unwrap_or_else(|| Table::certain(day)),
        )
    }

    /// A mixture: the other one with this probability.
    pub(crate) fn or_rather(&self, probability: f64, other: &Self) -> Self {
        Self(mixed(&self.0, &other.0, probability))
    }

    /// The same ovulation counted from an earlier day, `start` days after which its cycle starts.
    pub(crate) fn after(&self, start: &Table) -> Self {
        Self(start.followed_by(&self.0))
    }

    /// The distribution of the day.
    pub fn table(&self) -> &Table {
        &self.0
    }

    /// P(ovulation is on this day).
    pub fn probability(&self, day: u32) -> f64 {
        self.0.probability(day)
    }

    /// P(this day is one of the six that end with ovulation) = Σ P(o), o from `day` to `day` + 5.
    pub fn fertile_probability(&self, day: u32) -> f64 {
        self.0.probability_between(day, day.saturating_add(FERTILE_DAYS_BEFORE_OVULATION))
    }

    /// First and last of the days whose fertile probability is at least 0.25, or, where none is so
    /// probable, at least half of the greatest.
    pub fn fertile_days(&self) -> (u32, u32) {
        let from = self.0.first_day().saturating_sub(FERTILE_DAYS_BEFORE_OVULATION);
        let days = from..=self.0.last_day();
        let greatest = days.clone().map(|day| self.fertile_probability(day)).fold(0.0, f64::max);
        let shown = FERTILE_SHOWN_FROM.min(0.5 * greatest);
        let mut fertile = days.filter(|day| self.fertile_probability(*day) >= shown);
        let first = fertile.next().unwrap_or(from);
        (first, fertile.next_back().unwrap_or(first))
    }
}
