//! Strict JSON: no member twice, no nesting without end.

use std::{borrow::Cow, cell::Cell, fmt};

use serde::de::{DeserializeSeed, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// The deepest nesting that is read.
const DEPTH_MAX: usize = 32;
/// What one document may weigh: a value 1, an object or list 6 more, whose memory is many times their
/// text. The largest import that somebody has a use for comes near it; the worst that is let through takes
/// some 100 MB.
const WEIGHT_MAX: usize = 1_000_000;
const WEIGHT_OF_CONTAINER: usize = 6;
/// How our own objections begin, so that they are told from a syntax error.
const TWICE: &str = "a member occurs twice";
const DEEP: &str = "nested too deeply";
const HEAVY: &str = "too many values";

/// Reads one JSON text.
///
/// # Errors
///
/// What is wrong with it, in words that hold nothing of it but a position.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, Cow<'static, str>> {
    if bytes.is_empty() {
        return Err(Cow::Borrowed("The body is empty; a JSON object is expected."));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let parsed = Strict { depth: 0, left: &Cell::new(WEIGHT_MAX) }
        .deserialize(&mut deserializer)
        .and_then(|value| deserializer.end().map(|()| value));
    parsed.map_err(|error| {
        let reason = match error.to_string() {
            text if text.starts_with(TWICE) => "has a member twice",
            text if text.starts_with(DEEP) => "is nested more than 32 levels deep",
            text if text.starts_with(HEAVY) => "has too many values",
            _ => "is not well-formed JSON",
        };
        Cow::Owned(format!("The body {reason} (line {}, column {}).", error.line(), error.column()))
    })
}

/// Reads one value at a known depth.
#[derive(Clone, Copy)]
struct Strict<'a> {
    depth: usize,
    /// What the rest of the document may weigh.
    left: &'a Cell<usize>,
}

impl Strict<'_> {
    fn deeper<E: serde::de::Error>(self) -> Result<Self, E> {
        let depth = self.depth + 1;
        self.weigh(WEIGHT_OF_CONTAINER)?;
        if depth > DEPTH_MAX { Err(E::custom(DEEP)) } else { Ok(Self { depth, ..self }) }
    }

    fn weigh<E: serde::de::Error>(self, weight: usize) -> Result<(), E> {
        let left = self.left.get().checked_sub(weight).ok_or_else(|| E::custom(HEAVY))?;
        self.left.set(left);
        Ok(())
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        self.weigh(1)?;
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E: serde::de::Error>(self, value: f64) -> Result<Value, E> {
        Number::from_f64(value).map(Value::Number).ok_or_else(|| E::custom("not a finite number"))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(Value::String(value))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut array = Vec::new();
        while let Some(item) = items.next_element_seed(deeper)? {
            array.push(item);
        }
        Ok(Value::Array(array))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let deeper = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let value = members.next_value_seed(deeper)?;
            if object.insert(name, value).is_some() {
                return Err(A::Error::custom(TWICE));
            }
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn refuses_what_strict_json_is_not() {
        let deep = format!("{}{}", "[".repeat(33), "]".repeat(33));
        let very_deep = "[".repeat(60_000);
        for text in [
            "",
            " ",
            "{",
            "{\"a\":1,}",
            "{\"a\":1}x",
            "nul",
            "'a'",
            "{a:1}",
            "NaN",
            "1e400",
            "-1e400",
            "\"\\ud800\"",
            "\"\\udc00\\ud800\"",
            "\"\u{0}\"",
            "\u{feff}{}",
            "{\"a\":1,\"a\":1}",
            "{\"a\":{\"b\":1,\"\\u0062\":2}}",
            &deep,
            &very_deep,
            "01",
            "+1",
        ] {
            let refusal = parse(text.as_bytes()).expect_err(text);
            assert!(refusal.starts_with("The body "), "{refusal}");
        }
        assert!(parse(b"\"\xff\"").is_err(), "invalid UTF-8");
    }

    #[test]
    fn names_the_reason_and_never_the_value() {
        assert!(parse(b"{\"secret\":1,\"secret\":2}").unwrap_err().contains("twice"));
        assert!(!parse(b"{\"secret\":1,\"secret\":2}").unwrap_err().contains("secret"));
        assert!(parse("[".repeat(40).as_bytes()).unwrap_err().contains("32 levels"));
        let allowed = format!("{}{}", "[".repeat(32), "]".repeat(32));
        assert!(parse(allowed.as_bytes()).is_ok());
    }

    #[test]
    fn what_would_fill_the_memory_is_refused() {
        let list = |item: &str, times: usize| format!("[{}0]", format!("{item},").repeat(times));
        let weight_of_rest = WEIGHT_OF_CONTAINER + 2;
        for (item, weight) in [("0", 1), ("[]", 7), ("{}", 7), ("{\"a\":[0]}", 15)] {
            let most = (WEIGHT_MAX - weight_of_rest) / weight;
            assert!(parse(list(item, most).as_bytes()).is_ok(), "{item}");
            let refusal = parse(list(item, most + 1).as_bytes()).unwrap_err();
            assert!(refusal.starts_with("The body has too many values"), "{refusal}");
        }
    }

    fn json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(".*", inner, 0..6)
                    .prop_map(|members| Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn reads_what_serde_json_writes(value in json()) {
            prop_assert_eq!(parse(value.to_string().as_bytes()).unwrap(), value);
        }

        #[test]
        fn never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _either = parse(&bytes);
        }
    }
}
