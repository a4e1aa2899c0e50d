//! The audit log over HTTP: everything that is done to an account stands in it, for its owner alone, and
//! nothing in it is a secret or a word of what somebody logs.

use std::collections::BTreeMap;

use actor_runtime::clock::Clock;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use sqlx::{Connection, PgConnection, PgPool};

use crate::harness::{
    App, Client, Person, Shape,
    client::{Answer, PASSWORD},
    wait,
};

const NEW: &str = "gather seven lanterns";
const EMAIL: &str = "audited@example.org";
/// Stands in for what somebody logs.
const WORDS: &str = "audited-words";

async fn sign_in(client: &Client, members: Value) -> Answer {
    let mut body = json!({"email": EMAIL, "password": PASSWORD});
    for (name, value) in members.as_object().unwrap() {
        body[name] = value.clone();
    }
    client.post("/api/users/login", &body).await
}

/// Everything of somebody's log, page by page, newest first.
async fn log_of(person: &Person, limit: u32) -> Vec<Value> {
    let mut entries = Vec::new();
    let mut after = String::new();
    loop {
        let path = format!("/api/users/audit?limit={limit}{after}");
        let page = person.get(&path).await.expect(StatusCode::OK);
        let rows = page["entries"].as_array().unwrap().clone();
        assert_eq!(page["count"], rows.len());
        entries.extend(rows);
        match page["next"].as_i64() {
            Some(next) => after = format!("&after={next}"),
            None => return entries,
        }
    }
}

/// How often each kind is told of, with its outcome.
fn tally(entries: &[Value]) -> BTreeMap<(String, String), u64> {
    let mut tally = BTreeMap::new();
    for entry in entries {
        let word = |member: &str| entry[member].as_str().unwrap().to_owned();
        *tally.entry((word("kind"), word("outcome"))).or_default() +=
            entry["times"].as_u64().unwrap();
    }
    tally
}

fn one<'a>(entries: &'a [Value], kind: &str) -> &'a Value {
    entries.iter().find(|entry| entry["kind"] == kind).unwrap_or_else(|| panic!("{kind}"))
}

/// Sessions that begin and end, and a refresh token that somebody stole.
async fn come_and_go(client: &Client, here: &Person) -> Vec<String> {
    sign_in(client, json!({"password": "pass124"})).await.problem_of(401, "invalid-credentials");
    let body = json!({"current_password": "pass124", "new_password": NEW});
    here.put("/api/users/password", &body).await.problem_of(401, "invalid-credentials");
    let leaving = client.login(EMAIL).await;
    leaving.post("/api/users/logout", &json!({})).await.expect(StatusCode::OK);
    let ended = client.login(EMAIL).await;
    let path = format!("/api/users/sessions/{}", ended.session_id());
    here.delete(&path).await.expect(StatusCode::OK);
    here.delete(&path).await.problem_of(404, "not-found");
    let robbed = client.login(EMAIL).await;
    let thief = client.signed_in(&robbed.refresh().await.expect(StatusCode::OK));
    thief.refresh().await.expect(StatusCode::OK);
    robbed.refresh().await.problem_of(401, "invalid-refresh-token");
    let people = [leaving, ended, robbed];
    people.into_iter().flat_map(|it| [it.token, it.refresh_token]).collect()
}

/// A personal API token that is made, used, and revoked. The token, and its id.
async fn give_a_token(here: &Person) -> (String, String) {
    let body = json!({"name": "calendar", "scopes": ["read:cycles"]});
    let made = here.post("/api/users/tokens", &body).await.expect(StatusCode::CREATED);
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let (token, id) = (text(&made["token"]), text(&made["api_token"]["id"]));
    let program = Person { token: token.clone(), ..here.clone() };
    program.get("/api/cycles/cycles").await.expect(StatusCode::OK);
    // What concerns the account is not for it.
    program.get("/api/users/audit").await.problem_of(403, "insufficient-scope");
    here.delete(&format!("/api/users/tokens/{id}")).await.expect(StatusCode::OK);
    (token, id)
}

async fn take_along(here: &Person) {
    let (cycle, _) = here.log_cycle("2026-01-01", Some("2026-01-05")).await;
    let symptom = json!({
        "cycle_id": cycle, "date": "2026-01-02", "symptom_type": format!("{WORDS} mood"),
        "value": format!("{WORDS} value"), "notes": format!("{WORDS} notes"),
    });
    here.post("/api/cycles/symptoms", &symptom).await.expect(StatusCode::CREATED);
    let get = async |path: &str| {
        wait::until("everybody to have the time for an export", || async {
            let answer = here.get(path).await;
            (answer.status != StatusCode::SERVICE_UNAVAILABLE).then_some(answer)
        })
        .await
        .expect(StatusCode::OK)
    };
    let document = get("/api/users/export").await;
    let exported = document["audit"].as_array().unwrap();
    assert!(one(exported, "exported")["network"].is_string(), "{exported:?}");
    get("/api/users/export/cycles.csv").await;
    get("/api/users/export/symptoms.csv").await;
    here.post("/api/users/import", &document).await.expect(StatusCode::OK);
}

/// A second factor from its first day to its last. The codes that were given out.
async fn use_a_second_factor(client: &Client, here: &Person) -> Vec<String> {
    let path = "/api/users/second-factor";
    let enrolled = here.post(path, &json!({"password": PASSWORD})).await;
    let enrolled = enrolled.expect(StatusCode::CREATED);
    let secret = enrolled["secret"].as_str().unwrap().to_owned();
    let base32 = totp_rs::Secret::try_from_base32(&secret).unwrap();
    let authenticator = totp_rs::Builder::new().with_secret(base32).build_noncompliant();
    let now = u64::try_from(Clock::System.now().timestamp()).unwrap();
    let code = json!({"totp": authenticator.generate(now).to_string()});
    let confirmed = here.post(&format!("{path}/confirm"), &code).await.expect(StatusCode::OK);
    let codes = confirmed["recovery_codes"].as_array().unwrap();
    sign_in(client, json!({})).await.problem_of(401, "second-factor-required");
    let wrong = json!({"recovery_code": "aaaa-aaaa-aaaa-aaaa"});
    sign_in(client, wrong).await.problem_of(401, "second-factor-required");
    sign_in(client, json!({"recovery_code": codes[0]})).await.expect(StatusCode::OK);
    let proof = json!({"password": PASSWORD, "recovery_code": codes[1]});
    let renewed = here.post(&format!("{path}/recovery-codes"), &proof).await;
    let renewed = renewed.expect(StatusCode::OK)["recovery_codes"].as_array().unwrap().clone();
    let proof = json!({"password": PASSWORD, "recovery_code": renewed[0]});
    here.post(&format!("{path}/remove"), &proof).await.expect(StatusCode::OK);
    let codes = codes.iter().chain(&renewed).map(|code| code.as_str().unwrap().to_owned());
    codes.chain([secret]).collect()
}

/// Another password, twice: the second time by a link that an operator makes. Its token.
async fn set_passwords(app: &App, here: &Person) -> String {
    let body = json!({"current_password": PASSWORD, "new_password": NEW});
    here.put("/api/users/password", &body).await.expect(StatusCode::OK);
    let pool = PgPool::connect(&app.database_url("users")).await.unwrap();
    let token = users::make_reset_token_for(&pool, Clock::System, EMAIL).await.unwrap().unwrap();
    pool.close().await;
    let body = json!({"token": token.expose(), "new_password": PASSWORD});
    let confirm = "/api/users/password/reset/confirm";
    app.client().post(confirm, &body).await.expect(StatusCode::OK);
    token.expose().to_owned()
}

#[expect(clippy::disallowed_methods, reason = "a test reads a whole table as text")]
async fn table_of(app: &App, person: &Person) -> String {
    let mut connection = PgConnection::connect(&app.database_url("users")).await.unwrap();
    let rows: Vec<String> = sqlx::query_scalar("SELECT audit::text FROM audit WHERE user_id = $1")
        .bind(person.id)
        .fetch_all(&mut connection)
        .await
        .unwrap();
    rows.join("\n")
}

async fn what_is_done_is_noted(shape: Shape) {
    let app = App::start(shape).await;
    let client = app.client();
    let here = client.register("audited").await;
    let other = client.register("another").await;
    let mut secrets = come_and_go(&client, &here).await;
    let (api_token, token_id) = give_a_token(&here).await;
    take_along(&here).await;
    secrets.extend(use_a_second_factor(&client, &here).await);
    secrets.push(set_passwords(&app, &here).await);
    let last = client.login(EMAIL).await;
    last.post("/api/users/logout-all", &json!({})).await.expect(StatusCode::OK);
    let reader = client.login(EMAIL).await;

    let (done, refused) = ("done", "refused");
    let expected: BTreeMap<(String, String), u64> = [
        // Here, three that come and go, with a recovery code, and the last two.
        ("signed_in", done, 7),
        ("sign_in_failed", refused, 1),
        ("password_failed", refused, 1),
        ("second_factor_asked", refused, 1),
        ("second_factor_failed", refused, 1),
        ("recovery_code_used", done, 3),
        ("signed_out", done, 1),
        ("session_ended", done, 1),
        ("sessions_ended", done, 1),
        ("refresh_token_reused", refused, 1),
        ("password_changed", done, 1),
        ("password_reset_requested", done, 1),
        ("password_reset", done, 1),
        ("second_factor_enabled", done, 1),
        ("second_factor_disabled", done, 1),
        ("recovery_codes_renewed", done, 1),
        ("api_token_created", done, 1),
        ("api_token_used", done, 1),
        ("api_token_revoked", done, 1),
        ("exported", done, 1),
        ("cycles_exported", done, 1),
        ("symptoms_exported", done, 1),
        ("imported", done, 1),
    ]
    .map(|(kind, outcome, times)| ((kind.to_owned(), outcome.to_owned()), times))
    .into();
    // What failed is noted while whoever failed is answered.
    let entries = wait::until("what failed to be noted", || async {
        let entries = log_of(&reader, 100).await;
        let all: u64 = expected.values().sum();
        (tally(&entries).values().sum::<u64>() >= all).then_some(entries)
    })
    .await;
    assert_eq!(tally(&entries), expected);
    assert_eq!(log_of(&reader, 3).await, entries, "page by page it is the same");
    who_and_what(&entries, &here, &token_id);
    filters(&reader, &entries).await;

    let table = table_of(&app, &here).await;
    let open = [EMAIL, "audited", PASSWORD, NEW, WORDS, &api_token, "lun", "argon2"];
    for word in open.into_iter().chain(secrets.iter().map(String::as_str)) {
        assert!(!table.contains(word), "{word} in {table}");
    }
    // Nobody else sees anything of it, and who is nobody sees nothing.
    let theirs = log_of(&other, 100).await;
    assert_eq!(theirs.len(), 1, "{theirs:?}");
    let path = format!("/api/users/audit?after={}", entries[0]["id"]);
    let beyond = other.get(&path).await.expect(StatusCode::OK);
    assert_eq!(beyond, json!({"entries": [], "count": 0, "next": null}));
    client.get("/api/users/audit").await.problem_of(401, "unauthenticated");

    let request = reader.request(Method::DELETE, "/api/users/account");
    Answer::of(request.json(&json!({"password": PASSWORD}))).await.expect(StatusCode::ACCEPTED);
    assert_eq!(table_of(&app, &here).await, "", "it goes with the account");
    app.finish().await;
}

/// By which session, to which one, from where.
fn who_and_what(entries: &[Value], here: &Person, token_id: &str) {
    let session = here.session_id();
    for kind in ["session_ended", "api_token_created", "exported", "imported", "password_changed"] {
        assert_eq!(one(entries, kind)["session_id"], session, "{kind}");
    }
    for kind in ["api_token_created", "api_token_revoked"] {
        assert_eq!(one(entries, kind)["target_id"], token_id, "{kind}");
    }
    assert_eq!(one(entries, "api_token_used")["session_id"], token_id);
    assert!(one(entries, "sign_in_failed")["session_id"].is_null());
    for entry in entries {
        let kind = entry["kind"].as_str().unwrap();
        // The tests come from this machine, and an operator from nowhere.
        let is_by_operator = kind == "password_reset_requested";
        let network = if is_by_operator { Value::Null } else { json!("127.0.0.0/24") };
        assert_eq!(entry["network"], network, "{entry}");
        let is_by_nobody = entry["session_id"].is_null();
        let names_itself = entry["device"].is_string();
        let is_tried = ["signed_in", "sign_in_failed", "recovery_code_used"].contains(&kind);
        assert!(!is_tried || names_itself, "{entry}");
        assert!(kind == "api_token_used" || is_by_nobody || names_itself, "{entry}");
    }
}

async fn filters(reader: &Person, entries: &[Value]) {
    let get = async |query: &str| reader.get(&format!("/api/users/audit?limit=100&{query}")).await;
    let ended = get("kind=session_ended").await.expect(StatusCode::OK);
    assert_eq!(ended["entries"], json!([one(entries, "session_ended")]));
    let day = |entry: &Value| entry["at"].as_str().unwrap().split('T').next().unwrap().to_owned();
    let (first, last) = (day(entries.last().unwrap()), day(&entries[0]));
    let between = get(&format!("from={first}&to={last}")).await.expect(StatusCode::OK);
    assert_eq!(between["count"], entries.len());
    for query in ["from=2100-01-01", "to=2020-01-01", "after=9007199254740991"] {
        let none = get(query).await.expect(StatusCode::OK);
        assert_eq!(none, json!({"entries": [], "count": 0, "next": null}), "{query}");
    }
    for (query, parameter) in
        [("kind=everything", "kind"), ("from=yesterday", "from"), ("after=0", "after")]
    {
        get(query).await.blames(parameter);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_is_noted_in_one_process() {
    what_is_done_is_noted(Shape::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_done_is_noted_in_many() {
    what_is_done_is_noted(Shape::Split).await;
}
