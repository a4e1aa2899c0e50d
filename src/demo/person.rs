//! Who the people are: drawn from published figures of real cycles, the same for the same seed.

use chrono::{Days, NaiveDate};
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};

/// Mean cycle length over people, in days; sd between people 2.7, within one person 2.7 with a
/// wide spread (Fehring/Marquette, development half; `prediction.md` §2).
const MEAN_LENGTH_DAYS: f64 = 29.1;
const BETWEEN_SD_DAYS: f64 = 2.7;
const WITHIN_SD_DAYS: f64 = 2.7;
/// How often somebody forgets to log a start.
const SKIPPED_SHARE: f64 = 0.03;

const GIVEN_NAMES: &[&str] = &[
    "Amara", "Beatriz", "Chloe", "Dilnoza", "Elif", "Freya", "Grace", "Hana", "Ines", "Jana",
    "Keiko", "Leila", "Maya", "Nadia", "Olga", "Priya", "Rosa", "Sofia", "Thandi", "Yuki",
];
const SYMPTOMS: &[(&str, &[&str])] = &[
    ("mood", &["happy", "calm", "irritable", "sad", "anxious"]),
    ("pain", &["cramps", "back pain", "headache"]),
    ("energy", &["high", "normal", "low"]),
    ("sleep", &["good", "restless"]),
    ("flow", &["light", "medium", "heavy"]),
];

/// One person of the population.
pub(super) struct Person {
    seed: u64,
    index: u32,
}

/// A cycle to log.
pub(super) struct Cycle {
    pub(super) start: NaiveDate,
    pub(super) end: Option<NaiveDate>,
    pub(super) symptoms: Vec<Symptom>,
}

/// A symptom to log.
pub(super) struct Symptom {
    pub(super) date: NaiveDate,
    pub(super) kind: &'static str,
    pub(super) value: &'static str,
    pub(super) severity: u8,
}

impl Person {
    pub(super) fn new(seed: u64, index: u32) -> Self {
        Self { seed, index }
    }

    pub(super) fn email(&self) -> String {
        format!("demo-{}-{}@example.org", self.seed, self.index)
    }

    pub(super) fn username(&self) -> String {
        format!("demo-{}-{}", self.seed, self.index)
    }

    /// Long enough for every profile. These people are not real and guard nothing.
    pub(super) fn password(&self) -> String {
        format!("lunation-demo-{}-{}", self.seed, self.index)
    }

    pub(super) fn given_name(&self) -> &'static str {
        let count = GIVEN_NAMES.len() as u64;
        let nth = u64::from(self.index).wrapping_add(self.seed);
        let index = usize::try_from(nth % count).unwrap_or(0);
        GIVEN_NAMES.get(index).copied().unwrap_or("Ada")
    }

    /// A date of birth, for about nine of ten.
    pub(super) fn date_of_birth(&self) -> Option<NaiveDate> {
        let mut random = self.random("birth");
        let year = random.random_range(1975..2006);
        let day = random.random_range(1..=365);
        random.random_bool(0.9).then(|| NaiveDate::from_yo_opt(year, day)).flatten()
    }

    /// The cycles to log, oldest first. They end shortly before `until`, the day on which the
    /// account was made, so that every run plans the same ones.
    pub(super) fn cycles(&self, until: NaiveDate) -> Vec<Cycle> {
        let mut random = self.random("cycles");
        let own_mean = normal(&mut random, MEAN_LENGTH_DAYS, BETWEEN_SD_DAYS).clamp(22.0, 42.0);
        let own_sd = WITHIN_SD_DAYS * normal(&mut random, 0.0, 0.5).exp().clamp(0.3, 2.5);
        let own_period = random.random_range(3_u64..=7);
        let count = random.random_range(1..=18);
        let mut start = until - Days::new(random.random_range(0..28));
        let mut cycles = Vec::new();
        for nth in 0..count {
            if nth == 0 || !random.random_bool(SKIPPED_SHARE) {
                cycles.push(cycle(&mut random, start, until, own_period));
            }
            start = start - whole_days(normal(&mut random, own_mean, own_sd).clamp(18.0, 70.0));
        }
        cycles.reverse();
        cycles
    }

    /// A source of its own for each purpose: a change to one leaves the others as they are.
    fn random(&self, purpose: &str) -> StdRng {
        let salt: u64 = purpose.bytes().fold(0, |salt, byte| salt * 131 + u64::from(byte));
        let mixed = self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ salt;
        StdRng::seed_from_u64(mixed.wrapping_add(u64::from(self.index) << 20))
    }
}

fn cycle(random: &mut StdRng, start: NaiveDate, until: NaiveDate, own_period: u64) -> Cycle {
    let length = (own_period + random.random_range(0..=2)).saturating_sub(1).max(2);
    let last = start + Days::new(length - 1);
    // Somebody who is still bleeding has no end to log, and nine of ten log one at all.
    let end = (last <= until && random.random_bool(0.9)).then_some(last);
    let days = end.unwrap_or(start).signed_duration_since(start).num_days().unsigned_abs() + 1;
    let symptoms = (0..random.random_range(0..4)).map(|_| symptom(random, start, days)).collect();
    Cycle { start, end, symptoms }
}

fn symptom(random: &mut StdRng, start: NaiveDate, days: u64) -> Symptom {
    let nth = random.random_range(0..SYMPTOMS.len());
    let (kind, values) = SYMPTOMS.get(nth).copied().unwrap_or(("mood", &["calm"]));
    let value = values.get(random.random_range(0..values.len())).copied().unwrap_or("calm");
    let date = start + Days::new(random.random_range(0..days));
    Symptom { date, kind, value, severity: random.random_range(1..=10) }
}

/// A draw from a normal distribution (Box and Muller, 1958).
fn normal(random: &mut StdRng, mean: f64, sd: f64) -> f64 {
    let radius = (-2.0 * (1.0 - random.random::<f64>()).ln()).sqrt();
    let angle = std::f64::consts::TAU * random.random::<f64>();
    mean + sd * radius * angle.cos()
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "the caller clamps to a few dozen days"
)]
fn whole_days(days: f64) -> Days {
    Days::new(days.round() as u64)
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNTIL: NaiveDate = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();

    #[test]
    fn the_same_seed_gives_the_same_people() {
        for index in 0..50 {
            let starts = |seed| {
                let cycles = Person::new(seed, index).cycles(UNTIL);
                cycles.iter().map(|cycle| (cycle.start, cycle.end)).collect::<Vec<_>>()
            };
            assert_eq!(starts(7), starts(7));
        }
        assert_ne!(Person::new(1, 0).email(), Person::new(2, 0).email());
    }

    #[test]
    fn every_seed_has_its_people() {
        for seed in [0, 1, u64::MAX - 1, u64::MAX] {
            for index in [0, 1, u32::MAX] {
                let person = Person::new(seed, index);
                assert!(GIVEN_NAMES.contains(&person.given_name()));
                assert!(!person.cycles(UNTIL).is_empty());
                assert!(person.date_of_birth().is_none_or(|day| day < UNTIL));
            }
        }
    }

    #[test]
    fn every_plan_is_one_that_the_contract_takes() {
        for index in 0..500 {
            let cycles = Person::new(3, index).cycles(UNTIL);
            assert!(!cycles.is_empty());
            for pair in cycles.windows(2) {
                assert!(pair[0].end.unwrap_or(pair[0].start) < pair[1].start);
            }
            for cycle in &cycles {
                let last = cycle.end.unwrap_or(cycle.start);
                assert!(cycle.start <= last && last <= UNTIL);
                assert!(
                    cycle
                        .symptoms
                        .iter()
                        .all(|symptom| (cycle.start..=last).contains(&symptom.date))
                );
            }
        }
    }

    #[test]
    fn the_population_looks_like_the_published_one() {
        let mut lengths = Vec::new();
        for index in 0..2_000 {
            let cycles = Person::new(5, index).cycles(UNTIL);
            let days = cycles.windows(2).map(|pair| (pair[1].start - pair[0].start).num_days());
            // Longer gaps are mostly those with a start that was not logged.
            lengths.extend(
                days.filter(|days| *days < 45).map(|days| f64::from(i32::try_from(days).unwrap())),
            );
        }
        let count = f64::from(u32::try_from(lengths.len()).unwrap());
        let mean = lengths.iter().sum::<f64>() / count;
        let variance = lengths.iter().map(|days| (days - mean).powi(2)).sum::<f64>() / count;
        assert!((28.5..30.0).contains(&mean), "{mean}");
        assert!((3.0..5.0).contains(&variance.sqrt()), "{}", variance.sqrt());
    }
}
