//! The API document: committed, complete, and served without outside assets.

use std::{collections::BTreeSet, fs, path::Path};

use api::{PROBLEMS, openapi_document, openapi_json, openapi_yaml};
use contracts::limits;
use serde_json::{Map, Value, json};

use crate::support::Api;

fn operations(document: &Value) -> impl Iterator<Item = (&str, &str, &Value)> {
    let paths = document["paths"].as_object().expect("paths");
    paths.iter().flat_map(|(path, methods)| {
        let methods = methods.as_object().expect("methods");
        methods.iter().map(move |(method, it)| (path.as_str(), method.as_str(), it))
    })
}

#[test]
fn the_committed_document_is_current() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("openapi.json");
    #[expect(clippy::disallowed_methods, reason = "the one switch of this test")]
    if std::env::var("UPDATE_OPENAPI").is_ok() {
        fs::write(&path, openapi_json()).expect("a writable checkout");
    }
    let committed = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        committed == openapi_json(),
        "api/openapi.json is out of date: run `UPDATE_OPENAPI=1 cargo test -p lunation-api \
         the_committed_document_is_current`, or `lunation openapi > api/openapi.json`"
    );
}

#[test]
fn the_readme_lists_every_problem_and_no_other() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(path).expect("a README");
    let row = |line: &&str| {
        let status = line.trim_start_matches("| ").split(' ').next().unwrap_or_default();
        line.starts_with("| ") && status.parse::<u16>().is_ok() && line.contains(" | `")
    };
    let given: Vec<&str> = readme.lines().filter(row).collect();
    let expected: Vec<String> = PROBLEMS
        .iter()
        .map(|kind| format!("| {} | `{}` | {} |", kind.status, kind.code, kind.meaning))
        .collect();
    assert_eq!(given, expected);
}

#[test]
fn both_forms_say_the_same() {
    let from_yaml: Value = serde_yaml_ng::from_str(&openapi_yaml()).expect("YAML");
    assert_eq!(from_yaml, openapi_document());
}

#[test]
fn every_row_of_the_contract_is_there() {
    let document = openapi_document();
    let given: BTreeSet<String> =
        operations(&document).map(|(path, method, _)| format!("{method} {path}")).collect();
    let expected: BTreeSet<String> = [
        "get /health",
        "get /.well-known/jwks.json",
        "get /problems/{code}",
        "get /api/users/health",
        "post /api/users/register",
        "post /api/users/login",
        "post /api/users/refresh",
        "post /api/users/logout",
        "post /api/users/logout-all",
        "get /api/users/sessions",
        "delete /api/users/sessions/{id}",
        "get /api/users/audit",
        "post /api/users/tokens",
        "get /api/users/tokens",
        "delete /api/users/tokens/{id}",
        "put /api/users/password",
        "post /api/users/password/reset",
        "post /api/users/password/reset/confirm",
        "get /api/users/second-factor",
        "post /api/users/second-factor",
        "post /api/users/second-factor/confirm",
        "post /api/users/second-factor/recovery-codes",
        "post /api/users/second-factor/remove",
        "delete /api/users/account",
        "get /api/erasures/{receipt}",
        "get /api/users/export",
        "get /api/users/export/cycles.csv",
        "get /api/users/export/symptoms.csv",
        "post /api/users/import",
        "get /api/users/profile",
        "put /api/users/profile",
        "get /api/cycles/health",
        "post /api/cycles/cycles",
        "get /api/cycles/cycles",
        "get /api/cycles/cycles/{id}",
        "put /api/cycles/cycles/{id}",
        "delete /api/cycles/cycles/{id}",
        "post /api/cycles/symptoms",
        "get /api/cycles/symptoms",
        "put /api/cycles/symptoms/{id}",
        "delete /api/cycles/symptoms/{id}",
        "post /api/cycles/episodes",
        "get /api/cycles/episodes",
        "get /api/cycles/episodes/{id}",
        "put /api/cycles/episodes/{id}",
        "delete /api/cycles/episodes/{id}",
        "get /api/cycles/retention",
        "put /api/cycles/retention",
        "get /api/analytics/health",
        "get /api/analytics/predictions",
        "post /api/analytics/predictions/generate",
        "get /api/analytics/insights",
        "get /api/analytics/analytics",
        "get /api/analytics/calendar",
        "get /api/analytics/questions",
        "post /api/analytics/questions/{id}/answer",
        "get /api/notifications/health",
        "get /api/notifications/preferences",
        "put /api/notifications/preferences",
        "get /api/notifications/notifications",
        "get /api/notifications/notifications/{id}",
    ]
    .map(str::to_owned)
    .into();
    assert_eq!(given, expected);
}

/// Writes that take no `Idempotency-Key`: their answers hold secrets, of which no copy is kept; or to
/// have ended something twice is to have ended it.
const WITHOUT_KEY: &[&str] = &[
    "/api/users/login",
    "/api/users/refresh",
    "/api/users/logout",
    "/api/users/logout-all",
    "/api/users/sessions/{id}",
    "/api/users/tokens",
    "/api/users/tokens/{id}",
    "/api/users/password",
    "/api/users/password/reset",
    "/api/users/password/reset/confirm",
    "/api/users/second-factor",
    "/api/users/second-factor/confirm",
    "/api/users/second-factor/recovery-codes",
    "/api/users/second-factor/remove",
    "/api/users/account",
    "/api/users/import",
];

#[test]
fn every_operation_documents_what_it_answers() {
    let document = openapi_document();
    let mut ids = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let place = format!("{method} {path}");
        assert!(ids.insert(operation["operationId"].as_str().expect("an id").to_owned()));
        assert!(operation["summary"].is_string(), "{place}");
        assert_eq!(operation["tags"].as_array().map(Vec::len), Some(1), "{place}");
        let responses = operation["responses"].as_object().expect("responses");
        let has = |status: &str| responses.contains_key(status);
        assert!(has("500") && has("503") && has("504"), "{place}");
        assert!(has("200") || has("201") || has("202"), "{place}");
        let body = operation.get("requestBody").is_some();
        assert_eq!(body, has("400"), "{place}");
        assert_eq!(body, has("413"), "{place}");
        assert_eq!(body, has("415"), "{place}");
        let secured = operation.get("security").is_some();
        assert!(!secured || (has("401") && has("403")), "{place}");
        assert!(!path.contains('{') || has("404"), "{place}");
        for (status, response) in responses {
            assert_ne!(response["description"], "", "{place} {status}");
            assert!(response["headers"]["X-Request-Id"].is_object(), "{place} {status}");
            let content = response["content"].as_object().expect("content");
            for media in content.values() {
                assert!(media["schema"].is_object(), "{place} {status}");
                let exemplified = media.get("example").or_else(|| media.get("examples"));
                assert!(exemplified.is_some(), "{place} {status}");
            }
            if status.starts_with('4') {
                assert!(content.contains_key("application/problem+json"), "{place} {status}");
            }
        }
        let is_write = matches!(method, "post" | "put" | "delete") && !WITHOUT_KEY.contains(&path);
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let takes_key = parameters.iter().any(|parameter| parameter["name"] == "Idempotency-Key");
        assert_eq!(is_write, takes_key, "{place}");
        if is_write && (path.starts_with("/api/cycles") || path.ends_with("/answer")) {
            let creates = method == "post" && !path.ends_with("/answer");
            let status = if creates { "201" } else { "200" };
            assert!(responses[status]["headers"]["ETag"].is_object(), "{place}");
        }
    }
}

#[test]
fn conflicts_are_documented() {
    let document = openapi_document();
    for (path, method) in [
        ("/api/users/register", "post"),
        ("/api/cycles/cycles", "post"),
        ("/api/cycles/cycles/{id}", "put"),
    ] {
        assert!(document["paths"][path][method]["responses"]["409"].is_object(), "{path}");
    }
    let login = &document["paths"]["/api/users/login"]["post"]["responses"];
    assert!(login["401"]["content"].to_string().contains("invalid-credentials"));
    let generate = &document["paths"]["/api/analytics/predictions/generate"]["post"];
    let refused = generate["responses"]["422"].to_string();
    assert!(refused.contains("insufficient-data") && refused.contains("no-prediction"));
    let answer = &document["paths"]["/api/analytics/questions/{id}/answer"]["post"]["responses"];
    let conflicts = answer["409"].to_string();
    assert!(conflicts.contains("overlapping-cycle") && conflicts.contains("gap-changed"));
}

#[test]
fn every_limit_is_in_the_document() {
    let document = openapi_document();
    let schema = |name: &str| &document["components"]["schemas"][name];
    let property = |name: &str, member: &str| schema(name)["properties"][member].clone();
    let longest = |limit: usize| json!(limit);
    let register = |member: &str| property("Register", member);
    assert_eq!(register("email")["maxLength"], longest(limits::EMAIL_LENGTH_MAX));
    assert_eq!(register("username")["minLength"], longest(limits::USERNAME_LENGTH_MIN));
    assert_eq!(register("username")["maxLength"], longest(limits::USERNAME_LENGTH_MAX));
    assert_eq!(register("first_name")["maxLength"], longest(limits::NAME_LENGTH_MAX));
    assert_eq!(register("password")["minLength"], longest(limits::PASSWORD_LENGTH_MIN_DEVELOPMENT));
    assert_eq!(register("password")["maxLength"], longest(limits::PASSWORD_LENGTH_MAX));
    let symptom = |member: &str| property("NewSymptom", member);
    let type_max = longest(limits::SYMPTOM_TYPE_LENGTH_MAX);
    assert_eq!(symptom("symptom_type")["maxLength"], type_max);
    assert_eq!(symptom("value")["maxLength"], longest(limits::SYMPTOM_VALUE_LENGTH_MAX));
    assert_eq!(symptom("notes")["maxLength"], longest(limits::NOTES_LENGTH_MAX));
    assert_eq!(
        (&symptom("severity")["minimum"], &symptom("severity")["maximum"]),
        (&json!(1), &json!(10))
    );
    assert_eq!(symptom("date")["format"], "date");
    assert!(symptom("date")["pattern"].as_str().expect("a pattern").starts_with("^(19|"));
    let days = property("PreferencesChanges", "reminder_days_before");
    assert_eq!((&days["minimum"], &days["maximum"]), (&json!(1), &json!(7)));
    let list = &document["paths"]["/api/cycles/cycles"]["get"]["parameters"];
    let limit = list.as_array().expect("parameters").iter().find(|it| it["name"] == "limit");
    let limit = &limit.expect("a limit")["schema"];
    assert_eq!(
        (&limit["minimum"], &limit["maximum"], &limit["default"]),
        (&json!(1), &json!(limits::PAGE_LIMIT_MAX), &json!(10))
    );
    assert!(!document.to_string().contains("naive-date"));
}

#[test]
fn request_bodies_are_closed_and_their_members_described() {
    let document = openapi_document();
    let mut bodies = 0;
    for (path, method, operation) in operations(&document) {
        let media = &operation["requestBody"]["content"]["application/json"];
        let Some(reference) = media["schema"]["$ref"].as_str() else { continue };
        let schema = document.pointer(reference.trim_start_matches('#')).expect("a schema");
        assert_eq!(schema["additionalProperties"], false, "{method} {path}");
        bodies += 1;
    }
    assert_eq!(bodies, 23);
    let schemas = document["components"]["schemas"].as_object().expect("schemas");
    for (name, schema) in schemas {
        let members = schema["properties"].as_object().into_iter().flat_map(Map::iter);
        for (member, property) in members {
            let described = property["description"].is_string() || property["$ref"].is_string();
            assert!(described, "{name}.{member}");
        }
    }
}

#[test]
fn what_must_be_said_is_said() {
    let document = openapi_document();
    let prediction = &document["components"]["schemas"]["Prediction"]["properties"];
    let meaning = prediction["confidence_score"]["description"].as_str().expect("a meaning");
    assert!(meaning.contains("within 2 days"), "{meaning}");
    assert!(document.to_string().matches("no contraception").count() >= 2);
    for schema in ["Prediction", "Calendar"] {
        let notice = &document["components"]["schemas"][schema]["properties"]["fertility_notice"];
        let sentence = notice["enum"][0].as_str().expect("the sentence itself");
        assert!(sentence.contains("no contraception"), "{schema}: {sentence}");
    }
    let scheme = &document["components"]["securitySchemes"]["bearer"];
    assert_eq!((&scheme["type"], &scheme["scheme"]), (&json!("http"), &json!("bearer")));
}

#[test]
fn what_may_be_null_says_so_and_has_an_example() {
    let document = openapi_document();
    for (schema, member) in [
        ("PredictionList", "no_prediction"),
        ("CalendarDay", "logged"),
        ("CalendarDay", "fertile"),
        ("LoggedDay", "bleeding"),
        ("Insights", "forecast_record"),
        ("Question", "gap_end"),
        ("QuestionAnswered", "cycle_id"),
    ] {
        let property = &document["components"]["schemas"][schema]["properties"][member];
        assert_eq!(property["nullable"], true, "{schema}.{member}");
        let required = document["components"]["schemas"][schema]["required"].to_string();
        assert!(required.contains(member), "{schema}.{member} is always there");
    }
    let example = |path: &str, method: &str| {
        let answer = &document["paths"][path][method]["responses"]["200"];
        answer["content"]["application/json"]["example"].clone()
    };
    let calendar = example("/api/analytics/calendar", "get");
    assert_eq!(calendar["days"][0]["logged"]["cycle_day"], 28);
    assert_eq!(calendar["days"][0]["phase"], "menstruation");
    let why = example("/api/analytics/predictions", "get")["no_prediction"].clone();
    assert_eq!(why["reason"], "nothing_logged");
    let answered = example("/api/analytics/questions/{id}/answer", "post");
    assert_eq!(answered["message"], "Answer recorded successfully");
    let record = example("/api/analytics/insights", "get")["forecast_record"].clone();
    assert!(record["mean_absolute_error_days"].is_number());
}

#[test]
fn problems_are_a_closed_list_of_distinct_codes() {
    let codes: BTreeSet<&str> = PROBLEMS.iter().map(|kind| kind.code).collect();
    assert_eq!(codes.len(), PROBLEMS.len());
    let kebab = |code: &str| code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-');
    assert!(codes.into_iter().all(kebab));
}

#[tokio::test]
async fn the_swagger_page_is_whole_and_offline() {
    let api = Api::new();
    let response = api.client.get("/swagger").send().await;
    response.assert_content_type("text/html; charset=utf-8");
    let page = response.0.into_body().into_string().await.expect("UTF-8");
    assert!(page.len() > 1_000_000, "script and style are inlined");
    assert!(page.contains("\"/problems/unauthenticated\""), "the completed document is in it");
    for outside in ["src=\"http", "href=\"http", "<link", "@import"] {
        let head = page.split("</head>").next().expect("a head");
        let body = page.rsplit("<body>").next().expect("a body");
        assert!(!body.contains(outside), "{outside}");
        assert!(!head.starts_with(outside));
    }
}
