//! Retention: what is older than the user wants is forgotten.

use chrono::NaiveDate;
use serde::{Deserialize, Serialize};

use crate::{UserId, Version};

/// The least number of months that can be kept: with less, nothing could be predicted.
pub const RETENTION_MONTHS_MIN: i16 = 3;
/// The greatest number of months.
pub const RETENTION_MONTHS_MAX: i16 = 600;

/// Read what one wants to be forgotten.
#[derive(Clone, Serialize, Deserialize)]
pub struct GetRetention {
    /// Whose.
    pub user_id: UserId,
}

/// Say what is to be forgotten, now and from now on.
#[derive(Clone, Serialize, Deserialize)]
pub struct SetRetention {
    /// Whose.
    pub user_id: UserId,
    /// How many months are kept, 3 to 600; none: everything.
    pub months: Option<i16>,
}

/// What is kept of a user.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// How many months are kept; none: everything.
    pub months: Option<i16>,
    /// What lies before this day is forgotten; it goes on with the calendar.
    pub forget_before: Option<NaiveDate>,
}

/// What is kept from now on, and the version after what was forgotten.
#[derive(Clone, Serialize, Deserialize)]
pub struct RetentionSet {
    /// What is kept.
    pub retention: Retention,
    /// The user's new version.
    pub version: Version,
}
