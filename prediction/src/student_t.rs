//! The Student t distribution with whole degrees of freedom.

use std::f64::consts::PI;

use crate::numbers::{index, real};

/// The most degrees of freedom that [`StudentT`] takes: the model needs 2·3 + 36.
pub const DEGREES_MAX: u32 = 42;

/// Terms of the finite series at [`DEGREES_MAX`].
const FINITE_TERMS: usize = 21;
/// Terms of the tail series; at x ≤ ½ the rest is under 2⁻⁴⁰ of the sum.
const TAIL_TERMS: usize = 40;

/// One Student t distribution; making it costs some hundred divisions, each evaluation none.
///
/// Both tails are exact to their own size, not only to 10⁻¹⁶ of one: a forecast for somebody who
/// is late divides by the tail.
#[derive(Clone, Debug)]
pub struct StudentT {
    degrees: u32,
    finite: [f64; FINITE_TERMS],
    finite_count: usize,
    tail: [f64; TAIL_TERMS],
    tail_factor: f64,
}

impl StudentT {
    /// The distribution with so many degrees of freedom, 1 to [`DEGREES_MAX`]; a number outside
    /// counts as the nearest inside.
    pub fn new(degrees: u32) -> Self {
        let degrees = degrees.clamp(1, DEGREES_MAX);
        let mut finite = [0.0; FINITE_TERMS];
        let mut term = 1.0;
        let first = 2.0 + f64::from(degrees % 2);
        for (position, place) in finite.iter_mut().enumerate() {
            *place = term;
            let factor = first + 2.0 * real(position);
            term *= (factor - 1.0) / factor;
        }
        let shape = f64::from(degrees) / 2.0;
        let mut tail = [0.0; TAIL_TERMS];
        let mut coefficient = 1.0;
        for (position, place) in tail.iter_mut().enumerate() {
            *place = coefficient / (shape + real(position));
            coefficient *= (real(position) + 0.5) / (real(position) + 1.0);
        }
        let finite_count = index(degrees / 2);
        Self { degrees, finite, finite_count, tail, tail_factor: 0.5 / beta_with_half(degrees) }
    }

    /// P(T ≤ z).
    pub fn cdf(&self, z: f64) -> f64 {
        self.upper_tail(-z)
    }

    /// P(T > z).
    pub fn upper_tail(&self, z: f64) -> f64 {
        let tail = self.tail_beyond(z.abs());
        if z >= 0.0 { tail } else { 1.0 - tail }
    }

    /// P(T > z) for z ≥ 0.
    fn tail_beyond(&self, z: f64) -> f64 {
        let degrees = f64::from(self.degrees);
        let cosine2 = degrees / (degrees + z * z);
        if cosine2 <= 0.5 { self.far_tail(cosine2) } else { self.near_tail(z, cosine2) }
    }

    /// Abramowitz and Stegun 26.7.3 (odd) and 26.7.4 (even): P(|T| ≤ z) as a finite series in the
    /// cosine of θ = atan(z/√ν).
    fn near_tail(&self, z: f64, cosine2: f64) -> f64 {
        let series = horner(&self.finite[..self.finite_count], cosine2);
        let sine = (1.0 - cosine2).sqrt();
        let inside = if self.degrees.is_multiple_of(2) {
            sine * series
        } else {
            let angle = (z / f64::from(self.degrees).sqrt()).atan();
            (angle + sine * cosine2.sqrt() * series) * 2.0 / PI
        };
        0.5 * (1.0 - inside)
    }

    /// ½ Iₓ(ν/2, ½) with x = ν/(ν + z²), by the power series of the incomplete beta function:
    /// Abramowitz and Stegun 26.7.1 and 26.5.4.
    fn far_tail(&self, x: f64) -> f64 {
        let terms = if x < 0.1 {
            12
        } else if x < 0.25 {
            20
        } else {
            TAIL_TERMS
        };
        // x^(ν/2) without a logarithm.
        let power = (0..self.degrees / 2).fold(1.0, |power, _| power * x);
        let half_power = if self.degrees.is_multiple_of(2) { 1.0 } else { x.sqrt() };
        self.tail_factor * power * half_power * horner(&self.tail[..terms], x)
    }
}

/// B(ν/2, ½) by B(a + 1, ½) = B(a, ½) · a/(a + ½), from B(½, ½) = π or B(1, ½) = 2.
fn beta_with_half(degrees: u32) -> f64 {
    let odd = !degrees.is_multiple_of(2);
    let (mut shape, mut beta) = if odd { (0.5, PI) } else { (1.0, 2.0) };
    while shape < f64::from(degrees) / 2.0 {
        beta *= shape / (shape + 0.5);
        shape += 1.0;
    }
    beta
}

fn horner(coefficients: &[f64], x: f64) -> f64 {
    coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient)
}
