//! Who may do what, tried with every operation of the API document. An operation that is added there
//! is tried by that alone; one whose request cannot be made up from the document fails these tests and
//! says what it needs.

mod isolation;
mod operations;
mod outsiders;
mod planted;
mod scopes;
mod strangers;

use std::collections::BTreeSet;

use reqwest::{Method, StatusCode};

use self::{operations::whole, outsiders::Outsider, planted::Planted};
use crate::harness::{App, Options, Shape};

/// What asks for no token, and why not.
const OPEN: [(&str, &str); 13] = [
    ("GET /.well-known/jwks.json", "public keys"),
    ("GET /health", "no word of anybody"),
    ("GET /api/users/health", "no word of anybody"),
    ("GET /api/cycles/health", "no word of anybody"),
    ("GET /api/analytics/health", "no word of anybody"),
    ("GET /api/notifications/health", "no word of anybody"),
    ("GET /problems/{code}", "a page of the manual"),
    ("POST /api/users/register", "begins an account"),
    ("POST /api/users/login", "takes the password"),
    ("POST /api/users/refresh", "takes the refresh token"),
    ("POST /api/users/password/reset", "answers everybody alike"),
    ("POST /api/users/password/reset/confirm", "takes the secret of the mail"),
    ("GET /api/erasures/{receipt}", "takes the receipt, whose owner has no account any more"),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_every_operation_in_one_process() {
    of_every_operation(Shape::Memory).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_every_operation_in_a_process_per_group() {
    of_every_operation(Shape::Split).await;
}

async fn of_every_operation(shape: Shape) {
    let app = App::start_with(shape, patient()).await;
    let victim = Planted::new(app.client(), "victim", 1955).await;
    victim.signed_in_again().await;
    let before = victim.everything().await;
    let outsiders = outsiders::all(&app, &victim.person).await;
    open_ones_are_open(&app, &outsiders).await;
    all_others_let_no_outsider_in(&app, &outsiders).await;
    scopes::are_each_needed_and_enough(&app).await;
    strangers::find_nothing(&app, &victim).await;
    assert_eq!(victim.everything().await, before);
    strangers::the_owner_finds_it(&victim).await;
    app.finish().await;
}

/// All here come from one address, and the passwords of the document's examples are wrong.
fn patient() -> Options {
    let limits = ["MINUTE", "HOUR"]
        .map(|time| (format!("LUNATION_LIMITS_FAILURES_PER_ADDRESS_{time}"), "10000".to_owned()));
    Options { environment: limits.to_vec(), ..Options::default() }
}

/// Every operation asks for a token and says so, but for those that are listed.
#[test]
fn what_is_open_is_listed() {
    let listed: BTreeSet<String> = OPEN.iter().map(|(name, _)| (*name).to_owned()).collect();
    let open = operations::all().filter(|operation| !operation.is_secured());
    let open: BTreeSet<String> = open.map(|operation| operation.name()).collect();
    assert_eq!(open, listed, "what the document leaves open, and what this test knows to be");
    for operation in operations::secured() {
        let says = [401, 403].map(|status| operation.documents(status));
        assert_eq!(says, [true, true], "{} documents no refusal", operation.name());
    }
}

/// They do as they do for anybody, and do not look at tokens.
async fn open_ones_are_open(app: &App, outsiders: &[Outsider]) {
    for operation in operations::all().filter(|operation| !operation.is_secured()) {
        for Outsider { who, authorization } in outsiders {
            let answer = operation.send(&app.client(), authorization.as_deref()).await;
            let refused = ["/problems/unauthenticated", "/problems/insufficient-scope"];
            let is_refused = refused.iter().any(|kind| answer.body["type"] == *kind);
            assert!(!is_refused, "{} to {who}: {}", operation.name(), answer.text);
        }
    }
}

/// The one thing that a token of an ended session gets: the receipt of the erasure that it asked for,
/// whose answer may have been lost (decision 0025).
const LOST_RECEIPT: (&str, &str) = ("erased", "DELETE /api/users/account");

/// One and the same 401, whoever comes, whatever for: it says nothing about why.
async fn all_others_let_no_outsider_in(app: &App, outsiders: &[Outsider]) {
    let client = app.client();
    let mut refused = Vec::new();
    for operation in operations::secured() {
        for Outsider { who, authorization } in outsiders {
            let what = format!("{} to {who}", operation.name());
            let answer = operation.send(&client, authorization.as_deref()).await;
            if (*who, operation.name().as_str()) == LOST_RECEIPT {
                let body = answer.expect(StatusCode::ACCEPTED);
                assert!(body["receipt"].is_string(), "{what}: {body}");
                continue;
            }
            let path = answer.body["instance"].as_str().unwrap_or_default().to_owned();
            let refusal = whole(&answer, &path);
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{what}");
            assert_eq!(answer.status.as_u16(), 401, "{what}: {}", answer.text);
            answer.problem_of(401, "unauthenticated");
            refused.push((what, refusal));
        }
    }
    let (first, expected) = refused[0].clone();
    for (what, refusal) in &refused {
        assert_eq!(refusal, &expected, "{what} is told otherwise than {first}");
    }
    assert!(refused.len() >= 40 * outsiders.len(), "{} were refused", refused.len());
    // A `HEAD` is a `GET` without the body.
    let head = client.request(Method::HEAD, "/api/users/profile").send().await.unwrap();
    assert_eq!(head.status().as_u16(), 401);
}
