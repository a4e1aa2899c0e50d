//! Signs of ovulation: urine tests and temperatures.

use chrono::{Days, NaiveDate};
use rand::{RngExt as _, rngs::StdRng};

use super::{plan::Symptom, traits::normal};

/// How many of the newest cycles are charted.
pub(super) const CYCLES_MAX: usize = 4;
/// How many people test, and how many take their temperature.
const TESTERS_SHARE: f64 = 0.15;
const CHARTERS_SHARE: f64 = 0.08;
/// How many days before ovulation the first test is made.
const TESTED_DAYS: u64 = 5;
/// Temperatures are taken from so many days before ovulation to so many after.
const CHARTED_BEFORE_DAYS: u64 = 8;
const CHARTED_AFTER_DAYS: u64 = 5;
/// Degrees Celsius before ovulation, the rise after it, and how much a value is off. A rise of 0.2 °C
/// over six low values is what the three-over-six rule looks for.
const LOW_CELSIUS: f64 = 36.4;
const RISE_CELSIUS: f64 = 0.35;
const NOISE_CELSIUS: f64 = 0.06;

/// What somebody charts.
pub(super) struct Habit {
    tests: bool,
    takes_temperature: bool,
}

impl Habit {
    pub(super) fn draw(random: &mut StdRng) -> Self {
        Self {
            tests: random.random_bool(TESTERS_SHARE),
            takes_temperature: random.random_bool(CHARTERS_SHARE),
        }
    }

    /// The signs of a cycle with this day of ovulation, in order.
    pub(super) fn signs(&self, random: &mut StdRng, ovulation: NaiveDate) -> Vec<Symptom> {
        let mut signs = Vec::new();
        if self.tests {
            // The surge shows on the day before ovulation, and nobody tests on after it.
            signs.extend((1..=TESTED_DAYS).rev().map(|before| {
                let value = if before == 1 { "positive" } else { "negative" };
                sign(ovulation - Days::new(before), "ovulation_test", value.to_owned())
            }));
        }
        if self.takes_temperature {
            signs.extend((0..=CHARTED_BEFORE_DAYS + CHARTED_AFTER_DAYS).map(|day| {
                let rise = if day > CHARTED_BEFORE_DAYS { RISE_CELSIUS } else { 0.0 };
                let celsius = normal(random, LOW_CELSIUS + rise, NOISE_CELSIUS);
                let date = ovulation - Days::new(CHARTED_BEFORE_DAYS) + Days::new(day);
                sign(date, "basal_body_temperature", format!("{celsius:.2}"))
            }));
        }
        signs
    }
}

fn sign(date: NaiveDate, kind: &'static str, value: String) -> Symptom {
    Symptom { date, kind, value, severity: None }
}
