//! Every id is a type of its own: a cycle id passed as a user id does not compile.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Defines an id: a positive 64-bit integer on every wire, a type of its own in the code.
macro_rules! id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(i64);

        impl $name {
            /// Wraps a number that is known to be such an id.
            pub const fn new(number: i64) -> Self {
                Self(number)
            }

            /// The number, for SQL and JSON.
            pub const fn get(self) -> i64 {
                self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(formatter)
            }
        }
    };
}

id!(
    /// A person with an account.
    UserId
);
id!(
    /// A logged cycle: it begins with the first day of bleeding.
    CycleId
);
id!(
    /// A symptom logged on a day of a cycle.
    SymptomId
);
id!(
    /// A span of life that changes how cycles are to be read.
    EpisodeId
);
id!(
    /// A question about a gap between starts, derived from (user, cycle, next start); at most 53
    /// bits.
    QuestionId
);
id!(
    /// A prediction. Derived from what it was computed from, so a rebuild gives the same id; at
    /// most 53 bits, so that it survives a JSON reader that has only doubles (RFC 8259 §6).
    PredictionId
);
id!(
    /// A notification, derived from (user, kind, anchor cycle); at most 53 bits.
    NotificationId
);
id!(
    /// An entry of somebody's audit log.
    AuditEntryId
);
id!(
    /// How often a user's state has changed: 1 after the first applied write, and exactly one
    /// more after each further one. 0 means 'nothing yet'.
    Version
);

impl Version {
    /// The version of a user who has written nothing.
    pub const ZERO: Self = Self::new(0);
    /// The version after a user's first write.
    pub const FIRST: Self = Self::new(1);
}

/// A session: what somebody signed in to, or a personal API token. Random, so that it tells nothing,
/// and not secret: it is in every access token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SessionId(Uuid);

impl SessionId {
    /// Wraps a UUID that is known to be such an id.
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The id of a text in the one notation that we write: lower case, with hyphens.
    pub fn parse(text: &str) -> Option<Self> {
        let id = Self(Uuid::try_parse(text).ok()?);
        (id.to_string() == text).then_some(id)
    }

    /// The UUID, for SQL.
    pub const fn get(self) -> Uuid {
        self.0
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(formatter)
    }
}
