//! Conversions between day counts and real numbers.

/// The whole day that holds the real one: day d reaches from d − 0.5 to d + 0.5.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and every caller's days lie between 0 and the length of the calendar"
)]
pub(crate) fn day_of(days: f64) -> u32 {
    (days + 0.5).floor() as u32
}

/// A count as a real number.
#[expect(clippy::cast_precision_loss, reason = "counts here are far below 2^52")]
pub(crate) fn real(count: usize) -> f64 {
    count as f64
}

/// A count of days as an index.
pub(crate) fn index(days: u32) -> usize {
    usize::try_from(days).unwrap_or(usize::MAX)
}

/// A length or an index as a count of days.
pub(crate) fn days(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}
