//! A member of a partial update: left out, set, or cleared.

use serde::{Deserialize, Serialize};

/// What a partial update says about one member.
#[derive(Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Patch<T> {
    /// The member was left out: it stays as it is.
    #[default]
    Keep,
    /// The member was `null`: it is cleared.
    Clear,
    /// The member has a new value.
    Set(T),
}

impl<T> Patch<T> {
    /// The value after this patch, given the value before.
    pub fn apply(self, current: Option<T>) -> Option<T> {
        match self {
            Self::Keep => current,
            Self::Clear => None,
            Self::Set(value) => Some(value),
        }
    }

    /// Whether the member stays as it is.
    pub fn is_keep(&self) -> bool {
        matches!(self, Self::Keep)
    }
}
