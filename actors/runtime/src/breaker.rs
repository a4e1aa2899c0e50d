//! A breaker in front of a group in another process.
//!
//! A group that is gone costs nothing: the broker says at once that nobody listens. A group that
//! hangs costs every asker the whole deadline. So what is counted is silence: after enough of it
//! the breaker opens, and askers are refused at once. After a pause one ask may probe; an answer of
//! any kind closes the breaker, silence makes the pause longer.

use std::{
    array,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use contracts::{
    Call, ErrorKind, Handle, Refusal,
    handle::{Opened, Transport},
};
use futures::future::BoxFuture;

/// Over how many seconds asks are counted.
const WINDOW_SECONDS: usize = 10;
/// Fewer asks than this in the window decide nothing by their share.
const ASKS_MIN: u32 = 20;
/// So many asks without an answer, one after the other, decide it however few there are.
const SILENT_IN_A_ROW_MAX: u32 = 3;
/// How long the breaker stays open at first.
const PAUSE_FIRST: Duration = Duration::from_secs(1);
/// How long it stays open at most: it bounds how late a group's return is noticed, and a probe
/// costs one asker its deadline.
const PAUSE_MAX: Duration = Duration::from_secs(5);
/// An asker who had less time than this says nothing about the group.
const SILENCE_MIN: Duration = Duration::from_millis(500);

/// The same handle behind a breaker of its own. `group` names it in logs and metrics.
pub fn guarded<M: Send + 'static>(group: &'static str, handle: Handle<M>) -> Handle<M> {
    let breaker = Breaker { group, state: Mutex::new(State::closed(Instant::now(), 0)) };
    Handle::new(Arc::new(Guarded { inner: handle, breaker }))
}

struct Guarded<M> {
    inner: Handle<M>,
    breaker: Breaker,
}

impl<M: Send + 'static> Transport<M> for Guarded<M> {
    fn deliver(&self, call: Call, message: M) -> BoxFuture<'_, Result<Opened, Refusal>> {
        Box::pin(async move {
            let begun = Instant::now();
            let passage = self.breaker.pass(begun).ok_or_else(Refusal::unavailable)?;
            let deadline = call.deadline;
            let mut asked = Asked { breaker: &self.breaker, passage, begun, deadline, end: None };
            let delivered = self.inner.deliver(call, message).await;
            // A refusal to deliver costs no time, and so needs no breaker; a connection that was
            // lost on the way says nothing about the group.
            let is_lost = |refusal: &Refusal| refusal.kind == ErrorKind::Interrupted;
            if !delivered.as_ref().is_err_and(is_lost) {
                asked.end = Some(End::Spoke);
            }
            delivered
        })
    }

    fn late(&self) -> Refusal {
        self.inner.late()
    }
}

/// An ask that passed. Whoever stops waiting drops it, and that too tells something.
struct Asked<'a> {
    breaker: &'a Breaker,
    passage: Passage,
    begun: Instant,
    deadline: Instant,
    end: Option<End>,
}

impl Drop for Asked<'_> {
    fn drop(&mut self) {
        let now = Instant::now();
        let waited_in_vain = now >= self.deadline && now - self.begun >= SILENCE_MIN;
        let without = if waited_in_vain { End::Silent } else { End::Unknown };
        self.breaker.conclude(self.passage, self.end.unwrap_or(without), now);
    }
}

struct Breaker {
    group: &'static str,
    state: Mutex<State>,
}

/// How an ask ended, as far as the group's life is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Something was said, be it a refusal.
    Spoke,
    /// Nothing was said in time.
    Silent,
    /// The asker went away before.
    Unknown,
}

/// Leave to ask. It counts only as long as the breaker is in the phase that gave it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Passage {
    phase: u64,
}

struct State {
    /// Counts the changes of the position.
    phase: u64,
    position: Position,
}

enum Position {
    Closed(Window),
    Open { until: Instant, pause: Duration },
    Probing { pause: Duration },
}

impl State {
    fn closed(now: Instant, phase: u64) -> Self {
        Self { phase, position: Position::Closed(Window::new(now)) }
    }

    fn turn(&mut self, position: Position) {
        self.phase += 1;
        self.position = position;
    }
}

impl Breaker {
    /// Leave to ask, unless the breaker is open.
    fn pass(&self, now: Instant) -> Option<Passage> {
        let mut state = self.locked();
        match state.position {
            Position::Closed(_) => {}
            Position::Open { until, pause } if now >= until => {
                state.turn(Position::Probing { pause });
            }
            Position::Open { .. } | Position::Probing { .. } => return None,
        }
        Some(Passage { phase: state.phase })
    }

    /// Takes note of how an ask ended.
    fn conclude(&self, passage: Passage, end: End, now: Instant) {
        let mut state = self.locked();
        if passage.phase != state.phase {
            return;
        }
        match (&mut state.position, end) {
            (Position::Closed(window), End::Spoke | End::Silent) => {
                if window.count(end == End::Silent, now) {
                    self.open(&mut state, PAUSE_FIRST, now);
                }
            }
            (Position::Probing { .. }, End::Spoke) => {
                tracing::info!(group = self.group, "the group answers again");
                metrics::gauge!("lunation_breaker_open", "group" => self.group).set(0.0);
                let phase = state.phase + 1;
                *state = State::closed(now, phase);
            }
            (Position::Probing { pause }, End::Silent) => {
                let longer = (*pause * 2).min(PAUSE_MAX);
                self.open(&mut state, longer, now);
            }
            // The next ask probes in its place.
            (Position::Probing { pause }, End::Unknown) => {
                let pause = *pause;
                state.turn(Position::Open { until: now, pause });
            }
            (Position::Closed(_), End::Unknown) | (Position::Open { .. }, _) => {}
        }
    }

    fn open(&self, state: &mut State, pause: Duration, now: Instant) {
        let pause_ms = pause.as_millis();
        tracing::warn!(group = self.group, pause_ms, "the group does not answer; asks are refused");
        metrics::gauge!("lunation_breaker_open", "group" => self.group).set(1.0);
        state.turn(Position::Open { until: now + pause, pause });
    }

    fn locked(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The asks of the last seconds.
struct Window {
    begun: Instant,
    seconds: [Second; WINDOW_SECONDS],
    silent_in_a_row: u32,
}

/// The asks that ended in one second.
#[derive(Clone, Copy)]
struct Second {
    number: u64,
    asks: u32,
    silent: u32,
}

impl Window {
    fn new(begun: Instant) -> Self {
        let seconds = array::from_fn(|_| Second { number: 0, asks: 0, silent: 0 });
        Self { begun, seconds, silent_in_a_row: 0 }
    }

    /// Counts an ask; whether there was too much silence.
    fn count(&mut self, is_silent: bool, now: Instant) -> bool {
        let number = now.duration_since(self.begun).as_secs();
        let index = usize::try_from(number).unwrap_or_default() % WINDOW_SECONDS;
        if let Some(second) = self.seconds.get_mut(index) {
            if second.number != number {
                *second = Second { number, asks: 0, silent: 0 };
            }
            second.asks += 1;
            second.silent += u32::from(is_silent);
        }
        self.silent_in_a_row = if is_silent { self.silent_in_a_row + 1 } else { 0 };
        let recent = self.seconds.iter().filter(|it| it.number + WINDOW_SECONDS as u64 > number);
        let (asks, silent) = recent
            .fold((0, 0), |(asks, silent), second| (asks + second.asks, silent + second.silent));
        let by_share = asks >= ASKS_MIN && silent * 2 >= asks;
        is_silent && (by_share || self.silent_in_a_row >= SILENT_IN_A_ROW_MAX)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

    use contracts::users::{CheckUsers, UsersMailbox};
    use futures::future;

    use super::*;
    use crate::clock::Ids;

    fn breaker(now: Instant) -> Breaker {
        Breaker { group: "test", state: Mutex::new(State::closed(now, 0)) }
    }

    fn ask(breaker: &Breaker, end: End, now: Instant) -> bool {
        let passage = breaker.pass(now);
        passage.inspect(|passage| breaker.conclude(*passage, end, now)).is_some()
    }

    #[test]
    fn half_of_twenty_asks_in_silence_open_it() {
        let start = Instant::now();
        let breaker = breaker(start);
        for round in 0..10 {
            let now = start + Duration::from_millis(500) * round;
            assert!(ask(&breaker, End::Spoke, now), "round {round}");
            assert!(ask(&breaker, End::Silent, now), "round {round}");
        }
        assert!(breaker.pass(start + Duration::from_secs(5)).is_none());
    }

    #[test]
    fn silence_is_forgotten_after_ten_seconds_and_less_than_half_of_it_is_borne() {
        let start = Instant::now();
        let breaker = breaker(start);
        for round in 0..200 {
            // Two of three are silent, and yet too few of them in any ten seconds.
            let now = start + Duration::from_secs(2) * round;
            assert!(ask(&breaker, End::Silent, now));
            assert!(ask(&breaker, End::Silent, now));
            assert!(ask(&breaker, End::Spoke, now));
        }
        let now = start + Duration::from_hours(1);
        for _ in 0..1_000 {
            assert!(ask(&breaker, End::Spoke, now));
            assert!(ask(&breaker, End::Silent, now));
            assert!(ask(&breaker, End::Spoke, now));
        }
    }

    #[test]
    fn three_silent_asks_in_a_row_open_it_and_one_probe_at_a_time_tries() {
        let start = Instant::now();
        let breaker = breaker(start);
        for _ in 0..3 {
            assert!(ask(&breaker, End::Silent, start));
        }
        let mut now = start;
        for pause_s in [1, 2, 4, 5, 5] {
            let pause = Duration::from_secs(pause_s);
            let almost = pause.saturating_sub(Duration::from_millis(1));
            assert!(breaker.pass(now + almost).is_none(), "{pause_s} s");
            now += pause;
            let probe = breaker.pass(now).unwrap();
            assert!(breaker.pass(now).is_none(), "one probe at a time");
            breaker.conclude(probe, End::Silent, now);
        }
        now += PAUSE_MAX;
        assert!(ask(&breaker, End::Unknown, now), "a probe that was given up says nothing");
        assert!(ask(&breaker, End::Spoke, now), "so the next one probes");
        for _ in 0..100 {
            assert!(ask(&breaker, End::Spoke, now));
        }
    }

    #[test]
    fn what_was_asked_before_it_opened_does_not_count_afterwards() {
        let start = Instant::now();
        let breaker = breaker(start);
        let early = breaker.pass(start).unwrap();
        for _ in 0..3 {
            assert!(ask(&breaker, End::Silent, start));
        }
        breaker.conclude(early, End::Spoke, start);
        assert!(breaker.pass(start).is_none());
        let probe = breaker.pass(start + PAUSE_FIRST).unwrap();
        breaker.conclude(early, End::Silent, start + PAUSE_FIRST);
        breaker.conclude(probe, End::Spoke, start + PAUSE_FIRST);
        assert!(ask(&breaker, End::Spoke, start + PAUSE_FIRST));
    }

    /// Hangs, or says at once that it is away.
    #[derive(Default)]
    struct Group {
        hangs: AtomicBool,
        asks: AtomicUsize,
    }

    impl Transport<UsersMailbox> for Group {
        fn deliver(&self, _: Call, _: UsersMailbox) -> BoxFuture<'_, Result<Opened, Refusal>> {
            self.asks.fetch_add(1, Ordering::Relaxed);
            if self.hangs.load(Ordering::Relaxed) {
                return Box::pin(future::pending());
            }
            Box::pin(future::ready(Err(Refusal::unavailable())))
        }

        fn late(&self) -> Refusal {
            Refusal::interrupted()
        }
    }

    async fn kind(handle: &Handle<UsersMailbox>, patience: Duration) -> ErrorKind {
        let call = Call::new(Ids.request_id("test"), Ids.trace(), patience);
        handle.ask(&call, CheckUsers {}).await.err().unwrap().kind
    }

    #[tokio::test]
    async fn a_group_that_hangs_costs_the_deadline_three_times_and_one_that_is_gone_costs_nothing()
    {
        let group = Arc::new(Group::default());
        let handle = guarded("test", Handle::new(Arc::clone(&group) as Arc<dyn Transport<_>>));
        for _ in 0..50 {
            assert_eq!(kind(&handle, SILENCE_MIN).await, ErrorKind::Unavailable);
        }
        assert_eq!(group.asks.load(Ordering::Relaxed), 50, "it is asked as long as it is gone");
        group.hangs.store(true, Ordering::Relaxed);
        for _ in 0..10 {
            let hasty = Duration::from_millis(1);
            assert_eq!(kind(&handle, hasty).await, ErrorKind::Interrupted);
        }
        for _ in 0..3 {
            assert_eq!(kind(&handle, SILENCE_MIN).await, ErrorKind::Interrupted);
        }
        let begun = Instant::now();
        assert_eq!(kind(&handle, SILENCE_MIN).await, ErrorKind::Unavailable);
        assert!(begun.elapsed() < SILENCE_MIN);
        assert_eq!(group.asks.load(Ordering::Relaxed), 63, "it is left alone");
    }
}
