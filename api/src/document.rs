//! The API document: what poem-openapi knows of the operations, completed with what it does not.

use std::collections::{BTreeMap, BTreeSet};

use poem_openapi::{Tags, registry::Registry, types::Type};
use serde_json::{Map, Value, json};

use crate::{
    api_tokens,
    app::{Groups, Mounted, service},
    credentials, cycles, episodes, erasure, examples, export, import, predictions,
    problem::{PROBLEMS, ProblemDocument, ProblemKind},
    questions, scopes, sessions, symptoms, users,
};

/// The chapters of the document.
#[derive(Tags)]
pub(crate) enum Tag {
    /// The health of the whole, the public keys, the list of problems.
    Gateway,
    /// Accounts, sign-in, profile.
    Users,
    /// Cycles, symptoms and episodes: the facts.
    Cycles,
    /// Statistics, predictions and insights, derived from what was logged and the age.
    Analytics,
    /// Preferences and reminders.
    Notifications,
}

/// A problem that an operation answers besides those that follow from its shape.
pub(crate) struct Extra {
    /// The operation's id.
    pub(crate) operation: &'static str,
    /// The problem's code.
    pub(crate) code: &'static str,
}

/// The API document, the same in every topology. It needs no running system.
pub fn openapi_document() -> Value {
    let spec = service(&Groups::nowhere(), Mounted::default()).spec();
    let mut document = tidy(serde_json::from_str(&spec).unwrap_or_default());
    let mut components = Registry::new();
    ProblemDocument::register(&mut components);
    for (name, schema) in components.schemas {
        let schema = serde_json::to_value(schema).unwrap_or_default();
        set(&mut document, "/components/schemas", &name, schema);
    }
    complete_operations(&mut document);
    close_request_bodies(&mut document);
    scopes::add(&mut document);
    examples::add(&mut document);
    export::add_examples(&mut document);
    tidy(document)
}

/// The API document as the text that is committed as `api/openapi.json`.
pub fn openapi_json() -> String {
    let mut text = serde_json::to_string_pretty(&openapi_document()).unwrap_or_default();
    text.push('\n');
    text
}

/// The API document as YAML.
pub fn openapi_yaml() -> String {
    serde_yaml_ng::to_string(&openapi_document()).unwrap_or_default()
}

/// Adds to every operation its problems and headers.
fn complete_operations(document: &mut Value) {
    for operation in operations_mut(document) {
        allow_empty_parameters(operation);
        let problems = problems_of(operation);
        let Some(responses) = operation.get_mut("responses").and_then(Value::as_object_mut) else {
            continue;
        };
        for (status, response) in responses.iter_mut() {
            complete_answer(status, response);
        }
        for (status, kinds) in problems {
            // The health endpoints have their own 503.
            responses.entry(status.to_string()).or_insert_with(|| problem_response(status, &kinds));
        }
    }
}

/// The problems of an operation, by status: those that follow from its shape, and its own.
fn problems_of(operation: &Value) -> BTreeMap<u16, Vec<&'static ProblemKind>> {
    let parameters = operation.get("parameters").and_then(Value::as_array);
    let parameters = parameters.map(Vec::as_slice).unwrap_or_default();
    let has_parameter = |place: &str| parameters.iter().any(|parameter| parameter["in"] == place);
    let mut codes = vec!["uri-too-long", "internal", "overloaded", "unavailable", "interrupted"];
    if operation.get("security").is_some() {
        codes.extend(["unauthenticated", "insufficient-scope"]);
    }
    if has_parameter("path") {
        codes.push("not-found");
    }
    if has_parameter("header") {
        codes.extend(["invalid-input", "idempotency-key-reused"]);
    }
    if has_parameter("query") {
        codes.push("invalid-input");
    }
    if operation.get("requestBody").is_some() {
        codes.extend([
            "malformed-body",
            "body-timeout",
            "body-too-large",
            "unsupported-media-type",
            "invalid-input",
        ]);
    }
    let extras = [
        users::EXTRA,
        erasure::EXTRA,
        export::EXTRA,
        import::EXTRA,
        sessions::EXTRA,
        credentials::EXTRA,
        api_tokens::EXTRA,
        cycles::EXTRA,
        symptoms::EXTRA,
        episodes::EXTRA,
        predictions::EXTRA,
        questions::EXTRA,
    ];
    let id = operation["operationId"].as_str().unwrap_or_default();
    codes
        .extend(extras.into_iter().flatten().filter(|extra| extra.operation == id).map(|e| e.code));
    let mut by_status: BTreeMap<u16, Vec<_>> = BTreeMap::new();
    for kind in PROBLEMS.iter().filter(|kind| codes.contains(&kind.code)) {
        by_status.entry(kind.status).or_default().push(kind);
    }
    by_status
}

fn problem_response(status: u16, kinds: &[&ProblemKind]) -> Value {
    let titles: Vec<&str> = kinds.iter().map(|kind| kind.title).collect();
    let examples: Map<String, Value> = kinds
        .iter()
        .map(|kind| (kind.code.to_owned(), json!({ "value": problem_example(kind) })))
        .collect();
    let mut headers = json!({ "X-Request-Id": request_id_header() });
    if status == 401 {
        headers["WWW-Authenticate"] =
            header("`Bearer`; for `sign-in-again` with what is missing (RFC 9470)");
    }
    if status == 403 {
        headers["WWW-Authenticate"] = header("`Bearer`, with the scope that is missing");
    }
    if [429, 503].contains(&status) {
        headers["Retry-After"] = header("After how many seconds to try again");
    }
    json!({
        "description": titles.join("; "),
        "content": {
            "application/problem+json": {
                "schema": { "$ref": "#/components/schemas/Problem" },
                "examples": examples,
            },
        },
        "headers": headers,
    })
}

fn problem_example(kind: &ProblemKind) -> Value {
    let mut example = json!({
        "type": format!("/problems/{}", kind.code),
        "title": kind.title,
        "status": kind.status,
        "detail": kind.meaning,
        "instance": "/api/cycles/cycles",
        "request_id": "8c1f2f0f6d3e4b7a9f0d1c2b3a495867",
    });
    if kind.code == "invalid-input" {
        let detail = "must be a date of the calendar written YYYY-MM-DD, not before 1900-01-01";
        example["errors"] = json!([{ "pointer": "/start_date", "detail": detail }]);
    }
    if kind.meaning.contains("`conflicting_id`") {
        example["conflicting_id"] = json!(7);
    }
    example
}

/// A successful answer says what it is, carries the request's id, and is `application/json`
/// without poem-openapi's charset parameter, which that media type does not have (RFC 8259 §11).
fn complete_answer(status: &str, response: &mut Value) {
    if response["description"] == "" {
        response["description"] = json!(match status {
            "201" => "Created",
            "202" => "Accepted",
            _ => "OK",
        });
    }
    set(response, "/headers", "X-Request-Id", request_id_header());
}

fn request_id_header() -> Value {
    header("The request's id: the one that the client sent in `X-Request-Id`, if it was sane")
}

fn header(description: &str) -> Value {
    json!({ "description": description, "required": true, "schema": { "type": "string" } })
}

/// `?status=` counts as left out, where that may be left out.
fn allow_empty_parameters(operation: &mut Value) {
    let parameters = operation.get_mut("parameters").and_then(Value::as_array_mut);
    for parameter in parameters.into_iter().flatten() {
        if parameter["in"] == "query" && parameter["required"] == json!(false) {
            parameter["allowEmptyValue"] = json!(true);
        }
        if parameter["in"] == "header" {
            parameter["required"] = json!(false);
            parameter["description"] = json!(
                "A key of the client's own making. The same key with the same request gives the \
                 first answer again, and the effect once only; with another request it is refused."
            );
        }
    }
}

/// Unknown members of a request body are refused, however deep.
fn close_request_bodies(document: &mut Value) {
    let reference = "/requestBody/content/application~1json/schema/$ref";
    let bodies: Vec<String> = operations_mut(document)
        .filter_map(|operation| Some(operation.pointer(reference)?.as_str()?.to_owned()))
        .collect();
    let mut open = bodies;
    let mut closed = BTreeSet::new();
    while let Some(reference) = open.pop() {
        if !closed.insert(reference.clone()) {
            continue;
        }
        let pointer = reference.trim_start_matches('#');
        let Some(schema) = document.pointer(pointer) else { continue };
        open.extend(references_in(schema));
        if schema["type"] == "object" {
            set(document, pointer, "additionalProperties", json!(false));
        }
    }
}

/// Everything that a schema refers to.
fn references_in(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(members) => {
            let reference = members.get("$ref").and_then(Value::as_str).map(str::to_owned);
            reference.into_iter().chain(members.values().flat_map(references_in)).collect()
        }
        Value::Array(items) => items.iter().flat_map(references_in).collect(),
        _ => Vec::new(),
    }
}

fn operations_mut(document: &mut Value) -> impl Iterator<Item = &mut Value> {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let paths = paths.into_iter().flat_map(Map::values_mut);
    paths.filter_map(Value::as_object_mut).flat_map(Map::values_mut)
}

fn set(document: &mut Value, pointer: &str, name: &str, value: Value) {
    if let Some(object) = document.pointer_mut(pointer).and_then(Value::as_object_mut) {
        object.insert(name.to_owned(), value);
    } else if let Some(object) = document.as_object_mut() {
        let last = pointer.trim_start_matches('/');
        object.insert(last.to_owned(), json!({ name: value }));
    }
}

/// A described reference repeats its description inside `allOf`: the reference alone says enough.
fn references_of(all_of: Value) -> Value {
    let Value::Array(mut parts) = all_of else { return all_of };
    parts.retain(|part| part.get("$ref").is_some());
    Value::Array(parts)
}

/// The same document with sorted members (so that the committed file does not depend on how
/// `serde_json` was built), whole numbers without `.0`, plain JSON media types, and without what
/// says nothing.
fn tidy(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let tidied = members
                .into_iter()
                .filter(|(name, member)| !(name == "deprecated" && *member == json!(false)));
            let plain = |name: String| match name.as_str() {
                "application/json; charset=utf-8" => "application/json".to_owned(),
                _ => name,
            };
            let sorted: BTreeMap<String, Value> = tidied
                .map(|(name, member)| match name.as_str() {
                    "allOf" => (name, tidy(references_of(member))),
                    _ => (plain(name), tidy(member)),
                })
                .collect();
            Value::Object(sorted.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(tidy).collect()),
        Value::Number(number) => {
            let text = number.to_string();
            let whole = text.strip_suffix(".0").and_then(|whole| whole.parse::<i64>().ok());
            whole.map_or(Value::Number(number), Value::from)
        }
        other => other,
    }
}
