//! Ovulation from basal body temperatures.

use chrono::{Days, NaiveDate};

/// How many days before the rise are compared with.
pub const SHIFT_LOW_DAYS: usize = 6;
/// How many high days confirm the rise.
const SHIFT_HIGH_DAYS: usize = 3;
/// How far the third high value must lie over the highest of the low ones, in degrees Celsius.
pub const SHIFT_MIN_CELSIUS: f64 = 0.2;
/// Values given to a hundredth of a degree are compared as such.
const ROUNDING_CELSIUS: f64 = 1e-6;

/// A basal body temperature: on waking, before getting up.
#[derive(Clone, Copy, PartialEq)]
pub struct Temperature {
    /// The day.
    pub date: NaiveDate,
    /// In degrees Celsius.
    pub celsius: f64,
}

/// The day of ovulation by the temperatures of one cycle, in any order: the day before the first
/// of three that lie over all six before them ("three over six"), the third by at least 0.2 °C. None
/// without such a shift.
///
/// The rule: Marshall, "A field trial of the basal-body-temperature method of regulating births",
/// Lancet 1968;292:8–10; the third value as in the sympto-thermal method of Frank-Herrmann and
/// others, Hum Reprod 2007;22:1310–19, without its exceptions for disturbed values. The nine days
/// must follow one another: with a day missing the shift cannot be told from a gap. The first such
/// shift of the cycle counts; of two values for a day the last given does. A temperature shift dates
/// ovulation to a few days only: it says more about the next start than the calendar, and it is no
/// basis for contraception.
pub fn from_temperatures(temperatures: &[Temperature]) -> Option<NaiveDate> {
    let mut days: Vec<Temperature> =
        temperatures.iter().filter(|value| value.celsius.is_finite()).copied().rev().collect();
    // Stable, and the last given comes first: it is the one that stays.
    days.sort_by_key(|value| value.date);
    days.dedup_by_key(|value| value.date);
    let shift = days.windows(SHIFT_LOW_DAYS + SHIFT_HIGH_DAYS).find(|window| is_shift(window))?;
    Some(shift[SHIFT_LOW_DAYS - 1].date)
}

/// Whether six days and the three after them, all in a row, are a shift.
fn is_shift(window: &[Temperature]) -> bool {
    let in_a_row = window
        .windows(2)
        .all(|pair| pair[0].date.checked_add_days(Days::new(1)) == Some(pair[1].date));
    let (low, high) = window.split_at(SHIFT_LOW_DAYS);
    let highest = low.iter().map(|value| value.celsius).fold(f64::NEG_INFINITY, f64::max);
    let all_over = high.iter().all(|value| value.celsius > highest + ROUNDING_CELSIUS);
    let third_over = high
        .last()
        .is_some_and(|third| third.celsius >= highest + SHIFT_MIN_CELSIUS - ROUNDING_CELSIUS);
    in_a_row && all_over && third_over
}
