//! The cycles group, played from memory.

use std::{
    collections::{BTreeMap, HashMap, HashSet},
    mem,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use actor_runtime::tasks;
use chrono::{DateTime, Days, NaiveDate, TimeDelta, Utc};
use contracts::{
    Call, CycleId, Refusal, UserId, Version,
    cycles::{CyclesMailbox, History, HistoryCycle},
    events::{ChangedPage, ChangedUser},
    handle::{Opened, Transport},
};
use futures::future::BoxFuture;
use tokio::sync::Semaphore;

/// Answers `GetHistory` and `ListCyclesChanged`.
#[derive(Default)]
pub(super) struct Owner {
    histories: Mutex<BTreeMap<UserId, History>>,
    gates: Mutex<HashMap<UserId, Arc<Semaphore>>>,
    poisoned: Mutex<HashSet<UserId>>,
    next_cycle: AtomicUsize,
    random: AtomicU64,
    /// How many histories were asked for.
    pub(super) asks: AtomicUsize,
    /// Whether sweeps hear of anything.
    pub(super) tells_changes: AtomicBool,
    /// The longest pause between taking a snapshot and answering with it.
    pub(super) pause_max: Mutex<Duration>,
}

impl Owner {
    pub(super) fn history(&self, user_id: UserId) -> History {
        let nothing = || History { user_id, version: Version::ZERO, cycles: Vec::new() };
        self.histories.lock().unwrap().get(&user_id).cloned().unwrap_or_else(nothing)
    }

    /// Logs a start so many days after the newest one.
    pub(super) fn append(&self, user_id: UserId, days: u64) -> i64 {
        self.write(user_id, |cycles, id| {
            let first = NaiveDate::from_ymd_opt(2020, 1, 1).unwrap();
            let start = cycles.last().map_or(first, |last| last.start_date + Days::new(days));
            cycles.push(logged(id, start, Some(start + Days::new(4))));
        })
    }

    /// Removes a cycle.
    pub(super) fn remove(&self, user_id: UserId, at: usize) -> i64 {
        self.write(user_id, |cycles, _| {
            cycles.remove(at);
        })
    }

    /// Moves a cycle a day back or forth. Where its neighbours leave no room for that, it stays.
    pub(super) fn shift(&self, user_id: UserId, at: usize, forth: bool) -> i64 {
        self.write(user_id, |cycles, _| {
            let moved = |date: NaiveDate| if forth { date.succ_opt() } else { date.pred_opt() };
            let mut shifted = cycles[at].clone();
            shifted.start_date = moved(shifted.start_date).unwrap();
            shifted.end_date = shifted.end_date.and_then(moved);
            let before = mem::replace(&mut cycles[at], shifted);
            if !are_in_order(cycles) {
                cycles[at] = before;
            }
        })
    }

    /// Changes a user's cycles as the cycles group does: the version rises by one, and every cycle
    /// whose own dates or whose predecessor's start changed takes it as its input version.
    fn write(&self, user_id: UserId, change: impl FnOnce(&mut Vec<HistoryCycle>, i64)) -> i64 {
        let id = self.next_cycle.fetch_add(1, Ordering::Relaxed) + 1;
        let mut histories = self.histories.lock().unwrap();
        let nothing = History { user_id, version: Version::ZERO, cycles: Vec::new() };
        let history = histories.entry(user_id).or_insert(nothing);
        let before: HashMap<_, _> = inputs(&history.cycles).collect();
        change(&mut history.cycles, i64::try_from(id).unwrap());
        assert!(are_in_order(&history.cycles), "the cycles group would have refused this");
        let version = Version::new(history.version.get() + 1);
        let after: Vec<_> = inputs(&history.cycles).collect();
        for (cycle, (id, input)) in history.cycles.iter_mut().zip(after) {
            if before.get(&id) != Some(&input) {
                cycle.input_version = version;
                let epoch = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000);
                cycle.input_changed_at = epoch + TimeDelta::seconds(version.get());
            }
        }
        history.version = version;
        version.get()
    }

    /// From now on this user's histories are answered only as far as the gate lets them through;
    /// each is a snapshot from before it.
    pub(super) fn shut(&self, user_id: UserId) -> Arc<Semaphore> {
        let gate = Arc::new(Semaphore::new(0));
        self.gates.lock().unwrap().insert(user_id, Arc::clone(&gate));
        gate
    }

    /// From now on this user's histories are answered at once; those at the gate stay there.
    pub(super) fn open(&self, user_id: UserId) {
        self.gates.lock().unwrap().remove(&user_id);
    }

    /// From now on whoever asks for this user's history panics, or does so no more.
    pub(super) fn poison(&self, user_id: UserId, poisoned: bool) {
        let mut set = self.poisoned.lock().unwrap();
        if poisoned {
            set.insert(user_id)
        } else {
            set.remove(&user_id)
        };
    }

    /// A number that looks random and is the same in every run.
    pub(super) fn random(&self, below: u64) -> u64 {
        let seed = self.random.fetch_add(0x9e37_79b9_7f4a_7c15, Ordering::Relaxed);
        let mixed = (seed ^ seed >> 31).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        (mixed ^ mixed >> 29) % below
    }

    async fn answer(
        self: Arc<Self>,
        user_id: UserId,
        reply: contracts::ReplyPort<History>,
        history: History,
    ) {
        let gate = self.gates.lock().unwrap().get(&user_id).cloned();
        if let Some(gate) = gate {
            gate.acquire().await.unwrap().forget();
        }
        let pause_max = *self.pause_max.lock().unwrap();
        if !pause_max.is_zero() {
            let pause_max = u64::try_from(pause_max.as_micros()).unwrap();
            tokio::time::sleep(Duration::from_micros(self.random(pause_max))).await;
        }
        reply.answer(Ok(history));
    }
}

/// The owner as the analytics group reaches it.
pub(super) struct WayTo(pub(super) Arc<Owner>);

impl Transport<CyclesMailbox> for WayTo {
    fn deliver(
        &self,
        _call: Call,
        message: CyclesMailbox,
    ) -> BoxFuture<'_, Result<Opened, Refusal>> {
        Box::pin(async move {
            let opened = Opened::default();
            opened.mark();
            match message {
                CyclesMailbox::GetHistory(request, reply) => {
                    let user_id = request.user_id;
                    self.0.asks.fetch_add(1, Ordering::Relaxed);
                    let poisoned = self.0.poisoned.lock().unwrap().contains(&user_id);
                    assert!(!poisoned, "poison");
                    let history = self.0.history(user_id);
                    tasks::spawn(Arc::clone(&self.0).answer(user_id, reply, history));
                }
                CyclesMailbox::ListCyclesChanged(request, reply) => {
                    let after = request.0.after;
                    let histories = self.0.histories.lock().unwrap();
                    let users = histories
                        .values()
                        .filter(|_| self.0.tells_changes.load(Ordering::Relaxed))
                        .filter(|history| after.is_none_or(|after| history.user_id > after))
                        .map(|history| ChangedUser {
                            user_id: history.user_id,
                            version: history.version,
                        });
                    let users = users.take(usize::try_from(request.0.limit).unwrap()).collect();
                    reply.answer(Ok(ChangedPage { users }));
                }
                _ => return Err(Refusal::unavailable()),
            }
            Ok(opened)
        })
    }
}

/// What a prediction anchored at a cycle depends on, beside the cycles before it.
type Input = (NaiveDate, Option<NaiveDate>, Option<NaiveDate>);

fn inputs(cycles: &[HistoryCycle]) -> impl Iterator<Item = (CycleId, Input)> {
    cycles.iter().enumerate().map(|(index, cycle)| {
        let before = index.checked_sub(1).and_then(|before| cycles.get(before));
        (cycle.id, (cycle.start_date, cycle.end_date, before.map(|before| before.start_date)))
    })
}

/// Whether every cycle ends after it starts and before the next one starts.
fn are_in_order(cycles: &[HistoryCycle]) -> bool {
    let ends_late = |cycle: &HistoryCycle| cycle.end_date.unwrap_or(cycle.start_date);
    cycles.iter().all(|cycle| cycle.start_date <= ends_late(cycle))
        && cycles.is_sorted_by(|before, after| ends_late(before) < after.start_date)
}

fn logged(id: i64, start_date: NaiveDate, end_date: Option<NaiveDate>) -> HistoryCycle {
    HistoryCycle {
        id: CycleId::new(id),
        start_date,
        end_date,
        input_version: Version::ZERO,
        input_changed_at: DateTime::<Utc>::UNIX_EPOCH,
    }
}
