//! Checks values against the schemas of the API document.

use std::{borrow::Cow, collections::BTreeMap};

use contracts::FieldError;
use poem_openapi::registry::{MetaSchema, MetaSchemaRef};
use serde_json::{Map, Value};

use crate::pattern::Pattern;

/// The most field errors that one answer lists. Nothing is looked for beyond them: a document of 5 MiB
/// has room for millions.
const ERRORS_MAX: usize = 20;
/// The most characters of an unknown member's name that are repeated.
const NAME_SHOWN_MAX: usize = 64;
/// The largest number that is the same as an integer and as a double: 2^53.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The named schemas of the API document.
#[derive(Default)]
pub(crate) struct Schemas(BTreeMap<String, MetaSchema>);

impl Schemas {
    /// Takes the schemas that the operations registered.
    pub(crate) fn new(named: BTreeMap<String, MetaSchema>) -> Self {
        Self(named)
    }

    /// Checks a value, and writes integers that came as `1.0` as integers.
    ///
    /// # Errors
    ///
    /// One entry per member that is not as its schema says.
    pub(crate) fn check(
        &self,
        schema: &MetaSchemaRef,
        pointer: &str,
        value: &mut Value,
    ) -> Result<(), Vec<FieldError>> {
        let mut errors = Vec::new();
        self.check_into(schema, pointer, value, &mut errors);
        errors.truncate(ERRORS_MAX);
        if errors.is_empty() { Ok(()) } else { Err(errors) }
    }

    /// The schema behind a reference. One with a description of its own is the first part of an
    /// `allOf`.
    pub(crate) fn resolve<'a>(&'a self, schema: &'a MetaSchemaRef) -> Option<&'a MetaSchema> {
        match schema {
            MetaSchemaRef::Inline(inline) => match inline.all_of.first() {
                Some(described) => self.resolve(described),
                None => Some(inline),
            },
            MetaSchemaRef::Reference(name) => self.0.get(name),
        }
    }

    fn check_into(
        &self,
        schema: &MetaSchemaRef,
        pointer: &str,
        value: &mut Value,
        errors: &mut Vec<FieldError>,
    ) {
        if errors.len() >= ERRORS_MAX {
            return;
        }
        // A reference that may be null says so beside itself.
        let may_be_null = matches!(schema, MetaSchemaRef::Inline(inline) if inline.nullable);
        if may_be_null && value.is_null() {
            return;
        }
        let Some(schema) = self.resolve(schema) else { return };
        // Anything at all.
        if schema.ty.is_empty() {
            return;
        }
        match value {
            Value::Object(members) if schema.ty == "object" => {
                self.check_members(schema, pointer, members, errors);
            }
            Value::Array(items) if schema.ty == "array" => {
                self.check_items(schema, pointer, items, errors);
            }
            _ => {
                if let Some(expected) = violation(schema, value) {
                    errors.push(FieldError {
                        pointer: Cow::Owned(pointer.to_owned()),
                        detail: expected,
                    });
                }
            }
        }
    }

    /// A list is refused as a whole if it is too short or too long, or has one value twice; otherwise
    /// each of its items is looked at.
    fn check_items(
        &self,
        schema: &MetaSchema,
        pointer: &str,
        items: &mut [Value],
        errors: &mut Vec<FieldError>,
    ) {
        let too_few = schema.min_items.is_some_and(|least| items.len() < least);
        let too_many = schema.max_items.is_some_and(|most| items.len() > most);
        // The number of items is bounded by now, or their order in a set would have to be made.
        let has_twins = || items.iter().enumerate().any(|(at, item)| items[..at].contains(item));
        if too_few || too_many || (schema.unique_items == Some(true) && has_twins()) {
            let (pointer, detail) = (Cow::Owned(pointer.to_owned()), expectation(schema));
            errors.push(FieldError { pointer, detail });
            return;
        }
        let Some(expected) = &schema.items else { return };
        for (at, item) in items.iter_mut().enumerate() {
            if errors.len() >= ERRORS_MAX {
                break;
            }
            self.check_into(expected, &format!("{pointer}/{at}"), item, errors);
        }
    }

    fn check_members(
        &self,
        schema: &MetaSchema,
        pointer: &str,
        members: &mut Map<String, Value>,
        errors: &mut Vec<FieldError>,
    ) {
        for (name, member) in &schema.properties {
            let pointer = format!("{pointer}/{name}");
            match members.get_mut(*name) {
                Some(value) => self.check_into(member, &pointer, value, errors),
                None if schema.required.contains(name) => errors.push(FieldError {
                    pointer: Cow::Owned(pointer),
                    detail: Cow::Borrowed("is required"),
                }),
                None => {}
            }
        }
        let known = |name: &str| schema.properties.iter().any(|(known, _)| *known == name);
        for name in members.keys().filter(|name| !known(name)).take(ERRORS_MAX) {
            errors.push(FieldError {
                pointer: Cow::Owned(format!("{pointer}/{}", escaped(name))),
                detail: Cow::Borrowed("is not a member that is known here"),
            });
        }
    }
}

/// What a scalar should have been, if it is not as its schema says.
pub(crate) fn violation(schema: &MetaSchema, value: &mut Value) -> Option<Cow<'static, str>> {
    let holds = match &*value {
        Value::Null => schema.nullable,
        Value::Bool(_) => schema.ty == "boolean",
        Value::String(text) if schema.ty == "string" => return text_violation(schema, text),
        Value::Number(number) if schema.ty == "integer" => {
            match number.as_i64().or_else(|| number.as_f64().and_then(exact)) {
                Some(integer) if in_range(schema, integer) => {
                    *value = Value::from(integer);
                    true
                }
                _ => false,
            }
        }
        Value::Number(number) if schema.ty == "number" => {
            number.as_f64().is_some_and(|real| real_in_range(schema, real))
        }
        _ => false,
    };
    (!holds).then(|| expectation(schema))
}

/// A parameter's text as the JSON value that its schema expects; text that is none stays text,
/// and is then refused for being that.
pub(crate) fn value_of_text(schema: &MetaSchema, text: &str) -> Value {
    let as_text = || Value::String(text.to_owned());
    let digits = text.strip_prefix('-').unwrap_or(text);
    match schema.ty {
        "integer" if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            text.parse::<i64>().map_or_else(|_| as_text(), Value::from)
        }
        "boolean" => text.parse::<bool>().map_or_else(|_| as_text(), Value::Bool),
        _ => as_text(),
    }
}

fn text_violation(schema: &MetaSchema, text: &str) -> Option<Cow<'static, str>> {
    let listed = || schema.enum_items.iter().any(|item| item.as_str() == Some(text));
    if !schema.enum_items.is_empty() && !listed() {
        return Some(expectation(schema));
    }
    let length = text.chars().count();
    let too_short = schema.min_length.is_some_and(|length_min| length < length_min);
    let too_long = schema.max_length.is_some_and(|length_max| length > length_max);
    if too_short || too_long {
        return Some(expectation(schema));
    }
    let pattern = Pattern::ALL.iter().find(|known| Some(known.text) == schema.pattern.as_deref());
    pattern
        .filter(|pattern| !(pattern.matches)(text))
        .map(|pattern| Cow::Borrowed(pattern.expected))
}

/// What a schema expects, in a sentence's second half. It never depends on the value.
fn expectation(schema: &MetaSchema) -> Cow<'static, str> {
    let or_null = if schema.nullable { ", or null" } else { "" };
    if schema.pattern.as_deref() == Some(Pattern::DATE.text) {
        return Cow::Owned(format!("{}{or_null}", Pattern::DATE.expected));
    }
    let expected = match schema.ty {
        "boolean" => "true or false".to_owned(),
        "object" => "a JSON object".to_owned(),
        "array" => match (schema.min_items, schema.max_items) {
            (Some(least), Some(most)) => format!("a list of {least} to {most} different values"),
            _ => "a list".to_owned(),
        },
        "string" if !schema.enum_items.is_empty() => {
            let items: Vec<&str> = schema.enum_items.iter().filter_map(Value::as_str).collect();
            format!("one of {}", items.join(", "))
        }
        "string" => match (schema.min_length, schema.max_length) {
            (Some(shortest), Some(longest)) if shortest == longest => {
                format!("a text of {longest} characters")
            }
            (Some(shortest), Some(longest)) => {
                format!("a text of {shortest} to {longest} characters")
            }
            (None, Some(longest)) => format!("a text of at most {longest} characters"),
            _ => "a text".to_owned(),
        },
        "integer" => match (schema.minimum, schema.maximum) {
            (Some(least), Some(most)) => format!("a whole number from {least} to {most}"),
            (Some(least), None) => format!("a whole number of 64 bits, {least} or more"),
            _ => "a whole number".to_owned(),
        },
        _ => "a number".to_owned(),
    };
    Cow::Owned(format!("must be {expected}{or_null}"))
}

/// An integer that was written as a real number, such as `2.0`: JSON Schema takes it for one.
fn exact(real: f64) -> Option<i64> {
    let whole = real.fract() == 0.0 && real.abs() <= EXACT_MAX;
    // `{:.0}` writes a whole double in full, so this conversion is exact and needs no cast.
    whole.then(|| format!("{real:.0}").parse().ok()).flatten()
}

fn in_range(schema: &MetaSchema, integer: i64) -> bool {
    // Every limit in a schema is below 2^53, where the comparison is exact either way.
    let at_least = |limit: f64| exact(limit).is_none_or(|limit| integer >= limit);
    let at_most = |limit: f64| exact(limit).is_none_or(|limit| integer <= limit);
    schema.minimum.is_none_or(at_least) && schema.maximum.is_none_or(at_most)
}

fn real_in_range(schema: &MetaSchema, real: f64) -> bool {
    schema.minimum.is_none_or(|limit| real >= limit)
        && schema.maximum.is_none_or(|limit| real <= limit)
}

/// A member's name as a part of a JSON pointer (RFC 6901 §3), cut to a bearable length.
fn escaped(name: &str) -> String {
    let shown: String = name.chars().take(NAME_SHOWN_MAX).collect();
    shown.replace('~', "~0").replace('/', "~1")
}

#[cfg(test)]
mod tests {
    use super::*;
    use poem_openapi::types::Type;
    use proptest::prelude::*;
    use serde_json::json;

    use crate::scalar::{Date, Days, Email, Id, IdempotencyKeyText, Limit, Notes, SymptomType};

    fn refused<T: Type>(mut value: Value) -> bool {
        let MetaSchemaRef::Inline(schema) = T::schema_ref() else { unreachable!("a scalar") };
        violation(&schema, &mut value).is_some()
    }

    #[test]
    fn takes_only_strict_dates() {
        for good in ["1900-01-01", "2024-02-29", "2000-02-29", "9999-12-31"] {
            assert!(!refused::<Date>(json!(good)), "{good}");
        }
        for bad in [
            "",
            "2024-1-1",
            "+2024-01-01",
            "-2024-01-01",
            "02024-01-01",
            "1899-12-31",
            "2023-02-29",
            "1900-02-29",
            "2024-00-10",
            "2024-13-01",
            "2024-04-31",
            "2024-01-00",
            "20240101",
            "2024-01-01T00:00:00Z",
            " 2024-01-01",
            "2024-01-01 ",
            "2024/01/01",
            "01-01-2024",
            "today",
            "infinity",
            "10000-01-01",
            "0000-00-00",
            "٢٠٢٤-٠١-٠١",
            "2024-01-0١",
            "2024-01-1",
            "2024-W01-1",
            "2024-001",
            "2024‐01‐01",
            "+024-01-01",
        ] {
            assert!(refused::<Date>(json!(bad)), "{bad}");
        }
        for other in [json!(20_240_101), json!(true), json!(null), json!([]), json!({})] {
            assert!(refused::<Date>(other));
        }
    }

    #[test]
    fn counts_characters_and_refuses_control_characters() {
        assert!(!refused::<SymptomType>(json!("é".repeat(50))));
        assert!(!refused::<SymptomType>(json!("👩🏽".repeat(25))));
        assert!(refused::<SymptomType>(json!("é".repeat(51))));
        assert!(refused::<SymptomType>(json!("")));
        for control in ["a\u{0}", "a\nb", "a\tb", "a\u{1b}[31m", "a\u{7f}", "a\u{85}"] {
            assert!(refused::<SymptomType>(json!(control)), "{control:?}");
        }
        assert!(!refused::<Notes>(json!("a\n\tb")));
        for control in ["a\u{0}", "a\rb", "a\u{b}b", "a\u{7f}", "a\u{9f}"] {
            assert!(refused::<Notes>(json!(control)), "{control:?}");
        }
        assert!(!refused::<Notes>(json!("n".repeat(4_000))));
        assert!(refused::<Notes>(json!("n".repeat(4_001))));
    }

    #[test]
    fn takes_only_whole_numbers_in_range() {
        for good in [json!(1), json!(100), json!(1.0), json!(1e2)] {
            assert!(!refused::<Limit>(good.clone()), "{good}");
        }
        for bad in [json!(0), json!(101), json!(1.5), json!(-1), json!("1"), json!(1e300)] {
            assert!(refused::<Limit>(bad.clone()), "{bad}");
        }
        assert!(!refused::<Days>(json!(i32::MAX)));
        assert!(refused::<Days>(json!(i64::from(i32::MAX) + 1)));
        assert!(!refused::<Id>(json!(i64::MAX)));
        for bad in [json!(0), json!(u64::MAX), json!(9_223_372_036_854_775_808_u64), json!(1e19)] {
            assert!(refused::<Id>(bad.clone()), "{bad}");
        }
    }

    #[test]
    fn knows_an_email_address_from_something_else() {
        for good in ["test@test.com", "a@b", "ü@ö.example", "o'hara+x@x-y.co.uk"] {
            assert!(!refused::<Email>(json!(good)), "{good}");
        }
        for bad in ["", "test", "@test.com", "test@", "a b@c.d", "a@b@c", "a@b\u{0}", "a@\n"] {
            assert!(refused::<Email>(json!(bad)), "{bad}");
        }
        assert!(refused::<Email>(json!(format!("{}@b.c", "a".repeat(251)))));
        assert!(refused::<IdempotencyKeyText>(json!("a b")));
    }

    #[test]
    fn a_flood_of_errors_is_not_collected() {
        let item = || MetaSchema {
            required: vec!["a", "b"],
            properties: vec![("a", Id::schema_ref()), ("b", Id::schema_ref())],
            ..MetaSchema::new("object")
        };
        let inline = |schema| MetaSchemaRef::Inline(Box::new(schema));
        let list = MetaSchema { items: Some(Box::new(inline(item()))), ..MetaSchema::new("array") };
        let mut flood = json!(vec![json!({"c": 1}); 10_000]);
        let mut errors = Vec::new();
        Schemas::default().check_into(&inline(list), "", &mut flood, &mut errors);
        let of_one = 3;
        assert!((ERRORS_MAX..ERRORS_MAX + of_one).contains(&errors.len()), "{}", errors.len());
    }

    proptest! {
        #[test]
        fn an_expectation_never_holds_the_value(text in "[a-z]{12,40}") {
            let MetaSchemaRef::Inline(schema) = Date::schema_ref() else { unreachable!("a scalar") };
            let mut value = json!(text);
            prop_assert!(!violation(&schema, &mut value).unwrap().contains(&text));
        }
    }
}
