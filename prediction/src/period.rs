//! How long a period lasts.

use crate::{
    constants::{
        LENGTHS_MAX, PERIOD_BETWEEN_DAYS, PERIOD_MAX_DAYS, PERIOD_MEAN_DAYS, PERIOD_WITHIN_DAYS,
    },
    normal,
    numbers::{day_of, index, real},
};

/// The days of bleeding of one person's next period, inclusive: normal, cut to 1 to 31 days.
#[derive(Clone, Copy, PartialEq)]
pub struct PeriodLength {
    mean_days: f64,
    deviation_days: f64,
}

impl PeriodLength {
    /// What is known after these periods, in inclusive days of bleeding, oldest first; the last 36
    /// are used and their order is irrelevant. The mean of j periods is (Σ + λ · 5)/(j + λ), the
    /// deviation 0.85 √(1 + 1/(j + λ)), λ = (0.85/0.94)²: the normal-normal model of Gelman and
    /// others, "Bayesian Data Analysis" (3rd ed., 2013), section 2.5.
    pub fn from_past(lengths_days: &[u32]) -> Self {
        let used = &lengths_days[lengths_days.len().saturating_sub(index(LENGTHS_MAX))..];
        let prior_weight = (PERIOD_WITHIN_DAYS / PERIOD_BETWEEN_DAYS).powi(2);
        let weight = real(used.len()) + prior_weight;
        let sum: u32 = used.iter().map(|days| (*days).clamp(1, PERIOD_MAX_DAYS)).sum();
        Self {
            mean_days: (f64::from(sum) + prior_weight * PERIOD_MEAN_DAYS) / weight,
            deviation_days: PERIOD_WITHIN_DAYS * (1.0 + 1.0 / weight).sqrt(),
        }
    }

    /// The mean, in days.
    pub fn mean_days(&self) -> f64 {
        self.mean_days
    }

    /// The mean to the nearest day, 1 to 31.
    pub fn days(&self) -> u32 {
        day_of(self.mean_days).clamp(1, PERIOD_MAX_DAYS)
    }

    /// P(it lasts at least so many days): 1 on the first day, 0 after the 31st.
    pub fn lasts_probability(&self, days: u32) -> f64 {
        match days {
            0 | 1 => 1.0,
            _ if days > PERIOD_MAX_DAYS => 0.0,
            _ => normal::upper_tail((f64::from(days) - 0.5 - self.mean_days) / self.deviation_days),
        }
    }

    /// P(it lasts at least so many days), from 1 day to 31.
    pub(crate) fn lasts(&self) -> [f64; PERIOD_MAX_DAYS as usize] {
        let mut days = 0;
        [(); PERIOD_MAX_DAYS as usize].map(|()| {
            days += 1;
            self.lasts_probability(days)
        })
    }
}
