//! The API document: one and the same wherever it is read, and true. (The client of these tests
//! holds every answer that any of them gets against it; see `harness::document`.)

use std::{collections::BTreeSet, fs, panic, process::Command};

use reqwest::{
    Method, StatusCode,
    header::{HeaderMap, HeaderValue},
};
use serde_json::{Value, json};

use crate::harness::{
    App, Shape,
    client::Answer,
    document::{DOCUMENT, committed, hold, resolve},
    process::path,
};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn is_the_same_everywhere() {
    let app = App::start(Shape::Memory).await;
    let client = app.client();
    let in_the_repository = fs::read_to_string(committed()).unwrap();
    let json = client.get("/openapi.json").await;
    assert_eq!(json.header("content-type"), Some("application/json"));
    assert!(
        json.text == in_the_repository,
        "api/openapi.json is old: lunation openapi > api/openapi.json"
    );
    assert!(printed(&[]) == in_the_repository);
    let yaml = client.get("/openapi.yaml").await;
    assert_eq!(yaml.header("content-type"), Some("application/yaml"));
    assert!(printed(&["--format", "yaml"]) == yaml.text);
    let parsed: Value = serde_yaml_ng::from_str(&yaml.text).unwrap();
    assert!(parsed == *DOCUMENT, "YAML and JSON differ");
    page_stands_alone(&app).await;
    app.finish().await;
}

fn printed(arguments: &[&str]) -> String {
    let output = Command::new(path()).arg("openapi").args(arguments).output().unwrap();
    assert!(output.status.success() && output.stderr.is_empty());
    String::from_utf8(output.stdout).unwrap()
}

/// One file with its script, its style and the document in it; its policy allows nothing else.
async fn page_stands_alone(app: &App) {
    let page = app.client().get("/swagger").await;
    let policy = page.header("content-security-policy").unwrap().to_owned();
    assert!(policy.starts_with("default-src 'none';") && policy.contains("connect-src 'self'"));
    assert!(!policy.contains("http") && !policy.contains('*'), "{policy}");
    assert_eq!(page.header("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.text.len() > 1_000_000, "the assets are inlined");
    assert!(page.text.contains("Log a cycle"), "the document is inlined");
    let markup = without(&without(&page.text, "script"), "style");
    for outside in ["src=", "@import", "url(", "<link rel=\"stylesheet\"", "<iframe", "<base"] {
        let found = markup.match_indices(outside).find(|(at, found)| {
            let rest = markup[at + found.len()..].trim_start_matches(['"', '\'']);
            !rest.starts_with("data:")
        });
        assert!(found.is_none(), "{outside} in {}", &markup[..markup.len().min(2_000)]);
    }
}

/// A page without the contents of these elements; none of them may name a source.
fn without(page: &str, element: &str) -> String {
    let (open, close) = (format!("<{element}"), format!("</{element}>"));
    let mut rest = page;
    let mut left = String::new();
    while let Some((before, after)) = rest.split_once(&open) {
        left.push_str(before);
        let (attributes, content) = after.split_once('>').unwrap();
        assert!(!attributes.contains("src"), "<{element}{attributes}>");
        rest = content.split_once(&close).map_or("", |(_, after)| after);
    }
    left.push_str(rest);
    left
}

#[test]
fn is_whole() {
    let mut ids = BTreeSet::new();
    for (template, item) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let what = format!("{method} {template}");
            let id = operation["operationId"].as_str().unwrap_or_else(|| panic!("{what}: no id"));
            assert!(ids.insert(id), "{id} twice");
            for member in ["summary", "tags"] {
                assert!(!operation[member].is_null(), "{what}: no {member}");
            }
            let responses = operation["responses"].as_object().unwrap();
            for (status, response) in responses {
                let content =
                    response["content"].as_object().unwrap_or_else(|| panic!("{what} {status}"));
                let schemas = content.values().map(|media| &media["schema"]);
                assert!(
                    schemas.clone().count() > 0
                        && schemas.into_iter().all(|schema| resolve(schema).is_object())
                );
                let problem = content.contains_key("application/problem+json");
                let health = status == "503" && template.ends_with("/health");
                assert!(
                    problem || health || status.starts_with('2'),
                    "{what} {status} is no problem"
                );
            }
            let has_body = !operation["requestBody"].is_null();
            for status in ["400", "413", "415", "422"] {
                assert!(!has_body || responses.contains_key(status), "{what} lacks {status}");
            }
            let secured = operation["security"].as_array().is_some_and(|list| !list.is_empty());
            // These take their secret in the body.
            let proves = ["login", "refreshSession"].contains(&id);
            assert_eq!(responses.contains_key("401"), secured || proves, "{what}");
            assert_eq!(
                responses.contains_key("404"),
                template.contains('{') || id == "createSymptom",
                "{what}"
            );
        }
    }
    assert!(ids.len() >= 28, "{ids:?}");
}

/// The check that every answer of these tests goes through lets the document's own examples
/// through, and nothing that is otherwise.
#[test]
fn is_held_against_every_answer() {
    let path = "/api/users/profile";
    let example = || {
        DOCUMENT["paths"][path]["get"]["responses"]["200"]["content"]["application/json"]["example"]
            .clone()
    };
    let holds = |status: u16, kind: &'static str, body: Value| {
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static(kind));
        headers.insert("x-request-id", HeaderValue::from_static("x"));
        let status = StatusCode::from_u16(status).unwrap();
        let answer = Answer { status, headers, text: body.to_string(), body };
        panic::catch_unwind(|| hold(&Method::GET, path, &answer)).is_ok()
    };
    let changed = |member: &str, value: Value| {
        let mut body = example();
        body[member] = value;
        holds(200, "application/json", body)
    };
    assert!(holds(200, "application/json; charset=utf-8", example()));
    assert!(changed("first_name", Value::Null));
    assert!(!holds(201, "application/json", example()), "another status");
    assert!(!holds(200, "text/plain", example()), "another type");
    assert!(!holds(200, "application/json", json!({})), "members missing");
    for (member, value) in [
        ("more", json!(1)),
        ("id", json!("1")),
        ("id", json!(0)),
        ("id", json!(1.5)),
        ("email", Value::Null),
        ("is_active", json!("true")),
        ("created_at", json!("2024-01-01")),
        ("created_at", json!("2024-01-01T00:00:00+01:00")),
        ("date_of_birth", json!("2024-02-30")),
    ] {
        assert!(!changed(member, value.clone()), "{member} {value}");
    }
}

/// Every limit of the contract is in it, so that a generated client refuses what the server would.
#[test]
fn shows_every_limit() {
    for (schema, member, keyword, value) in [
        ("Register", "email", "maxLength", 254),
        ("Register", "username", "minLength", 3),
        ("Register", "username", "maxLength", 80),
        ("Register", "password", "minLength", 7),
        ("Register", "password", "maxLength", 256),
        ("Register", "first_name", "maxLength", 100),
        ("UpdateProfile", "last_name", "maxLength", 100),
        ("NewSymptom", "symptom_type", "maxLength", 50),
        ("NewSymptom", "value", "maxLength", 100),
        ("NewSymptom", "notes", "maxLength", 4_000),
        ("NewSymptom", "severity", "minimum", 1),
        ("NewSymptom", "severity", "maximum", 10),
        ("NewSymptom", "cycle_id", "minimum", 1),
        ("SymptomChanges", "severity", "maximum", 10),
        ("SymptomChanges", "notes", "maxLength", 4_000),
        ("PreferencesChanges", "reminder_days_before", "minimum", 1),
        ("PreferencesChanges", "reminder_days_before", "maximum", 7),
    ] {
        let property = &DOCUMENT["components"]["schemas"][schema]["properties"][member];
        assert_eq!(
            property[keyword].as_f64(),
            Some(f64::from(value)),
            "{schema}.{member} {keyword}"
        );
    }
    for (schema, member) in
        [("NewCycle", "start_date"), ("NewCycle", "end_date"), ("NewSymptom", "date")]
    {
        let property = &DOCUMENT["components"]["schemas"][schema]["properties"][member];
        assert!(
            property["format"] == "date" && property["pattern"].is_string(),
            "{schema}.{member}"
        );
    }
    for (template, item) in DOCUMENT["paths"].as_object().unwrap() {
        for parameter in item["get"]["parameters"].as_array().into_iter().flatten() {
            let limit = parameter["name"] == "limit";
            let schema = &parameter["schema"];
            let as_said = schema["minimum"] == 1.0 && schema["maximum"] == 100.0;
            assert!(
                !limit || as_said || (schema["minimum"] == 1 && schema["maximum"] == 100),
                "{template}"
            );
            let has_default = !schema["default"].is_null();
            assert!(!limit || has_default, "{template}: no default");
        }
    }
}
