//! Cycles: `/api/cycles`.

use contracts::{
    CycleId, Handle,
    cycles::{self as domain, CheckCycles, CyclesMailbox},
    page::Page,
};
use poem_openapi::{Enum, Object, OpenApi, param::Path, payload::Json, types::MaybeUndefined};

use crate::{
    answer::Written,
    auth::Caller,
    body::{Body, patch},
    context::Context,
    document::{Extra, Tag},
    health::{HealthAnswer, Service, health_of},
    page::{count, from_the_first, page, ten},
    parameter::{Idempotency, Query},
    scalar::{
        Count, Date, Days, Flag, Id, Instant, Limit, Nullable, Offset, PeriodDays, Scalar,
        StateVersion, Text,
    },
    symptoms::Symptom,
};

/// What these operations answer besides what follows from their shape.
pub(crate) const EXTRA: &[Extra] = &[
    Extra { operation: "createCycle", code: "overlapping-cycle" },
    Extra { operation: "updateCycle", code: "overlapping-cycle" },
    Extra { operation: "updateCycle", code: "symptoms-outside-cycle" },
];

/// The operations on cycles.
pub(crate) struct CyclesApi {
    /// The group.
    pub(crate) cycles: Handle<CyclesMailbox>,
}

#[OpenApi(prefix_path = "/api/cycles", tag = "Tag::Cycles")]
impl CyclesApi {
    /// Say how the group is
    #[oai(path = "/health", method = "get", operation_id = "getCyclesHealth")]
    async fn health(&self, context: Context) -> HealthAnswer {
        health_of(Service::CycleTracking, &context, &self.cycles, CheckCycles {}).await
    }

    /// Log a cycle
    ///
    /// A period that overlaps another one is refused with the other's id (409). Refused (422) are
    /// an end before the start, a start in the future, and a period of more than 31 days.
    #[oai(path = "/cycles", method = "post", operation_id = "createCycle")]
    async fn create(
        &self,
        caller: Caller,
        #[oai(name = "Idempotency-Key")] key: Idempotency,
        body: Body<NewCycle>,
    ) -> poem::Result<Written<CycleCreated, 201>> {
        let NewCycle { start_date: Scalar(start_date), end_date } = body.0;
        let request = domain::RecordCycle {
            user_id: caller.user_id,
            start_date,
            end_date: end_date.map(|date| date.0),
        };
        let domain::CycleWritten { cycle, version } =
            caller.write(&self.cycles, key.0, request).await?;
        let message = Scalar("Cycle created successfully".to_owned());
        let body = CycleCreated { message, cycle: cycle.into(), version: Scalar(version.get()) };
        Ok(Written { body, version })
    }

    /// List one's cycles, newest start first
    #[oai(path = "/cycles", method = "get", operation_id = "listCycles")]
    async fn list(
        &self,
        caller: Caller,
        /// How many cycles at the most.
        #[oai(default = "ten")]
        limit: Query<Limit>,
        /// How many cycles to pass over.
        #[oai(default = "from_the_first")]
        offset: Query<Offset>,
        /// Only starts on or after this day.
        from: Query<Option<Date>>,
        /// Only starts on or before this day.
        to: Query<Option<Date>>,
    ) -> poem::Result<Json<CycleList>> {
        let request = domain::ListCycles {
            user_id: caller.user_id,
            from: from.0.map(|date| date.0),
            to: to.0.map(|date| date.0),
            page: page(limit.0, offset.0),
        };
        let Page { rows, total } = caller.ask(&self.cycles, request).await?;
        let count = count(&rows);
        let cycles = rows.into_iter().map(Cycle::from).collect();
        Ok(Json(CycleList { cycles, count, total: Scalar(total) }))
    }

    /// Read one cycle
    #[oai(path = "/cycles/:id", method = "get", operation_id = "getCycle")]
    async fn get(
        &self,
        caller: Caller,
        /// The cycle's id.
        id: Path<Id>,
    ) -> poem::Result<Json<Cycle>> {
        let request = domain::GetCycle { user_id: caller.user_id, cycle_id: CycleId::new(id.0.0) };
        Ok(Json(caller.ask(&self.cycles, request).await?.into()))
    }

    /// Correct a cycle
    ///
    /// A member that is left out stays as it is. The lengths of both neighbours follow at once.
    #[oai(path = "/cycles/:id", method = "put", operation_id = "updateCycle")]
    async fn update(
        &self,
        caller: Caller,
        /// The cycle's id.
        id: Path<Id>,
        #[oai(name = "Idempotency-Key")] key: Idempotency,
        body: Body<CycleChanges>,
    ) -> poem::Result<Written<CycleUpdated, 200>> {
        let CycleChanges { start_date, end_date, excluded } = body.0;
        let request = domain::EditCycle {
            user_id: caller.user_id,
            cycle_id: CycleId::new(id.0.0),
            start_date: start_date.map(|date| date.0),
            end_date: patch(end_date),
            excluded: excluded.map(|excluded| excluded.0),
        };
        let domain::CycleWritten { cycle, version } =
            caller.write(&self.cycles, key.0, request).await?;
        let message = Scalar("Cycle updated successfully".to_owned());
        let body = CycleUpdated { message, cycle: cycle.into(), version: Scalar(version.get()) };
        Ok(Written { body, version })
    }

    /// Remove a cycle and its symptoms
    #[oai(path = "/cycles/:id", method = "delete", operation_id = "deleteCycle")]
    async fn delete(
        &self,
        caller: Caller,
        /// The cycle's id.
        id: Path<Id>,
        #[oai(name = "Idempotency-Key")] key: Idempotency,
    ) -> poem::Result<Written<Deleted, 200>> {
        let request =
            domain::DeleteCycle { user_id: caller.user_id, cycle_id: CycleId::new(id.0.0) };
        let domain::Deleted { version } = caller.write(&self.cycles, key.0, request).await?;
        Ok(Deleted::answer("Cycle deleted successfully", version))
    }
}

/// A cycle to log.
#[derive(Object)]
#[oai(rename = "NewCycle")]
struct NewCycle {
    /// First day of bleeding.
    start_date: Date,
    /// Last day of bleeding, inclusive; left out while it goes on. At most 31 days in all.
    #[oai(nullable)]
    end_date: Option<Date>,
}

/// Changes to a cycle.
#[derive(Object)]
struct CycleChanges {
    /// First day of bleeding; it cannot be cleared.
    start_date: Option<Date>,
    /// Last day of bleeding, inclusive; null clears it: the period is going on.
    #[oai(nullable)]
    end_date: MaybeUndefined<Date>,
    /// Whether its length is to be left out of statistics and predictions.
    excluded: Option<Flag>,
}

/// A cycle: it begins with the first day of bleeding and lasts until the next one begins.
#[derive(Object)]
struct Cycle {
    /// The cycle's id.
    id: Id,
    /// Whose it is.
    user_id: Id,
    /// First day of bleeding.
    start_date: Date,
    /// Last day of bleeding, inclusive; null while it goes on or if it was never said.
    end_date: Nullable<Date>,
    /// Days from this start to the next one; null for the newest cycle.
    cycle_length: Nullable<Days>,
    /// Inclusive days of bleeding; null without an end.
    period_length: Nullable<PeriodDays>,
    /// What is odd but possible about its length.
    marks: Vec<CycleMark>,
    /// Whether its owner wants its length left out of statistics and predictions.
    excluded: Flag,
    /// When it was logged.
    created_at: Instant,
    /// When it was last corrected.
    updated_at: Instant,
    /// The symptoms logged in it, newest date first.
    symptoms: Vec<Symptom>,
}

/// What is odd but possible about a cycle's length: under 15 days, or over 60 days or 1.75 times
/// the median of the user's lengths that are not excluded (perhaps a start was not logged).
#[derive(Enum)]
#[oai(rename_all = "snake_case")]
enum CycleMark {
    UnusuallyShort,
    PossibleMissedLog,
}

/// A page of cycles.
#[derive(Object)]
struct CycleList {
    /// Newest start first.
    cycles: Vec<Cycle>,
    /// How many are in this page.
    count: Count,
    /// How many there are in all.
    total: Count,
}

/// The cycle that was logged.
#[derive(Object)]
struct CycleCreated {
    /// `Cycle created successfully`.
    message: Text,
    /// The cycle.
    cycle: Cycle,
    /// The user's new version: read analytics with `min_version` set to it to see its effect.
    version: StateVersion,
}

/// The cycle as it now is.
#[derive(Object)]
struct CycleUpdated {
    /// `Cycle updated successfully`.
    message: Text,
    /// The cycle.
    cycle: Cycle,
    /// The user's new version: read analytics with `min_version` set to it to see its effect.
    version: StateVersion,
}

/// Something was removed.
#[derive(Object)]
pub(crate) struct Deleted {
    /// What was removed.
    message: Text,
    /// The user's new version: read analytics with `min_version` set to it to see its effect.
    version: StateVersion,
}

impl Deleted {
    /// The answer to a removal.
    pub(crate) fn answer(message: &str, version: contracts::Version) -> Written<Self, 200> {
        let message = Scalar(message.to_owned());
        Written { body: Self { message, version: Scalar(version.get()) }, version }
    }
}

impl From<domain::Cycle> for Cycle {
    fn from(cycle: domain::Cycle) -> Self {
        let domain::Cycle {
            id,
            user_id,
            start_date,
            end_date,
            cycle_length,
            period_length,
            marks,
            excluded,
            created_at,
            updated_at,
            symptoms,
        } = cycle;
        Self {
            id: Scalar(id.get()),
            user_id: Scalar(user_id.get()),
            start_date: Scalar(start_date),
            end_date: end_date.into(),
            cycle_length: cycle_length.into(),
            period_length: period_length.into(),
            marks: marks.into_iter().map(CycleMark::from).collect(),
            excluded: Scalar(excluded),
            created_at: Scalar(created_at),
            updated_at: Scalar(updated_at),
            symptoms: symptoms.into_iter().map(Symptom::from).collect(),
        }
    }
}

impl From<domain::CycleMark> for CycleMark {
    fn from(mark: domain::CycleMark) -> Self {
        match mark {
            domain::CycleMark::UnusuallyShort => Self::UnusuallyShort,
            domain::CycleMark::PossibleMissedLog => Self::PossibleMissedLog,
        }
    }
}
