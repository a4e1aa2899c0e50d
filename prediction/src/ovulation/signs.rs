//! Ovulation from all signs of a cycle.

use chrono::{Days, NaiveDate};

use super::{LhTest, Temperature, from_temperatures, from_tests};

/// A rise of temperature so many days after what a test says contradicts it: by then 92 of 100
/// follicles have ruptured (see [`from_tests`]).
const CONTRADICTED_AFTER: Days = Days::new(2);

/// The day of ovulation by the tests and the temperatures of one cycle, each in any order: by the
/// tests, which date it more exactly; but by the temperatures if they rose more than two days later,
/// or there is no positive test.
///
/// A surge may come to nothing and another one follow. That the temperature rose says that there was
/// an ovulation, a test only that one was due.
pub fn from_signs(tests: &[LhTest], temperatures: &[Temperature]) -> Option<NaiveDate> {
    let (tested, risen) = (from_tests(tests), from_temperatures(temperatures));
    let last = tested.and_then(|tested| tested.checked_add_days(CONTRADICTED_AFTER));
    risen.filter(|risen| last.is_none_or(|last| *risen > last)).or(tested)
}
