//! The audit log: what was done to an account, and tried, for its owner to read.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{AuditEntryId, SessionId, UserId};

/// Read one's own audit log, the newest entries first.
#[derive(Clone, Serialize, Deserialize)]
pub struct ListAudit {
    /// Whose.
    pub user_id: UserId,
    /// Only entries of this kind.
    pub kind: Option<AuditKind>,
    /// Only entries of this day (UTC) and later ones.
    pub from: Option<NaiveDate>,
    /// Only entries of this day (UTC) and earlier ones.
    pub to: Option<NaiveDate>,
    /// Only entries that come after the one with this id in the list.
    pub after: Option<AuditEntryId>,
    /// How many entries at the most, 1 to 100.
    pub limit: i64,
}

/// A part of the audit log.
#[derive(Clone, Serialize, Deserialize)]
pub struct AuditPage {
    /// The newest first.
    pub entries: Vec<AuditEntry>,
    /// What `after` is to be for the next page; none if this is the last one.
    pub next: Option<AuditEntryId>,
}

/// One thing that was done or tried.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditEntry {
    /// Which.
    pub id: AuditEntryId,
    /// When, or when first.
    pub at: DateTime<Utc>,
    /// What.
    pub kind: AuditKind,
    /// The session or personal API token by which it was done.
    pub session_id: Option<SessionId>,
    /// The session or personal API token that it was done to.
    pub target_id: Option<SessionId>,
    /// What the client called itself.
    pub device: Option<String>,
    /// The network that it came from: /24 of IPv4, /48 of IPv6.
    pub network: Option<String>,
    /// How often it happened within an hour from `at`.
    pub times: u32,
    /// When last.
    pub last_at: DateTime<Utc>,
}

/// Whether what was tried was done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AuditOutcome {
    /// It was.
    Done,
    /// It was not.
    Refused,
}

/// What the log tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AuditKind {
    /// Somebody signed in.
    SignedIn,
    /// Somebody tried to sign in with a wrong password.
    SignInFailed,
    /// The password was asked for once more in a session, and was wrong.
    PasswordFailed,
    /// The password was right, and the second factor was not sent.
    SecondFactorAsked,
    /// The password was right, and the second factor was wrong.
    SecondFactorFailed,
    /// A recovery code was used up.
    RecoveryCodeUsed,
    /// A session was ended by itself.
    SignedOut,
    /// A session or personal API token was ended by another session.
    SessionEnded,
    /// All sessions and personal API tokens were ended.
    SessionsEnded,
    /// A refresh token that was spent before came again: its session was ended.
    RefreshTokenReused,
    /// The password was changed; all other sessions ended.
    PasswordChanged,
    /// A link to set a password was made.
    PasswordResetRequested,
    /// The password was set by such a link; all sessions ended.
    PasswordReset,
    /// From here on a second factor is asked for.
    SecondFactorEnabled,
    /// From here on no second factor is asked for.
    SecondFactorDisabled,
    /// Other recovery codes were given out.
    RecoveryCodesRenewed,
    /// A personal API token was made.
    ApiTokenCreated,
    /// A personal API token was used.
    ApiTokenUsed,
    /// A personal API token was ended.
    ApiTokenRevoked,
    /// Everything was taken along.
    Exported,
    /// Cycles were taken along, as CSV.
    CyclesExported,
    /// Symptoms were taken along, as CSV.
    SymptomsExported,
    /// An export was brought back.
    Imported,
}

impl AuditKind {
    /// All kinds.
    pub const ALL: [Self; 23] = [
        Self::SignedIn,
        Self::SignInFailed,
        Self::PasswordFailed,
        Self::SecondFactorAsked,
        Self::SecondFactorFailed,
        Self::RecoveryCodeUsed,
        Self::SignedOut,
        Self::SessionEnded,
        Self::SessionsEnded,
        Self::RefreshTokenReused,
        Self::PasswordChanged,
        Self::PasswordResetRequested,
        Self::PasswordReset,
        Self::SecondFactorEnabled,
        Self::SecondFactorDisabled,
        Self::RecoveryCodesRenewed,
        Self::ApiTokenCreated,
        Self::ApiTokenUsed,
        Self::ApiTokenRevoked,
        Self::Exported,
        Self::CyclesExported,
        Self::SymptomsExported,
        Self::Imported,
    ];

    /// The word in the database and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SignedIn => "signed_in",
            Self::SignInFailed => "sign_in_failed",
            Self::PasswordFailed => "password_failed",
            Self::SecondFactorAsked => "second_factor_asked",
            Self::SecondFactorFailed => "second_factor_failed",
            Self::RecoveryCodeUsed => "recovery_code_used",
            Self::SignedOut => "signed_out",
            Self::SessionEnded => "session_ended",
            Self::SessionsEnded => "sessions_ended",
            Self::RefreshTokenReused => "refresh_token_reused",
            Self::PasswordChanged => "password_changed",
            Self::PasswordResetRequested => "password_reset_requested",
            Self::PasswordReset => "password_reset",
            Self::SecondFactorEnabled => "second_factor_enabled",
            Self::SecondFactorDisabled => "second_factor_disabled",
            Self::RecoveryCodesRenewed => "recovery_codes_renewed",
            Self::ApiTokenCreated => "api_token_created",
            Self::ApiTokenUsed => "api_token_used",
            Self::ApiTokenRevoked => "api_token_revoked",
            Self::Exported => "exported",
            Self::CyclesExported => "cycles_exported",
            Self::SymptomsExported => "symptoms_exported",
            Self::Imported => "imported",
        }
    }

    /// The kind of a word, as it stands in the database.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == word)
    }

    /// Whether what was tried was done.
    pub const fn outcome(self) -> AuditOutcome {
        match self {
            Self::SignInFailed
            | Self::PasswordFailed
            | Self::SecondFactorAsked
            | Self::SecondFactorFailed
            | Self::RefreshTokenReused => AuditOutcome::Refused,
            _ => AuditOutcome::Done,
        }
    }
}
