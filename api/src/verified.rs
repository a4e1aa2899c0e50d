//! Tokens whose signature was checked lately. To check it takes half of the time of a small request, and
//! most tokens are shown again and again.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use contracts::{Grant, limits};
use jsonwebtoken::get_current_timestamp;
use sha2::{Digest, Sha256};

/// Most of them in memory.
const KEPT_COUNT_MAX: usize = 10_000;

/// What good tokens prove, by their SHA-256. It belongs to the keys that they were checked with and goes
/// with them, once a minute and when a key is withdrawn; whether a session has ended is looked up elsewhere,
/// each time.
#[derive(Default)]
pub(crate) struct Verified(Mutex<HashMap<[u8; 32], Kept>>);

struct Kept {
    grant: Grant,
    /// In seconds since 1970.
    expires: u64,
}

impl Verified {
    /// What a token proves, if it was looked at before and has not run out since.
    pub(crate) fn grant_of(&self, token: &str) -> Option<Grant> {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(&hash).filter(|kept| !has_run_out(kept.expires));
        found.map(|kept| kept.grant)
    }

    /// Keeps what a token proves, which was checked.
    pub(crate) fn keep(&self, token: &str, grant: Grant, expires: u64) {
        let hash: [u8; 32] = Sha256::digest(token).into();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_COUNT_MAX {
            kept.retain(|_hash, kept| !has_run_out(kept.expires));
        }
        // More than that are in use at once: the others are checked each time.
        if kept.len() < KEPT_COUNT_MAX {
            kept.insert(hash, Kept { grant, expires });
        }
    }
}

/// As `jsonwebtoken` has it.
fn has_run_out(expires: u64) -> bool {
    expires < get_current_timestamp().saturating_sub(limits::TOKEN_LEEWAY.as_secs())
}

#[cfg(test)]
mod tests {
    use contracts::{Scopes, SessionId, UserId};

    use super::*;

    fn grant() -> Grant {
        let session_id = SessionId::parse("0191e2c5-0000-7000-8000-000000000001").unwrap();
        Grant { user_id: UserId::new(7), session_id, scopes: Scopes::parse("read:cycles") }
    }

    #[test]
    fn a_token_is_known_until_it_runs_out() {
        let verified = Verified::default();
        let now = get_current_timestamp();
        verified.keep("good", grant(), now + 600);
        verified.keep("over", grant(), now - limits::TOKEN_LEEWAY.as_secs() - 1);
        assert_eq!(verified.grant_of("good"), Some(grant()));
        assert_eq!(verified.grant_of("over"), None);
        assert_eq!(verified.grant_of("goo"), None);
    }

    #[test]
    fn there_are_so_many_and_those_that_ran_out_make_room() {
        let verified = Verified::default();
        let now = get_current_timestamp();
        verified.keep("over", grant(), 0);
        for number in 1..=KEPT_COUNT_MAX {
            verified.keep(&number.to_string(), grant(), now + 600);
        }
        verified.keep("one more", grant(), now + 600);
        assert_eq!(verified.grant_of(&KEPT_COUNT_MAX.to_string()), Some(grant()));
        assert_eq!(verified.grant_of("one more"), None);
        assert_eq!(verified.0.lock().unwrap().len(), KEPT_COUNT_MAX);
    }
}
