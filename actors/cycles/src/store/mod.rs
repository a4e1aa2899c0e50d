//! All SQL of this domain. Every function takes the user first and filters by it.

mod cycles;
mod episodes;
mod gaps;
mod history;
mod inputs;
mod symptoms;

pub(crate) use cycles::{
    CycleDates, CycleFilter, CycleState, cycle_dates, cycle_delete, cycle_get, cycle_insert,
    cycle_overlapping, cycle_page, cycle_update,
};
pub(crate) use episodes::{
    episode_count, episode_delete, episode_get, episode_insert, episode_overlapping, episode_page,
    episode_update,
};
pub(crate) use gaps::{
    KeptAnswer, gap_answer_is, gap_answer_keep, gap_answers_drop, gap_answers_now,
};
pub(crate) use history::history_get;
pub(crate) use inputs::{inputs_changed_around, inputs_changed_from};
pub(crate) use symptoms::{
    SymptomFilter, symptom_delete, symptom_get, symptom_insert, symptom_outside, symptom_page,
    symptom_update,
};
