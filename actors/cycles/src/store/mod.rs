//! All SQL of this domain. Every function takes the user first and filters by it.

mod cycles;
mod data_keys;
mod episodes;
mod erasure;
mod export;
mod gaps;
mod history;
mod import;
mod inputs;
mod retention;
mod symptoms;

pub(crate) use cycles::{
    CycleDates, CycleFilter, CycleState, cycle_dates, cycle_delete, cycle_get, cycle_insert,
    cycle_overlapping, cycle_page, cycle_update,
};
pub(crate) use data_keys::{
    data_key_count, data_key_get, data_key_list_in_txn, data_key_make, data_key_replace_in_txn,
    data_key_require, data_key_wrapped_under, in_clear_count, in_clear_seal_in_txn, in_clear_users,
    user_lock_in_txn,
};
pub(crate) use episodes::{
    episode_count, episode_delete, episode_get, episode_insert, episode_overlapping, episode_page,
    episode_update,
};
pub(crate) use erasure::{erased_insert_in_txn, erased_is, erased_of, user_delete_in_txn};
pub(crate) use export::{export_cycles, export_episodes, export_symptoms};
pub(crate) use gaps::{
    KeptAnswer, gap_answer_is, gap_answer_keep, gap_answers_drop, gap_answers_now,
};
pub(crate) use history::history_get;
pub(crate) use import::{
    CycleThere, cycles_exclude, cycles_starting_on, episodes_starting_on, gap_answer_bring_back,
    symptom_ids, symptoms_insert, symptoms_on,
};
pub(crate) use inputs::{inputs_changed_around, inputs_changed_from};
pub(crate) use retention::{
    inputs_changed_in_all, old_delete_in_txn, retention_delete_in_txn, retention_get,
    retention_list_due, retention_put_in_txn,
};
pub(crate) use symptoms::{
    SymptomFilter, symptom_counts, symptom_delete, symptom_get, symptom_insert, symptom_outside,
    symptom_page, symptom_place, symptom_update,
};
