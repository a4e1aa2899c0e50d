//! One day of which two distributions are possible.

use crate::{Table, numbers::index};

/// The distribution of a day that is `other` with this probability, and `one` without.
pub(crate) fn mixed(one: &Table, other: &Table, probability: f64) -> Table {
    let first = one.first_day().min(other.first_day());
    let last = one.last_day().max(other.last_day());
    let mut masses = vec![0.0; index(last - first) + 1];
    for (table, weight) in [(one, 1.0 - probability), (other, probability)] {
        let from = index(table.first_day() - first);
        for (mass, (_, share)) in masses[from..].iter_mut().zip(table.probabilities()) {
            *mass += weight * share;
        }
    }
    Table::from_masses(first, &masses).unwrap_or_else(|| one.clone())
}
