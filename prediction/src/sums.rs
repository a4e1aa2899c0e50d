//! Exact sums of whole-day lengths: thresholds compare integers, so that no rounding error
//! decides whether a variance is "under 2" and a replay in any order gives identical numbers.

/// Count, sum and sum of squares of lengths in days.
///
/// Lengths of one history add up to at most the 192 million days that `NaiveDate` spans: the
/// sum fits i64 and `count * squares` fits i128 many times over.
#[derive(Clone, Copy, Default)]
pub(crate) struct LengthSums {
    count: u32,
    sum: i64,
    squares: i128,
}

impl LengthSums {
    pub(crate) fn add(&mut self, days: i32) {
        self.count += 1;
        self.sum += i64::from(days);
        self.squares += i128::from(days) * i128::from(days);
    }

    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// The mean in days; none without a length.
    pub(crate) fn mean(&self) -> Option<f64> {
        (self.count > 0).then(|| ratio(i128::from(self.sum), i128::from(self.count)))
    }

    /// The mean in days to the nearest tenth, halves upwards; none without a length.
    pub(crate) fn mean_to_a_tenth(&self) -> Option<f64> {
        let count = i64::from(self.count);
        let tenths = (20 * self.sum + count).checked_div(2 * count)?;
        Some(ratio(i128::from(tenths), 10))
    }

    /// The population variance in days squared; 0 for one length, none without a length.
    pub(crate) fn variance(&self) -> Option<f64> {
        let count = i128::from(self.count);
        (count > 0).then(|| ratio(self.scaled_variance(), count * count))
    }

    /// Whether the population variance is under `bound_days2`, exactly.
    pub(crate) fn variance_is_under(&self, bound_days2: i128) -> bool {
        let count = i128::from(self.count);
        self.scaled_variance() < bound_days2 * count * count
    }

    /// Whether `days` lies at most `deviation_days` from the mean, exactly.
    pub(crate) fn mean_is_within(&self, deviation_days: i32, days: i32) -> bool {
        let count = i64::from(self.count);
        (i64::from(days) * count - self.sum).abs() <= i64::from(deviation_days) * count
    }

    /// The population variance times the squared count: an integer, never negative.
    fn scaled_variance(&self) -> i128 {
        i128::from(self.count) * self.squares - i128::from(self.sum) * i128::from(self.sum)
    }
}

impl FromIterator<i32> for LengthSums {
    fn from_iter<I: IntoIterator<Item = i32>>(lengths_days: I) -> Self {
        let mut sums = Self::default();
        for days in lengths_days {
            sums.add(days);
        }
        sums
    }
}

#[expect(clippy::cast_precision_loss, reason = "a relative error of 2^-52 is far below a tenth")]
fn ratio(numerator: i128, denominator: i128) -> f64 {
    numerator as f64 / denominator as f64
}
