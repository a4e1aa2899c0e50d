//! The whole API over groups that look at what reaches them and carry out nothing.

use std::{
    cell::RefCell,
    sync::{Arc, OnceLock},
};

use api::{ApiOptions, Groups, Verifier};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::NaiveDate;
use contracts::{
    Call, Handle, Refusal,
    handle::{Opened, Transport},
    wire::{Outgoing, WireMailbox},
};
use ed25519_dalek::{Signer as _, SigningKey};
use futures::future::{self, BoxFuture};
use poem::{Endpoint as _, Request, Response, endpoint::BoxEndpoint};
use serde_json::{Value, json};
use tokio::runtime::{Builder, Runtime};

/// The claims of the tokens that are good, for three generations.
const CLAIMS: &str = r#"{"iss":"lunation","aud":"lunation","sub":"7","sid":"5f0c2f9e-2a3b-4a52-9d0e-0f6f5a3f7c11","jti":"t","iat":0,"nbf":0,"exp":4102444800,"scope":"account read:profile write:profile read:cycles write:cycles read:analytics write:analytics read:notifications write:notifications"}"#;
const HEADER: &str = r#"{"alg":"EdDSA","typ":"at+jwt","kid":"key-1"}"#;
/// Members that hold dates, of whatever request.
const DATES: [&str; 8] = [
    "date",
    "start_date",
    "end_date",
    "date_of_birth",
    "cycle_start_date",
    "next_start",
    "from",
    "to",
];

/// A request that reached a group.
#[derive(Clone, Debug)]
pub struct Reached {
    /// The operation.
    pub op: &'static str,
    /// The request.
    pub request: Value,
}

/// What came back, and what reached the groups on the way.
pub struct Outcome {
    /// The status.
    pub status: u16,
    /// What reached the groups, apart from what verifying a token asks for.
    pub reached: Vec<Reached>,
}

thread_local! {
    static REACHED: RefCell<Vec<Reached>> = const { RefCell::new(Vec::new()) };
    static RUNTIME: Runtime = Builder::new_current_thread().enable_time().build().expect("a runtime");
}

/// Sends a request through everything between the connection and the groups, and panics unless the answer
/// is one that a stranger may get: never a server error that is not a group's own refusal.
pub fn send(request: Request) -> Outcome {
    let app = app();
    REACHED.take();
    let (status, is_problem, body) = RUNTIME.with(|runtime| {
        runtime.block_on(async {
            let response = app.get_response(request).await;
            let status = response.status().as_u16();
            let is_problem = response.content_type() == Some("application/problem+json");
            let body = response.into_body().into_vec().await.expect("a body");
            (status, is_problem, body)
        })
    });
    let reached = REACHED.take();
    let refused_by_group = status == 503 && !reached.is_empty();
    assert!(status < 500 || refused_by_group, "{status} {}", String::from_utf8_lossy(&body));
    // The health of the groups has an answer of its own.
    assert!(is_problem || status < 400 || status == 503, "{status}");
    if is_problem && !body.is_empty() {
        let problem: Value = serde_json::from_slice(&body).expect("a problem document");
        assert_eq!(problem["status"], status);
    }
    Outcome { status, reached }
}

/// Does something that needs a clock to wait by.
pub fn within_runtime<T>(work: impl FnOnce() -> T) -> T {
    RUNTIME.with(|runtime| {
        let _entered = runtime.enter();
        work()
    })
}

/// `Authorization` of somebody who may do everything.
pub fn authorization() -> &'static str {
    static TEXT: OnceLock<String> = OnceLock::new();
    TEXT.get_or_init(|| {
        let parts = [HEADER, CLAIMS].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("Bearer {}", signed(&parts.join(".")))
    })
}

/// A text with our signature.
pub fn signed(text: &str) -> String {
    let signature = key().sign(text.as_bytes());
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature.to_bytes()))
}

fn key() -> SigningKey {
    SigningKey::from_bytes(&[7; 32])
}

fn app() -> &'static BoxEndpoint<'static, Response> {
    static APP: OnceLock<BoxEndpoint<'static, Response>> = OnceLock::new();
    APP.get_or_init(|| {
        let _installed_already =
            jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER.install_default();
        let groups = Groups {
            users: Handle::new(Arc::new(Group)),
            cycles: Handle::new(Arc::new(Group)),
            analytics: Handle::new(Arc::new(Group)),
            notifications: Handle::new(Arc::new(Group)),
        };
        let verifier = Arc::new(Verifier::new(groups.users.clone()));
        api::app(&groups, verifier, ApiOptions::default())
    })
}

/// Any group.
struct Group;

impl<M: WireMailbox> Transport<M> for Group {
    fn deliver(&self, _call: Call, message: M) -> BoxFuture<'_, Result<Opened, Refusal>> {
        let Outgoing { op, payload, asker } = message.encode().expect("a request has JSON");
        if let Some(answer) = answer(op.name) {
            asker.answer(answer.to_string().as_bytes()).expect("an answer to this request");
        }
        if !["get_signing_keys", "list_revocations"].contains(&op.name) {
            assert!(M::decode(op.name, &payload).is_ok(), "{}: not understood", op.name);
            let request: Value = serde_json::from_slice(&payload).expect("JSON");
            is_sound(op.name, &request, false);
            REACHED.with_borrow_mut(|reached| reached.push(Reached { op: op.name, request }));
        }
        let opened = Opened::default();
        opened.mark();
        let delivered =
            if answer(op.name).is_some() { Ok(opened) } else { Err(Refusal::unavailable()) };
        Box::pin(future::ready(delivered))
    }
}

/// What is answered; anything else is refused.
fn answer(op: &str) -> Option<Value> {
    let x = || URL_SAFE_NO_PAD.encode(key().verifying_key().as_bytes());
    Some(match op {
        "get_signing_keys" => json!({
            "jwks": { "keys": [{
                "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig", "kid": "key-1", "x": x(),
            }] },
            "issuer": "lunation",
            "audience": "lunation",
        }),
        "list_revocations" => json!({
            "revoked": [],
            "next": { "transaction": 1, "place": 0, "floor": 1 },
            "has_more": false,
            "keys_version": "1",
        }),
        "import_cycles" => json!({ "stored": 0, "unchanged": 0, "version": null }),
        _ => return None,
    })
}

/// What no request may hold, whoever sent it: NUL, which Postgres refuses, and dates that are none.
fn is_sound(op: &str, value: &Value, is_date: bool) {
    match value {
        Value::String(text) => {
            assert!(!text.contains('\0'), "{op}: NUL");
            // What a change of nothing says in the place of a date.
            let is_date = is_date && !["keep", "clear"].contains(&text.as_str());
            let date = text.parse::<NaiveDate>().ok().filter(|date| date.to_string() == *text);
            let is_sound = date.is_some_and(|date| date >= contracts::limits::DATE_MIN);
            assert!(!is_date || is_sound, "{op}: {text:?}");
        }
        Value::Array(items) => items.iter().for_each(|item| is_sound(op, item, is_date)),
        Value::Object(members) => members.iter().for_each(|(name, member)| {
            is_sound(op, member, is_date || DATES.contains(&name.as_str()));
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
