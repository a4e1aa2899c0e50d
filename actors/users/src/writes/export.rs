//! Noting that somebody takes along what is held on them, or brings it back.

use actor_runtime::{database, group_commit::WriteError};
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Call, ErrorKind, Refusal, UserId,
    users::{AuditKind, DataRequestKind},
};
use sqlx::PgPool;

use super::commit;
use crate::store::{self, NewAuditEntry};

/// How often each kind can be had within [`DAY`].
const REQUESTS_MAX: usize = 5;
const DAY: TimeDelta = TimeDelta::days(1);
/// How long ago the sign-in may be of somebody who takes everything along. Who finds an open browser
/// has to know the password as well.
const SIGN_IN_AGE_MAX: TimeDelta = TimeDelta::minutes(15);

/// Lets a request begin, and counts it.
///
/// # Errors
///
/// The session is over; for an export, its sign-in is too long ago; there were too many requests of the
/// kind lately.
pub(crate) async fn begin(
    pool: &PgPool,
    call: &Call,
    user_id: UserId,
    kind: DataRequestKind,
    now: DateTime<Utc>,
) -> Result<(), WriteError> {
    let session_id = call.session.ok_or_else(Refusal::unauthenticated)?;
    let mut transaction = database::begin(pool).await?;
    let signed_in_at =
        store::signed_in_at_in_txn(&mut transaction, user_id, session_id, now).await?;
    let signed_in_at = signed_in_at.ok_or_else(Refusal::unauthenticated)?;
    if kind != DataRequestKind::Import && now > signed_in_at + SIGN_IN_AGE_MAX {
        return Err(sign_in_again().into());
    }
    let before =
        store::data_requests_since_in_txn(&mut transaction, user_id, kind, now - DAY).await?;
    if let Some(oldest) = before.len().checked_sub(REQUESTS_MAX).and_then(|at| before.get(at)) {
        let wait = (*oldest + DAY - now).num_seconds().max(0) + 1;
        let seconds = u32::try_from(wait).unwrap_or(u32::MAX);
        return Err(too_many(seconds).into());
    }
    let entry = NewAuditEntry::of(call, audited(kind), now);
    store::audit_insert_in_txn(&mut transaction, user_id, &entry).await?;
    store::data_request_insert_in_txn(&mut transaction, user_id, kind, now).await?;
    commit(transaction).await
}

fn audited(kind: DataRequestKind) -> AuditKind {
    match kind {
        DataRequestKind::Export => AuditKind::Exported,
        DataRequestKind::CyclesCsv => AuditKind::CyclesExported,
        DataRequestKind::SymptomsCsv => AuditKind::SymptomsExported,
        DataRequestKind::Import => AuditKind::Imported,
    }
}

fn sign_in_again() -> Refusal {
    Refusal::new(
        ErrorKind::Unauthenticated,
        "sign-in-again",
        "The sign-in is more than 15 minutes ago: sign in again, and ask with the new token.",
    )
}

fn too_many(retry_after_seconds: u32) -> Refusal {
    let detail = "At most 5 a day; wait for as long as Retry-After says.";
    Refusal {
        retry_after_seconds: Some(retry_after_seconds),
        ..Refusal::new(ErrorKind::Throttled, "too-many-requests", detail)
    }
}
