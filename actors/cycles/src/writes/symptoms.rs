//! Changes of symptoms.

use actor_runtime::group_commit::WriteError;
use chrono::NaiveDate;
use contracts::{
    UserId,
    cycles::{DeleteSymptom, EditSymptom, LogSymptom, Symptom, SymptomWritten},
    events::Verb,
};
use sqlx::PgConnection;

use super::{Change, Stamp, cycles::span};
use crate::{error::CyclesError, observation, sealed::UserKey, store, validate};

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

    fn is_private(&self, _answer: &SymptomWritten) -> bool {
        true
    }

    async fn carry_out(
        &self,
        connection: &mut PgConnection,
        stamp: Stamp,
        key: &mut UserKey<'_>,
    ) -> Result<SymptomWritten, WriteError> {
        let symptom = match self {
            Self::Log(request) => log(connection, request, stamp, key).await?,
            Self::Edit(request) => edit(connection, request, stamp, key).await?,
        };
        Ok(SymptomWritten { symptom, version: stamp.version })
    }
}

async fn log(
    connection: &mut PgConnection,
    request: &LogSymptom,
    stamp: Stamp,
    key: &mut UserKey<'_>,
) -> Result<Symptom, WriteError> {
    let LogSymptom { user_id, cycle_id, date, symptom_type, value, severity, notes } =
        request.clone();
    let place = store::symptom_place(&mut *connection, user_id, cycle_id).await?;
    let place = place.ok_or(CyclesError::NotFound)?;
    validate::symptom_day(date, &symptom_type, &span(&place.cycle))?;
    validate::symptom_room(place.others, 1)?;
    if !key.learn(place.wrapped.as_deref())? {
        store::data_key_make(connection, user_id, key, stamp.at).await?;
    }
    let symptom = Symptom {
        id: place.symptom_id,
        cycle_id,
        user_id,
        date,
        symptom_type,
        value,
        severity,
        notes,
        created_at: stamp.at,
    };
    store::symptom_insert(connection, user_id, key, &symptom).await?;
    observed(connection, user_id, [(date, &*symptom.symptom_type)], stamp).await?;
    Ok(symptom)
}

async fn edit(
    connection: &mut PgConnection,
    request: &EditSymptom,
    stamp: Stamp,
    key: &mut UserKey<'_>,
) -> Result<Symptom, WriteError> {
    let EditSymptom { user_id, symptom_id, date, symptom_type, value, severity, notes } =
        request.clone();
    let before = store::symptom_get(&mut *connection, user_id, key, symptom_id).await?;
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
    store::data_key_require(connection, user_id, key, stamp.at).await?;
    store::symptom_update(connection, user_id, key, &symptom).await?;
    let what = |symptom: &Symptom| {
        (symptom.date, observation::read(&symptom.symptom_type, &symptom.value))
    };
    if what(&before) != what(&symptom) {
        let signs = [&before, &symptom].map(|it| (it.date, &*it.symptom_type));
        observed(connection, user_id, signs, stamp).await?;
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
    let (date, symptom_type) = deleted.ok_or(CyclesError::NotFound)?;
    observed(connection, user_id, [(date, &*symptom_type)], stamp).await
}

/// Signs of ovulation came, went or changed: predictions from the earliest on are made from
/// something else. Other symptoms are none of their business.
pub(super) async fn observed(
    connection: &mut PgConnection,
    user_id: UserId,
    symptoms: impl IntoIterator<Item = (NaiveDate, &str)>,
    stamp: Stamp,
) -> Result<(), WriteError> {
    let signs = symptoms.into_iter().filter(|(_, kind)| observation::is_type(kind));
    if let Some(first) = signs.map(|(date, _)| date).min() {
        store::inputs_changed_from(connection, user_id, first, stamp).await?;
    }
    Ok(())
}
