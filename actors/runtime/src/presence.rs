//! Whether this process is answering people who are signed in. What takes a core for as long as a
//! hundred of their requests looks here before it takes the last one. Cores belong to the process,
//! and so does this.

use std::{
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

/// So long after the last request the next one may still be about to come: somebody reads what they see.
const LINGERS: Duration = Duration::from_secs(2);

static LAST: Mutex<Option<Instant>> = Mutex::new(None);

/// A request of somebody who is signed in has come.
pub(crate) fn note() {
    *LAST.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
}

/// Until when more of their requests are to be expected; none if nobody is there.
pub fn lasts_until() -> Option<Instant> {
    last().map(|last| last + LINGERS).filter(|until| *until > Instant::now())
}

fn last() -> Option<Instant> {
    *LAST.lock().unwrap_or_else(PoisonError::into_inner)
}
