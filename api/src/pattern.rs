//! The patterns of the API document, each as a regular expression and in code.

use chrono::NaiveDate;
use contracts::limits;

/// A pattern of the API document, and the same in code: a regular expression is for clients, and
/// would be compiled for each value here. A test holds the two together.
#[derive(Clone, Copy)]
pub(crate) struct Pattern {
    /// The regular expression, in the common subset of ECMA-262 and Rust.
    pub(crate) text: &'static str,
    /// Whether a text matches.
    pub(crate) matches: fn(&str) -> bool,
    /// What is expected of a text, in a sentence's second half.
    pub(crate) expected: &'static str,
}

impl Pattern {
    /// A date of the calendar from 1900-01-01 to 9999-12-31. That there is such a day is said by
    /// the format.
    pub(crate) const DATE: Self = Self {
        text: "^(19|[2-9][0-9])[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])$",
        matches: |text| date(text).is_some(),
        expected: "must be a date of the calendar written YYYY-MM-DD, not before 1900-01-01",
    };
    /// An instant in UTC, from 1900 to 9999 (RFC 3339). That there is such a day is said by the format.
    pub(crate) const INSTANT: Self = Self {
        text: "^(19|[2-9][0-9])[0-9]{2}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])\
               T([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?Z$",
        matches: instant,
        expected: "must be an instant in UTC written YYYY-MM-DDThh:mm:ssZ, not before 1900",
    };
    /// One line of text.
    pub(crate) const LINE: Self = Self {
        text: "^[^\\x00-\\x1F\\x7F-\\x9F]*$",
        matches: |text| !text.chars().any(char::is_control),
        expected: "must not contain control characters",
    };
    /// Several lines of text.
    pub(crate) const LINES: Self = Self {
        text: "^[^\\x00-\\x08\\x0B-\\x1F\\x7F-\\x9F]*$",
        matches: |text| !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\t')),
        expected: "must not contain control characters other than line feed and tab",
    };
    /// Something that could be an e-mail address; its mail server knows the rest.
    pub(crate) const EMAIL: Self = Self {
        text: "^[^@\\s\\x00-\\x1F\\x7F-\\x9F]+@[^@\\s\\x00-\\x1F\\x7F-\\x9F]+$",
        matches: email,
        expected: "must be an e-mail address",
    };
    /// Visible ASCII.
    pub(crate) const VISIBLE: Self = Self {
        text: "^[!-~]*$",
        matches: |text| text.bytes().all(|byte| byte.is_ascii_graphic()),
        expected: "must be visible ASCII characters",
    };
    /// Digits of ASCII.
    pub(crate) const DIGITS: Self = Self {
        text: "^[0-9]*$",
        matches: |text| text.bytes().all(|byte| byte.is_ascii_digit()),
        expected: "must be digits",
    };
    /// A UUID in lower case.
    pub(crate) const UUID: Self = Self {
        text: "^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$",
        matches: uuid,
        expected: "must be a UUID in lower case",
    };
    /// All of them.
    pub(crate) const ALL: [Self; 8] = [
        Self::DATE,
        Self::INSTANT,
        Self::LINE,
        Self::LINES,
        Self::EMAIL,
        Self::VISIBLE,
        Self::DIGITS,
        Self::UUID,
    ];
}

/// Exactly `YYYY-MM-DD`, a day that there was or will be.
fn date(text: &str) -> Option<NaiveDate> {
    let bytes = text.as_bytes();
    let well_formed = bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        });
    let part = |range: std::ops::Range<usize>| text.get(range)?.parse::<u32>().ok();
    let (year, month, day) = (part(0..4)?, part(5..7)?, part(8..10)?);
    let date = NaiveDate::from_ymd_opt(i32::try_from(year).ok()?, month, day)?;
    (well_formed && date >= limits::DATE_MIN).then_some(date)
}

/// Exactly `YYYY-MM-DDThh:mm:ssZ`, with up to nine decimals of the second.
fn instant(text: &str) -> bool {
    let Some((day, time)) = text.strip_suffix('Z').and_then(|text| text.split_once('T')) else {
        return false;
    };
    let (clock, decimals) = time.split_once('.').unwrap_or((time, "0"));
    let clock = clock.as_bytes();
    let two_digits = |at: usize, below: u8| {
        let (tens, ones) = (clock[at].wrapping_sub(b'0'), clock[at + 1].wrapping_sub(b'0'));
        tens < 10 && ones < 10 && tens * 10 + ones < below
    };
    date(day).is_some()
        && clock.len() == 8
        && (clock[2], clock[5]) == (b':', b':')
        && two_digits(0, 24)
        && two_digits(3, 60)
        && two_digits(6, 60)
        && (1..=9).contains(&decimals.len())
        && decimals.bytes().all(|byte| byte.is_ascii_digit())
}

fn uuid(text: &str) -> bool {
    let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    text.len() == 36
        && text.bytes().enumerate().all(|(at, byte)| match at {
            8 | 13 | 18 | 23 => byte == b'-',
            _ => is_digit(byte),
        })
}

fn email(text: &str) -> bool {
    let sane =
        |part: &str| !part.is_empty() && !part.chars().any(|c| c.is_whitespace() || c.is_control());
    text.split_once('@')
        .is_some_and(|(local, domain)| sane(local) && sane(domain) && !domain.contains('@'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::DateTime;
    use poem_openapi::{Validator, validation};
    use proptest::prelude::*;

    /// What a client that has only the document would decide.
    fn by_document(pattern: Pattern, text: &str) -> bool {
        validation::Pattern::new(pattern.text).check(&text.to_owned())
    }

    proptest! {
        #[test]
        fn patterns_and_code_agree(text in "\\PC{0,12}|[\\x00-\\xA0@. ]{0,8}|[!-~]{1,9}@[a-z.]{1,9}") {
            for pattern in [Pattern::LINE, Pattern::LINES, Pattern::EMAIL, Pattern::VISIBLE] {
                prop_assert_eq!((pattern.matches)(&text), by_document(pattern, &text), "{}", pattern.text);
            }
        }

        #[test]
        fn date_pattern_holds_every_date_that_is_taken(text in "[0-9]{4}-[0-9]{2}-[0-9]{2}|\\PC{0,12}") {
            let calendar = NaiveDate::parse_from_str(&text, "%Y-%m-%d").is_ok();
            prop_assert_eq!((Pattern::DATE.matches)(&text), by_document(Pattern::DATE, &text) && calendar);
        }

        #[test]
        fn instant_pattern_holds_every_instant_that_is_taken(
            text in "[12][09][0-9]{2}-[01][0-9]-[0-3][0-9][T ][0-2][0-9]:[0-6][0-9]:[0-6][0-9](\\.[0-9]{0,10})?Z?|\\PC{0,12}",
        ) {
            let calendar = DateTime::parse_from_rfc3339(&text).is_ok();
            prop_assert_eq!(
                (Pattern::INSTANT.matches)(&text),
                by_document(Pattern::INSTANT, &text) && calendar
            );
        }

        #[test]
        fn what_we_write_as_an_instant_is_one(seconds in 0_i64..100_000_000_000, nanos in 0_u32..1_000_000_000) {
            let instant = DateTime::from_timestamp(seconds, nanos).unwrap();
            let written = serde_json::to_value(instant).unwrap();
            prop_assert!((Pattern::INSTANT.matches)(written.as_str().unwrap()), "{}", written);
        }

        #[test]
        fn every_day_since_1900_is_taken(days in 0_u64..2_958_464) {
            let day = limits::DATE_MIN + chrono::Days::new(days);
            prop_assert_eq!(date(&day.to_string()), Some(day));
        }
    }
}
