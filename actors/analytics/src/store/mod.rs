//! All SQL of the analytics domain, one noun in each file.

pub(crate) mod cycle_analytics;
pub(crate) mod predictions;
pub(crate) mod subject;
