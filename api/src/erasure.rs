//! Erasing an account, and following how far it has come: `/api/users/account`, `/api/erasures`.

use chrono::{DateTime, Utc};
use contracts::{
    Handle, Refusal,
    users::{self as domain, UsersMailbox},
};
use poem_openapi::{ApiResponse, Enum, Object, OpenApi, param::Path, payload::Json};

use crate::{
    auth::Leaver,
    body::Body,
    context::Context,
    credentials::second_factor,
    document::{Extra, Tag},
    error::Problem,
    scalar::{Instant, Nullable, Password, RecoveryCode, Scalar, Text, TotpCode, Uuid},
};

/// What these operations answer besides what follows from their shape.
pub(crate) const EXTRA: &[Extra] = &[
    Extra { operation: "eraseAccount", code: "invalid-credentials" },
    Extra { operation: "eraseAccount", code: "second-factor-required" },
    Extra { operation: "eraseAccount", code: "throttled" },
];

/// The operations on erasures.
pub(crate) struct ErasureApi {
    /// The group.
    pub(crate) users: Handle<UsersMailbox>,
}

#[OpenApi(tag = "Tag::Users")]
impl ErasureApi {
    /// Erase one's account and everything that is held on one
    ///
    /// It takes the password again. Whoever lost the answer asks again with the same token, as long as it
    /// is valid, and gets the same receipt. The account, its credentials and its sessions are gone at once;
    /// cycles, what was derived from them, preferences and reminders follow in moments, or as soon as a
    /// part that is away is back. It cannot be undone. The receipt shows how far it has come.
    #[oai(path = "/api/users/account", method = "delete", operation_id = "eraseAccount")]
    async fn erase(&self, leaver: Leaver, body: Body<EraseAccount>) -> poem::Result<Accepted> {
        let erasure = self.erase_or_find(&leaver, body.0).await?;
        let receipt = erasure.receipt.to_string();
        let location = format!("/api/erasures/{receipt}");
        let message = Scalar("Account erased successfully".to_owned());
        let body = AccountErased { message, receipt: Scalar(receipt) };
        Ok(Accepted::Erasing(Json(body), location))
    }

    /// See how far an erasure has come
    ///
    /// Who has the receipt needs nothing else: there is no account any more to sign in to.
    #[oai(path = "/api/erasures/:receipt", method = "get", operation_id = "getErasure")]
    async fn get(
        &self,
        context: Context,
        /// The receipt.
        receipt: Path<Uuid>,
    ) -> poem::Result<Json<Erasure>> {
        let request = domain::GetErasure::parse(&receipt.0.0);
        let request = request.ok_or_else(|| Problem::from(Refusal::not_found()))?;
        Ok(Json(context.ask(&self.users, request).await?.into()))
    }
}

impl ErasureApi {
    /// Erases; or finds what was erased by the same session before, whose answer was lost.
    async fn erase_or_find(
        &self,
        leaver: &Leaver,
        body: EraseAccount,
    ) -> Result<domain::Erasure, Problem> {
        let Leaver { caller, has_left } = leaver;
        if !has_left {
            let EraseAccount { password: Scalar(password), totp, recovery_code } = body;
            let second_factor = second_factor(totp, recovery_code)?;
            let password = domain::Password::new(password);
            let request = domain::EraseAccount { user_id: caller.user_id, password, second_factor };
            // It waits for a core like a sign-in; whoever leaves is not sent away for a crowd.
            let erased = caller.ask_patiently(&self.users, request).await;
            if !erased.as_ref().is_err_and(Problem::is_unauthenticated) {
                return erased;
            }
        }
        let (user_id, session_id) = (caller.user_id, leaver.session_id());
        caller.ask(&self.users, domain::FindErasure { user_id, session_id }).await
    }
}

/// The proof that it is the owner who wants it.
#[derive(Object)]
struct EraseAccount {
    /// The account's password, once more.
    password: Password,
    /// A code of the authenticator app, if the account has a second factor.
    #[oai(nullable)]
    totp: Option<TotpCode>,
    /// Or one of the recovery codes.
    #[oai(nullable)]
    recovery_code: Option<RecoveryCode>,
}

/// It has begun.
#[derive(ApiResponse)]
enum Accepted {
    /// The account is gone; everything else follows.
    #[oai(status = 202)]
    Erasing(
        Json<AccountErased>,
        /// Where to see how far it has come.
        #[oai(header = "Location")]
        String,
    ),
}

/// What remains of an account.
#[derive(Object)]
struct AccountErased {
    /// `Account erased successfully`.
    message: Text,
    /// Shows how far it has come: `GET /api/erasures/{receipt}`.
    receipt: Uuid,
}

/// How far an erasure has come.
#[derive(Object)]
struct Erasure {
    /// Its receipt.
    receipt: Uuid,
    /// Complete when every part is erased.
    status: ErasureStatus,
    /// When the account was erased.
    requested_at: Instant,
    /// When the last part was.
    completed_at: Nullable<Instant>,
    /// Each part by itself.
    domains: ErasedDomains,
}

/// Each part by itself.
#[derive(Object)]
struct ErasedDomains {
    /// The account, its credentials, its sessions.
    users: ErasedDomain,
    /// Cycles, symptoms, episodes.
    cycles: ErasedDomain,
    /// Statistics and predictions.
    analytics: ErasedDomain,
    /// Preferences and reminders.
    notifications: ErasedDomain,
    /// What told the parts of each other's changes: ids and versions.
    events: ErasedDomain,
}

/// One part.
#[derive(Object)]
struct ErasedDomain {
    /// Whether it is erased.
    state: ErasedState,
    /// When it was.
    erased_at: Nullable<Instant>,
}

/// Whether everything is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
enum ErasureStatus {
    InProgress,
    Complete,
}

/// Whether a part is erased.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
enum ErasedState {
    Pending,
    Erased,
}

impl From<Option<DateTime<Utc>>> for ErasedDomain {
    fn from(erased_at: Option<DateTime<Utc>>) -> Self {
        let state = if erased_at.is_some() { ErasedState::Erased } else { ErasedState::Pending };
        Self { state, erased_at: erased_at.into() }
    }
}

impl From<domain::Erasure> for Erasure {
    fn from(erasure: domain::Erasure) -> Self {
        let domain::Erasure {
            receipt,
            erased_at,
            cycles_done_at,
            analytics_done_at,
            notifications_done_at,
            events_done_at,
        } = erasure;
        let parts = [cycles_done_at, analytics_done_at, notifications_done_at, events_done_at];
        let done: Option<Vec<DateTime<Utc>>> = parts.into_iter().collect();
        let completed_at = done.and_then(|done| done.into_iter().max());
        Self {
            receipt: Scalar(receipt.to_string()),
            status: match completed_at {
                Some(_) => ErasureStatus::Complete,
                None => ErasureStatus::InProgress,
            },
            requested_at: Scalar(erased_at),
            completed_at: completed_at.into(),
            domains: ErasedDomains {
                users: Some(erased_at).into(),
                cycles: cycles_done_at.into(),
                analytics: analytics_done_at.into(),
                notifications: notifications_done_at.into(),
                events: events_done_at.into(),
            },
        }
    }
}
