//! Every operation of the API document with planted texts where they do not belong: in the path, in
//! each parameter, in headers, in each member, as an unknown member, of the wrong type, too long, and in
//! what is no JSON.

use futures::{StreamExt as _, stream};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{planted, planted_email};
use crate::harness::{
    Person,
    client::Answer,
    document::{DOCUMENT, resolve},
};

/// One request.
struct Case {
    path: String,
    headers: Vec<(&'static str, String)>,
    content_type: String,
    body: Option<String>,
}

/// Sends all of them, and says how many there were. Refusals are looked at as they come.
pub(super) async fn everywhere(person: &Person) -> usize {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let mut operations: Vec<(&String, &String, &'static Value)> = paths
        .iter()
        .flat_map(|(path, item)| {
            item.as_object().unwrap().iter().map(move |(method, it)| (path, method, it))
        })
        .collect();
    // What ends the session comes last.
    operations.sort_by_key(|(path, _, _)| path.contains("logout"));
    let mut sent = 0;
    for (template, method, operation) in operations {
        let method: Method = method.to_uppercase().parse().unwrap();
        let cases = cases(template, operation);
        sent += cases.len();
        let all = cases.into_iter().map(|case| send(person, &method, case));
        stream::iter(all).buffer_unordered(8).collect::<()>().await;
    }
    sent
}

async fn send(person: &Person, method: &Method, case: Case) {
    let shown: String = case.body.iter().flat_map(|body| body.chars()).take(2_000).collect();
    let what = format!("{method} {} {:?} {shown}", case.path, case.headers);
    let mut request = person.client.request(method.clone(), &case.path);
    if !case.headers.iter().any(|(name, _)| *name == "Authorization") {
        request = request.bearer_auth(&person.token);
    }
    for (name, value) in &case.headers {
        request = request.header(*name, value);
    }
    if let Some(body) = case.body {
        request = request.header("Content-Type", case.content_type).body(body);
    }
    let answer = Answer::of(request).await;
    assert_ne!(answer.status, StatusCode::INTERNAL_SERVER_ERROR, "{what}: {}", answer.text);
}

fn cases(template: &str, operation: &'static Value) -> Vec<Case> {
    let sound = path(template, None);
    let content = &operation["requestBody"]["content"]["application/json"];
    let body = content.get("example").map(Value::to_string);
    let at = |path: String| Case {
        path,
        headers: Vec::new(),
        content_type: "application/json".to_owned(),
        body: body.clone(),
    };
    let mut cases = vec![
        Case { headers: headers(), ..at(sound.clone()) },
        Case { headers: credentials("Bearer "), ..at(sound.clone()) },
        Case { headers: credentials("Basic "), ..at(sound.clone()) },
        at(format!("{sound}?{0}={0}", planted("wrong"))),
    ];
    if template.contains('{') {
        cases.push(at(path(template, Some(&planted("wrong")))));
    }
    for parameter in operation["parameters"].as_array().into_iter().flatten() {
        if parameter["in"] == "query" {
            let name = parameter["name"].as_str().unwrap();
            let kind = if name == "symptom_type" { "type" } else { "wrong" };
            cases.push(at(format!("{sound}?{name}={}", planted(kind))));
            cases.push(at(format!("{sound}?{name}={}", planted("wrong").repeat(100))));
        }
    }
    if body.is_some() {
        let example = content.get("example").unwrap();
        assert_eq!(missing(&content["schema"], example), None, "{template}: no whole example");
        let text = |text: String| Case { body: Some(text), ..at(sound.clone()) };
        cases.extend(bodies(example).iter().map(|body| text(body.to_string())));
        cases.push(text(format!("{{\"{}", planted("wrong"))));
        cases.push(text(format!("\"{}\"", planted("wrong"))));
        let content_type = format!("text/{}", planted("wrong"));
        cases.push(Case { content_type, ..at(sound.clone()) });
    }
    cases
}

/// The path with other names than those in brackets.
fn path(template: &str, text: Option<&str>) -> String {
    let part = |part: &str| match part {
        "{receipt}" => "00000000-0000-4000-8000-000000000001".to_owned(),
        "{code}" => "internal".to_owned(),
        "{id}" if template.contains("/users/") => "00000000-0000-4000-8000-000000000001".to_owned(),
        "{id}" => "987654321".to_owned(),
        other => other.to_owned(),
    };
    let parts = template.split('/').map(|it| match text {
        Some(text) if it.starts_with('{') => text.to_owned(),
        _ => part(it),
    });
    parts.collect::<Vec<_>>().join("/")
}

/// Headers that are read, passed on or ignored.
fn headers() -> Vec<(&'static str, String)> {
    let mut headers = vec![("User-Agent", planted("device")), ("Idempotency-Key", planted("key"))];
    for name in [
        "Accept",
        "Accept-Language",
        "Cookie",
        "Origin",
        "Referer",
        "From",
        "X-Forwarded-For",
        "Forwarded",
        "If-Match",
        "Tracestate",
        "Traceparent",
        "Baggage",
        "Lunation-Request-Id",
        "X-Planted",
    ] {
        headers.push((name, planted("wrong")));
    }
    // Nothing else than letters, digits and `-_.` would be taken over.
    headers.push(("X-Request-Id", format!("{}!", planted("wrong"))));
    headers
}

fn credentials(scheme: &str) -> Vec<(&'static str, String)> {
    vec![("Authorization", format!("{scheme}{}", planted("wrong")))]
}

/// A member of a schema that an example leaves out.
fn missing(schema: &'static Value, example: &Value) -> Option<String> {
    let properties = resolve(schema)["properties"].as_object()?;
    properties.keys().find(|name| example.get(name.as_str()).is_none()).cloned()
}

/// The example with something else in each place.
fn bodies(example: &Value) -> Vec<Value> {
    let mut bodies = Vec::new();
    let mut with = |pointer: &str, value: Value| {
        let mut body = example.clone();
        *body.pointer_mut(pointer).unwrap() = value;
        bodies.push(body);
    };
    for (pointer, value) in leaves(example, String::new()) {
        let member = pointer.rsplit('/').find(|part| part.parse::<u32>().is_err()).unwrap();
        let text = match member {
            "email" => planted_email(),
            member => planted(kind(member)),
        };
        with(&pointer, json!(text));
        if value.is_string() {
            with(&pointer, json!(planted("wrong").repeat(500)));
        }
        with(&pointer, json!([planted("wrong")]));
        with(&pointer, json!({planted("wrong"): planted("wrong")}));
    }
    let mut unknown = example.clone();
    unknown[planted("wrong")] = json!(planted("wrong"));
    bodies.push(unknown);
    bodies
}

/// What a text would be in this member, if it is taken.
fn kind(member: &str) -> &'static str {
    match member {
        "username" => "username",
        "first_name" | "last_name" => "name",
        "name" => "label",
        "symptom_type" => "type",
        "value" => "value",
        "notes" => "notes",
        "password" | "current_password" | "new_password" => "password",
        _ => "wrong",
    }
}

/// Everything that is neither object nor list, by its pointer.
fn leaves(value: &Value, at: String) -> Vec<(String, &Value)> {
    match value {
        Value::Object(members) => {
            members.iter().flat_map(|(name, it)| leaves(it, format!("{at}/{name}"))).collect()
        }
        Value::Array(items) => {
            (0..).zip(items).flat_map(|(nth, it)| leaves(it, format!("{at}/{nth}"))).collect()
        }
        leaf => vec![(at, leaf)],
    }
}
