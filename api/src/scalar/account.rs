//! What sessions, personal API tokens, second factors and retention are made of.

use contracts::{
    cycles::{RETENTION_MONTHS_MAX, RETENTION_MONTHS_MIN},
    limits,
};
use poem_openapi::registry::MetaSchema;
use serde_json::json;

use super::{Rule, Scalar, text};
use crate::pattern::Pattern;

scalar!(
    /// An id that cannot be guessed.
    Uuid / UuidRule = String,
    MetaSchema {
        format: Some("uuid"),
        pattern: Some(Pattern::UUID.text.to_owned()),
        example: Some(json!("5f0c2f9e-2a3b-4a52-9d0e-0f6f5a3f7c11")),
        ..MetaSchema::new("string")
    }
);
scalar!(
    /// What is sent to have the next access token.
    RefreshToken / RefreshTokenRule = String,
    MetaSchema { format: Some("password"), ..text(Pattern::VISIBLE, 1, 200) }
);
scalar!(
    /// A code of an authenticator app.
    TotpCode / TotpCodeRule = String,
    MetaSchema {
        example: Some(json!("492039")),
        ..text(Pattern::DIGITS, 6, 6)
    }
);
scalar!(
    /// A recovery code, with its hyphens or without.
    RecoveryCode / RecoveryCodeRule = String,
    MetaSchema {
        example: Some(json!("7f3k-90ta-m2xw-c4ze")),
        ..text(Pattern::LINE, 1, 64)
    }
);
scalar!(
    /// The token of a link by which a new password can be set.
    ResetToken / ResetTokenRule = String,
    MetaSchema { format: Some("password"), ..text(Pattern::VISIBLE, 1, 200) }
);
scalar!(
    /// What a person calls something.
    Label / LabelRule = String,
    MetaSchema {
        example: Some(json!("My calendar")),
        ..text(Pattern::LINE, 1, limits::LABEL_LENGTH_MAX)
    }
);
scalar!(
    /// For how many days a personal API token is good.
    TokenDays / TokenDaysRule = u16,
    MetaSchema {
        minimum: Some(1.0),
        maximum: Some(f64::from(limits::API_TOKEN_DAYS_MAX)),
        example: Some(json!(90)),
        ..MetaSchema::new_with_format("integer", "int32")
    }
);
scalar!(
    /// For how many months what is logged is kept.
    RetentionMonths / RetentionMonthsRule = i16,
    MetaSchema {
        minimum: Some(f64::from(RETENTION_MONTHS_MIN)),
        maximum: Some(f64::from(RETENTION_MONTHS_MAX)),
        example: Some(json!(24)),
        ..MetaSchema::new_with_format("integer", "int32")
    }
);
