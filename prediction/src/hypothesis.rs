//! One hypothesis about the past, and how a length weighs it.

use crate::{
    CyclesInGap,
    constants::{
        CYCLES_IN_GAP_MAX, HYPOTHESES_MAX, HYPOTHESIS_WEIGHT_MIN, KAPPA, OUTLIER_SHARE,
        OUTLIER_WEIGHT, RATE, REMAINDER_MIN_DAYS, SHAPE, SHIFT_DAYS, SKIP_ALPHA, SKIP_BETA,
    },
};

/// Components that a length is taken apart into: one cycle, an outlying one, two, three.
const COMPONENTS: usize = 4;
const CANDIDATES_MAX: usize = HYPOTHESES_MAX * COMPONENTS;

/// The normal-inverse-gamma posterior under one hypothesis about the past.
#[derive(Clone, Copy, Default, PartialEq)]
pub struct Hypothesis {
    /// Logarithm of its probability.
    pub ln_weight: f64,
    /// Posterior mean m of ln(length − 12 days).
    pub mean_ln: f64,
    /// How many cycles the mean is worth: κ.
    pub kappa: f64,
    /// Rate b of the gamma posterior of the precision, in squared units of ln days.
    pub rate: f64,
    /// How many starts were not logged.
    pub skips: u32,
}

impl Hypothesis {
    /// Mean of the beta posterior that a start is not logged, after so many lengths.
    pub(crate) fn skip_probability(&self, lengths: u32) -> f64 {
        let skips = f64::from(self.skips);
        (SKIP_ALPHA + skips) / (SKIP_ALPHA + SKIP_BETA + skips + f64::from(lengths))
    }

    /// Whether `lengths` lengths can have led here. ln(0.5) and ln(108) bound the data and the
    /// prior mean lies between them.
    pub(crate) fn is_sound(&self, lengths: u32) -> bool {
        self.ln_weight <= 1e-9
            && self.ln_weight >= HYPOTHESIS_WEIGHT_MIN.ln()
            && (-1.0..=5.0).contains(&self.mean_ln)
            && (KAPPA..=KAPPA + 3.0 * f64::from(lengths) + 1e-9).contains(&self.kappa)
            && (RATE..1e6).contains(&self.rate)
            && self.skips <= 2 * lengths
    }
}

/// One length, as seen by every hypothesis.
pub(crate) struct Evidence {
    lengths_before: u32,
    /// a = a₀ + n/2.
    shape: f64,
    parts: [Part; 3],
}

/// The length as a sum of so many cycles.
#[derive(Clone, Copy)]
struct Part {
    cycles: u32,
    /// x = ln u.
    ln_remainder: f64,
    /// ln(u k): the density is one of ln(y/k − 12), the length that is compared is y.
    ln_jacobian: f64,
    fits: bool,
}

impl Evidence {
    pub(crate) fn of(length_days: f64, lengths_before: u32, answer: Option<CyclesInGap>) -> Self {
        let part = |cycles: u32| {
            let remainder = length_days / f64::from(cycles) - SHIFT_DAYS;
            let fits = remainder >= REMAINDER_MIN_DAYS
                && answer.is_none_or(|answer| answer.allows(cycles));
            let bounded = remainder.max(REMAINDER_MIN_DAYS);
            let ln_jacobian = (bounded * f64::from(cycles)).ln();
            Part { cycles, ln_remainder: bounded.ln(), ln_jacobian, fits }
        };
        Self {
            lengths_before,
            shape: f64::from(SHAPE) + f64::from(lengths_before) / 2.0,
            parts: [part(1), part(2), part(CYCLES_IN_GAP_MAX)],
        }
    }

    pub(crate) fn fits_any_count(&self) -> bool {
        self.parts.iter().any(|part| part.fits)
    }

    /// Adds what the hypothesis becomes under each number of cycles.
    pub(crate) fn weigh(&self, hypothesis: &Hypothesis, candidates: &mut Candidates) {
        let skip = hypothesis.skip_probability(self.lengths_before);
        let [one, two, three] = self.parts;
        let components = [
            (one, 1.0, (1.0 - skip) * (1.0 - OUTLIER_SHARE)),
            (one, OUTLIER_WEIGHT, (1.0 - skip) * OUTLIER_SHARE),
            (two, 2.0, skip * (1.0 - skip)),
            (three, 3.0, skip * skip),
        ];
        for (part, weight, probability) in components {
            if part.fits {
                candidates.add(self.posterior(hypothesis, part, weight, probability), part.cycles);
            }
        }
    }

    fn posterior(&self, h: &Hypothesis, part: Part, weight: f64, probability: f64) -> Hypothesis {
        let degrees = 2.0 * self.shape;
        let variance = h.rate / self.shape * (1.0 / h.kappa + 1.0 / weight);
        let error2 = (part.ln_remainder - h.mean_ln).powi(2);
        let kappa = h.kappa + weight;
        // The gamma functions of the Student density depend on its degrees of freedom alone,
        // which are common to all, so they cancel.
        let ln_density = -0.5 * variance.ln()
            - 0.5 * (degrees + 1.0) * (error2 / (degrees * variance)).ln_1p()
            - part.ln_jacobian;
        Hypothesis {
            ln_weight: h.ln_weight + probability.ln() + ln_density,
            mean_ln: (h.kappa * h.mean_ln + weight * part.ln_remainder) / kappa,
            kappa,
            rate: h.rate + 0.5 * h.kappa * weight / kappa * error2,
            skips: h.skips + part.cycles - 1,
        }
    }
}

/// What the hypotheses become; at most four times as many, on the stack.
#[derive(Default)]
pub(crate) struct Candidates {
    count: usize,
    places: [(Hypothesis, u32); CANDIDATES_MAX],
}

impl Candidates {
    fn add(&mut self, hypothesis: Hypothesis, cycles: u32) {
        if let Some(place) = self.places.get_mut(self.count) {
            *place = (hypothesis, cycles);
            self.count += 1;
        }
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// Makes the weights add up to 1; gives the share of those with more than one cycle.
    pub(crate) fn normalise(&mut self) -> f64 {
        let all = &mut self.places[..self.count];
        let ln_total = ln_sum(all.iter().map(|place| place.0.ln_weight));
        let mut missed = 0.0;
        for (hypothesis, cycles) in all {
            hypothesis.ln_weight -= ln_total;
            if *cycles > 1 {
                missed += hypothesis.ln_weight.exp();
            }
        }
        missed.clamp(0.0, 1.0)
    }

    /// Puts the most probable first into `kept`, renormalised; gives their number, at least 1.
    pub(crate) fn keep_best(mut self, kept: &mut [Hypothesis; HYPOTHESES_MAX]) -> usize {
        let all = &mut self.places[..self.count];
        // Stable, so that equals stay in the order of the components.
        all.sort_by(|one, other| other.0.ln_weight.total_cmp(&one.0.ln_weight));
        let least = HYPOTHESIS_WEIGHT_MIN.ln();
        let mut count = 0;
        for (place, (hypothesis, _)) in kept.iter_mut().zip(all) {
            if hypothesis.ln_weight > least {
                *place = *hypothesis;
                count += 1;
            }
        }
        let ln_total = ln_sum(kept[..count].iter().map(|hypothesis| hypothesis.ln_weight));
        kept[..count].iter_mut().for_each(|hypothesis| hypothesis.ln_weight -= ln_total);
        count
    }
}

/// ln Σ exp, without overflow.
fn ln_sum(logarithms: impl Iterator<Item = f64> + Clone) -> f64 {
    let largest = logarithms.clone().fold(f64::NEG_INFINITY, f64::max);
    logarithms.map(|logarithm| (logarithm - largest).exp()).sum::<f64>().ln() + largest
}
