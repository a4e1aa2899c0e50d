//! How good the probabilities of fertile days were, where ovulation is known.

use prediction::{
    Ahead, Luteal, Ovulation, PastOvulation, Window, constants::FERTILE_DAYS_BEFORE_OVULATION,
};

use super::case::Log;

/// Brier score: the mean of (said − happened)² over all days, 0 is perfect. Brier, Mon Weather Rev
/// 1950;78:1–3.
#[derive(Clone, Copy, Default)]
pub(super) struct Brier {
    sum: f64,
    pub(super) days: u32,
}

/// Every day of each cycle that has a known ovulation and at least one length before it.
#[derive(Default)]
pub(super) struct Fertile {
    pub(super) cycles: u32,
    /// From the calendar alone.
    pub(super) calendar: Brier,
    /// Also from the ovulations of her earlier cycles.
    pub(super) with_ovulations: Brier,
}

impl Fertile {
    pub(super) fn add(&mut self, log: &Log) {
        let mut window = Window::new(log.age_years);
        let mut past: Vec<PastOvulation> = Vec::new();
        for (position, (length, ovulation)) in log.lengths.iter().zip(&log.ovulations).enumerate() {
            if let Some(day) = *ovulation {
                if position > 0 {
                    let table = window.state().table(Ahead::Next);
                    let said = |past| Ovulation::before(&table, &Luteal::from_past(past));
                    self.cycles += 1;
                    self.calendar.add(&said(&[]), day, length.days);
                    self.with_ovulations.add(&said(&past), day, length.days);
                }
                past.extend(PastOvulation::new(day, length.days));
            }
            // What the model cannot use it does not learn.
            let _unusable = window.push(*length);
        }
    }
}

impl Brier {
    pub(super) fn score(self) -> Option<f64> {
        (self.days > 0).then(|| self.sum / f64::from(self.days))
    }

    fn add(&mut self, said: &Ovulation, ovulation: u32, length_days: u32) {
        let first = ovulation.saturating_sub(FERTILE_DAYS_BEFORE_OVULATION);
        for day in 0..length_days {
            let fertile = f64::from(u8::from((first..=ovulation).contains(&day)));
            self.sum += (said.fertile_probability(day) - fertile).powi(2);
            self.days += 1;
        }
    }
}
