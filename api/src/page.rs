//! Pages of lists: `limit`, `offset`, `count` and `total`.

use contracts::page::PageRequest;

use crate::scalar::{Count, Limit, Offset, Scalar};

/// The earlier system's page of cycles, analytics and predictions.
pub(crate) fn ten() -> Limit {
    Scalar(10)
}

/// The earlier system's page of notifications.
pub(crate) fn twenty() -> Limit {
    Scalar(20)
}

/// The earlier system listed all symptoms at once: as many as a page may hold.
pub(crate) fn hundred() -> Limit {
    Scalar(100)
}

/// A list from its beginning.
pub(crate) fn from_the_first() -> Offset {
    Scalar(0)
}

/// Which rows were asked for.
pub(crate) fn page(Scalar(limit): Limit, Scalar(offset): Offset) -> PageRequest {
    PageRequest { limit, offset }
}

/// How many rows a page has. A page is short: its length fits.
pub(crate) fn count<T>(rows: &[T]) -> Count {
    Scalar(i64::try_from(rows.len()).unwrap_or(i64::MAX))
}
