//! What is known about one person's cycles: the posterior of the model after some lengths.

use std::{error::Error, fmt};

use crate::{
    constants::{
        AGE_MAX_YEARS, AGE_MIN_YEARS, AGE_REFERENCE_YEARS, AGE_SLOPE, HYPOTHESES_MAX, KAPPA,
        LENGTH_MAX_DAYS, LENGTH_MIN_DAYS, LENGTHS_MAX, MEAN_LN, RATE, SHAPE,
    },
    hypothesis::{Candidates, Evidence, Hypothesis},
};

/// What is known of one person after `lengths` cycle lengths: at most four hypotheses about which
/// of them hide a start that was not logged, and which were outliers.
///
/// A true cycle length in days is L = 12 + exp(X), X ~ N(μ, σ²), μ | σ² ~ N(m₀(age), σ²/κ₀),
/// 1/σ² ~ Gamma(a₀, rate b₀). Each hypothesis holds the posterior (m, κ, b); a = a₀ + n/2 is
/// common to all. The state is a pure function of the age and of the last 36 usable lengths.
#[derive(Clone)]
pub struct State {
    lengths: u32,
    kept: usize,
    hypotheses: [Hypothesis; HYPOTHESES_MAX],
}

impl PartialEq for State {
    /// Places that hold no hypothesis are no part of the state.
    fn eq(&self, other: &Self) -> bool {
        self.lengths == other.lengths && self.hypotheses() == other.hypotheses()
    }
}

/// One observed length: the days between two starts that were logged one after the other.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Length {
    /// Days from start to start.
    pub days: u32,
    /// What the person said about starts in between, if asked.
    pub answer: Option<CyclesInGap>,
}

/// How many true cycles lie between two logged starts, as the person said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CyclesInGap {
    /// "No, I did not miss one."
    One,
    /// Exactly one start was not logged.
    Two,
    /// Exactly two starts were not logged.
    Three,
    /// "Yes, I missed one, and do not know when": one or two starts.
    TwoOrThree,
}

/// What one length said.
#[derive(Clone, Copy, PartialEq)]
pub struct Update {
    /// The probability, 0 to 1, that this gap hides at least one start that was not logged, from
    /// this length and the ones before it.
    pub missed_probability: f64,
}

/// Why a length was not taken. The state is unchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UpdateError {
    /// Shorter than [`LENGTH_MIN_DAYS`]: probably spotting, ask the person.
    TooShort,
    /// Too short to hold as many cycles as the person said.
    ContradictsAnswer,
    /// The state holds [`LENGTHS_MAX`] lengths: replay the newest, or use a
    /// [`Window`](crate::Window), which does.
    Full,
}

impl State {
    /// Nothing known but the age, in years; 30 is assumed without, and ages count as 20 to 45.
    pub fn new(age_years: Option<f64>) -> Self {
        let known = age_years.filter(|age| age.is_finite()).unwrap_or(AGE_REFERENCE_YEARS);
        let age = known.clamp(AGE_MIN_YEARS, AGE_MAX_YEARS);
        let prior = Hypothesis {
            ln_weight: 0.0,
            mean_ln: MEAN_LN + AGE_SLOPE * (age - AGE_REFERENCE_YEARS),
            kappa: KAPPA,
            rate: RATE,
            skips: 0,
        };
        Self { lengths: 0, kept: 1, hypotheses: [prior; HYPOTHESES_MAX] }
    }

    /// What the last 36 usable of these lengths say, oldest first. Unusable ones (see
    /// [`UpdateError`]) are passed over.
    pub fn replay(age_years: Option<f64>, lengths: &[Length]) -> Self {
        let usable = lengths.iter().rev().filter(|length| length.is_usable());
        let mut newest = [Length { days: 0, answer: None }; 36];
        let mut count = 0;
        for (place, length) in newest.iter_mut().zip(usable) {
            *place = *length;
            count += 1;
        }
        let mut state = Self::new(age_years);
        for length in newest[..count].iter().rev() {
            // All of them are usable and there is room for each, so nothing is refused.
            let _taken = state.update(*length);
        }
        state
    }

    /// Takes one more length. Lengths over 120 days count as 120.
    ///
    /// With u = y/k − 12, x = ln u, w the precision of the component, for each hypothesis and each
    /// number k of cycles: v = (b/a)(1/κ + 1/w); the weight is multiplied by p · t(x; 2a, m, v)/(u k);
    /// m ← (κm + wx)/(κ + w), κ ← κ + w, b ← b + ½ κw/(κ + w) (x − m)². Murphy, "Conjugate Bayesian
    /// analysis of the Gaussian distribution" (2007), section 3; the mixture over k is this crate's own.
    ///
    /// # Errors
    ///
    /// See [`UpdateError`].
    pub fn update(&mut self, length: Length) -> Result<Update, UpdateError> {
        if length.days < LENGTH_MIN_DAYS {
            return Err(UpdateError::TooShort);
        }
        if self.lengths >= LENGTHS_MAX {
            return Err(UpdateError::Full);
        }
        let evidence = Evidence::of(length.model_days(), self.lengths, length.answer);
        let mut candidates = Candidates::default();
        for hypothesis in self.hypotheses() {
            evidence.weigh(hypothesis, &mut candidates);
        }
        if candidates.is_empty() {
            return Err(UpdateError::ContradictsAnswer);
        }
        let missed_probability = candidates.normalise();
        self.kept = candidates.keep_best(&mut self.hypotheses);
        self.lengths += 1;
        Ok(Update { missed_probability })
    }

    /// How many lengths the state was made from.
    pub fn lengths(&self) -> u32 {
        self.lengths
    }

    /// The hypotheses, most probable first; their weights add up to 1.
    pub fn hypotheses(&self) -> &[Hypothesis] {
        &self.hypotheses[..self.kept]
    }

    /// The probability that the next start will not be logged: α + skips of α + β + skips + n.
    pub fn skip_probability(&self) -> f64 {
        self.hypotheses().iter().map(|h| h.ln_weight.exp() * h.skip_probability(self.lengths)).sum()
    }

    /// Degrees of freedom 2a = 2a₀ + n of every Student distribution of the state.
    pub(crate) fn degrees(&self) -> u32 {
        2 * SHAPE + self.lengths
    }

    /// The state in stable parts, to be stored beside a
    /// [`CONSTANTS_VERSION`](crate::constants::CONSTANTS_VERSION): `lengths`, and for each
    /// hypothesis its numbers. [`State::from_parts`] gives back an equal state.
    pub fn to_parts(&self) -> (u32, Vec<Hypothesis>) {
        (self.lengths, self.hypotheses().to_vec())
    }

    /// A state from its parts; none if they are not those of a state: no hypothesis or more than
    /// four, more than 36 lengths, weights that do not add up to 1 within 10⁻⁹, or numbers outside
    /// what lengths can lead to.
    pub fn from_parts(lengths: u32, hypotheses: &[Hypothesis]) -> Option<Self> {
        let first = *hypotheses.first()?;
        let total: f64 = hypotheses.iter().map(|h| h.ln_weight.exp()).sum();
        let weighed = (total - 1.0).abs() < 1e-9;
        let sound = hypotheses.iter().all(|hypothesis| hypothesis.is_sound(lengths));
        if hypotheses.len() > HYPOTHESES_MAX || lengths > LENGTHS_MAX || !weighed || !sound {
            return None;
        }
        let mut places = [first; HYPOTHESES_MAX];
        places[..hypotheses.len()].copy_from_slice(hypotheses);
        Some(Self { lengths, kept: hypotheses.len(), hypotheses: places })
    }
}

impl Length {
    /// A length without an answer.
    pub fn new(days: u32) -> Self {
        Self { days, answer: None }
    }

    /// Whether [`State::update`] takes it; only [`UpdateError::Full`] is not asked here.
    pub fn is_usable(&self) -> bool {
        self.days >= LENGTH_MIN_DAYS
            && Evidence::of(self.model_days(), 0, self.answer).fits_any_count()
    }

    /// The length as it enters the model, in days.
    fn model_days(self) -> f64 {
        f64::from(self.days.min(LENGTH_MAX_DAYS))
    }
}

impl CyclesInGap {
    /// Whether so many cycles agree with the answer.
    pub(crate) fn allows(self, cycles: u32) -> bool {
        match self {
            Self::One => cycles == 1,
            Self::Two => cycles == 2,
            Self::Three => cycles == 3,
            Self::TwoOrThree => cycles >= 2,
        }
    }

    /// Whether the person said that a start is missing in the log.
    pub fn hides_a_start(self) -> bool {
        !self.allows(1)
    }
}

impl fmt::Display for UpdateError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::TooShort => "the length is too short for a cycle",
            Self::ContradictsAnswer => "the length is too short for as many cycles as were said",
            Self::Full => "the state holds as many lengths as it may",
        })
    }
}

impl Error for UpdateError {}
