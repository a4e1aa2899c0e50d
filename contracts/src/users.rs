//! The users group: accounts, sign-in, profile.

use std::fmt;

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    Patch, UserId, Version,
    events::{ChangedPage, ChangedSince},
    health::GroupHealth,
    mailbox::mailbox,
};

mailbox! {
    /// What the users group answers.
    UsersMailbox of "users" {
        people {
            GetProfile => User, "get_profile";
            UpdateProfile => User, "update_profile";
        }
        services {
            GetPerson => Person, "get_person";
            ListUsersChanged => ChangedPage, "changed_since";
        }
        open {
            Register => User, "register";
            Login => Session, "login";
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

/// What a successful sign-in gives.
#[derive(Clone, Serialize, Deserialize)]
pub struct Session {
    /// The signed access token.
    pub access_token: String,
    /// How long it is good for, in seconds.
    pub expires_in_seconds: u64,
    /// Whose it is.
    pub user: User,
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
