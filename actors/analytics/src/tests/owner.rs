//! The cycles and the users group, played from memory.

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
    cycles::{
        AnswerGap, CyclesMailbox, GapAnswer, History, HistoryCycle, HistoryEpisode, HistorySymptom,
        Observation,
    },
    events::{ChangedPage, ChangedSince, ChangedUser},
    handle::{Opened, Transport},
    users::{Person, UsersMailbox},
};
use futures::future::BoxFuture;
use tokio::sync::Semaphore;

use super::questions;

/// Answers `GetHistory` and `ListCyclesChanged`, `GetPerson` and `ListUsersChanged`.
#[derive(Default)]
pub(super) struct Owner {
    histories: Mutex<BTreeMap<UserId, History>>,
    gates: Mutex<HashMap<UserId, Arc<Semaphore>>>,
    poisoned: Mutex<HashSet<UserId>>,
    people: Mutex<BTreeMap<UserId, Person>>,
    next_cycle: AtomicUsize,
    random: AtomicU64,
    /// The answers about gaps that came, and in whose name.
    pub(super) answers: Mutex<Vec<(Call, AnswerGap)>>,
    /// How many histories were asked for.
    pub(super) asks: AtomicUsize,
    /// How many people were asked for.
    pub(super) person_asks: AtomicUsize,
    /// Whether people cannot be asked for.
    pub(super) users_are_away: AtomicBool,
    /// Whether sweeps hear of anything.
    pub(super) tells_changes: AtomicBool,
    /// The longest pause between taking a snapshot and answering with it.
    pub(super) pause_max: Mutex<Duration>,
    /// Who was erased, and how often that was reported to be done.
    pub(super) erased: Mutex<BTreeMap<UserId, usize>>,
}

impl Owner {
    /// The facts of a user are gone.
    pub(super) fn forget(&self, user_id: UserId) {
        self.histories
            .lock()
            .unwrap()
            .insert(user_id, History { erased: true, ..nothing_logged(user_id) });
        self.people.lock().unwrap().remove(&user_id);
    }

    pub(super) fn history(&self, user_id: UserId) -> History {
        let histories = self.histories.lock().unwrap();
        histories.get(&user_id).cloned().unwrap_or_else(|| nothing_logged(user_id))
    }

    /// What is known of a person.
    pub(super) fn person(&self, user_id: UserId) -> Person {
        let nobody = || Person { user_id, version: Version::ZERO, date_of_birth: None };
        self.people.lock().unwrap().get(&user_id).cloned().unwrap_or_else(nobody)
    }

    /// Somebody says when they were born.
    pub(super) fn is_born(&self, user_id: UserId, date_of_birth: NaiveDate) -> Version {
        let version = Version::new(self.person(user_id).version.get() + 1);
        let person = Person { user_id, version, date_of_birth: Some(date_of_birth) };
        self.people.lock().unwrap().insert(user_id, person);
        version
    }

    /// Logs a start so many days after the newest one.
    pub(super) fn append(&self, user_id: UserId, days: u64) -> i64 {
        self.write(user_id, |History { cycles, .. }, id| {
            let first = NaiveDate::from_ymd_opt(2020, 1, 1).unwrap();
            let start = cycles.last().map_or(first, |last| last.start_date + Days::new(days));
            cycles.push(logged(id, start, Some(start + Days::new(4))));
        })
    }

    /// Takes the ends of all periods back.
    pub(super) fn reopen(&self, user_id: UserId) -> i64 {
        self.write(user_id, |History { cycles, .. }, _| {
            for cycle in cycles {
                cycle.end_date = None;
            }
        })
    }

    /// Removes a cycle.
    pub(super) fn remove(&self, user_id: UserId, at: usize) -> i64 {
        self.write(user_id, |History { cycles, .. }, _| {
            cycles.remove(at);
        })
    }

    /// Changes what is said about a cycle beside its dates.
    pub(super) fn say(
        &self,
        user_id: UserId,
        at: usize,
        excluded: bool,
        gap_answer: Option<GapAnswer>,
    ) -> i64 {
        self.write(user_id, |History { cycles, .. }, _| {
            let said_on = gap_answer.map(|_| cycles[at].start_date + Days::new(40));
            (cycles[at].excluded, cycles[at].gap_answer) = (excluded, gap_answer);
            cycles[at].gap_answered_on = said_on;
        })
    }

    /// Logs an episode.
    pub(super) fn live_through(&self, user_id: UserId, episode: HistoryEpisode) -> i64 {
        self.write(user_id, |History { episodes, .. }, _| episodes.push(episode))
    }

    /// Ends the newest episode.
    pub(super) fn end_episode(&self, user_id: UserId, end: NaiveDate) -> i64 {
        self.write(user_id, |History { episodes, .. }, _| {
            episodes.last_mut().unwrap().end_date = Some(end);
        })
    }

    /// Logs a sign of ovulation.
    pub(super) fn observe(&self, user_id: UserId, observation: Observation) -> i64 {
        self.write(user_id, |History { observations, .. }, _| observations.push(observation))
    }

    /// Logs a symptom.
    pub(super) fn feel(&self, user_id: UserId, date: NaiveDate, symptom_type: &str) -> i64 {
        let symptom_type = symptom_type.to_owned();
        let symptom = HistorySymptom { date, symptom_type };
        self.write(user_id, |History { symptoms, .. }, _| symptoms.push(symptom))
    }

    /// Logs a start between others; nothing is said about the gap any more that it divides.
    pub(super) fn insert(&self, user_id: UserId, start: NaiveDate) -> i64 {
        self.write(user_id, |History { cycles, .. }, id| {
            let at = cycles.partition_point(|cycle| cycle.start_date < start);
            cycles[at - 1].gap_answer = None;
            cycles.insert(at, logged(id, start, None));
        })
    }

    /// Moves a cycle a day back or forth. Where its neighbours leave no room for that, it stays.
    pub(super) fn shift(&self, user_id: UserId, at: usize, forth: bool) -> i64 {
        self.write(user_id, |History { cycles, .. }, _| {
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

    /// Changes a user's log as the cycles group does: the version rises by one, and every cycle
    /// whose input changed takes it as its input version.
    fn write(&self, user_id: UserId, change: impl FnOnce(&mut History, i64)) -> i64 {
        let id = self.next_cycle.fetch_add(1, Ordering::Relaxed) + 1;
        let mut histories = self.histories.lock().unwrap();
        let history = histories.entry(user_id).or_insert_with(|| nothing_logged(user_id));
        let before: HashMap<_, _> = inputs(history).collect();
        change(history, i64::try_from(id).unwrap());
        assert!(are_in_order(&history.cycles), "the cycles group would have refused this");
        let version = Version::new(history.version.get() + 1);
        let after: Vec<_> = inputs(history).collect();
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

    fn changed(
        &self,
        all: impl Iterator<Item = (UserId, Version)>,
        request: &ChangedSince,
    ) -> ChangedPage {
        let users = all
            .filter(|_| self.tells_changes.load(Ordering::Relaxed))
            .filter(|(user_id, _)| request.after.is_none_or(|after| *user_id > after))
            .map(|(user_id, version)| ChangedUser { user_id, version });
        ChangedPage { users: users.take(usize::try_from(request.limit).unwrap()).collect() }
    }

    /// Who was erased. Whoever asks for one has heard an event; the sweeps ask for many.
    fn erased(&self, request: &ChangedSince) -> ChangedPage {
        let erased = self.erased.lock().unwrap();
        if request.limit > 1 {
            let all = erased.keys().map(|user_id| (*user_id, Version::FIRST));
            return self.changed(all, request);
        }
        let next = erased.keys().find(|user_id| Some(**user_id) > request.after);
        let user = |user_id: &UserId| ChangedUser { user_id: *user_id, version: Version::FIRST };
        ChangedPage { users: next.map(user).into_iter().collect() }
    }

    async fn answer(
        self: Arc<Self>,
        reply: contracts::ReplyPort<History>,
        history: History,
        gate: Option<Arc<Semaphore>>,
    ) {
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
        call: Call,
        message: CyclesMailbox,
    ) -> BoxFuture<'_, Result<Opened, Refusal>> {
        Box::pin(async move {
            let opened = Opened::default();
            opened.mark();
            match message {
                CyclesMailbox::GetHistory(request, reply) => {
                    let user_id = request.user_id;
                    let history = self.0.history(user_id);
                    let gate = self.0.gates.lock().unwrap().get(&user_id).cloned();
                    // Last: who sees that it was asked knows what it will answer, and when.
                    self.0.asks.fetch_add(1, Ordering::Release);
                    let poisoned = self.0.poisoned.lock().unwrap().contains(&user_id);
                    assert!(!poisoned, "poison");
                    tasks::spawn(Arc::clone(&self.0).answer(reply, history, gate));
                }
                CyclesMailbox::ListCyclesChanged(request, reply) => {
                    let histories = self.0.histories.lock().unwrap();
                    let all = histories.values().map(|history| (history.user_id, history.version));
                    reply.answer(Ok(self.0.changed(all, &request.0)));
                }
                CyclesMailbox::AnswerGap(request, reply) => {
                    reply.answer(questions::answer_gap(&self.0, call, request));
                }
                _ => return Err(Refusal::unavailable()),
            }
            Ok(opened)
        })
    }
}

/// The users group as the analytics group reaches it.
pub(super) struct WayToPeople(pub(super) Arc<Owner>);

impl Transport<UsersMailbox> for WayToPeople {
    fn deliver(
        &self,
        _call: Call,
        message: UsersMailbox,
    ) -> BoxFuture<'_, Result<Opened, Refusal>> {
        Box::pin(async move {
            let opened = Opened::default();
            opened.mark();
            if self.0.users_are_away.load(Ordering::Relaxed) {
                return Err(Refusal::unavailable());
            }
            match message {
                UsersMailbox::GetPerson(request, reply) => {
                    self.0.person_asks.fetch_add(1, Ordering::Relaxed);
                    reply.answer(Ok(self.0.person(request.user_id)));
                }
                UsersMailbox::ListUsersChanged(request, reply) => {
                    let people = self.0.people.lock().unwrap();
                    let all = people.values().map(|person| (person.user_id, person.version));
                    reply.answer(Ok(self.0.changed(all, &request.0)));
                }
                UsersMailbox::ListErased(request, reply) => {
                    reply.answer(Ok(self.0.erased(&request.0)));
                }
                UsersMailbox::ReportErased(request, reply) => {
                    *self.0.erased.lock().unwrap().entry(request.user_id).or_default() += 1;
                    reply.answer(Ok(()));
                }
                _ => return Err(Refusal::unavailable()),
            }
            Ok(opened)
        })
    }
}

fn nothing_logged(user_id: UserId) -> History {
    History {
        user_id,
        version: Version::ZERO,
        erased: false,
        forget_before: None,
        cycles: Vec::new(),
        episodes: Vec::new(),
        observations: Vec::new(),
        symptoms: Vec::new(),
    }
}

/// What a prediction anchored at a cycle depends on, beside the cycles before it.
type Input = (HistoryCycle, Option<NaiveDate>, Vec<HistoryEpisode>, Vec<Observation>);

fn inputs(history: &History) -> impl Iterator<Item = (CycleId, Input)> {
    let cycles = &history.cycles;
    cycles.iter().enumerate().map(move |(index, cycle)| {
        let before = index.checked_sub(1).and_then(|before| cycles.get(before));
        let next = cycles.get(index + 1).map_or(NaiveDate::MAX, |next| next.start_date);
        let is_here = |day: NaiveDate| cycle.start_date <= day && day < next;
        let episodes = history.episodes.iter().filter(|episode| {
            episode.start_date < next && episode.end_date.is_none_or(|end| end > cycle.start_date)
        });
        let observations = history.observations.iter().filter(|seen| is_here(seen.date));
        let own = HistoryCycle {
            input_version: Version::ZERO,
            input_changed_at: DateTime::<Utc>::UNIX_EPOCH,
            ..cycle.clone()
        };
        let before = before.map(|before| before.start_date);
        (cycle.id, (own, before, episodes.copied().collect(), observations.copied().collect()))
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
        excluded: false,
        gap_answer: None,
        gap_answered_on: None,
        input_version: Version::ZERO,
        input_changed_at: DateTime::<Utc>::UNIX_EPOCH,
    }
}
