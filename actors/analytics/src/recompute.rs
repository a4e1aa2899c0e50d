//! One recomputation: ask for what is needed, derive, store; or move what is known on to a day.

use std::{sync::Arc, time::Duration};

use actor_runtime::{clock::Clock, database, faults};
use chrono::NaiveDate;
use contracts::{
    Call, Handle, Refusal, UserId, Version,
    cycles::{CyclesMailbox, GetHistory, History},
    users::{GetPerson, UsersMailbox},
};
use sqlx::PgPool;

use crate::{
    apply::{Applied, Work},
    derive::{Believed, Key, Person, derive},
    known::Known,
    refresh::Refreshed,
    store::subject_reads::{StoredSubject, subject_read},
    user::Wanted,
    writers::{Apply, WritersMailbox},
};

/// How long the age is waited for: predictions are made without it if it takes longer.
const PERSON_PATIENCE: Duration = Duration::from_secs(2);
/// How often a state is derived that turns out to be mixed, before somebody else's turn.
const ATTEMPTS_MAX: usize = 5;

/// What all recomputations work with.
pub(crate) struct Works {
    pub(crate) cycles: Handle<CyclesMailbox>,
    pub(crate) users: Handle<UsersMailbox>,
    pub(crate) writers: Handle<WritersMailbox>,
    pub(crate) pool: PgPool,
    pub(crate) clock: Clock,
}

/// What a recomputation is for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a question of its own")]
pub(crate) struct Errand {
    /// The version of the cycles that was announced, if the cycles changed.
    announced: Option<Version>,
    /// Whether the cycles are to be asked.
    cycles: bool,
    /// Whether the person is to be asked.
    person: bool,
    /// The day to move on to.
    day: Option<NaiveDate>,
    /// Whether the user was erased: then there is nothing else to do.
    erase: bool,
    /// Whether it was tried before, and what was stored was found to be mixed.
    retried: bool,
}

/// What a recomputation ends with.
pub(crate) enum Ended {
    /// This is stored; the rows too, if they are known.
    Reached(Reached, Option<Believed>),
    /// Nothing was ever logged, so there is nothing to derive and nothing to store.
    Nothing,
    /// The user was erased: there is nothing to store.
    Erased,
    /// Something that is needed is away, or the history is none.
    Refused(Refusal),
    /// It panicked: the user's actor fails, and nobody else does.
    Panicked,
}

/// What is stored at the end.
pub(crate) struct Reached {
    pub(crate) cycles: Version,
    pub(crate) person: Option<Version>,
    /// Why nothing was heard of the person, if they were asked for.
    pub(crate) person_away: Option<Refusal>,
}

/// What was heard of a person.
struct Heard {
    person: Person,
    away: Option<Refusal>,
}

impl Errand {
    /// What serves all of these.
    pub(crate) fn of(wanted: impl Iterator<Item = Wanted>) -> Self {
        let mut errand = Self::default();
        for wanted in wanted {
            match wanted {
                Wanted::AtLeast(version) => {
                    errand.announced = errand.announced.max(Some(version));
                    errand.cycles = true;
                }
                Wanted::Current => errand.cycles = true,
                Wanted::PersonAtLeast(_) | Wanted::CurrentPerson => errand.person = true,
                Wanted::Day(day) => errand.day = errand.day.max(Some(day)),
                Wanted::Erased => errand.erase = true,
            }
        }
        errand
    }
}

impl Works {
    pub(crate) async fn recompute(
        &self,
        user_id: UserId,
        call: Call,
        errand: Errand,
        believed: Option<Believed>,
    ) -> Ended {
        self.try_recompute(user_id, &call, errand, believed).await.unwrap_or_else(Ended::Refused)
    }

    async fn try_recompute(
        &self,
        user_id: UserId,
        call: &Call,
        mut errand: Errand,
        believed: Option<Believed>,
    ) -> Result<Ended, Refusal> {
        faults::check("analytics.recompute").map_err(|_| Refusal::internal())?;
        if errand.erase {
            let at = self.clock.now();
            self.writers.ask(call, Apply(Work::Erase(user_id, at))).await?;
            return Ok(Ended::Erased);
        }
        // What the actor remembers is enough to see what a change of the cycles changes.
        let mut remembered = believed.filter(|_| errand.cycles && !errand.person);
        for _ in 0..ATTEMPTS_MAX {
            let stored = match remembered.take() {
                Some(believed) => Some(StoredSubject::remembered(believed)),
                None => self.stored(user_id).await?,
            };
            let tried = match stored {
                // Nothing is derived yet; the first cycle will ask for the person.
                None if !errand.cycles => return Ok(Ended::Nothing),
                Some(StoredSubject { believed: Some(believed), known: Some(known), .. })
                    if !errand.cycles && !errand.person =>
                {
                    self.refresh(call, &errand, believed, &known).await?
                }
                stored => self.derive_and_store(user_id, call, &errand, stored).await?,
            };
            match tried {
                Tried::Ended(ended) => return Ok(ended),
                // The owner was set back. What is stored stays, and what it has is older.
                Tried::Mixed { stored, cycles } if errand.retried && cycles < stored.cycles => {
                    return Ok(reached(&stored, None, None));
                }
                Tried::Mixed { stored, .. } => {
                    errand = Errand {
                        cycles: true,
                        person: true,
                        day: errand.day.max(Some(stored.day)),
                        retried: true,
                        ..errand
                    };
                }
            }
        }
        Err(Refusal::interrupted())
    }

    /// Asks for what is needed, derives, and stores.
    async fn derive_and_store(
        &self,
        user_id: UserId,
        call: &Call,
        errand: &Errand,
        stored: Option<StoredSubject>,
    ) -> Result<Tried, Refusal> {
        let (person, believed) =
            stored.map_or_else(Default::default, |stored| (stored.person, stored.believed));
        let (history, heard) = tokio::join!(
            self.cycles.ask(call, GetHistory { user_id }),
            self.hear(user_id, call, errand, person),
        );
        let history: History = history?;
        if history.erased {
            return Ok(Tried::Ended(Ended::Erased));
        }
        if history.version == Version::ZERO {
            return Ok(Tried::Ended(Ended::Nothing));
        }
        let day = self.day(errand, believed.as_ref());
        let derived = derive(&history, heard.person, day, believed.as_ref());
        let mut derived = derived.map_err(|error| {
            tracing::error!(%user_id, %error, "a history cannot be derived from");
            Refusal::internal()
        })?;
        // A test shows what comes of believing the event.
        if let Some(announced) = errand.announced
            && faults::is_off("analytics.snapshot_version")
        {
            derived.key.cycles = announced;
        }
        let derived = Arc::new(derived);
        faults::point("analytics.before_apply");
        let work = Work::Whole(Arc::clone(&derived), believed);
        let (applied, key) = (self.writers.ask(call, Apply(work)).await?, derived.key);
        tried(applied, key, heard.away, || derived.believed())
    }

    /// Makes the active prediction again for a later day.
    async fn refresh(
        &self,
        call: &Call,
        errand: &Errand,
        believed: Believed,
        known: &Known,
    ) -> Result<Tried, Refusal> {
        let day = self.day(errand, Some(&believed));
        if day == believed.key.day {
            return Ok(Tried::Ended(reached(&believed.key.clone(), None, Some(believed))));
        }
        let refreshed = Arc::new(Refreshed::of(&believed, known, day));
        faults::point("analytics.before_apply");
        let applied = self.writers.ask(call, Apply(Work::Day(Arc::clone(&refreshed)))).await?;
        tried(applied, Key { day, ..believed.key }, None, || refreshed.believed(believed))
    }

    /// What is known of the person: asked for if the errand says so or nothing is known yet. Who
    /// cannot be reached keeps nobody waiting; the sweeps come back to it.
    async fn hear(&self, user_id: UserId, call: &Call, errand: &Errand, stored: Person) -> Heard {
        if !errand.person && stored.version.is_some() {
            return Heard { person: stored, away: None };
        }
        let call = call.with_patience(PERSON_PATIENCE);
        match self.users.ask(&call, GetPerson { user_id }).await {
            Ok(contracts::users::Person { user_id: _, version, date_of_birth }) => {
                let asked = Person { version: Some(version), date_of_birth };
                let person = if asked.version >= stored.version { asked } else { stored };
                Heard { person, away: None }
            }
            Err(refusal) => {
                tracing::info!(%user_id, code = %refusal.code, "predicted without asking for the age");
                Heard { person: stored, away: Some(refusal) }
            }
        }
    }

    /// Today in UTC, or the day that is stored, if another machine's clock is ahead.
    fn day(&self, errand: &Errand, believed: Option<&Believed>) -> NaiveDate {
        let stored = believed.map(|believed| believed.key.day);
        let today = self.clock.now().date_naive();
        [errand.day, stored].into_iter().flatten().fold(today, NaiveDate::max)
    }

    async fn stored(&self, user_id: UserId) -> Result<Option<StoredSubject>, Refusal> {
        let read = database::read(&self.pool, || subject_read(&self.pool, user_id));
        read.await.map_err(|error| database::refusal(&error))
    }
}

/// What became of one attempt.
enum Tried {
    Ended(Ended),
    /// What is stored is newer in one respect and older in another.
    Mixed {
        stored: Key,
        /// The version of the cycles that was tried.
        cycles: Version,
    },
}

fn tried(
    applied: Applied,
    key: Key,
    away: Option<Refusal>,
    believed: impl FnOnce() -> Believed,
) -> Result<Tried, Refusal> {
    Ok(Tried::Ended(match applied {
        Applied::Stored => reached(&key, away, Some(believed())),
        Applied::AlreadyAt(stored) if stored == key => reached(&key, away, Some(believed())),
        // Another process is ahead; which rows it stored is not known here.
        Applied::AlreadyAt(newer) => reached(&newer, away, None),
        Applied::Mixed(stored) => return Ok(Tried::Mixed { stored, cycles: key.cycles }),
        // A process of the later model will see to it: during an upgrade there is one.
        Applied::Outdated => return Err(Refusal::unavailable()),
        Applied::Erased => Ended::Erased,
    }))
}

fn reached(key: &Key, person_away: Option<Refusal>, believed: Option<Believed>) -> Ended {
    let Key { cycles, person, day: _ } = *key;
    Ended::Reached(Reached { cycles, person, person_away }, believed)
}
