//! All SQL of the group. Instants are passed in; a function whose name ends in `_in_txn` leaves
//! the transaction to its caller.

mod erasure;
mod notification;
mod preferences;
mod subject;

pub(crate) use erasure::{erased_of, notification_delete_before_in_txn, user_erase_in_txn};
pub(crate) use notification::{
    notification_get, notification_list_for_user, reminder_cancel_in_txn, reminder_list_in_txn,
    reminder_put_in_txn,
};
pub(crate) use preferences::{
    preferences_ensure_in_txn, preferences_get_or_create, preferences_update_in_txn,
};
pub(crate) use subject::{subject_list_behind, subject_lock_in_txn, subject_update_in_txn};
