//! Passwords and second factors: `/api/users/password` and `/api/users/second-factor`.

use contracts::{
    FieldError, Handle, Secret,
    users::{self as domain, SecondFactorCode, UsersMailbox},
};
use poem_openapi::{Object, OpenApi, payload::Json};

use crate::{
    answer::{Accepted, Created},
    auth::Caller,
    body::Body,
    context::Context,
    document::{Extra, Tag},
    error::Problem,
    scalar::{
        Count, Email, Flag, NewPassword, Password, RecoveryCode, ResetToken, Scalar, Text, TotpCode,
    },
};

/// What these operations answer besides what follows from their shape.
pub(crate) const EXTRA: &[Extra] = &[
    Extra { operation: "changePassword", code: "invalid-credentials" },
    Extra { operation: "changePassword", code: "second-factor-required" },
    Extra { operation: "changePassword", code: "throttled" },
    Extra { operation: "requestPasswordReset", code: "throttled" },
    Extra { operation: "resetPassword", code: "reset-token-invalid" },
    Extra { operation: "resetPassword", code: "throttled" },
    Extra { operation: "enrolSecondFactor", code: "invalid-credentials" },
    Extra { operation: "enrolSecondFactor", code: "second-factor-enabled" },
    Extra { operation: "enrolSecondFactor", code: "throttled" },
    Extra { operation: "confirmSecondFactor", code: "second-factor-absent" },
    Extra { operation: "renewRecoveryCodes", code: "invalid-credentials" },
    Extra { operation: "renewRecoveryCodes", code: "second-factor-required" },
    Extra { operation: "renewRecoveryCodes", code: "second-factor-absent" },
    Extra { operation: "renewRecoveryCodes", code: "throttled" },
    Extra { operation: "removeSecondFactor", code: "invalid-credentials" },
    Extra { operation: "removeSecondFactor", code: "second-factor-required" },
    Extra { operation: "removeSecondFactor", code: "second-factor-absent" },
    Extra { operation: "removeSecondFactor", code: "throttled" },
];

/// The operations on what proves who somebody is.
pub(crate) struct CredentialsApi {
    /// The group.
    pub(crate) users: Handle<UsersMailbox>,
}

#[OpenApi(prefix_path = "/api/users", tag = "Tag::Users")]
impl CredentialsApi {
    /// Change one's own password
    ///
    /// Every other session ends, and every personal API token.
    #[oai(path = "/password", method = "put", operation_id = "changePassword")]
    async fn change_password(
        &self,
        caller: Caller,
        body: Body<ChangePassword>,
    ) -> poem::Result<Json<Done>> {
        let ChangePassword { current_password, new_password, totp, recovery_code } = body.0;
        let request = domain::ChangePassword {
            user_id: caller.user_id,
            current_password: domain::Password::new(current_password.0),
            new_password: domain::Password::new(new_password.0),
            second_factor: second_factor(totp, recovery_code)?,
        };
        caller.ask(&self.users, request).await?;
        Ok(Json(Done::new("Password changed successfully")))
    }

    /// Ask for a link by which a new password can be set
    ///
    /// The answer is the same whether there is such an account or not. The link is sent by mail, counts
    /// once and for ten minutes. Where no mail server is configured, none is sent: then whoever operates
    /// the service can make one.
    #[oai(path = "/password/reset", method = "post", operation_id = "requestPasswordReset")]
    async fn request_reset(
        &self,
        context: Context,
        body: Body<RequestReset>,
    ) -> poem::Result<Accepted<Done>> {
        let RequestReset { email: Scalar(email) } = body.0;
        context.ask(&self.users, domain::RequestPasswordReset { email }).await?;
        Ok(Accepted(Done::new(
            "If there is an account with this address and this service sends mail, a link is on its way",
        )))
    }

    /// Set a new password by the token of a link
    ///
    /// Every session ends, and every personal API token. A second factor stays.
    #[oai(path = "/password/reset/confirm", method = "post", operation_id = "resetPassword")]
    async fn reset(&self, context: Context, body: Body<Reset>) -> poem::Result<Json<Done>> {
        let Reset { token: Scalar(token), new_password: Scalar(new_password) } = body.0;
        let new_password = domain::Password::new(new_password);
        let request = domain::ResetPassword { token: Secret::new(token), new_password };
        context.ask(&self.users, request).await?;
        Ok(Json(Done::new("Password changed successfully")))
    }

    /// Read whether one's own account has a second factor
    #[oai(path = "/second-factor", method = "get", operation_id = "getSecondFactor")]
    async fn second_factor(&self, caller: Caller) -> poem::Result<Json<SecondFactor>> {
        let request = domain::GetSecondFactor { user_id: caller.user_id };
        Ok(Json(caller.ask(&self.users, request).await?.into()))
    }

    /// Begin to set up a second factor
    ///
    /// The answer holds what an authenticator app needs to know (RFC 6238: six digits, 30 seconds,
    /// SHA-1). The factor is asked for once it is confirmed; until then this can be repeated.
    #[oai(path = "/second-factor", method = "post", operation_id = "enrolSecondFactor")]
    async fn enrol(&self, caller: Caller, body: Body<Enrol>) -> poem::Result<Created<Enrolment>> {
        let Enrol { password: Scalar(password) } = body.0;
        let password = domain::Password::new(password);
        let request = domain::EnrolSecondFactor { user_id: caller.user_id, password };
        Ok(Created(caller.ask(&self.users, request).await?.into()))
    }

    /// Confirm the second factor by a code of it
    ///
    /// From now on it is asked for. The recovery codes are shown here and never again; each counts once.
    #[oai(path = "/second-factor/confirm", method = "post", operation_id = "confirmSecondFactor")]
    async fn confirm(
        &self,
        caller: Caller,
        body: Body<Confirm>,
    ) -> poem::Result<Json<RecoveryCodes>> {
        let Confirm { totp: Scalar(totp) } = body.0;
        let totp = domain::Password::new(totp);
        let request = domain::ConfirmSecondFactor { user_id: caller.user_id, totp };
        Ok(Json(caller.ask(&self.users, request).await?.into()))
    }

    /// Have new recovery codes
    ///
    /// Those that were given out before count no longer.
    #[oai(
        path = "/second-factor/recovery-codes",
        method = "post",
        operation_id = "renewRecoveryCodes"
    )]
    async fn renew(
        &self,
        caller: Caller,
        body: Body<ProveAgain>,
    ) -> poem::Result<Json<RecoveryCodes>> {
        let ProveAgain { password: Scalar(password), totp, recovery_code } = body.0;
        let request = domain::RenewRecoveryCodes {
            user_id: caller.user_id,
            password: domain::Password::new(password),
            second_factor: second_factor(totp, recovery_code)?,
        };
        Ok(Json(caller.ask(&self.users, request).await?.into()))
    }

    /// Remove the second factor
    ///
    /// The password has to be long enough to be the only factor.
    #[oai(path = "/second-factor/remove", method = "post", operation_id = "removeSecondFactor")]
    async fn remove(&self, caller: Caller, body: Body<ProveAgain>) -> poem::Result<Json<Done>> {
        let ProveAgain { password: Scalar(password), totp, recovery_code } = body.0;
        let request = domain::RemoveSecondFactor {
            user_id: caller.user_id,
            password: domain::Password::new(password),
            second_factor: second_factor(totp, recovery_code)?,
        };
        caller.ask(&self.users, request).await?;
        Ok(Json(Done::new("Second factor removed successfully")))
    }
}

/// The second factor of a request: one of the two, or none.
pub(crate) fn second_factor(
    totp: Option<TotpCode>,
    recovery_code: Option<RecoveryCode>,
) -> Result<Option<SecondFactorCode>, Problem> {
    match (totp, recovery_code) {
        (None, None) => Ok(None),
        (Some(Scalar(code)), None) => Ok(Some(SecondFactorCode::Totp(domain::Password::new(code)))),
        (None, Some(Scalar(code))) => {
            Ok(Some(SecondFactorCode::RecoveryCode(domain::Password::new(code))))
        }
        (Some(_), Some(_)) => Err(Problem::invalid(vec![FieldError {
            pointer: "/recovery_code".into(),
            detail: "must be left out where totp is given".into(),
        }])),
    }
}

/// The password that counts, and the one that is to count.
#[derive(Object)]
struct ChangePassword {
    /// The password that counts until now.
    current_password: Password,
    /// The one that counts from now on. Outside the development profile at least 15 characters, 8 for
    /// an account with a second factor, and none of those that are guessed first.
    new_password: NewPassword,
    /// A code of the authenticator app, if the account has a second factor.
    #[oai(nullable)]
    totp: Option<TotpCode>,
    /// Or one of the recovery codes.
    #[oai(nullable)]
    recovery_code: Option<RecoveryCode>,
}

/// Whose password is to be set anew.
#[derive(Object)]
struct RequestReset {
    /// The e-mail address of the account.
    email: Email,
}

/// The token of a link, and the password that is to count.
#[derive(Object)]
struct Reset {
    /// What stands behind `#token=` in the link.
    token: ResetToken,
    /// The password that counts from now on; see `PUT /api/users/password`.
    new_password: NewPassword,
}

/// The proof, once more.
#[derive(Object)]
struct Enrol {
    /// The account's password.
    password: Password,
}

/// The proof that the authenticator app knows the secret.
#[derive(Object)]
struct Confirm {
    /// The code that the app shows.
    totp: TotpCode,
}

/// The proof, once more.
#[derive(Object)]
struct ProveAgain {
    /// The account's password.
    password: Password,
    /// A code of the authenticator app.
    #[oai(nullable)]
    totp: Option<TotpCode>,
    /// Or one of the recovery codes.
    #[oai(nullable)]
    recovery_code: Option<RecoveryCode>,
}

/// What was done.
#[derive(Object)]
struct Done {
    /// What was done, in words.
    message: Text,
}

/// Whether an account has a second factor.
#[derive(Object)]
struct SecondFactor {
    /// Whether it is asked for.
    enabled: Flag,
    /// How many recovery codes were not used yet.
    recovery_codes_left: Count,
}

/// What an authenticator app needs to know.
#[derive(Object)]
struct Enrolment {
    /// The shared secret in Base32, to be typed in.
    secret: Text,
    /// The same as an `otpauth://` URI, to be shown as a QR code.
    uri: Text,
}

/// Codes for the day on which the app is lost.
#[derive(Object)]
struct RecoveryCodes {
    /// The codes; each counts once.
    recovery_codes: Vec<Text>,
}

impl Done {
    fn new(message: &str) -> Self {
        Self { message: Scalar(message.to_owned()) }
    }
}

impl From<domain::SecondFactor> for SecondFactor {
    fn from(state: domain::SecondFactor) -> Self {
        let domain::SecondFactor { enabled, recovery_codes_left } = state;
        Self {
            enabled: Scalar(enabled),
            recovery_codes_left: Scalar(i64::from(recovery_codes_left)),
        }
    }
}

impl From<domain::SecondFactorEnrolment> for Enrolment {
    fn from(enrolment: domain::SecondFactorEnrolment) -> Self {
        let domain::SecondFactorEnrolment { secret, uri } = enrolment;
        Self { secret: Scalar(secret.expose().to_owned()), uri: Scalar(uri.expose().to_owned()) }
    }
}

impl From<domain::RecoveryCodes> for RecoveryCodes {
    fn from(codes: domain::RecoveryCodes) -> Self {
        let domain::RecoveryCodes { codes } = codes;
        let recovery_codes = codes.iter().map(|code| Scalar(code.expose().to_owned())).collect();
        Self { recovery_codes }
    }
}
