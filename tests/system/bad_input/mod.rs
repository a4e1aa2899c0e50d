//! Bad input of every kind in the contract: a problem document, never a 5xx, nothing stored, and
//! nothing of the value or of the inside in the answer.

mod bodies;
mod every_field;
mod parameters;
mod raw;
mod values;

use futures::{StreamExt as _, stream};
use reqwest::{Method, StatusCode, header::CONTENT_TYPE};
use serde_json::{Value, json};

use crate::harness::{
    App, Person, Shape,
    client::{Answer, PASSWORD},
    in_every_shape,
};

/// Stands in every text that a case sends; no answer may hold it.
const MARK: &str = "zq7mark";

/// Words that would say something about the inside.
const INSIDE: &[&str] = &[
    "sqlx",
    "SQLSTATE",
    "postgres",
    "Postgres",
    "constraint",
    "relation",
    "serde",
    "poem",
    "ractor",
    "panicked",
    "RUST",
    "i16",
    "i32",
    "i64",
    "u64",
    "f64",
    "NaiveDate",
    "DateTime",
    "String",
    "Option",
    "struct",
    "::",
    "src/",
    ".rs",
    "/work",
    "expected value",
    "invalid type",
    "unexpected end",
    "chrono",
    "utf-8 sequence",
    "byte index",
    "out of range for type",
];

/// One request that cannot be carried out.
struct Case {
    method: Method,
    path: String,
    /// The body as it is sent; none is none.
    body: Option<Vec<u8>>,
    headers: Vec<(&'static str, Vec<u8>)>,
    /// Only this status will do.
    status: u16,
    /// The member or parameter that has to be blamed, perhaps among others.
    blames: Option<String>,
    /// What else no answer may hold.
    secret: Option<String>,
}

/// What stands before and must stand after.
struct Standing {
    person: Person,
    cycle: i64,
    symptom: i64,
}

in_every_shape! {
    async fn is_refused_and_leaves_nothing(app: &App) {
        let standing = Standing::new(app).await;
        let before = standing.everything().await;
        let mut cases = bodies::cases(&standing);
        cases.extend(parameters::cases(&standing));
        assert!(cases.len() >= 300, "{} cases", cases.len());
        let sent = cases.iter().map(|case| refused(&standing, case));
        stream::iter(sent).buffer_unordered(8).collect::<()>().await;
        raw::all(app, &standing).await;
        assert_eq!(standing.everything().await, before);
        let next = standing.person.log_cycle("2024-06-01", None).await.1;
        assert_eq!(next, 3, "a refused write takes no version");
        nobody_was_registered(app).await;
    }
}

/// What is checked is the same code in every shape: one will do for thousands of cases.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_field_of_the_document_holds_its_limits() {
    let app = App::start(Shape::Memory).await;
    let standing = Standing::new(&app).await;
    let before = standing.everything().await;
    let cases = every_field::cases();
    assert!(cases.len() >= 3_000, "{} cases", cases.len());
    // No more than two imports are taken at a time.
    let sent = cases.iter().map(|case| refused(&standing, case));
    stream::iter(sent).buffer_unordered(2).collect::<()>().await;
    assert_eq!(standing.everything().await, before);
    let next = standing.person.log_cycle("2024-06-01", None).await.1;
    assert_eq!(next, 3, "a refused write takes no version");
    app.finish().await;
}

impl Standing {
    async fn new(app: &App) -> Self {
        let person = app.client().somebody().await;
        let (cycle, _) = person.log_cycle("2024-01-10", Some("2024-01-20")).await;
        let body = json!({
            "cycle_id": cycle, "date": "2024-01-15", "symptom_type": "mood", "value": "happy",
            "severity": 2, "notes": "kept",
        });
        let logged = person.post("/api/cycles/symptoms", &body).await.expect(StatusCode::CREATED);
        let symptom = logged["symptom"]["id"].as_i64().unwrap();
        person
            .put("/api/users/profile", &json!({"first_name": "Kept"}))
            .await
            .expect(StatusCode::OK);
        person.get("/api/notifications/preferences?min_version=2").await.expect(StatusCode::OK);
        Self { person, cycle, symptom }
    }

    /// Everything that the person can read.
    async fn everything(&self) -> Value {
        let mut all = Vec::new();
        for path in [
            "/api/users/profile",
            "/api/cycles/cycles?limit=100",
            "/api/cycles/symptoms?limit=100",
            "/api/analytics/predictions?limit=100&min_version=2",
            "/api/analytics/insights?min_version=2",
            "/api/analytics/analytics?limit=100&min_version=2",
            "/api/notifications/preferences?min_version=2",
            "/api/notifications/notifications?limit=100&min_version=2",
        ] {
            all.push(self.person.get(path).await.expect(StatusCode::OK));
        }
        json!(all)
    }
}

/// Sends one case and holds the answer against what every refusal has to be.
async fn refused(standing: &Standing, case: &Case) {
    let Case { method, path, body, headers, status, blames, secret } = case;
    let mut request = match path.as_str() {
        "/api/users/register" | "/api/users/login" => {
            standing.person.client.request(method.clone(), path)
        }
        _ => standing.person.request(method.clone(), path),
    };
    if let Some(body) = body {
        if !headers.iter().any(|(name, _)| name.eq_ignore_ascii_case("content-type")) {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        request = request.body(body.clone());
    }
    for (name, value) in headers {
        request = request.header(*name, value.as_slice());
    }
    let shown: String =
        String::from_utf8_lossy(body.as_deref().unwrap_or_default()).chars().take(300).collect();
    let what = format!("{method} {path} {shown}");
    let answer = Answer::of(request).await;
    assert_eq!(answer.status.as_u16(), *status, "{what}: {}", answer.text);
    let problem = answer.problem(*status);
    says_nothing(&what, problem.clone(), secret.as_deref());
    if let Some(pointer) = blames {
        let errors = problem["errors"].as_array().unwrap_or_else(|| panic!("{what}: {problem}"));
        let is_blamed = errors.iter().any(|error| error["pointer"] == *pointer);
        assert!(is_blamed, "{what}: {problem}");
    }
}

/// Whether a problem keeps what was sent, and what is inside, to itself. Its `instance` is the
/// path of the request.
fn says_nothing(what: &str, mut problem: Value, secret: Option<&str>) {
    problem.as_object_mut().unwrap().remove("instance");
    problem.as_object_mut().unwrap().remove("request_id");
    let said = problem.to_string();
    let words = INSIDE.iter().copied().chain([MARK]).chain(secret);
    let told: Vec<&str> = words.filter(|word| said.contains(word)).collect();
    assert!(told.is_empty(), "{what} is told {told:?}: {said}");
}

/// The sound values that stood beside each bad one are still free.
async fn nobody_was_registered(app: &App) {
    let login = json!({"email": values::FREE_EMAIL, "password": PASSWORD});
    app.client().post("/api/users/login", &login).await.problem_of(401, "invalid-credentials");
    let body = json!({
        "email": values::FREE_EMAIL, "username": values::FREE_USERNAME, "password": PASSWORD,
    });
    app.client().post("/api/users/register", &body).await.expect(StatusCode::CREATED);
}
