//! Changes of cycles.

use actor_runtime::{database, group_commit::WriteError};
use contracts::{
    UserId,
    cycles::{Cycle, CycleWritten, DeleteCycle, EditCycle, RecordCycle},
    events::Verb,
};
use sqlx::PgConnection;

use super::{Change, Stamp, gaps};
use crate::{
    error::CyclesError,
    sealed::UserKey,
    store::{self, CycleDates, CycleState},
    timeline,
    validate::{self, Span},
};

/// Changes that answer with a cycle.
pub(crate) enum CycleChange {
    Record(RecordCycle),
    Edit(EditCycle),
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

    fn is_private(&self, answer: &CycleWritten) -> bool {
        !answer.cycle.symptoms.is_empty()
    }

    async fn carry_out(
        &self,
        connection: &mut PgConnection,
        stamp: Stamp,
        key: &mut UserKey<'_>,
    ) -> Result<CycleWritten, WriteError> {
        let cycle = match self {
            Self::Record(request) => record(connection, request, stamp, key).await?,
            Self::Edit(request) => edit(connection, request, stamp, key).await?,
        };
        Ok(CycleWritten { cycle, version: stamp.version })
    }
}

/// The hot path. The newest cycle has neither length nor marks nor symptoms, so what a read would
/// give is known without one.
pub(super) async fn record(
    connection: &mut PgConnection,
    request: &RecordCycle,
    stamp: Stamp,
    key: &mut UserKey<'_>,
) -> Result<Cycle, WriteError> {
    let &RecordCycle { user_id, start_date, end_date } = request;
    let dates = (start_date, end_date);
    let Some(inserted) = store::cycle_insert(connection, user_id, dates, stamp).await? else {
        let other = store::cycle_overlapping(connection, user_id, dates, None).await?;
        // What stood in the way may just have gone.
        return Err(other.map_or(WriteError::Raced, |other| CyclesError::Overlap(other).into()));
    };
    // The user's outbox row is locked: nobody else adds one meanwhile.
    validate::cycle_room(inserted.others)?;
    if inserted.has_next || inserted.has_dated {
        store::inputs_changed_around(connection, user_id, &[start_date], stamp).await?;
    }
    if inserted.ends_answered_gap {
        gaps::forget_outdated(connection, user_id, stamp).await?;
    }
    if inserted.has_next {
        let cycle = store::cycle_get(connection, user_id, key, inserted.id).await?;
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
        excluded: false,
        created_at: stamp.at,
        updated_at: stamp.at,
        symptoms: Vec::new(),
    })
}

async fn edit(
    connection: &mut PgConnection,
    request: &EditCycle,
    stamp: Stamp,
    key: &mut UserKey<'_>,
) -> Result<Cycle, WriteError> {
    let &EditCycle { user_id, cycle_id, start_date, end_date, excluded } = request;
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
    let after = CycleState { start, end, excluded: excluded.unwrap_or(before.excluded) };
    let updated = store::cycle_update(connection, user_id, cycle_id, &after, stamp).await;
    updated.map_err(raced_if_overlapping)?;
    if start != before.start_date {
        let days = [before.start_date, start];
        store::inputs_changed_around(connection, user_id, &days, stamp).await?;
        gaps::forget_outdated(connection, user_id, stamp).await?;
    }
    let cycle = store::cycle_get(connection, user_id, key, cycle_id).await?;
    cycle.ok_or(WriteError::Raced)
}

pub(super) async fn delete(
    connection: &mut PgConnection,
    request: &DeleteCycle,
    stamp: Stamp,
) -> Result<(), WriteError> {
    let &DeleteCycle { user_id, cycle_id } = request;
    let start = store::cycle_delete(connection, user_id, cycle_id).await?;
    let start = start.ok_or(CyclesError::NotFound)?;
    store::inputs_changed_around(connection, user_id, &[start], stamp).await?;
    gaps::forget_outdated(connection, user_id, stamp).await?;
    Ok(())
}

pub(super) fn span(dates: &CycleDates) -> Span {
    let &CycleDates { start_date, end_date, excluded: _, next_start } = dates;
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
