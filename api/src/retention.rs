//! Forgetting what is old: `/api/cycles/retention`.

use contracts::{
    Handle,
    cycles::{self as domain, CyclesMailbox},
};
use poem_openapi::{Object, OpenApi, payload::Json};

use crate::{
    answer::Written,
    auth::Caller,
    body::Body,
    document::Tag,
    parameter::Idempotency,
    scalar::{Date, Nullable, RetentionMonths, Scalar, StateVersion, Text},
};

/// The operations on retention.
pub(crate) struct RetentionApi {
    /// The group.
    pub(crate) cycles: Handle<CyclesMailbox>,
}

#[OpenApi(prefix_path = "/api/cycles", tag = "Tag::Cycles")]
impl RetentionApi {
    /// Read how long what was logged is kept
    #[oai(path = "/retention", method = "get", operation_id = "getRetention")]
    async fn get(&self, caller: Caller) -> poem::Result<Json<Retention>> {
        let request = domain::GetRetention { user_id: caller.user_id };
        Ok(Json(caller.ask(&self.cycles, request).await?.into()))
    }

    /// Say how long what is logged is kept
    ///
    /// What is older is forgotten at once, and from now on within an hour of the day on which it becomes
    /// too old: symptoms, episodes that ended before, cycles that began before and of which nothing newer
    /// is known, and what was derived from them. It cannot be undone. With null everything is kept from
    /// now on.
    #[oai(path = "/retention", method = "put", operation_id = "updateRetention")]
    async fn update(
        &self,
        caller: Caller,
        #[oai(name = "Idempotency-Key")] key: Idempotency,
        body: Body<RetentionChange>,
    ) -> poem::Result<Written<RetentionUpdated, 200>> {
        let RetentionChange { months } = body.0;
        let months = months.0.map(|months| months.0);
        let request = domain::SetRetention { user_id: caller.user_id, months };
        let domain::RetentionSet { retention, version } =
            caller.write(&self.cycles, key.0, request).await?;
        let message = Scalar("Retention updated successfully".to_owned());
        let (retention, state) = (retention.into(), Scalar(version.get()));
        Ok(Written { body: RetentionUpdated { message, retention, version: state }, version })
    }
}

/// How long what is logged is to be kept.
#[derive(Object)]
struct RetentionChange {
    /// For so many months; null: for ever.
    months: Nullable<RetentionMonths>,
}

/// How long what was logged is kept.
#[derive(Object)]
struct Retention {
    /// For so many months; null: for ever.
    months: Nullable<RetentionMonths>,
    /// What lies before this day was forgotten; it goes on with the calendar.
    forget_before: Nullable<Date>,
}

/// How long what is logged is kept from now on.
#[derive(Object)]
struct RetentionUpdated {
    /// `Retention updated successfully`.
    message: Text,
    /// What is kept.
    retention: Retention,
    /// The user's new version: read analytics with `min_version` set to it to see its effect.
    version: StateVersion,
}

impl From<domain::Retention> for Retention {
    fn from(retention: domain::Retention) -> Self {
        let domain::Retention { months, forget_before } = retention;
        Self { months: months.into(), forget_before: forget_before.into() }
    }
}
