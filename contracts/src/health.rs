//! How a group says that it is well.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// One thing that a group needs, and whether it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What was checked: `database`, `bus`, …
    pub name: Cow<'static, str>,
    /// Whether it answered.
    pub healthy: bool,
}

/// What a group reports of itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupHealth {
    /// Every check of the group.
    pub checks: Vec<Check>,
}

impl GroupHealth {
    /// Whether every check passed.
    pub fn is_healthy(&self) -> bool {
        self.checks.iter().all(|check| check.healthy)
    }
}
