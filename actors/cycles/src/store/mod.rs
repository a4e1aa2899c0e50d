//! All SQL of this domain. Every function takes the user first and filters by it.

mod cycles;
mod history;
mod symptoms;

pub(crate) use cycles::{
    CycleDates, CycleFilter, cycle_dates, cycle_delete, cycle_get, cycle_insert, cycle_mark_after,
    cycle_overlapping, cycle_page, cycle_update,
};
pub(crate) use history::history_get;
pub(crate) use symptoms::{
    SymptomFilter, symptom_delete, symptom_get, symptom_insert, symptom_outside, symptom_page,
    symptom_update,
};
