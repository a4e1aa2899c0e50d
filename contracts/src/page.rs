//! Pages of lists.

use serde::{Deserialize, Serialize};

/// Which rows of a list.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct PageRequest {
    /// How many rows at the most, 1 to 100.
    pub limit: i64,
    /// How many rows to pass over, 0 or more.
    pub offset: i64,
}

/// One page of a list.
#[derive(Clone, Serialize, Deserialize)]
pub struct Page<T> {
    /// The rows of this page.
    pub rows: Vec<T>,
    /// How many rows the whole list has.
    pub total: i64,
}
