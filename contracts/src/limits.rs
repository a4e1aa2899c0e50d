//! The limits of the HTTP contract, in one place: the API document shows them, the domains hold
//! them, the databases check the most important of them again.

use std::time::Duration;

use chrono::NaiveDate;

/// Longest e-mail address, in characters (RFC 5321 §4.5.3.1.3 allows 256 octets with the brackets).
pub const EMAIL_LENGTH_MAX: usize = 254;
/// Shortest user name, in characters.
pub const USERNAME_LENGTH_MIN: usize = 3;
/// Longest user name, in characters.
pub const USERNAME_LENGTH_MAX: usize = 80;
/// Longest first or last name, in characters.
pub const NAME_LENGTH_MAX: usize = 100;
/// Shortest password in the development profile, in code points.
pub const PASSWORD_LENGTH_MIN_DEVELOPMENT: usize = 7;
/// Shortest password elsewhere, in code points (NIST SP 800-63B-4 §3.1.1.2: single factor).
pub const PASSWORD_LENGTH_MIN: usize = 15;
/// Shortest password of an account with a second factor, in code points (the same section).
pub const PASSWORD_LENGTH_MIN_SECOND_FACTOR: usize = 8;
/// Longest password, in code points.
pub const PASSWORD_LENGTH_MAX: usize = 256;
/// Longest period that is accepted, in days.
pub const PERIOD_LENGTH_MAX_DAYS: i64 = 31;
/// Longest symptom type, in characters.
pub const SYMPTOM_TYPE_LENGTH_MAX: usize = 50;
/// Longest symptom value, in characters.
pub const SYMPTOM_VALUE_LENGTH_MAX: usize = 100;
/// Lowest basal body temperature that is one, in degrees Celsius.
pub const TEMPERATURE_MIN_CELSIUS: f64 = 34.0;
/// Highest basal body temperature that is one, in degrees Celsius.
pub const TEMPERATURE_MAX_CELSIUS: f64 = 43.0;
/// Longest note, in characters.
pub const NOTES_LENGTH_MAX: usize = 4_000;
/// Most cycles of one user: more than anybody has in a life, and few enough that a history, which has
/// no pages, fits into one message.
pub const CYCLES_MAX: i64 = 3_000;
/// Most symptoms of one cycle: a cycle, which has no pages, is answered with all of them.
pub const SYMPTOMS_PER_CYCLE_MAX: i64 = 4_000;
/// Most episodes of one user: a history, which has no pages, has to fit into one message.
pub const EPISODES_MAX: i64 = 500;
/// Most rows in a page.
pub const PAGE_LIMIT_MAX: i64 = 100;
/// Largest request body, in bytes.
pub const BODY_BYTES_MAX: usize = 64 * 1024;
/// Largest body of an import, in bytes.
pub const IMPORT_BYTES_MAX: usize = 5 * 1024 * 1024;

/// The longest that any access token is good for.
pub const ACCESS_TOKEN_TTL_MAX: Duration = Duration::from_mins(10);
/// How far the clocks of those who issue and who verify tokens may differ.
pub const TOKEN_LEEWAY: Duration = Duration::from_secs(5);
/// Longest name of a device or of an API token, in characters.
pub const LABEL_LENGTH_MAX: usize = 100;
/// Longest life of a personal API token, in days.
pub const API_TOKEN_DAYS_MAX: u16 = 366;

/// The earliest date that is accepted anywhere: 1900-01-01.
pub const DATE_MIN: NaiveDate = match NaiveDate::from_ymd_opt(1900, 1, 1) {
    Some(date) => date,
    None => NaiveDate::MIN,
};
