//! What happens inside a write's transaction: the first answer of a retried request, the new
//! version, the change, and the answer that a retry will get.

use actor_runtime::{
    clock::{Clock, Ids},
    database,
    group_commit::{Write, WriteError},
    idempotency::Fingerprint,
    outbox,
};
use chrono::{DateTime, Utc};
use contracts::{
    Call, UserId, Version,
    cycles::{
        Cycle, CycleWritten, DeleteCycle, DeleteSymptom, Deleted, EditCycle, EditSymptom,
        LogSymptom, RecordCycle, SymptomWritten,
    },
    events::{Topic, Verb},
};
use serde::{Serialize, de::DeserializeOwned};
use sqlx::PgConnection;

use crate::{
    error::CyclesError,
    store::{self, CycleDates},
    timeline,
    validate::{self, Span},
};

/// A change of a user's state that gets a version of its own.
pub(crate) struct Versioned<C> {
    pub(crate) change: C,
    pub(crate) call: Call,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) clock: Clock,
}

/// The version that a change gets, and when.
#[derive(Clone, Copy)]
pub(crate) struct Stamp {
    pub(crate) version: Version,
    pub(crate) at: DateTime<Utc>,
}

/// A change, valid as far as its request alone can tell.
pub(crate) trait Change: Send + Sync + 'static {
    /// What the asker gets.
    type Answer: Serialize + DeserializeOwned + Send + Sync + 'static;

    /// Whose state it changes.
    fn user_id(&self) -> UserId;

    /// What it is called in the event.
    fn verb(&self) -> Verb;

    /// Carries it out; the user's outbox row is locked, so no other write of the user is under way.
    fn carry_out(
        &self,
        connection: &mut PgConnection,
        stamp: Stamp,
    ) -> impl Future<Output = Result<Self::Answer, WriteError>> + Send;
}

/// Changes that answer with a cycle.
pub(crate) enum CycleChange {
    Record(RecordCycle),
    Edit(EditCycle),
}

/// Changes that answer with a symptom.
pub(crate) enum SymptomChange {
    Log(LogSymptom),
    Edit(EditSymptom),
}

/// Changes after which something is no more.
pub(crate) enum Removal {
    Cycle(DeleteCycle),
    Symptom(DeleteSymptom),
}

impl<C: Change> Write for Versioned<C> {
    type Answer = C::Answer;

    fn user_id(&self) -> UserId {
        self.change.user_id()
    }

    async fn apply_in_txn(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Self::Answer, WriteError> {
        let Self { change, call, fingerprint, clock } = self;
        let user_id = change.user_id();
        if let Some(fingerprint) = fingerprint
            && let Some(first) = fingerprint.first_answer(connection, user_id).await?
        {
            return Ok(first);
        }
        let topic = Topic::CycleChanged;
        let version =
            outbox::bump_in_txn(connection, user_id, topic, change.verb(), call, Ids).await?;
        let stamp = Stamp { version, at: clock.now() };
        let answer = match change.carry_out(connection, stamp).await {
            Err(WriteError::Refused(refusal)) => {
                // Another process may have carried out this very request while this one waited
                // for the user's row. Then the refusal is about its own effect.
                if let Some(fingerprint) = fingerprint
                    && fingerprint.first_answer::<C::Answer>(connection, user_id).await?.is_some()
                {
                    return Err(WriteError::Raced);
                }
                return Err(refusal.into());
            }
            carried_out => carried_out?,
        };
        if let Some(fingerprint) = fingerprint {
            fingerprint.keep_answer(connection, user_id, &answer).await?;
        }
        Ok(answer)
    }
}

impl Change for CycleChange {
    type Answer = CycleWritten;

    fn user_id(&self) -> UserId {
        match self {
            Self::Record(request) => request.user_id,
            Self::Edit(request) => request.user_id,
        }
    }

    fn verb(&self) -> Verb {
        match self {
            Self::Record(_) => Verb::Recorded,
            Self::Edit(_) => Verb::Edited,
        }
    }

    async fn carry_out(
        &self,
        connection: &mut PgConnection,
        stamp: Stamp,
    ) -> Result<CycleWritten, WriteError> {
        let cycle = match self {
            Self::Record(request) => record_cycle(connection, request, stamp).await?,
            Self::Edit(request) => edit_cycle(connection, request, stamp).await?,
        };
        Ok(CycleWritten { cycle, version: stamp.version })
    }
}

impl Change for SymptomChange {
    type Answer = SymptomWritten;

    fn user_id(&self) -> UserId {
        match self {
            Self::Log(request) => request.user_id,
            Self::Edit(request) => request.user_id,
        }
    }

    fn verb(&self) -> Verb {
        match self {
            Self::Log(_) => Verb::Recorded,
            Self::Edit(_) => Verb::Edited,
        }
    }

    async fn carry_out(
        &self,
        connection: &mut PgConnection,
        stamp: Stamp,
    ) -> Result<SymptomWritten, WriteError> {
        let symptom = match self {
            Self::Log(request) => log_symptom(connection, request, stamp).await?,
            Self::Edit(request) => edit_symptom(connection, request).await?,
        };
        Ok(SymptomWritten { symptom, version: stamp.version })
    }
}

impl Change for Removal {
    type Answer = Deleted;

    fn user_id(&self) -> UserId {
        match self {
            Self::Cycle(request) => request.user_id,
            Self::Symptom(request) => request.user_id,
        }
    }

    fn verb(&self) -> Verb {
        Verb::Deleted
    }

    async fn carry_out(
        &self,
        connection: &mut PgConnection,
        stamp: Stamp,
    ) -> Result<Deleted, WriteError> {
        match self {
            Self::Cycle(request) => delete_cycle(connection, request, stamp).await?,
            Self::Symptom(request) => delete_symptom(connection, request).await?,
        }
        Ok(Deleted { version: stamp.version })
    }
}

/// The hot path. The newest cycle has neither length nor marks nor symptoms, so what a read would
/// give is known without one.
async fn record_cycle(
    connection: &mut PgConnection,
    request: &RecordCycle,
    stamp: Stamp,
) -> Result<Cycle, WriteError> {
    let &RecordCycle { user_id, start_date, end_date } = request;
    let dates = (start_date, end_date);
    let Some(inserted) = store::cycle_insert(connection, user_id, dates, stamp).await? else {
        let other = store::cycle_overlapping(connection, user_id, dates, None).await?;
        // What stood in the way may just have gone.
        return Err(other.map_or(WriteError::Raced, |other| CyclesError::Overlap(other).into()));
    };
    if inserted.has_next {
        let cycle = store::cycle_get(connection, user_id, inserted.id).await?;
        return cycle.ok_or(WriteError::Raced);
    }
    Ok(Cycle {
        id: inserted.id,
        user_id,
        start_date,
        end_date,
        cycle_length: None,
        period_length: timeline::period_length(start_date, end_date),
        marks: Vec::new(),
        created_at: stamp.at,
        updated_at: stamp.at,
        symptoms: Vec::new(),
    })
}

async fn edit_cycle(
    connection: &mut PgConnection,
    request: &EditCycle,
    stamp: Stamp,
) -> Result<Cycle, WriteError> {
    let &EditCycle { user_id, cycle_id, start_date, end_date } = request;
    let before = store::cycle_dates(&mut *connection, user_id, cycle_id).await?;
    let before = before.ok_or(CyclesError::NotFound)?;
    let start = start_date.unwrap_or(before.start_date);
    let end = end_date.apply(before.end_date);
    let dates = (start, end);
    validate::period(request, start, end)?;
    let other = store::cycle_overlapping(&mut *connection, user_id, dates, Some(cycle_id)).await?;
    if let Some(other) = other {
        return Err(CyclesError::Overlap(other).into());
    }
    // A symptom is never lost by an edit. Those that a later start has come to stand before stay
    // with the cycle that they were logged in: its own dates are all that counts here.
    let outside = store::symptom_outside(&mut *connection, user_id, cycle_id, dates).await?;
    if let Some(outside) = outside {
        return Err(CyclesError::SymptomOutside(outside).into());
    }
    let updated = store::cycle_update(connection, user_id, cycle_id, dates, stamp).await;
    updated.map_err(raced_if_overlapping)?;
    if start != before.start_date {
        let days = [before.start_date, start];
        store::cycle_mark_after(connection, user_id, &days, stamp).await?;
    }
    let cycle = store::cycle_get(connection, user_id, cycle_id).await?;
    cycle.ok_or(WriteError::Raced)
}

async fn delete_cycle(
    connection: &mut PgConnection,
    request: &DeleteCycle,
    stamp: Stamp,
) -> Result<(), WriteError> {
    let &DeleteCycle { user_id, cycle_id } = request;
    let start = store::cycle_delete(connection, user_id, cycle_id).await?;
    let start = start.ok_or(CyclesError::NotFound)?;
    store::cycle_mark_after(connection, user_id, &[start], stamp).await?;
    Ok(())
}

async fn log_symptom(
    connection: &mut PgConnection,
    request: &LogSymptom,
    stamp: Stamp,
) -> Result<contracts::cycles::Symptom, WriteError> {
    let dates = store::cycle_dates(&mut *connection, request.user_id, request.cycle_id).await?;
    let dates = dates.ok_or(CyclesError::NotFound)?;
    validate::symptom_day(request.date, &span(&dates))?;
    Ok(store::symptom_insert(connection, request.user_id, request, stamp.at).await?)
}

async fn edit_symptom(
    connection: &mut PgConnection,
    request: &EditSymptom,
) -> Result<contracts::cycles::Symptom, WriteError> {
    let EditSymptom { user_id, symptom_id, date, symptom_type, value, severity, notes } =
        request.clone();
    let symptom = store::symptom_get(&mut *connection, user_id, symptom_id).await?;
    let mut symptom = symptom.ok_or(CyclesError::NotFound)?;
    if let Some(date) = date.filter(|&date| date != symptom.date) {
        let dates = store::cycle_dates(&mut *connection, user_id, symptom.cycle_id).await?;
        validate::symptom_day(date, &span(&dates.ok_or(CyclesError::NotFound)?))?;
        symptom.date = date;
    }
    symptom.symptom_type = symptom_type.unwrap_or(symptom.symptom_type);
    symptom.value = value.unwrap_or(symptom.value);
    symptom.severity = severity.apply(symptom.severity);
    symptom.notes = notes.apply(symptom.notes);
    store::symptom_update(connection, user_id, &symptom).await?;
    Ok(symptom)
}

async fn delete_symptom(
    connection: &mut PgConnection,
    request: &DeleteSymptom,
) -> Result<(), WriteError> {
    let &DeleteSymptom { user_id, symptom_id } = request;
    if store::symptom_delete(connection, user_id, symptom_id).await? {
        Ok(())
    } else {
        Err(CyclesError::NotFound.into())
    }
}

fn span(dates: &CycleDates) -> Span {
    let &CycleDates { start_date, end_date, next_start } = dates;
    Span { start: start_date, end: end_date, next_start }
}

/// The database's own guard found what the look before it could not see: another try, in a fresh
/// transaction, sees what won and names it.
fn raced_if_overlapping(error: sqlx::Error) -> WriteError {
    match database::violated_constraint(&error) {
        Some("cycle_periods_apart" | "cycle_start") => WriteError::Raced,
        _ => error.into(),
    }
}
