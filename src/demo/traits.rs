//! What somebody's cycles are like, drawn from the model that predicts them: its prior is the
//! population. Irregular people are those whose spread is drawn wide; nobody is made so.

use anyhow::{Context as _, Result};
use prediction::{
    State,
    constants::{
        KAPPA, LENGTH_MAX_DAYS, LENGTH_MIN_DAYS, LUTEAL_BETWEEN_DAYS, LUTEAL_MAX_DAYS,
        LUTEAL_MEAN_DAYS, LUTEAL_MIN_DAYS, LUTEAL_REFERENCE_LENGTH_DAYS, LUTEAL_SLOPE,
        LUTEAL_WITHIN_DAYS, OUTLIER_SHARE, OUTLIER_WEIGHT, PERIOD_BETWEEN_DAYS, PERIOD_MEAN_DAYS,
        PERIOD_WITHIN_DAYS, RATE, SHAPE, SHIFT_DAYS, SKIP_ALPHA, SKIP_BETA,
    },
};
use rand::{RngExt as _, rngs::StdRng};
use rand_distr::{Beta, Gamma, StandardNormal};

/// The longest period that is drawn, in days.
const PERIOD_DAYS_MAX: u64 = 12;

/// What one person's cycles are like.
pub(super) struct Traits {
    /// Mean of ln(length − 12 days).
    mean_ln: f64,
    /// Its standard deviation.
    deviation_ln: f64,
    /// How often a start is not logged.
    pub(super) skip_probability: f64,
    /// Mean days of bleeding.
    period_days: f64,
    /// By how many days the time from ovulation to the next start exceeds what the length of the
    /// cycle lets expect.
    luteal_excess_days: f64,
}

impl Traits {
    /// Draws somebody: 1/σ² ~ Gamma(a₀, rate b₀), μ | σ² ~ N(m₀(age), σ²/κ₀), skips ~ Beta(α, β).
    pub(super) fn draw(random: &mut StdRng, age_years: Option<f64>) -> Result<Self> {
        let prior = State::new(age_years);
        let prior = prior.hypotheses().first().context("the model has a prior")?;
        let precision = Gamma::new(f64::from(SHAPE), 1.0 / RATE).context("the precision")?;
        let deviation_ln = random.sample(precision).sqrt().recip();
        let skips = Beta::new(SKIP_ALPHA, SKIP_BETA).context("skipped starts")?;
        Ok(Self {
            mean_ln: normal(random, prior.mean_ln, deviation_ln / KAPPA.sqrt()),
            deviation_ln,
            skip_probability: random.sample(skips),
            period_days: normal(random, PERIOD_MEAN_DAYS, PERIOD_BETWEEN_DAYS),
            luteal_excess_days: normal(random, 0.0, LUTEAL_BETWEEN_DAYS),
        })
    }

    /// The length of a cycle, in days: 12 + exp(X), X ~ N(μ, σ²), or with the outliers' share with
    /// twice the deviation. Within what the model takes.
    pub(super) fn length_days(&self, random: &mut StdRng) -> u64 {
        let outlier = random.random_bool(OUTLIER_SHARE);
        let weight = if outlier { OUTLIER_WEIGHT } else { 1.0 };
        let length =
            SHIFT_DAYS + normal(random, self.mean_ln, self.deviation_ln / weight.sqrt()).exp();
        whole_days(length).clamp(LENGTH_MIN_DAYS.into(), LENGTH_MAX_DAYS.into())
    }

    /// The days of bleeding of a period.
    pub(super) fn period_days(&self, random: &mut StdRng) -> u64 {
        let days = normal(random, self.period_days, PERIOD_WITHIN_DAYS);
        whole_days(days).clamp(1, PERIOD_DAYS_MAX)
    }

    /// How many days after the start of a cycle of so many days ovulation is.
    #[expect(clippy::cast_precision_loss, reason = "a length has two or three digits")]
    pub(super) fn ovulation_day(&self, random: &mut StdRng, length_days: u64) -> u64 {
        let expected =
            LUTEAL_MEAN_DAYS + LUTEAL_SLOPE * (length_days as f64 - LUTEAL_REFERENCE_LENGTH_DAYS);
        let luteal = normal(random, expected + self.luteal_excess_days, LUTEAL_WITHIN_DAYS);
        let luteal = whole_days(luteal).clamp(LUTEAL_MIN_DAYS.into(), LUTEAL_MAX_DAYS.into());
        length_days.saturating_sub(luteal)
    }
}

/// A draw from a normal distribution.
pub(super) fn normal(random: &mut StdRng, mean: f64, deviation: f64) -> f64 {
    mean + deviation * random.sample::<f64, _>(StandardNormal)
}

/// The nearest number of whole days; 0 for what is negative.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, which is what is meant"
)]
pub(super) fn whole_days(days: f64) -> u64 {
    days.round() as u64
}

#[cfg(test)]
mod tests {
    use prediction::Ahead;
    use rand::SeedableRng as _;

    use super::*;

    const PEOPLE: u32 = 6_000;
    const AGE: Option<f64> = Some(30.0);

    fn people() -> (StdRng, Vec<Traits>) {
        let mut random = StdRng::seed_from_u64(11);
        let people = (0..PEOPLE).map(|_| Traits::draw(&mut random, AGE).unwrap()).collect();
        (random, people)
    }

    fn mean_and_deviation(values: &[f64]) -> (f64, f64) {
        let count = f64::from(u32::try_from(values.len()).unwrap());
        let mean = values.iter().sum::<f64>() / count;
        let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
        (mean, (squares / count).sqrt())
    }

    /// One cycle of each person is distributed as the model says of somebody of whom it knows
    /// nothing: the mean within 0.2 days, the deviation within 10 %, and the shares of lengths up
    /// to each day within 0.0176, the bound of Kolmogorov's test at 5 % (1.36/√6000).
    #[test]
    fn lengths_are_distributed_as_the_model_says() {
        let (mut random, people) = people();
        let lengths: Vec<u64> =
            people.iter().map(|person| person.length_days(&mut random)).collect();
        let table = State::new(AGE).table(Ahead::Next);
        let real: Vec<f64> =
            lengths.iter().map(|days| f64::from(u32::try_from(*days).unwrap())).collect();
        let (mean, deviation) = mean_and_deviation(&real);
        let expected = table.mean_days();
        let variance: f64 = table
            .probabilities()
            .map(|(day, probability)| probability * (f64::from(day) - expected).powi(2))
            .sum();
        println!("mean {mean:.2} of {expected:.2}, sd {deviation:.2} of {:.2}", variance.sqrt());
        assert!((mean - expected).abs() < 0.2, "{mean} instead of {expected}");
        assert!((deviation / variance.sqrt() - 1.0).abs() < 0.1, "{deviation}");
        for day in 15..=120_u32 {
            let drawn = lengths.iter().filter(|days| **days <= u64::from(day)).count();
            let share = f64::from(u32::try_from(drawn).unwrap()) / f64::from(PEOPLE);
            let said = 1.0 - table.later_than(day);
            assert!((share - said).abs() < 0.0176, "day {day}: {share} instead of {said}");
        }
    }

    /// Two cycles of one person are alike: the deviation within people is the model's E σ of the
    /// shifted logarithm, within 10 %.
    #[test]
    fn people_differ_from_each_other() {
        let (mut random, people) = people();
        let log = |days: u64| (f64::from(u32::try_from(days).unwrap()) - SHIFT_DAYS).ln();
        let pairs = people.iter().map(|person| {
            let (one, other) = (person.length_days(&mut random), person.length_days(&mut random));
            log(one) - log(other)
        });
        let squares: f64 = pairs.map(|difference| difference.powi(2) / 2.0).sum();
        let within = squares / f64::from(PEOPLE);
        // E σ² of an inverse gamma distribution, with the outliers' part of the variance.
        let expected = RATE / (f64::from(SHAPE) - 1.0) * prediction::constants::VARIANCE_AHEAD;
        println!("within {within:.4} of {expected:.4}");
        assert!((within.sqrt() / expected.sqrt() - 1.0).abs() < 0.1, "{within}, {expected}");
    }

    /// Mean 0.02 within 0.003, deviation within 10 % of √(αβ/((α+β)²(α+β+1))).
    #[test]
    fn skipped_starts_are_as_the_model_says() {
        let (_, people) = people();
        let skips: Vec<f64> = people.iter().map(|person| person.skip_probability).collect();
        let (mean, deviation) = mean_and_deviation(&skips);
        let sum = SKIP_ALPHA + SKIP_BETA;
        let expected = (SKIP_ALPHA * SKIP_BETA / (sum * sum * (sum + 1.0))).sqrt();
        println!("skips {mean:.4} of {:.4}, sd {deviation:.4} of {expected:.4}", SKIP_ALPHA / sum);
        assert!((mean - SKIP_ALPHA / sum).abs() < 0.003, "{mean}");
        assert!((deviation / expected - 1.0).abs() < 0.1, "{deviation} instead of {expected}");
    }

    /// Days of bleeding and the time from ovulation to the next start, within 0.1 days.
    #[test]
    fn periods_and_ovulations_are_as_the_model_says() {
        let (mut random, people) = people();
        let real = |days: u64| f64::from(u32::try_from(days).unwrap());
        let periods: Vec<f64> =
            people.iter().map(|person| real(person.period_days(&mut random))).collect();
        let luteal: Vec<f64> = people
            .iter()
            .map(|person| 29.0 - real(person.ovulation_day(&mut random, 29)))
            .collect();
        let (period, luteal) = (mean_and_deviation(&periods).0, mean_and_deviation(&luteal).0);
        println!("period {period:.2}, luteal {luteal:.2}");
        assert!((period - PERIOD_MEAN_DAYS).abs() < 0.1, "{period}");
        assert!((luteal - LUTEAL_MEAN_DAYS).abs() < 0.1, "{luteal}");
    }
}
