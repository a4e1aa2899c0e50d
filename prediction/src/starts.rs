//! When the next starts come, by the model alone.

use std::ops::RangeInclusive;

use crate::{
    State, Table,
    constants::{
        OUTLIER_SHARE, OUTLIER_WEIGHT, SHIFT_DAYS, TABLE_FIRST_DAY, TABLE_LAST_DAY, VARIANCE_AHEAD,
    },
    student_t::StudentT,
};

/// What is cut off at either end of the tables of the second and the third start.
const NEGLIGIBLE: f64 = 1e-9;

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
    /// cycle in between. Of the later ones only what is more than 10⁻⁹ probable is looked at.
    ///
    /// The next: F(y) = Σ w [(1 − ε) T((ln(y − 12) − m)/s₁) + ε T((ln(y − 12) − m)/s₂)] with
    /// s² = b/a (1/κ + 1), and b/a (1/κ + 4) for outliers. The k-th:
    /// F(y) = Σ w T((ln(y/k − 12) − m)/s) with s² = b/a (1/κ + 1.45/k).
    pub fn table(&self, ahead: Ahead) -> Table {
        let curve = Curve::of(self, ahead);
        let days = TABLE_FIRST_DAY * ahead.cycles()..=TABLE_LAST_DAY * ahead.cycles();
        let days = match ahead {
            Ahead::Next => days,
            // Most of these days are as good as impossible, and an evaluation is what tables cost.
            // Nobody divides by their tails, as a forecast for who is late does by the next start's.
            Ahead::Second | Ahead::Third => curve.likely(days),
        };
        Table::from_tails(*days.start(), days.map(|day| curve.later_than(day)))
    }

    /// The probability that a period has come already and was not logged, given that nothing was
    /// logged up to and with `day` days after the last start; days over 150 count as 150.
    ///
    /// g/(1 − F₁ + g) with g = π(F₁ − F₂) + π²(F₂ − F₃) at `day` + ½: F₁ to F₃ are the distributions
    /// of the next three starts, π is the probability that one is not logged.
    pub fn missed_start_probability(&self, day: u32) -> f64 {
        HiddenStarts::of(self).probability(day.min(TABLE_LAST_DAY))
    }

    /// The greatest of these probabilities up to and with `day`: what is said to a person, to whom
    /// more days without a log never make it less probable that one is missing.
    ///
    /// The probability itself falls again after some two or three cycles. It takes starts to be missed
    /// independently, so that missing three of them in a row becomes less credible than one extremely
    /// long cycle. But who has not logged one start has more often stopped logging.
    pub fn missed_start_probability_up_to(&self, day: u32) -> f64 {
        let hidden = HiddenStarts::of(self);
        let days = TABLE_FIRST_DAY.min(day)..=day.min(TABLE_LAST_DAY);
        days.map(|day| hidden.probability(day)).fold(0.0, f64::max)
    }
}

/// What it takes to tell a late start from one that was not logged.
struct HiddenStarts {
    next: [Curve; 3],
    skip: f64,
}

impl HiddenStarts {
    fn of(state: &State) -> Self {
        let next = Ahead::ALL.map(|ahead| Curve::of(state, ahead));
        Self { next, skip: state.skip_probability() }
    }

    fn probability(&self, day: u32) -> f64 {
        let [first, second, third] = self.next.each_ref().map(|curve| curve.later_than(day));
        // With differences of the tails nothing cancels, however late it is.
        let once = self.skip * (second - first).max(0.0);
        let twice = self.skip * self.skip * (third - second).max(0.0);
        let hidden = once + twice;
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

    /// Those of the days outside of which hardly any probability lies.
    fn likely(&self, days: RangeInclusive<u32>) -> RangeInclusive<u32> {
        let (first, last) = days.into_inner();
        let first = self.first_with_tail_under(1.0 - NEGLIGIBLE, first, last);
        first..=self.first_with_tail_under(NEGLIGIBLE, first, last)
    }

    /// The first of the days after which the start comes with less than this probability; the last of
    /// them if there is none.
    fn first_with_tail_under(&self, probability: f64, mut first: u32, mut last: u32) -> u32 {
        while first < last {
            let middle = first.midpoint(last);
            if self.later_than(middle) < probability {
                last = middle;
            } else {
                first = middle + 1;
            }
        }
        first
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
