//! Holds every answer that a test gets against the committed API document: its status is
//! documented for the operation, and its body is as the schema says, with no member beside it.

use std::{fs, path::Path, sync::LazyLock};

use chrono::{DateTime, NaiveDate};
use reqwest::Method;
use serde_json::{Value, json};

use super::client::Answer;

/// The committed document.
pub(crate) static DOCUMENT: LazyLock<Value> = LazyLock::new(|| {
    let text = fs::read_to_string(committed()).unwrap();
    serde_json::from_str(&text).unwrap()
});

/// Where the committed document is.
pub(crate) fn committed() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("api/openapi.json")
}

/// Fails the test if the document promises something else than this answer.
pub(crate) fn hold(method: &Method, path: &str, answer: &Answer) {
    let Some((template, item)) = path_item(path) else { return };
    if *method == Method::OPTIONS {
        return;
    }
    let status = answer.status.as_u16();
    let as_name = if *method == Method::HEAD { "get" } else { &method.as_str().to_lowercase() };
    let Some(operation) = item.get(as_name) else {
        assert_eq!(status, 405, "{method} {template} is not documented");
        return;
    };
    let what = format!("{method} {template} {status}");
    let Some(response) = operation["responses"].get(status.to_string()) else {
        panic!("{what} is not documented: {}", answer.text);
    };
    assert!(answer.header("x-request-id").is_some(), "{what}: no X-Request-Id");
    for (name, header) in response["headers"].as_object().into_iter().flatten() {
        let given = answer.header(name).is_some();
        assert!(given || header["required"] != true, "{what}: no {name}");
    }
    if *method == Method::HEAD {
        assert_eq!(answer.text, "", "{what}: HEAD has no body");
        return;
    }
    let kind = answer.header("content-type").unwrap_or_default();
    let kind = kind.split(';').next().unwrap_or_default();
    let Some(content) = response["content"].as_object().and_then(|content| content.get(kind))
    else {
        panic!("{what}: {kind:?} is not documented");
    };
    let mut violations = Vec::new();
    // What is no JSON is a text.
    let text = json!(answer.text);
    let value = if kind.starts_with("text/") { &text } else { &answer.body };
    check(&content["schema"], value, "", &mut violations);
    assert!(violations.is_empty(), "{what}: {violations:?} in {}", answer.text);
}

/// The template that a path has, without its query, and the operations on it.
pub(crate) fn path_item(path: &str) -> Option<(&'static str, &'static Value)> {
    let path = path.split('?').next().unwrap_or_default();
    let matches = |template: &str| {
        template.split('/').count() == path.split('/').count()
            && template
                .split('/')
                .zip(path.split('/'))
                .all(|(part, text)| part == text || (part.starts_with('{') && !text.is_empty()))
    };
    let paths = DOCUMENT["paths"].as_object()?;
    let found = paths.iter().find(|(template, _)| matches(template));
    found.map(|(template, item)| (template.as_str(), item))
}

/// The schema behind a reference.
pub(crate) fn resolve(schema: &'static Value) -> &'static Value {
    match schema["$ref"].as_str() {
        Some(reference) => {
            let pointer = reference.strip_prefix('#').unwrap();
            DOCUMENT.pointer(pointer).unwrap_or_else(|| panic!("{reference} leads nowhere"))
        }
        None => schema,
    }
}

/// The part of JSON Schema that the document uses.
fn check(schema: &'static Value, value: &Value, at: &str, violations: &mut Vec<String>) {
    let schema = resolve(schema);
    for part in schema["allOf"].as_array().into_iter().flatten() {
        if !(value.is_null() && schema["nullable"] == true) {
            check(part, value, at, violations);
        }
    }
    if schema["type"].is_null() {
        return;
    }
    let holds = match value {
        Value::Null => schema["nullable"] == true,
        Value::Bool(_) => schema["type"] == "boolean",
        Value::String(text) => schema["type"] == "string" && is_text(schema, text),
        Value::Number(number) => {
            let kind =
                schema["type"] == "number" || (schema["type"] == "integer" && number.is_i64());
            let real = number.as_f64().unwrap_or(f64::NAN);
            kind && schema["minimum"].as_f64().is_none_or(|least| real >= least)
                && schema["maximum"].as_f64().is_none_or(|most| real <= most)
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                check(&schema["items"], item, &format!("{at}/{index}"), violations);
            }
            schema["type"] == "array"
        }
        Value::Object(_) => {
            check_members(schema, value, at, violations);
            schema["type"] == "object"
        }
    };
    if !holds {
        violations.push(format!("{at} is not as its schema says"));
    }
}

fn check_members(schema: &'static Value, value: &Value, at: &str, violations: &mut Vec<String>) {
    for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if value.get(name).is_none() {
            violations.push(format!("{at}/{name} is missing"));
        }
    }
    for (name, member) in value.as_object().into_iter().flatten() {
        let at = format!("{at}/{name}");
        match (schema["properties"].get(name), &schema["additionalProperties"]) {
            (Some(property), _) => check(property, member, &at, violations),
            (None, Value::Object(_)) => {
                check(&schema["additionalProperties"], member, &at, violations);
            }
            (None, _) => violations.push(format!("{at} is not documented")),
        }
    }
}

fn is_text(schema: &Value, text: &str) -> bool {
    let listed =
        schema["enum"].as_array().is_none_or(|items| items.iter().any(|item| item == text));
    let formed = match schema["format"].as_str() {
        Some("date") => text.len() == 10 && text.parse::<NaiveDate>().is_ok(),
        Some("date-time") => text.ends_with('Z') && DateTime::parse_from_rfc3339(text).is_ok(),
        _ => true,
    };
    let length = text.chars().count() as u64;
    listed
        && formed
        && schema["minLength"].as_u64().is_none_or(|shortest| length >= shortest)
        && schema["maxLength"].as_u64().is_none_or(|longest| length <= longest)
}
