//! Passwords and second factors.

use contracts::{
    Secret,
    users::{
        ChangePassword, ConfirmSecondFactor, EnrolSecondFactor, GetSecondFactor, Password,
        RecoveryCodes, RemoveSecondFactor, RenewRecoveryCodes, RequestPasswordReset, ResetPassword,
        SecondFactor, SecondFactorCode, SecondFactorEnrolment,
    },
};
use serde_json::Value;

use super::support::{USER, exchange};

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

/// The operations of people.
pub(super) fn people() -> Vec<Value> {
    let codes = RecoveryCodes { codes: vec![password("7f3k-90ta-m2xw-c4ze")] };
    let change = ChangePassword {
        user_id: USER,
        current_password: password("correct horse"),
        new_password: password("gather seven lanterns"),
        second_factor: Some(SecondFactorCode::Totp(password("492039"))),
    };
    let enrolment = SecondFactorEnrolment {
        secret: password("GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"),
        uri: password("otpauth://totp/Lunation:ada%40example.org"),
    };
    let renew = RenewRecoveryCodes {
        user_id: USER,
        password: password("correct horse"),
        second_factor: Some(SecondFactorCode::RecoveryCode(password("7f3k-90ta-m2xw-c4ze"))),
    };
    let remove = RemoveSecondFactor {
        user_id: USER,
        password: password("correct horse"),
        second_factor: None,
    };
    let state = SecondFactor { enabled: true, recovery_codes_left: 9 };
    vec![
        exchange(change, &()),
        exchange(GetSecondFactor { user_id: USER }, &state),
        exchange(
            EnrolSecondFactor { user_id: USER, password: password("correct horse") },
            &enrolment,
        ),
        exchange(ConfirmSecondFactor { user_id: USER, totp: password("492039") }, &codes),
        exchange(renew, &codes),
        exchange(remove, &()),
    ]
}

/// The open operations.
pub(super) fn open() -> Vec<Value> {
    let reset = ResetPassword {
        token: Secret::from_random(Secret::RESET_TOKEN, &[7; 32]),
        new_password: password("gather seven lanterns"),
    };
    vec![
        exchange(RequestPasswordReset { email: "ada@example.org".to_owned() }, &()),
        exchange(reset, &()),
    ]
}
