//! When the next starts come, by the model alone.

use crate::{
    State, Table,
    constants::{
        OUTLIER_SHARE, OUTLIER_WEIGHT, SHIFT_DAYS, TABLE_FIRST_DAY, TABLE_LAST_DAY, VARIANCE_AHEAD,
    },
    student_t::StudentT,
};

/// Which of the starts to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ahead {
    /// The next one.
    Next,
    /// The one after it.
    Second,
    /// The one after that.
    Third,
}

impl Ahead {
    /// All of them, in order.
    pub const ALL: [Self; 3] = [Self::Next, Self::Second, Self::Third];

    /// How many cycles lie between the last logged start and this one.
    pub fn cycles(self) -> u32 {
        match self {
            Self::Next => 1,
            Self::Second => 2,
            Self::Third => 3,
        }
    }
}

impl State {
    /// The table of a start to come, in days after the last logged one: 13 to 150 days for each
    /// cycle in between.
    ///
    /// The next: F(y) = Σ w [(1 − ε) T((ln(y − 12) − m)/s₁) + ε T((ln(y − 12) − m)/s₂)] with
    /// s² = b/a (1/κ + 1), and b/a (1/κ + 4) for outliers. The k-th:
    /// F(y) = Σ w T((ln(y/k − 12) − m)/s) with s² = b/a (1/κ + 1.45/k).
    pub fn table(&self, ahead: Ahead) -> Table {
        let curve = Curve::of(self, ahead);
        let first = TABLE_FIRST_DAY * ahead.cycles();
        let last = TABLE_LAST_DAY * ahead.cycles();
        Table::from_tails(first, (first..=last).map(|day| curve.later_than(day)))
    }

    /// The probability that a period has come already and was not logged, given that nothing was
    /// logged up to and with `day` days after the last start; days over 150 count as 150.
    ///
    /// g/(1 − F₁ + g) with g = π(F₁ − F₂) + π²(F₂ − F₃) at `day` + ½: F₁ to F₃ are the distributions
    /// of the next three starts, π is the probability that one is not logged.
    pub fn missed_start_probability(&self, day: u32) -> f64 {
        let day = day.min(TABLE_LAST_DAY);
        let [first, second, third] = Ahead::ALL.map(|ahead| Curve::of(self, ahead).later_than(day));
        let skip = self.skip_probability();
        // With differences of the tails nothing cancels, however late it is.
        let hidden = skip * (second - first).max(0.0) + skip * skip * (third - second).max(0.0);
        hidden / (first + hidden)
    }
}

/// One distribution of the model, ready to be evaluated.
struct Curve {
    student: StudentT,
    cycles: f64,
    count: usize,
    components: [Component; 8],
}

#[derive(Clone, Copy, Default)]
struct Component {
    weight: f64,
    mean_ln: f64,
    /// 1/s.
    per_deviation: f64,
}

impl Curve {
    fn of(state: &State, ahead: Ahead) -> Self {
        let student = StudentT::new(state.degrees());
        let cycles = f64::from(ahead.cycles());
        let mut curve = Self { student, cycles, count: 0, components: Default::default() };
        let shares: &[(f64, f64)] = match ahead {
            Ahead::Next => &[(1.0 - OUTLIER_SHARE, 1.0), (OUTLIER_SHARE, 1.0 / OUTLIER_WEIGHT)],
            Ahead::Second => &[(1.0, VARIANCE_AHEAD / 2.0)],
            Ahead::Third => &[(1.0, VARIANCE_AHEAD / 3.0)],
        };
        let shape = f64::from(state.degrees()) / 2.0;
        let pairs = state.hypotheses().iter().flat_map(|h| shares.iter().map(move |s| (h, s)));
        for (place, (hypothesis, (share, variance))) in curve.components.iter_mut().zip(pairs) {
            let squared = hypothesis.rate / shape * (1.0 / hypothesis.kappa + variance);
            *place = Component {
                weight: share * hypothesis.ln_weight.exp(),
                mean_ln: hypothesis.mean_ln,
                per_deviation: 1.0 / squared.sqrt(),
            };
            curve.count += 1;
        }
        curve
    }

    /// P(the start comes after `day`), that is, after `day` + ½.
    fn later_than(&self, day: u32) -> f64 {
        let remainder = (f64::from(day) + 0.5) / self.cycles - SHIFT_DAYS;
        if remainder <= 0.0 {
            return 1.0;
        }
        let ln_remainder = remainder.ln();
        let tail = |component: &Component| {
            let z = (ln_remainder - component.mean_ln) * component.per_deviation;
            component.weight * self.student.upper_tail(z)
        };
        self.components[..self.count].iter().map(tail).sum()
    }
}
