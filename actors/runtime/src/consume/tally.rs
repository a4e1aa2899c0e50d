//! What a consumer remembers of deliveries that it could not settle for good.

use std::{
    collections::{HashMap, VecDeque},
    time::Duration,
};

use tokio::time::Instant;
use uuid::Uuid;

use super::NEWER_SCHEMA_WAIT;

/// Most wake-ups whose failures are counted at a time.
const COUNTED_MAX: usize = 4_096;
/// A wake-up that did not fail for so long does not come again: a newer one of its user took its
/// place. It is forgotten when room is needed.
const STALE_AFTER: Duration = Duration::from_mins(10);
/// Most events of a newer schema that wait for an upgrade. A durable has 256 places for all its
/// processes: while three old ones wait for theirs, the wake-ups of this schema still get through.
const HELD_MAX: usize = 64;

/// How often wake-ups failed here, by event. The counts end with the process, and each of several
/// processes has its own: both only give a wake-up more tries.
#[derive(Default)]
pub(super) struct Failures(HashMap<Uuid, Failed>);

struct Failed {
    times: u32,
    last_at: Instant,
}

impl Failures {
    /// Counts another failure, and says the how manieth it was. While there is no room nobody new
    /// is counted, so those who are come to their end and make room.
    pub(super) fn count(&mut self, event_id: Uuid, now: Instant) -> u32 {
        if self.0.len() >= COUNTED_MAX && !self.0.contains_key(&event_id) {
            self.0.retain(|_, failed| now.duration_since(failed.last_at) < STALE_AFTER);
            if self.0.len() >= COUNTED_MAX {
                return 1;
            }
        }
        let failed = self.0.entry(event_id).or_insert(Failed { times: 0, last_at: now });
        failed.times = failed.times.saturating_add(1);
        failed.last_at = now;
        failed.times
    }

    /// It failed for the last time: it succeeded, or is a dead letter.
    pub(super) fn forget(&mut self, event_id: Uuid) {
        self.0.remove(&event_id);
    }
}

/// When events of a newer schema were put off. Each comes again after the same time, so as many
/// wait as were put off within that time.
#[derive(Default)]
pub(super) struct Held(VecDeque<Instant>);

impl Held {
    /// Whether one more may wait; then it is counted.
    pub(super) fn hold(&mut self, now: Instant) -> bool {
        while self.0.front().is_some_and(|&at| now.duration_since(at) >= NEWER_SCHEMA_WAIT) {
            self.0.pop_front();
        }
        let has_room = self.0.len() < HELD_MAX;
        if has_room {
            self.0.push_back(now);
        }
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(number: usize) -> Uuid {
        Uuid::from_u128(u128::try_from(number).unwrap())
    }

    #[test]
    fn counts_are_bounded_and_those_who_are_counted_come_to_their_end() {
        let mut failures = Failures::default();
        let begun = Instant::now();
        for number in 0..COUNTED_MAX {
            assert_eq!(failures.count(event(number), begun), 1);
        }
        let one_more = event(COUNTED_MAX);
        assert_eq!(failures.count(one_more, begun), 1);
        assert_eq!(failures.count(one_more, begun), 1, "there is no room");
        assert_eq!(failures.count(event(0), begun), 2);
        failures.forget(event(0));
        assert_eq!(failures.count(one_more, begun), 1);
        assert_eq!(failures.count(one_more, begun), 2);
        assert_eq!(failures.0.len(), COUNTED_MAX);
    }

    #[test]
    fn what_does_not_come_again_makes_room() {
        let mut failures = Failures::default();
        let begun = Instant::now();
        for number in 0..COUNTED_MAX {
            failures.count(event(number), begun);
        }
        let later = begun + STALE_AFTER;
        failures.count(event(7), later - Duration::from_secs(1));
        assert_eq!(failures.count(event(COUNTED_MAX), later), 1);
        assert_eq!(failures.count(event(COUNTED_MAX), later), 2);
        assert_eq!(failures.count(event(7), later), 3);
        assert_eq!(failures.0.len(), 2);
    }

    #[test]
    fn only_so_many_events_wait_for_an_upgrade() {
        let mut held = Held::default();
        let begun = Instant::now();
        for _ in 0..HELD_MAX {
            assert!(held.hold(begun));
        }
        assert!(!held.hold(begun + NEWER_SCHEMA_WAIT / 2));
        assert!(held.hold(begun + NEWER_SCHEMA_WAIT));
        assert_eq!(held.0.len(), 1);
    }
}
