//! The distribution of a day: a table from which every statement about it is read.

use crate::numbers::{day_of, days, index, real};

/// The distribution of a whole day, counted from a day of reference, for one that comes after
/// the last logged start as a rule.
///
/// Its probabilities add up to 1. Inside a day, which reaches from d − ½ to d + ½, probability is
/// spread evenly: that is what quantiles interpolate.
#[derive(Clone, PartialEq)]
pub struct Table {
    first: u32,
    /// `later[i]` = P(day > first + i): falling, 0 at the end. Kept instead of P(day ≤ …) because a
    /// forecast for somebody who is late divides by it.
    later: Vec<f64>,
}

impl Table {
    /// From P(day > first + i) before rescaling. What lies beyond the last is cut off.
    pub(crate) fn from_tails(first: u32, tails: impl Iterator<Item = f64>) -> Self {
        let mut later: Vec<f64> = tails.collect();
        let cut = later.last().copied().unwrap_or(0.0);
        let total = 1.0 - cut;
        let mut before = 1.0;
        for tail in &mut later {
            // Rounding must not let the tail rise, nor leave 0 to 1.
            before = ((*tail - cut) / total).clamp(0.0, before);
            *tail = before;
        }
        Self { first, later }
    }

    /// From probabilities of the days `first` + i, before rescaling; none if they add up to nothing.
    pub(crate) fn from_masses(first: u32, masses: &[f64]) -> Option<Self> {
        let total: f64 = masses.iter().sum();
        if total.is_nan() || total <= 0.0 {
            return None;
        }
        let mut later = vec![0.0; masses.len()];
        let mut sum = 0.0;
        for (tail, mass) in later.iter_mut().zip(masses).rev() {
            *tail = f64::min(sum / total, 1.0);
            sum += mass;
        }
        Some(Self { first, later })
    }

    /// A day that is known.
    pub fn certain(day: u32) -> Self {
        Self { first: day, later: vec![0.0] }
    }

    /// The first day with a probability of its own.
    pub fn first_day(&self) -> u32 {
        self.first
    }

    /// The last day that is reckoned with.
    pub fn last_day(&self) -> u32 {
        self.first.saturating_add(days(self.later.len())).saturating_sub(1)
    }

    /// P(it is later than `day`).
    pub fn later_than(&self, day: u32) -> f64 {
        let Some(place) = day.checked_sub(self.first) else { return 1.0 };
        self.later.get(index(place)).copied().unwrap_or(0.0)
    }

    /// P(it is `day`).
    pub fn probability(&self, day: u32) -> f64 {
        day.checked_sub(1).map_or(1.0, |before| self.later_than(before)) - self.later_than(day)
    }

    /// P(it is one of the days `first` to `last`), both inclusive.
    pub fn probability_between(&self, first: u32, last: u32) -> f64 {
        let from_first = first.checked_sub(1).map_or(1.0, |before| self.later_than(before));
        (from_first - self.later_than(last)).max(0.0)
    }

    /// Each day with its probability, in order.
    pub fn probabilities(&self) -> impl Iterator<Item = (u32, f64)> {
        (self.first..).zip(self.masses())
    }

    /// The mean day.
    pub fn mean_days(&self) -> f64 {
        let after_first: f64 =
            self.masses().enumerate().map(|(place, mass)| real(place) * mass).sum();
        f64::from(self.first) + after_first
    }

    /// The point that the day comes before with probability `level`, 0 to 1; levels outside count
    /// as the nearest inside. Real-valued: round only what is shown.
    pub fn quantile_days(&self, level: f64) -> f64 {
        let target = if level.is_nan() { 1.0 } else { 1.0 - level.clamp(0.0, 1.0) };
        let place = self.later.partition_point(|tail| *tail > target);
        let before = if place == 0 { 1.0 } else { self.later[place - 1] };
        let after = self.later.get(place).copied().unwrap_or(0.0);
        let inside = if before > after { (before - target) / (before - after) } else { 0.5 };
        f64::from(self.first) + real(place) - 0.5 + inside.clamp(0.0, 1.0)
    }

    /// The day that is shown: the median, rounded to a whole day.
    pub fn date_days(&self) -> u32 {
        day_of(self.quantile_days(0.5)).clamp(self.first, self.last_day())
    }

    /// The central interval of probability `level`, in real-valued days.
    pub fn interval_days(&self, level: f64) -> (f64, f64) {
        let outside = 0.5 * (1.0 - level);
        (self.quantile_days(outside), self.quantile_days(1.0 - outside))
    }

    /// The range of whole days, both inclusive, that holds the day with as nearly `level` as whole
    /// days can. It grows from the shown day to that side on which more is left outside, so it is a
    /// central one, and lies in that of a greater level. The ends of [`Table::interval_days`], rounded
    /// to whole days, would hold far more: half a day of probability on either side.
    pub fn whole_days(&self, level: f64) -> (u32, u32) {
        let date = self.date_days();
        let off = |(first, last)| (level - self.probability_between(first, last)).abs();
        let mut nearest = (date, date);
        let (mut first, mut last) = nearest;
        while self.probability_between(first, last) < level {
            let before = first.checked_sub(1).map_or(0.0, |day| 1.0 - self.later_than(day));
            let after = self.later_than(last);
            if before > after && first > self.first {
                first -= 1;
            } else if last < self.last_day() {
                last += 1;
            } else {
                break;
            }
            if off((first, last)) < off(nearest) {
                nearest = (first, last);
            }
        }
        nearest
    }

    /// P(it is within `days` days of the shown one).
    pub fn probability_within(&self, days: u32) -> f64 {
        let date = self.date_days();
        self.probability_between(date.saturating_sub(days), date.saturating_add(days))
    }

    /// The distribution once it is known that the day was none up to and with `day`; none if the
    /// table ends there, so that nothing is left to say. More days passed never give an earlier
    /// quantile.
    pub fn given_open_until(&self, day: u32) -> Option<Self> {
        let Some(place) = day.checked_sub(self.first) else { return Some(self.clone()) };
        let remaining = *self.later.get(index(place))?;
        if remaining < f64::MIN_POSITIVE {
            return None;
        }
        let later = self.later[index(place) + 1..].iter().map(|tail| tail / remaining).collect();
        Some(Self { first: day.saturating_add(1), later })
    }

    /// The first day of a renewal process after `day`, if this is the distribution of its lengths
    /// in days, and it has run for so long that nothing is known of when it last renewed: the
    /// forward recurrence time in equilibrium, P(`day` + j) = P(length ≥ j)/E\[length\] for j ≥ 1.
    /// Cox, "Renewal Theory" (1962), section 5.
    pub(crate) fn recurrence_after(&self, day: u32) -> Self {
        let first = day.saturating_add(1);
        let longer: Vec<f64> = (0..self.last_day()).map(|days| self.later_than(days)).collect();
        Self::from_masses(first, &longer).unwrap_or_else(|| Self::certain(first))
    }

    /// The distribution of the sum of this day and another, independent one.
    pub(crate) fn followed_by(&self, other: &Self) -> Self {
        let steps: Vec<f64> = other.masses().collect();
        let mut sums = vec![0.0; self.later.len() + steps.len()];
        for (place, mass) in self.masses().enumerate() {
            for (sum, step) in sums[place..].iter_mut().zip(&steps) {
                *sum += mass * step;
            }
        }
        sums.pop();
        let first = self.first.saturating_add(other.first);
        Self::from_masses(first, &sums).unwrap_or_else(|| Self::certain(first))
    }

    fn masses(&self) -> impl Iterator<Item = f64> {
        let before = std::iter::once(1.0).chain(self.later.iter().copied());
        before.zip(&self.later).map(|(before, after)| before - after)
    }
}
