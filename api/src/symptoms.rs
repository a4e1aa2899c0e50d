//! Symptoms: `/api/cycles/symptoms`.

use contracts::{
    CycleId, Handle, SymptomId, UserId,
    cycles::{self as domain, CyclesMailbox},
    page::Page,
};
use poem_openapi::{Object, OpenApi, param::Path, payload::Json, types::MaybeUndefined};

use crate::{
    answer::Written,
    auth::Caller,
    body::{Body, patch},
    cycles::Deleted,
    document::{Extra, Tag},
    page::{count, from_the_first, hundred, page},
    parameter::{Idempotency, Query},
    scalar::{
        Count, Date, Id, Instant, Limit, Notes, Nullable, Offset, Scalar, Severity, StateVersion,
        SymptomType, SymptomValue, Text,
    },
};

/// What these operations answer besides what follows from their shape.
pub(crate) const EXTRA: &[Extra] = &[Extra { operation: "createSymptom", code: "not-found" }];

/// The operations on symptoms.
pub(crate) struct SymptomsApi {
    /// The group.
    pub(crate) cycles: Handle<CyclesMailbox>,
}

#[OpenApi(prefix_path = "/api/cycles", tag = "Tag::Cycles")]
impl SymptomsApi {
    /// Log a symptom
    ///
    /// Refused (422) is a date in the future, before its cycle's start or after its end. A
    /// cycle that is not there or is somebody else's answers 404.
    ///
    /// Two types are signs of ovulation, which predictions are made from. Their day may be any from
    /// the start of the cycle to the day before the next start, and their value is checked:
    /// `ovulation_test` (LH) is `positive` or `negative`; `basal_body_temperature` is degrees
    /// Celsius from 34 to 43 with at most two decimals, such as `36.55`.
    #[oai(path = "/symptoms", method = "post", operation_id = "createSymptom")]
    async fn create(
        &self,
        caller: Caller,
        #[oai(name = "Idempotency-Key")] key: Idempotency,
        body: Body<NewSymptom>,
    ) -> poem::Result<Written<SymptomCreated, 201>> {
        let NewSymptom { cycle_id, date, symptom_type, value, severity, notes } = body.0;
        let request = domain::LogSymptom {
            user_id: caller.user_id,
            cycle_id: CycleId::new(cycle_id.0),
            date: date.0,
            symptom_type: symptom_type.0,
            value: value.0,
            severity: severity.map(|severity| severity.0),
            notes: notes.map(|notes| notes.0),
        };
        let domain::SymptomWritten { symptom, version } =
            caller.write(&self.cycles, key.0, request).await?;
        let message = Scalar("Symptom logged successfully".to_owned());
        let body =
            SymptomCreated { message, symptom: symptom.into(), version: Scalar(version.get()) };
        Ok(Written { body, version })
    }

    /// List one's symptoms, newest date first
    #[oai(path = "/symptoms", method = "get", operation_id = "listSymptoms")]
    #[expect(clippy::too_many_arguments, reason = "each is a parameter of the contract")]
    async fn list(
        &self,
        caller: Caller,
        /// Only those of this cycle.
        cycle_id: Query<Option<Id>>,
        /// Only those of exactly this type.
        symptom_type: Query<Option<SymptomType>>,
        /// Only days on or after this one.
        from: Query<Option<Date>>,
        /// Only days on or before this one.
        to: Query<Option<Date>>,
        /// How many symptoms at the most.
        #[oai(default = "hundred")]
        limit: Query<Limit>,
        /// How many symptoms to pass over.
        #[oai(default = "from_the_first")]
        offset: Query<Offset>,
    ) -> poem::Result<Json<SymptomList>> {
        let request = domain::ListSymptoms {
            user_id: caller.user_id,
            cycle_id: cycle_id.0.map(|id| CycleId::new(id.0)),
            symptom_type: symptom_type.0.map(|kind| kind.0),
            from: from.0.map(|date| date.0),
            to: to.0.map(|date| date.0),
            page: page(limit.0, offset.0),
        };
        let Page { rows, total } = caller.ask(&self.cycles, request).await?;
        let count = count(&rows);
        let symptoms = rows.into_iter().map(Symptom::from).collect();
        Ok(Json(SymptomList { symptoms, count, total: Scalar(total) }))
    }

    /// Correct a symptom
    ///
    /// A member that is left out stays as it is. Day and value obey the same rules as when it is
    /// logged.
    #[oai(path = "/symptoms/:id", method = "put", operation_id = "updateSymptom")]
    async fn update(
        &self,
        caller: Caller,
        /// The symptom's id.
        id: Path<Id>,
        #[oai(name = "Idempotency-Key")] key: Idempotency,
        body: Body<SymptomChanges>,
    ) -> poem::Result<Written<SymptomUpdated, 200>> {
        let SymptomChanges { date, symptom_type, value, severity, notes } = body.0;
        let request = domain::EditSymptom {
            user_id: caller.user_id,
            symptom_id: SymptomId::new(id.0.0),
            date: date.map(|date| date.0),
            symptom_type: symptom_type.map(|kind| kind.0),
            value: value.map(|value| value.0),
            severity: patch(severity),
            notes: patch(notes),
        };
        let domain::SymptomWritten { symptom, version } =
            caller.write(&self.cycles, key.0, request).await?;
        let message = Scalar("Symptom updated successfully".to_owned());
        let body =
            SymptomUpdated { message, symptom: symptom.into(), version: Scalar(version.get()) };
        Ok(Written { body, version })
    }

    /// Remove a symptom
    #[oai(path = "/symptoms/:id", method = "delete", operation_id = "deleteSymptom")]
    async fn delete(
        &self,
        caller: Caller,
        /// The symptom's id.
        id: Path<Id>,
        #[oai(name = "Idempotency-Key")] key: Idempotency,
    ) -> poem::Result<Written<Deleted, 200>> {
        let request =
            domain::DeleteSymptom { user_id: caller.user_id, symptom_id: SymptomId::new(id.0.0) };
        let domain::Deleted { version } = caller.write(&self.cycles, key.0, request).await?;
        Ok(Deleted::answer("Symptom deleted successfully", version))
    }
}

/// A symptom to log.
#[derive(Object)]
struct NewSymptom {
    /// The cycle that the day belongs to.
    cycle_id: Id,
    /// The day, within the bleeding if its end is said; of a sign of ovulation, within the cycle.
    date: Date,
    /// What kind of symptom, in one's own words.
    symptom_type: SymptomType,
    /// Its value, in one's own words; of a sign of ovulation, `positive`, `negative` or a
    /// temperature.
    value: SymptomValue,
    /// 1 (hardly) to 10 (worst).
    #[oai(nullable)]
    severity: Option<Severity>,
    /// Free text; line feeds and tabs are allowed.
    #[oai(nullable)]
    notes: Option<Notes>,
}

/// Changes to a symptom.
#[derive(Object)]
struct SymptomChanges {
    /// Another day of the same cycle; it cannot be cleared.
    date: Option<Date>,
    /// Another kind; it cannot be cleared.
    symptom_type: Option<SymptomType>,
    /// Another value; it cannot be cleared.
    value: Option<SymptomValue>,
    /// 1 (hardly) to 10 (worst); null clears it.
    #[oai(nullable)]
    severity: MaybeUndefined<Severity>,
    /// Free text; null clears it.
    #[oai(nullable)]
    notes: MaybeUndefined<Notes>,
}

/// A symptom on a day of a cycle.
#[derive(Object)]
pub(crate) struct Symptom {
    /// The symptom's id.
    id: Id,
    /// The cycle that it belongs to.
    cycle_id: Id,
    /// Whose it is.
    user_id: Id,
    /// The day.
    date: Date,
    /// What kind of symptom.
    symptom_type: SymptomType,
    /// Its value.
    value: SymptomValue,
    /// 1 (hardly) to 10 (worst).
    severity: Nullable<Severity>,
    /// Free text.
    notes: Nullable<Notes>,
    /// When it was logged.
    created_at: Instant,
}

/// A page of symptoms.
#[derive(Object)]
struct SymptomList {
    /// Newest date first.
    symptoms: Vec<Symptom>,
    /// How many are in this page.
    count: Count,
    /// How many there are in all.
    total: Count,
}

/// The symptom that was logged.
#[derive(Object)]
struct SymptomCreated {
    /// `Symptom logged successfully`.
    message: Text,
    /// The symptom.
    symptom: Symptom,
    /// The user's new version.
    version: StateVersion,
}

/// The symptom as it now is.
#[derive(Object)]
struct SymptomUpdated {
    /// `Symptom updated successfully`.
    message: Text,
    /// The symptom.
    symptom: Symptom,
    /// The user's new version.
    version: StateVersion,
}

impl From<domain::Symptom> for Symptom {
    fn from(symptom: domain::Symptom) -> Self {
        let domain::Symptom {
            id,
            cycle_id,
            user_id,
            date,
            symptom_type,
            value,
            severity,
            notes,
            created_at,
        } = symptom;
        Self {
            id: Scalar(id.get()),
            cycle_id: Scalar(cycle_id.get()),
            user_id: Scalar(user_id.get()),
            date: Scalar(date),
            symptom_type: Scalar(symptom_type),
            value: Scalar(value),
            severity: severity.into(),
            notes: notes.into(),
            created_at: Scalar(created_at),
        }
    }
}

impl From<Symptom> for domain::Symptom {
    fn from(symptom: Symptom) -> Self {
        let Symptom {
            id,
            cycle_id,
            user_id,
            date,
            symptom_type,
            value,
            severity,
            notes,
            created_at,
        } = symptom;
        Self {
            id: SymptomId::new(id.0),
            cycle_id: CycleId::new(cycle_id.0),
            user_id: UserId::new(user_id.0),
            date: date.0,
            symptom_type: symptom_type.0,
            value: value.0,
            severity: severity.0.map(|severity| severity.0),
            notes: notes.0.map(|notes| notes.0),
            created_at: created_at.0,
        }
    }
}
