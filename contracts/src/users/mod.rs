//! The users group: accounts, sign-in, profile.

mod audit;
mod credentials;
mod erasure;
mod export;
mod sessions;
mod tokens;

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    Patch, UserId, Version,
    events::{ChangedPage, ChangedSince},
    health::GroupHealth,
    mailbox::mailbox,
};

pub use audit::{AuditEntry, AuditKind, AuditOutcome, AuditPage, ListAudit};
pub use credentials::{
    ChangePassword, ConfirmSecondFactor, EnrolSecondFactor, GetSecondFactor, RecoveryCodes,
    RemoveSecondFactor, RenewRecoveryCodes, RequestPasswordReset, ResetPassword, SecondFactor,
    SecondFactorCode, SecondFactorEnrolment,
};
pub use erasure::{
    EraseAccount, ErasingGroup, Erasure, FindErasure, GetErasure, ListErased, ReportErased,
};
pub use export::{
    AccountExport, BeginImport, DataRequest, DataRequestKind, ExportAccount, ExportedSecondFactor,
};

pub use sessions::{
    EndSession, ListRevocations, ListSessions, Logout, LogoutEverywhere, RefreshSession,
    RevocationCursor, RevocationPage, Session, SessionList, SessionsEnded, SignedIn,
};
pub use tokens::{
    ApiToken, ApiTokenCreated, ApiTokenList, CreateApiToken, ExchangeApiToken, ExchangedToken,
    ListApiTokens, RevokeApiToken,
};

mailbox! {
    /// What the users group answers.
    UsersMailbox of "users" {
        people {
            GetProfile => User, "get_profile", ReadProfile;
            UpdateProfile => User, "update_profile", WriteProfile;
            Logout => SessionsEnded, "logout", Account;
            LogoutEverywhere => SessionsEnded, "logout_everywhere", Account;
            ListSessions => SessionList, "list_sessions", Account;
            EndSession => SessionsEnded, "end_session", Account;
            CreateApiToken => ApiTokenCreated, "create_api_token", Account;
            ListApiTokens => ApiTokenList, "list_api_tokens", Account;
            RevokeApiToken => SessionsEnded, "revoke_api_token", Account;
            ChangePassword => (), "change_password", Account;
            GetSecondFactor => SecondFactor, "get_second_factor", Account;
            EnrolSecondFactor => SecondFactorEnrolment, "enrol_second_factor", Account;
            ConfirmSecondFactor => RecoveryCodes, "confirm_second_factor", Account;
            RenewRecoveryCodes => RecoveryCodes, "renew_recovery_codes", Account;
            RemoveSecondFactor => (), "remove_second_factor", Account;
            EraseAccount => Erasure, "erase_account", Account;
            ExportAccount => AccountExport, "export_account", Account;
            BeginImport => (), "begin_import", Account;
            ListAudit => AuditPage, "list_audit", Account;
        }
        services {
            GetPerson => Person, "get_person";
            ListUsersChanged => ChangedPage, "changed_since";
            ListErased => ChangedPage, "list_erased";
            ReportErased => (), "erasure_done";
        }
        open {
            Register => User, "register";
            Login => Session, "login";
            RefreshSession => Session, "refresh_session";
            ExchangeApiToken => ExchangedToken, "exchange_api_token";
            ListRevocations => RevocationPage, "list_revocations";
            RequestPasswordReset => (), "request_password_reset";
            ResetPassword => (), "reset_password";
            GetErasure => Erasure, "get_erasure";
            FindErasure => Erasure, "find_erasure";
            GetSigningKeys => SigningKeys, "get_signing_keys";
            CheckUsers => GroupHealth, "check";
        }
    }
}

/// Create an account. E-mail and user name are each unique without regard to case.
#[derive(Clone, Serialize, Deserialize)]
pub struct Register {
    /// Where the person can be reached.
    pub email: String,
    /// What the person is called here.
    pub username: String,
    /// The password, in clear only on its way to the hash.
    pub password: Password,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// Date of birth; prediction improves a little with the age.
    pub date_of_birth: Option<NaiveDate>,
}

/// Prove who one is.
#[derive(Clone, Serialize, Deserialize)]
pub struct Login {
    /// The e-mail address of the account.
    pub email: String,
    /// Its password.
    pub password: Password,
    /// What the client calls itself, for the list of sessions.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// The second factor, if the account has one.
    #[serde(default)]
    pub second_factor: Option<SecondFactorCode>,
}

/// Read one's own profile.
#[derive(Clone, Serialize, Deserialize)]
pub struct GetProfile {
    /// Whose.
    pub user_id: UserId,
}

/// Change one's own profile.
#[derive(Clone, Serialize, Deserialize)]
pub struct UpdateProfile {
    /// Whose.
    pub user_id: UserId,
    /// Given name.
    pub first_name: Patch<String>,
    /// Family name.
    pub last_name: Patch<String>,
    /// Date of birth.
    pub date_of_birth: Patch<NaiveDate>,
}

/// Service-only: read what prediction needs to know of a person.
#[derive(Clone, Serialize, Deserialize)]
pub struct GetPerson {
    /// Whose.
    pub user_id: UserId,
}

/// Service-only: which users changed (anti-entropy).
#[derive(Clone, Serialize, Deserialize)]
pub struct ListUsersChanged(pub ChangedSince);

/// Read the public keys that access tokens are verified with.
#[derive(Clone, Serialize, Deserialize)]
pub struct GetSigningKeys {}

/// Ask whether the group and what it needs are well.
#[derive(Clone, Serialize, Deserialize)]
pub struct CheckUsers {}

/// An account as its owner sees it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct User {
    /// The account's id.
    pub id: UserId,
    /// Where the person can be reached.
    pub email: String,
    /// What the person is called here.
    pub username: String,
    /// Given name.
    pub first_name: Option<String>,
    /// Family name.
    pub last_name: Option<String>,
    /// Date of birth.
    pub date_of_birth: Option<NaiveDate>,
    /// When the account was made.
    pub created_at: DateTime<Utc>,
    /// Whether the account can be used.
    pub is_active: bool,
}

/// What prediction needs to know of a person: no address, no name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Who.
    pub user_id: UserId,
    /// The version that this is the state of; 0: nobody, or somebody who never gave a date of birth.
    pub version: Version,
    /// Date of birth, if it was said.
    pub date_of_birth: Option<NaiveDate>,
}

/// The public half of the signing keys.
#[derive(Clone, Serialize, Deserialize)]
pub struct SigningKeys {
    /// A JSON Web Key Set (RFC 7517), as its issuer publishes it.
    pub jwks: serde_json::Value,
    /// `iss` of every token.
    pub issuer: String,
    /// `aud` of every token.
    pub audience: String,
}

impl SigningKeys {
    /// Another text for other keys: their ids, in their order.
    pub fn version(&self) -> String {
        let keys = self.jwks.get("keys").and_then(serde_json::Value::as_array);
        let ids = keys.into_iter().flatten().filter_map(|key| key.get("kid")?.as_str());
        ids.collect::<Vec<_>>().join(",")
    }
}

/// A password on its way to the hash; `Debug` hides it.
#[derive(Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Password(String);

impl Password {
    /// Wraps what the client sent.
    pub fn new(text: String) -> Self {
        Self(text)
    }

    /// The password itself: for the hash, and for nothing else.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Password(…)")
    }
}
