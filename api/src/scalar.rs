//! The values that requests and answers are made of, each with the schema that is both shown and
//! enforced.
//!
//! One rule, one schema: [`crate::schema`] checks a value against what [`Rule::schema`] says, and
//! the API document shows the same, so the two cannot disagree.

use std::borrow::Cow;

use chrono::{DateTime, NaiveDate, Utc};
use contracts::limits;
use poem_openapi::{
    registry::{MetaSchema, MetaSchemaRef, Registry},
    types::{ParseError, ParseFromJSON, ParseFromParameter, ParseResult, ToJSON, Type},
};
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};

use crate::{pattern::Pattern, schema};

/// What a scalar may hold.
pub(crate) trait Rule: Send + Sync + 'static {
    /// What it is in the code.
    type Value: DeserializeOwned + Serialize + Send + Sync;

    /// What it may be on the wire.
    fn schema() -> MetaSchema;
}

/// A value under a rule.
pub(crate) struct Scalar<R: Rule>(pub(crate) R::Value);

impl<R: Rule> Type for Scalar<R> {
    const IS_REQUIRED: bool = true;
    type RawValueType = Self;
    type RawElementValueType = Self;

    fn name() -> Cow<'static, str> {
        Cow::Borrowed("scalar")
    }

    fn schema_ref() -> MetaSchemaRef {
        MetaSchemaRef::Inline(Box::new(R::schema()))
    }

    fn as_raw_value(&self) -> Option<&Self> {
        Some(self)
    }

    fn raw_element_iter<'a>(&'a self) -> Box<dyn Iterator<Item = &'a Self> + 'a> {
        Box::new(std::iter::once(self))
    }
}

impl<R: Rule> ParseFromJSON for Scalar<R> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        let mut value = value.unwrap_or_default();
        if let Some(expected) = schema::violation(&R::schema(), &mut value) {
            return Err(ParseError::custom(expected));
        }
        serde_json::from_value(value).map(Self).map_err(|_| ParseError::expected_input())
    }
}

impl<R: Rule> ParseFromParameter for Scalar<R> {
    fn parse_from_parameter(text: &str) -> ParseResult<Self> {
        Self::parse_from_json(Some(schema::value_of_text(&R::schema(), text)))
    }
}

impl<R: Rule> ToJSON for Scalar<R> {
    fn to_json(&self) -> Option<Value> {
        serde_json::to_value(&self.0).ok()
    }
}

/// A value that may be null, and is always there.
pub(crate) struct Nullable<T>(pub(crate) Option<T>);

impl<T: Type> Type for Nullable<T> {
    const IS_REQUIRED: bool = true;
    type RawValueType = T::RawValueType;
    type RawElementValueType = T::RawElementValueType;

    fn name() -> Cow<'static, str> {
        Cow::Owned(format!("nullable_{}", T::name()))
    }

    fn schema_ref() -> MetaSchemaRef {
        T::schema_ref().merge(MetaSchema { nullable: true, ..MetaSchema::ANY })
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn as_raw_value(&self) -> Option<&Self::RawValueType> {
        self.0.as_ref().and_then(Type::as_raw_value)
    }

    fn raw_element_iter<'a>(
        &'a self,
    ) -> Box<dyn Iterator<Item = &'a Self::RawElementValueType> + 'a> {
        Box::new(self.0.iter().flat_map(Type::raw_element_iter))
    }
}

impl<T: ParseFromJSON> ParseFromJSON for Nullable<T> {
    fn parse_from_json(value: Option<Value>) -> ParseResult<Self> {
        Option::parse_from_json(value).map(Self).map_err(ParseError::propagate)
    }
}

impl<T: ToJSON> ToJSON for Nullable<T> {
    fn to_json(&self) -> Option<Value> {
        self.0.to_json()
    }
}

impl<R: Rule> From<Option<R::Value>> for Nullable<Scalar<R>> {
    fn from(value: Option<R::Value>) -> Self {
        Self(value.map(Scalar))
    }
}

/// Declares a rule and the scalar under it. One line of prose, one line of schema: spelled out,
/// each would be ten lines of the same impl.
macro_rules! scalar {
    ($(#[$doc:meta])* $name:ident / $rule:ident = $value:ty, $schema:expr) => {
        /// The rule of the scalar of the same name.
        pub(crate) struct $rule;

        impl Rule for $rule {
            type Value = $value;

            fn schema() -> MetaSchema {
                $schema
            }
        }

        $(#[$doc])*
        pub(crate) type $name = Scalar<$rule>;
    };
}

mod account;

pub(crate) use account::{
    Label, RecoveryCode, RefreshToken, ResetToken, RetentionMonths, TokenDays, TotpCode, Uuid,
};

scalar!(
    /// A civil date.
    Date / DateRule = NaiveDate,
    MetaSchema {
        format: Some("date"),
        pattern: Some(Pattern::DATE.text.to_owned()),
        example: Some(json!("2025-01-15")),
        ..MetaSchema::new("string")
    }
);
scalar!(
    /// An instant in UTC.
    Instant / InstantRule = DateTime<Utc>,
    MetaSchema {
        pattern: Some(Pattern::INSTANT.text.to_owned()),
        example: Some(json!("2025-01-15T08:30:00Z")),
        ..MetaSchema::new_with_format("string", "date-time")
    }
);
scalar!(
    /// An id of anything.
    Id / IdRule = i64,
    MetaSchema {
        minimum: Some(1.0),
        example: Some(json!(1)),
        ..MetaSchema::new_with_format("integer", "int64")
    }
);
scalar!(
    /// How often a user's state has changed.
    StateVersion / StateVersionRule = i64,
    MetaSchema {
        minimum: Some(0.0),
        example: Some(json!(3)),
        ..MetaSchema::new_with_format("integer", "int64")
    }
);
scalar!(
    /// How many there are.
    Count / CountRule = i64,
    MetaSchema {
        minimum: Some(0.0),
        example: Some(json!(1)),
        ..MetaSchema::new_with_format("integer", "int64")
    }
);
scalar!(
    /// How many rows of a list to answer with.
    Limit / LimitRule = i64,
    MetaSchema {
        minimum: Some(1.0),
        maximum: Some(whole(limits::PAGE_LIMIT_MAX)),
        ..MetaSchema::new_with_format("integer", "int32")
    }
);
scalar!(
    /// How many rows of a list to pass over.
    Offset / OffsetRule = i64,
    MetaSchema {
        minimum: Some(0.0),
        maximum: Some(1_000_000.0),
        ..MetaSchema::new_with_format("integer", "int32")
    }
);
scalar!(
    /// The length of a cycle in days.
    Days / DaysRule = i32,
    MetaSchema {
        minimum: Some(1.0),
        maximum: Some(f64::from(i32::MAX)),
        example: Some(json!(28)),
        ..MetaSchema::new_with_format("integer", "int32")
    }
);
scalar!(
    /// The length of a period in days.
    PeriodDays / PeriodDaysRule = i32,
    MetaSchema {
        minimum: Some(1.0),
        maximum: Some(whole(limits::PERIOD_LENGTH_MAX_DAYS)),
        example: Some(json!(6)),
        ..MetaSchema::new_with_format("integer", "int32")
    }
);
scalar!(
    /// Any number.
    Real / RealRule = f64,
    MetaSchema {
        example: Some(json!(28.5)),
        ..MetaSchema::new_with_format("number", "double")
    }
);
scalar!(
    /// A number of days, or how many times as often: never negative.
    Amount / AmountRule = f64,
    MetaSchema {
        minimum: Some(0.0),
        example: Some(json!(2.4)),
        ..MetaSchema::new_with_format("number", "double")
    }
);
scalar!(
    /// Which of the starts after the next one: 2 is the one after it, 3 the one after that.
    CyclesAhead / CyclesAheadRule = i32,
    MetaSchema {
        minimum: Some(2.0),
        maximum: Some(3.0),
        example: Some(json!(2)),
        ..MetaSchema::new_with_format("integer", "int32")
    }
);
scalar!(
    /// A probability.
    Probability / ProbabilityRule = f64,
    MetaSchema {
        minimum: Some(0.0),
        maximum: Some(1.0),
        example: Some(json!(0.8)),
        ..MetaSchema::new_with_format("number", "double")
    }
);
scalar!(
    /// How bad a symptom is.
    Severity / SeverityRule = i16,
    MetaSchema {
        minimum: Some(1.0),
        maximum: Some(10.0),
        example: Some(json!(2)),
        ..MetaSchema::new_with_format("integer", "int32")
    }
);
scalar!(
    /// How many days before a predicted start to remind of it.
    ReminderDays / ReminderDaysRule = i16,
    MetaSchema {
        minimum: Some(1.0),
        maximum: Some(7.0),
        example: Some(json!(3)),
        ..MetaSchema::new_with_format("integer", "int32")
    }
);
scalar!(
    /// Yes or no.
    Flag / FlagRule = bool,
    MetaSchema { example: Some(json!(true)), ..MetaSchema::new("boolean") }
);
scalar!(
    /// Text that we wrote.
    Text / TextRule = String,
    MetaSchema::new("string")
);
scalar!(
    /// An e-mail address. It has no format in the document: `email` would be ASCII alone, and the mail
    /// server knows what is one.
    Email / EmailRule = String,
    MetaSchema {
        example: Some(json!("test@test.com")),
        ..text(Pattern::EMAIL, 3, limits::EMAIL_LENGTH_MAX)
    }
);
scalar!(
    /// What a person is called here.
    Username / UsernameRule = String,
    MetaSchema {
        example: Some(json!("testuser")),
        ..text(Pattern::LINE, limits::USERNAME_LENGTH_MIN, limits::USERNAME_LENGTH_MAX)
    }
);
scalar!(
    /// A password that is about to be set.
    NewPassword / NewPasswordRule = String,
    MetaSchema {
        format: Some("password"),
        example: Some(json!("a long and unusual sentence")),
        ..text(Pattern::LINE, limits::PASSWORD_LENGTH_MIN_DEVELOPMENT, limits::PASSWORD_LENGTH_MAX)
    }
);
scalar!(
    /// A password that is to be checked.
    Password / PasswordRule = String,
    MetaSchema {
        format: Some("password"),
        example: Some(json!("a long and unusual sentence")),
        ..text(Pattern::LINE, 1, limits::PASSWORD_LENGTH_MAX)
    }
);
scalar!(
    /// A given or family name.
    Name / NameRule = String,
    MetaSchema {
        example: Some(json!("Jane")),
        ..text(Pattern::LINE, 1, limits::NAME_LENGTH_MAX)
    }
);
scalar!(
    /// A kind of symptom.
    SymptomType / SymptomTypeRule = String,
    MetaSchema {
        example: Some(json!("mood")),
        ..text(Pattern::LINE, 1, limits::SYMPTOM_TYPE_LENGTH_MAX)
    }
);
scalar!(
    /// A symptom's value.
    SymptomValue / SymptomValueRule = String,
    MetaSchema {
        example: Some(json!("happy")),
        ..text(Pattern::LINE, 1, limits::SYMPTOM_VALUE_LENGTH_MAX)
    }
);
scalar!(
    /// Free text of several lines.
    Notes / NotesRule = String,
    MetaSchema {
        example: Some(json!("Feeling great today")),
        ..text(Pattern::LINES, 0, limits::NOTES_LENGTH_MAX)
    }
);
scalar!(
    /// A key that makes a repeated write happen once.
    IdempotencyKeyText / IdempotencyKeyRule = String,
    MetaSchema {
        example: Some(json!("5f0c2f9e-2a3b-4a52-9d0e-0f6f5a3f7c11")),
        ..text(Pattern::VISIBLE, 1, contracts::call::IdempotencyKey::LENGTH_MAX)
    }
);
scalar!(
    /// The code of a problem.
    ProblemCode / ProblemCodeRule = String,
    MetaSchema { example: Some(json!("invalid-input")), ..MetaSchema::new("string") }
);

fn text(pattern: Pattern, length_min: usize, length_max: usize) -> MetaSchema {
    MetaSchema {
        min_length: (length_min > 0).then_some(length_min),
        max_length: Some(length_max),
        pattern: Some(pattern.text.to_owned()),
        ..MetaSchema::new("string")
    }
}

/// A limit as JSON schema wants it. Limits are small, so nothing is lost.
fn whole(limit: i64) -> f64 {
    i32::try_from(limit).map_or(f64::MAX, f64::from)
}
