//! Times without cycles, or without cycles that can be predicted.

use chrono::{Days, NaiveDate};
use rand::{RngExt as _, rngs::StdRng};

/// How many people have had such a time.
const SHARE: f64 = 0.12;
/// From this age on, in years, it is the menopausal transition. Harlow and others, J Clin Endocrinol
/// Metab 2012;97:1159–68: it begins at 47 years on average.
const TRANSITION_FROM_YEARS: f64 = 46.0;
/// From the last period to the birth, in days (Naegele's rule).
const PREGNANCY_DAYS: u64 = 280;
/// From the last period to conception.
const CONCEPTION_DAY: u64 = 14;

const PREGNANCY: &str = "pregnancy";
const POSTPARTUM: &str = "postpartum";
const BREASTFEEDING: &str = "breastfeeding";
const HORMONAL_CONTRACEPTION: &str = "hormonal_contraception";
const PERIMENOPAUSE: &str = "perimenopause";
const PAUSE: &str = "pause";

/// All of them.
#[cfg(test)]
pub(super) const KINDS: [&str; 6] =
    [PREGNANCY, POSTPARTUM, BREASTFEEDING, HORMONAL_CONTRACEPTION, PERIMENOPAUSE, PAUSE];

/// An episode to log.
#[derive(PartialEq)]
pub(super) struct Episode {
    pub(super) kind: &'static str,
    pub(super) start: NaiveDate,
    pub(super) end: Option<NaiveDate>,
}

/// A time that somebody has had.
pub(super) struct Gap {
    /// It lies after the cycle of this number, the newest being 0.
    pub(super) before: usize,
    cause: Cause,
}

enum Cause {
    /// A pregnancy, and the time after the birth.
    Child,
    Contraception,
    Pause,
    Transition,
}

impl Gap {
    /// What somebody of this age with so many cycles has had, if anything.
    pub(super) fn draw(random: &mut StdRng, age_years: Option<f64>, cycles: usize) -> Option<Self> {
        let before = random.random_range(0..cycles);
        let cause = match random.random_range(0..10) {
            0..4 => Cause::Child,
            4..7 => Cause::Contraception,
            _ => Cause::Pause,
        };
        let in_transition = age_years.is_some_and(|age| age >= TRANSITION_FROM_YEARS);
        let cause = if in_transition { Cause::Transition } else { cause };
        random.random_bool(SHARE).then_some(Self { before, cause })
    }

    /// Fills the time before `end`, which is the next start or, if the time is `open`, today.
    /// Gives the last start before it, which would have been `start`, and the episodes, oldest
    /// first.
    pub(super) fn fill(
        &self,
        random: &mut StdRng,
        start: NaiveDate,
        end: NaiveDate,
        open: bool,
    ) -> (NaiveDate, Vec<Episode>) {
        let last_day = end - Days::new(1);
        let single = |kind, days, after_start| {
            let start = end - Days::new(days);
            let end = (!open).then_some(last_day);
            (start - Days::new(after_start), vec![Episode { kind, start, end }])
        };
        match self.cause {
            Cause::Child if open => {
                let days = random.random_range(30..PREGNANCY_DAYS - CONCEPTION_DAY);
                single(PREGNANCY, days, CONCEPTION_DAY)
            }
            Cause::Child => {
                let after = if random.random_bool(0.6) { BREASTFEEDING } else { POSTPARTUM };
                let birth = last_day - Days::new(random.random_range(45..300));
                let last_period = birth - Days::new(PREGNANCY_DAYS);
                let conception = last_period + Days::new(CONCEPTION_DAY);
                let after_birth = birth + Days::new(1);
                let pregnancy = Episode { kind: PREGNANCY, start: conception, end: Some(birth) };
                let resting = Episode { kind: after, start: after_birth, end: Some(last_day) };
                (last_period, vec![pregnancy, resting])
            }
            Cause::Contraception => single(HORMONAL_CONTRACEPTION, random.random_range(90..700), 5),
            Cause::Pause => single(PAUSE, random.random_range(60..200), 20),
            Cause::Transition => {
                // It goes on, and cycles go on being logged.
                (start, vec![Episode { kind: PERIMENOPAUSE, start, end: None }])
            }
        }
    }
}
