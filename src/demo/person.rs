//! Who somebody is, the same for the same seed.

use anyhow::Result;
use chrono::{Days, NaiveDate};
use prediction::age_years;
use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use rand_distr::StandardNormal;

use super::{
    plan::{self, Plan},
    traits::{Traits, whole_days},
};

/// Ages are normal around the study's mean (30.1 years, standard deviation 5.8, in the 72 women of
/// the development half who stated it), and spread wider, as those of an app's users are.
const AGE_MEAN_YEARS: f64 = 30.1;
const AGE_DEVIATION_YEARS: f64 = 7.0;
/// Who is younger or older is drawn again.
const AGES_YEARS: std::ops::RangeInclusive<f64> = 16.0..=52.0;
/// When they are so old. A fixed day, so that a date of birth does not depend on the day of a run.
const AGES_HOLD_ON: Option<NaiveDate> = NaiveDate::from_ymd_opt(2026, 1, 1);
const YEAR_DAYS: f64 = 365.2425;
/// How many say when they were born.
const BIRTH_TOLD_SHARE: f64 = 0.9;

const GIVEN_NAMES: &[&str] = &[
    "Amara", "Beatriz", "Chloe", "Dilnoza", "Elif", "Freya", "Grace", "Hana", "Ines", "Jana",
    "Keiko", "Leila", "Maya", "Nadia", "Olga", "Priya", "Rosa", "Sofia", "Thandi", "Yuki",
];

/// One person of the population.
pub(super) struct Person {
    seed: u64,
    index: u32,
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

    /// The date of birth, of nine in ten.
    pub(super) fn date_of_birth(&self) -> Option<NaiveDate> {
        let told = self.random("told").random_bool(BIRTH_TOLD_SHARE);
        told.then(|| self.born()).flatten()
    }

    /// What to log. It ends with `until`, the day on which the account was made, so that every run
    /// plans the same.
    pub(super) fn plan(&self, until: NaiveDate) -> Result<Plan> {
        let age = age_years(self.born(), until);
        let traits = Traits::draw(&mut self.random("traits"), age)?;
        Ok(plan::draw(&mut self.random("cycles"), &traits, age, until))
    }

    fn born(&self) -> Option<NaiveDate> {
        let ages = self.random("birth").sample_iter::<f64, _>(StandardNormal);
        let mut ages = ages.map(|deviate| AGE_MEAN_YEARS + AGE_DEVIATION_YEARS * deviate);
        let age = ages.find(|age| AGES_YEARS.contains(age)).unwrap_or(AGE_MEAN_YEARS);
        AGES_HOLD_ON?.checked_sub_days(Days::new(whole_days(age * YEAR_DAYS)))
    }

    /// A source of its own for each purpose: a change to one leaves the others as they are.
    fn random(&self, purpose: &str) -> StdRng {
        let salt: u64 = purpose.bytes().fold(0, |salt, byte| salt * 131 + u64::from(byte));
        let mixed = self.seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) ^ salt;
        StdRng::seed_from_u64(mixed.wrapping_add(u64::from(self.index) << 20))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNTIL: NaiveDate = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();

    #[test]
    fn the_same_seed_gives_the_same_people() {
        for index in 0..50 {
            let plan = |seed| Person::new(seed, index).plan(UNTIL).unwrap();
            assert!(plan(7) == plan(7));
        }
        assert_ne!(Person::new(1, 0).email(), Person::new(2, 0).email());
    }

    #[test]
    fn every_seed_has_its_people() {
        for seed in [0, 1, u64::MAX - 1, u64::MAX] {
            for index in [0, 1, u32::MAX] {
                let person = Person::new(seed, index);
                assert!(GIVEN_NAMES.contains(&person.given_name()));
                assert!(!person.plan(UNTIL).unwrap().cycles.is_empty());
                assert!(person.date_of_birth().is_none_or(|day| day < UNTIL));
            }
        }
    }

    /// Mean within 0.5 years of the one that is drawn from, nine in ten told within 2 %.
    #[test]
    fn ages_are_those_of_the_study() {
        let people = (0..2_000).map(|index| Person::new(5, index));
        let told: Vec<f64> = people
            .filter_map(|person| age_years(person.date_of_birth(), AGES_HOLD_ON.unwrap()))
            .collect();
        let count = f64::from(u32::try_from(told.len()).unwrap());
        let mean = told.iter().sum::<f64>() / count;
        assert!((count / 2_000.0 - BIRTH_TOLD_SHARE).abs() < 0.02, "{count}");
        assert!((mean - AGE_MEAN_YEARS).abs() < 0.5, "{mean}");
        assert!(told.iter().all(|age| (15.9..52.1).contains(age)));
    }
}
