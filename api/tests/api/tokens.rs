//! Access tokens: ours are taken, everything else is one and the same 401.

use std::sync::atomic::Ordering;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use poem::http::StatusCode;
use serde_json::{Value, json};

use crate::support::{AUDIENCE, Api, ISSUER, KEY_ID, Signer, base64url, header, now};

const PATH: &str = "/api/cycles/cycles";

async fn status_of(api: &Api, token: &str) -> StatusCode {
    let request = api.client.get(PATH).header("authorization", format!("Bearer {token}"));
    request.send().await.0.status()
}

/// A token of any header and payload text, signed with our key.
fn signed_text(signer: &Signer, header: &str, payload: &str) -> String {
    let message = format!("{}.{}", base64url(header.as_bytes()), base64url(payload.as_bytes()));
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &signer.key, Algorithm::EdDSA);
    format!("{message}.{}", signature.expect("a signature"))
}

fn unsigned_text(header: &str, payload: &str) -> String {
    format!("{}.{}.", base64url(header.as_bytes()), base64url(payload.as_bytes()))
}

fn with(claims: &Value, name: &str, value: Value) -> Value {
    let mut changed = claims.clone();
    changed[name] = value;
    changed
}

fn without(claims: &Value, name: &str) -> Value {
    let mut changed = claims.clone();
    changed.as_object_mut().expect("an object").remove(name);
    changed
}

/// Good signature, bad header.
fn bad_headers(signer: &Signer) -> Vec<String> {
    let claims = Signer::claims();
    let good = format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{KEY_ID}"}}"#);
    assert_ne!(signed_text(signer, &good, "{}"), "");
    let changed = |change: &dyn Fn(&mut Header)| {
        let mut header = header();
        change(&mut header);
        signer.token_with(&header, &claims)
    };
    let payload = claims.to_string();
    let raw = |header: &str| signed_text(signer, header, &payload);
    vec![
        changed(&|header| header.typ = None),
        changed(&|header| header.typ = Some("JWT".to_owned())),
        changed(&|header| header.typ = Some("AT+JWT ".to_owned())),
        changed(&|header| header.typ = Some("refresh+jwt".to_owned())),
        changed(&|header| header.kid = None),
        changed(&|header| header.kid = Some(String::new())),
        changed(&|header| header.kid = Some("key-2".to_owned())),
        changed(&|header| header.kid = Some("../../etc/passwd".to_owned())),
        changed(&|header| header.kid = Some("' OR 1=1 --".to_owned())),
        changed(&|header| header.crit = Some(vec!["exp".to_owned()])),
        raw(&good.replace("EdDSA", "none")),
        raw(&good.replace("EdDSA", "NONE")),
        raw(&good.replace("EdDSA", "HS256")),
        raw(&good.replace("EdDSA", "ES256")),
        raw(&good.replace("EdDSA", "eddsa")),
        raw(&good.replace(r#""kid""#, r#""kid":"key-2","kid""#)),
        raw(&good.replace(&format!(r#""{KEY_ID}""#), "1")),
        raw("{}"),
        raw("null"),
    ]
}

/// Good signature, bad claims.
fn bad_claims(signer: &Signer) -> Vec<String> {
    let claims = Signer::claims();
    let header = format!(r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{KEY_ID}"}}"#);
    let mut tokens: Vec<String> = [
        with(&claims, "exp", json!(now() - 6)),
        with(&claims, "exp", json!(0)),
        with(&claims, "exp", json!(-1)),
        with(&claims, "exp", json!("9999999999")),
        with(&claims, "exp", Value::Null),
        with(&claims, "exp", json!(1e300)),
        with(&claims, "nbf", json!(now() + 60)),
        with(&claims, "nbf", json!("soon")),
        with(&claims, "iss", json!("somebody-else")),
        with(&claims, "iss", json!([ISSUER])),
        with(&claims, "aud", json!("another-api")),
        with(&claims, "aud", json!([AUDIENCE, "another-api"])),
        with(&claims, "aud", json!([])),
        with(&claims, "sub", json!(7)),
        with(&claims, "sub", json!("")),
        with(&claims, "sub", json!("0")),
        with(&claims, "sub", json!("-7")),
        with(&claims, "sub", json!("+7")),
        with(&claims, "sub", json!("007")),
        with(&claims, "sub", json!("7 ")),
        with(&claims, "sub", json!("9223372036854775808")),
        with(&claims, "sub", json!("admin")),
        without(&claims, "exp"),
        without(&claims, "iss"),
        without(&claims, "aud"),
        without(&claims, "sub"),
        json!([]),
        with(&claims, "padding", json!("x".repeat(4_096))),
    ]
    .iter()
    .map(|claims| signer.token(claims))
    .collect();
    let twice = Signer::claims().to_string().replacen('{', r#"{"sub":"8","#, 1);
    tokens.push(signed_text(signer, &header, &twice));
    tokens.push(signed_text(signer, &header, "not json"));
    tokens
}

/// Not signed by us, or not even a token.
fn bad_signatures(signer: &Signer) -> Vec<String> {
    let claims = Signer::claims();
    let good = signer.token(&claims);
    let (message, signature) = good.rsplit_once('.').expect("three parts");
    let (head, _) = message.split_once('.').expect("three parts");
    let other_payload = base64url(with(&claims, "sub", json!("8")).to_string().as_bytes());
    let none = format!(r#"{{"alg":"none","typ":"at+jwt","kid":"{KEY_ID}"}}"#);
    let jwk = format!(
        r#"{{"alg":"EdDSA","typ":"at+jwt","kid":"{KEY_ID}","jwk":{{"kty":"OKP","crv":"Ed25519","x":"{}"}},"jku":"https://evil.example/jwks.json"}}"#,
        Signer::new().public,
    );
    let hmac = |secret: &[u8]| {
        let mut header = header();
        header.alg = Algorithm::HS256;
        encode(&header, &claims, &EncodingKey::from_secret(secret)).expect("a token")
    };
    vec![
        Signer::new().token(&claims),
        signed_text(&Signer::new(), &jwk, &claims.to_string()),
        hmac(signer.public.as_bytes()),
        hmac(b""),
        unsigned_text(&none, &claims.to_string()),
        format!("{message}."),
        message.to_owned(),
        format!("{head}.{other_payload}.{signature}"),
        format!("{message}.{}", base64url(&[0; 64])),
        format!("{message}.{}", base64url(&[0xff; 64])),
        format!("{message}.{signature}A"),
        format!("{message}.{}", signature.get(1..).expect("ASCII")),
        format!("{good}.{signature}"),
        format!("{good}="),
        good.replace('.', ".."),
        format!("{head} {good}"),
        "x".repeat(5_000),
        "..".to_owned(),
        ".".to_owned(),
        "null".to_owned(),
        "e30.e30.e30".to_owned(),
    ]
}

#[tokio::test]
async fn a_good_token_is_taken_within_the_leeway() {
    let api = Api::new();
    let claims = Signer::claims();
    for good in [claims.clone(), with(&claims, "exp", json!(now() - 2))] {
        // The cycles group is away: 503 means that the caller was known.
        let status = status_of(&api, &api.signer.token(&good)).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
    let token = api.signer.token(&claims);
    let request = api.client.get(PATH).header("authorization", format!("bEARER {token}"));
    request.send().await.assert_status(StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(api.users.fetches.load(Ordering::SeqCst), 1, "the keys are kept");
}

#[tokio::test]
async fn every_forged_token_gets_the_same_401() {
    let api = Api::new();
    let signer = &api.signer;
    let forged = [bad_headers(signer), bad_claims(signer), bad_signatures(signer)].concat();
    assert!(forged.len() >= 60, "{}", forged.len());
    let expected = json!({
        "type": "/problems/unauthenticated",
        "title": "Not signed in",
        "status": 401,
        "detail": "Sign in and send the access token as a bearer token.",
        "instance": PATH,
        "request_id": "test",
    });
    for token in forged {
        let request = api.client.get(PATH).header("x-request-id", "test");
        let response = request.header("authorization", format!("Bearer {token}")).send().await;
        response.assert_header("www-authenticate", "Bearer");
        let (status, body) = crate::support::read(response).await;
        assert_eq!((status, &body), (401, &expected), "{token}");
    }
    assert!(api.cycles.calls.lock().unwrap().is_empty(), "nothing passed");
}

#[tokio::test]
async fn a_token_has_to_be_the_one_bearer_credential() {
    let api = Api::new();
    let good = api.signer.token(&Signer::claims());
    let headers = [
        vec![],
        vec![("authorization", String::new())],
        vec![("authorization", "Bearer".to_owned())],
        vec![("authorization", "Bearer ".to_owned())],
        vec![("authorization", good.clone())],
        vec![("authorization", format!("Basic {good}"))],
        vec![("authorization", format!("Bearer:{good}"))],
        vec![("authorization", format!("Bearer {good}")), ("authorization", "Bearer x".to_owned())],
        vec![("cookie", format!("token={good}"))],
        vec![("x-authorization", format!("Bearer {good}"))],
    ];
    for given in headers {
        let mut request = api.client.get(PATH);
        for (name, value) in given {
            request = request.header(name, value);
        }
        request.send().await.assert_status(StatusCode::UNAUTHORIZED);
    }
    let request = api.client.get(format!("{PATH}?access_token={good}"));
    request.send().await.assert_status(StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn unknown_key_ids_cost_one_fetch_and_missing_keys_are_503() {
    let api = Api::new();
    api.users.is_away.store(true, Ordering::SeqCst);
    let good = api.signer.token(&Signer::claims());
    assert_eq!(status_of(&api, &good).await, StatusCode::SERVICE_UNAVAILABLE);
    assert!(api.cycles.calls.lock().unwrap().is_empty(), "nobody passes without keys");

    let api = Api::new();
    let mut unknown = header();
    for attempt in 0..20 {
        unknown.kid = Some(format!("forged-{attempt}"));
        let token = api.signer.token_with(&unknown, &Signer::claims());
        assert_eq!(status_of(&api, &token).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(api.users.fetches.load(Ordering::SeqCst), 1, "forged key ids cost nothing");
}
