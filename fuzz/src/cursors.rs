//! Cursors, as they travel between processes.

use contracts::{
    cycles::ExportCursor,
    events::{ChangedSince, WakeUp},
    page::PageRequest,
    users::RevocationCursor,
};
use serde::{Serialize, de::DeserializeOwned};

/// A cursor that is read is written as the same one.
pub fn run(input: &[u8]) {
    stays::<ExportCursor>(input);
    stays::<RevocationCursor>(input);
    stays::<ChangedSince>(input);
    stays::<PageRequest>(input);
    stays::<WakeUp>(input);
}

fn stays<T: DeserializeOwned + Serialize>(input: &[u8]) {
    let Ok(read) = serde_json::from_slice::<T>(input) else { return };
    let written = serde_json::to_vec(&read).expect("JSON");
    let again: T = serde_json::from_slice(&written).expect("what was written is read");
    assert_eq!(serde_json::to_vec(&again).expect("JSON"), written);
}
