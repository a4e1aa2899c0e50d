//! The standard normal distribution.

use std::f64::consts::TAU;

/// P(Z > z), exact to its own size.
pub(crate) fn upper_tail(z: f64) -> f64 {
    if z < 0.0 { 1.0 - tail_beyond(-z) } else { tail_beyond(z) }
}

/// P(Z > z) for z ≥ 0. Near: the series of Marsaglia, "Evaluating the normal distribution",
/// J Stat Softw 2004;11(4). Far: Laplace's continued fraction, Abramowitz and Stegun 26.2.14.
fn tail_beyond(z: f64) -> f64 {
    let density = (-0.5 * z * z).exp() / TAU.sqrt();
    if z > 3.0 {
        let fraction = (1..=60).rev().fold(z, |rest, step| z + f64::from(step) / rest);
        return density / fraction;
    }
    let (mut term, mut sum, mut odd) = (z, z, 1.0);
    while term > 1e-17 * sum {
        odd += 2.0;
        term *= z * z / odd;
        sum += term;
    }
    0.5 - density * sum
}

#[cfg(test)]
mod tests {
    use super::upper_tail;

    /// Reference values: Python's `0.5 * math.erfc(z / 2 ** 0.5)`.
    #[test]
    fn tails_are_exact_to_their_own_size() {
        let known = [
            (0.0, 0.5),
            (1.0, 0.158_655_253_931_457_05),
            (-1.0, 0.841_344_746_068_543),
            (2.9, 0.001_865_813_300_384_037_7),
            (3.1, 0.000_967_603_213_218_356_1),
            (6.0, 9.865_876_450_376_946e-10),
            (10.0, 7.619_853_024_160_495e-24),
        ];
        for (z, tail) in known {
            assert!((upper_tail(z) / tail - 1.0).abs() < 1e-10, "{z}");
        }
        assert!(upper_tail(f64::INFINITY) < 1e-300 && upper_tail(-40.0) > 0.999_999);
    }
}
