//! What proves that somebody is who they say: passwords, a second factor, and the way back in.
//!
//! The types that hold a secret have no `Debug`.

use serde::{Deserialize, Serialize};

use super::Password;
use crate::{Secret, UserId};

/// Change one's own password; every other session ends.
#[derive(Clone, Serialize, Deserialize)]
pub struct ChangePassword {
    /// Whose.
    pub user_id: UserId,
    /// The password that counts until now.
    pub current_password: Password,
    /// The one that counts from now on.
    pub new_password: Password,
    /// The second factor, if the account has one.
    pub second_factor: Option<SecondFactorCode>,
}

/// Ask for a link by which a new password can be set. The answer says nothing about whether there
/// is such an account.
#[derive(Clone, Serialize, Deserialize)]
pub struct RequestPasswordReset {
    /// The e-mail address of the account.
    pub email: String,
}

/// Set a new password by the token of such a link; every session ends.
#[derive(Clone, Serialize, Deserialize)]
pub struct ResetPassword {
    /// The token of the link.
    pub token: Secret,
    /// The password that counts from now on.
    pub new_password: Password,
}

/// Read whether one's own account has a second factor.
#[derive(Clone, Serialize, Deserialize)]
pub struct GetSecondFactor {
    /// Whose.
    pub user_id: UserId,
}

/// Begin to set up a second factor. It counts once it is confirmed.
#[derive(Clone, Serialize, Deserialize)]
pub struct EnrolSecondFactor {
    /// Whose.
    pub user_id: UserId,
    /// The account's password.
    pub password: Password,
}

/// Confirm a second factor by a code of it: from now on it is asked for.
#[derive(Clone, Serialize, Deserialize)]
pub struct ConfirmSecondFactor {
    /// Whose.
    pub user_id: UserId,
    /// A code of it.
    pub totp: Password,
}

/// Have new recovery codes; the old ones count no longer.
#[derive(Clone, Serialize, Deserialize)]
pub struct RenewRecoveryCodes {
    /// Whose.
    pub user_id: UserId,
    /// The account's password.
    pub password: Password,
    /// The second factor.
    pub second_factor: Option<SecondFactorCode>,
}

/// Do without the second factor from now on.
#[derive(Clone, Serialize, Deserialize)]
pub struct RemoveSecondFactor {
    /// Whose.
    pub user_id: UserId,
    /// The account's password.
    pub password: Password,
    /// The second factor, if it is confirmed.
    pub second_factor: Option<SecondFactorCode>,
}

/// What proves the possession of a second factor.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SecondFactorCode {
    /// A code of the authenticator app (RFC 6238).
    Totp(Password),
    /// One of the codes that were given out for the day on which the app is lost.
    RecoveryCode(Password),
}

/// Whether an account has a second factor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecondFactor {
    /// Whether it is asked for.
    pub enabled: bool,
    /// How many recovery codes were not used yet.
    pub recovery_codes_left: u32,
}

/// What an authenticator app needs to know.
#[derive(Clone, Serialize, Deserialize)]
pub struct SecondFactorEnrolment {
    /// The shared secret in Base32, to be typed in.
    pub secret: Password,
    /// The same as an `otpauth://` URI, to be shown as a QR code.
    pub uri: Password,
}

/// The codes for the day on which the app is lost; each counts once. They are shown here and never
/// again.
#[derive(Clone, Serialize, Deserialize)]
pub struct RecoveryCodes {
    /// The codes.
    pub codes: Vec<Password>,
}
