//! All SQL of the analytics domain, one noun in each file.

pub(crate) mod cycle_analytics;
pub(crate) mod erasure;
mod prediction_columns;
pub(crate) mod prediction_reads;
pub(crate) mod predictions;
pub(crate) mod readings;
pub(crate) mod subject;
pub(crate) mod subject_reads;
