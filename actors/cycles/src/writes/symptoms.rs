//! Changes of symptoms.

use actor_runtime::group_commit::WriteError;
use contracts::{
    UserId,
    cycles::{DeleteSymptom, EditSymptom, LogSymptom, Symptom, SymptomWritten},
    events::Verb,
};
use sqlx::PgConnection;

use super::{Change, Stamp, cycles::span};
use crate::{error::CyclesError, observation, store, validate};

/// Changes that answer with a symptom.
pub(crate) enum SymptomChange {
    Log(LogSymptom),
    Edit(EditSymptom),
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
            Self::Log(request) => log(connection, request, stamp).await?,
            Self::Edit(request) => edit(connection, request, stamp).await?,
        };
        Ok(SymptomWritten { symptom, version: stamp.version })
    }
}

async fn log(
    connection: &mut PgConnection,
    request: &LogSymptom,
    stamp: Stamp,
) -> Result<Symptom, WriteError> {
    let user_id = request.user_id;
    let dates = store::cycle_dates(&mut *connection, user_id, request.cycle_id).await?;
    let dates = dates.ok_or(CyclesError::NotFound)?;
    validate::symptom_day(request.date, &request.symptom_type, &span(&dates))?;
    let symptom = store::symptom_insert(connection, user_id, request, stamp.at).await?;
    observed(connection, user_id, &[&symptom], stamp).await?;
    Ok(symptom)
}

async fn edit(
    connection: &mut PgConnection,
    request: &EditSymptom,
    stamp: Stamp,
) -> Result<Symptom, WriteError> {
    let EditSymptom { user_id, symptom_id, date, symptom_type, value, severity, notes } =
        request.clone();
    let before = store::symptom_get(&mut *connection, user_id, symptom_id).await?;
    let before = before.ok_or(CyclesError::NotFound)?;
    let mut symptom = before.clone();
    symptom.date = date.unwrap_or(symptom.date);
    symptom.symptom_type = symptom_type.unwrap_or(symptom.symptom_type);
    symptom.value = value.unwrap_or(symptom.value);
    symptom.severity = severity.apply(symptom.severity);
    symptom.notes = notes.apply(symptom.notes);

    // What was logged under other rules may stay, as long as the edit does not touch it.
    let is_sign = |symptom: &Symptom| observation::is_type(&symptom.symptom_type);
    if (&before.symptom_type, &before.value) != (&symptom.symptom_type, &symptom.value) {
        validate::symptom_value(request, &symptom)?;
    }
    if before.date != symptom.date || is_sign(&before) && !is_sign(&symptom) {
        let dates = store::cycle_dates(&mut *connection, user_id, symptom.cycle_id).await?;
        let dates = dates.ok_or(CyclesError::NotFound)?;
        validate::symptom_day(symptom.date, &symptom.symptom_type, &span(&dates))?;
    }
    store::symptom_update(connection, user_id, &symptom).await?;
    let what = |symptom: &Symptom| {
        (symptom.date, observation::read(&symptom.symptom_type, &symptom.value))
    };
    if what(&before) != what(&symptom) {
        observed(connection, user_id, &[&before, &symptom], stamp).await?;
    }
    Ok(symptom)
}

pub(super) async fn delete(
    connection: &mut PgConnection,
    request: &DeleteSymptom,
    stamp: Stamp,
) -> Result<(), WriteError> {
    let &DeleteSymptom { user_id, symptom_id } = request;
    let deleted = store::symptom_delete(connection, user_id, symptom_id).await?;
    let deleted = deleted.ok_or(CyclesError::NotFound)?;
    observed(connection, user_id, &[&deleted], stamp).await
}

/// Signs of ovulation came, went or changed: predictions from the earliest on are made from
/// something else. Other symptoms are none of their business.
async fn observed(
    connection: &mut PgConnection,
    user_id: UserId,
    symptoms: &[&Symptom],
    stamp: Stamp,
) -> Result<(), WriteError> {
    let signs = symptoms.iter().filter(|it| observation::is_type(&it.symptom_type));
    if let Some(first) = signs.map(|sign| sign.date).min() {
        store::inputs_changed_from(connection, user_id, first, stamp).await?;
    }
    Ok(())
}
