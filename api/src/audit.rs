//! The audit log: `/api/users/audit`.

use contracts::{
    AuditEntryId, Handle,
    users::{self as domain, UsersMailbox},
};
use poem_openapi::{Enum, Object, OpenApi, payload::Json};

use crate::{
    auth::Caller,
    document::Tag,
    page::{count, twenty},
    parameter::Query,
    scalar::{Count, Date, Id, Instant, Limit, Nullable, Scalar, Text, Uuid},
};

/// The operation on the audit log.
pub(crate) struct AuditApi {
    /// The group.
    pub(crate) users: Handle<UsersMailbox>,
}

#[OpenApi(prefix_path = "/api/users", tag = "Tag::Users")]
impl AuditApi {
    /// List what was done to one's account, newest first
    ///
    /// Sign-ins, failed ones among them, and what was done to sessions, password, second factor and API
    /// tokens; use of those; exports and imports. No word of what is logged as cycles and symptoms. An
    /// entry is kept for 180 days unless the service is configured otherwise, and goes with the account.
    #[oai(path = "/audit", method = "get", operation_id = "listAudit")]
    async fn list(
        &self,
        caller: Caller,
        /// Only entries of this kind.
        kind: Query<Option<AuditKind>>,
        /// Only entries of this day (UTC) and later ones.
        from: Query<Option<Date>>,
        /// Only entries of this day (UTC) and earlier ones.
        to: Query<Option<Date>>,
        /// Only entries that come after the one with this id: the `next` of the page before.
        after: Query<Option<Id>>,
        /// How many entries at the most.
        #[oai(default = "twenty")]
        limit: Query<Limit>,
    ) -> poem::Result<Json<AuditLog>> {
        let request = domain::ListAudit {
            user_id: caller.user_id,
            kind: kind.0.map(domain::AuditKind::from),
            from: from.0.map(|date| date.0),
            to: to.0.map(|date| date.0),
            after: after.0.map(|id| AuditEntryId::new(id.0)),
            limit: limit.0.0,
        };
        let domain::AuditPage { entries, next } = caller.ask(&self.users, request).await?;
        Ok(Json(AuditLog {
            count: count(&entries),
            entries: entries.into_iter().map(AuditEntry::from).collect(),
            next: next.map(AuditEntryId::get).into(),
        }))
    }
}

/// A page of the audit log.
#[derive(Object)]
struct AuditLog {
    /// Newest first.
    entries: Vec<AuditEntry>,
    /// How many are in this page.
    count: Count,
    /// What `after` is to be for the next page; null if this is the last one.
    next: Nullable<Id>,
}

/// Something that was done to an account, or tried.
#[derive(Object)]
pub(crate) struct AuditEntry {
    /// The entry's id.
    id: Id,
    /// When, or when first.
    at: Instant,
    /// What.
    kind: AuditKind,
    /// Whether what was tried was done.
    outcome: AuditOutcome,
    /// The session or API token by which it was done.
    session_id: Nullable<Uuid>,
    /// The session or API token that it was done to.
    target_id: Nullable<Uuid>,
    /// What the client called itself (`User-Agent`).
    device: Nullable<Text>,
    /// The network that it came from: as much of an IPv4 address as /24, of an IPv6 address as /48.
    network: Nullable<Text>,
    /// How often it happened within an hour from `at`: failures and uses of an API token are counted.
    times: Count,
    /// When last.
    last_at: Instant,
}

/// What the log tells of. `second_factor_asked`: the password was right, and no code was sent.
/// `password_failed`: it was asked for once more in a session, and was wrong. `refresh_token_reused`:
/// somebody came with a refresh token that was spent before, and the session was ended.
#[derive(Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum AuditKind {
    SignedIn,
    SignInFailed,
    PasswordFailed,
    SecondFactorAsked,
    SecondFactorFailed,
    RecoveryCodeUsed,
    SignedOut,
    SessionEnded,
    SessionsEnded,
    RefreshTokenReused,
    PasswordChanged,
    PasswordResetRequested,
    PasswordReset,
    SecondFactorEnabled,
    SecondFactorDisabled,
    RecoveryCodesRenewed,
    ApiTokenCreated,
    ApiTokenUsed,
    ApiTokenRevoked,
    Exported,
    CyclesExported,
    SymptomsExported,
    Imported,
}

/// Whether what was tried was done.
#[derive(Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum AuditOutcome {
    Done,
    Refused,
}

impl From<domain::AuditEntry> for AuditEntry {
    fn from(entry: domain::AuditEntry) -> Self {
        let domain::AuditEntry {
            id,
            at,
            kind,
            session_id,
            target_id,
            device,
            network,
            times,
            last_at,
        } = entry;
        Self {
            id: Scalar(id.get()),
            at: Scalar(at),
            kind: kind.into(),
            outcome: kind.outcome().into(),
            session_id: session_id.map(|id| id.to_string()).into(),
            target_id: target_id.map(|id| id.to_string()).into(),
            device: device.into(),
            network: network.into(),
            times: Scalar(times.into()),
            last_at: Scalar(last_at),
        }
    }
}

impl From<domain::AuditOutcome> for AuditOutcome {
    fn from(outcome: domain::AuditOutcome) -> Self {
        match outcome {
            domain::AuditOutcome::Done => Self::Done,
            domain::AuditOutcome::Refused => Self::Refused,
        }
    }
}

impl From<domain::AuditKind> for AuditKind {
    fn from(kind: domain::AuditKind) -> Self {
        match kind {
            domain::AuditKind::SignedIn => Self::SignedIn,
            domain::AuditKind::SignInFailed => Self::SignInFailed,
            domain::AuditKind::PasswordFailed => Self::PasswordFailed,
            domain::AuditKind::SecondFactorAsked => Self::SecondFactorAsked,
            domain::AuditKind::SecondFactorFailed => Self::SecondFactorFailed,
            domain::AuditKind::RecoveryCodeUsed => Self::RecoveryCodeUsed,
            domain::AuditKind::SignedOut => Self::SignedOut,
            domain::AuditKind::SessionEnded => Self::SessionEnded,
            domain::AuditKind::SessionsEnded => Self::SessionsEnded,
            domain::AuditKind::RefreshTokenReused => Self::RefreshTokenReused,
            domain::AuditKind::PasswordChanged => Self::PasswordChanged,
            domain::AuditKind::PasswordResetRequested => Self::PasswordResetRequested,
            domain::AuditKind::PasswordReset => Self::PasswordReset,
            domain::AuditKind::SecondFactorEnabled => Self::SecondFactorEnabled,
            domain::AuditKind::SecondFactorDisabled => Self::SecondFactorDisabled,
            domain::AuditKind::RecoveryCodesRenewed => Self::RecoveryCodesRenewed,
            domain::AuditKind::ApiTokenCreated => Self::ApiTokenCreated,
            domain::AuditKind::ApiTokenUsed => Self::ApiTokenUsed,
            domain::AuditKind::ApiTokenRevoked => Self::ApiTokenRevoked,
            domain::AuditKind::Exported => Self::Exported,
            domain::AuditKind::CyclesExported => Self::CyclesExported,
            domain::AuditKind::SymptomsExported => Self::SymptomsExported,
            domain::AuditKind::Imported => Self::Imported,
        }
    }
}

impl From<AuditKind> for domain::AuditKind {
    fn from(kind: AuditKind) -> Self {
        match kind {
            AuditKind::SignedIn => Self::SignedIn,
            AuditKind::SignInFailed => Self::SignInFailed,
            AuditKind::PasswordFailed => Self::PasswordFailed,
            AuditKind::SecondFactorAsked => Self::SecondFactorAsked,
            AuditKind::SecondFactorFailed => Self::SecondFactorFailed,
            AuditKind::RecoveryCodeUsed => Self::RecoveryCodeUsed,
            AuditKind::SignedOut => Self::SignedOut,
            AuditKind::SessionEnded => Self::SessionEnded,
            AuditKind::SessionsEnded => Self::SessionsEnded,
            AuditKind::RefreshTokenReused => Self::RefreshTokenReused,
            AuditKind::PasswordChanged => Self::PasswordChanged,
            AuditKind::PasswordResetRequested => Self::PasswordResetRequested,
            AuditKind::PasswordReset => Self::PasswordReset,
            AuditKind::SecondFactorEnabled => Self::SecondFactorEnabled,
            AuditKind::SecondFactorDisabled => Self::SecondFactorDisabled,
            AuditKind::RecoveryCodesRenewed => Self::RecoveryCodesRenewed,
            AuditKind::ApiTokenCreated => Self::ApiTokenCreated,
            AuditKind::ApiTokenUsed => Self::ApiTokenUsed,
            AuditKind::ApiTokenRevoked => Self::ApiTokenRevoked,
            AuditKind::Exported => Self::Exported,
            AuditKind::CyclesExported => Self::CyclesExported,
            AuditKind::SymptomsExported => Self::SymptomsExported,
            AuditKind::Imported => Self::Imported,
        }
    }
}
