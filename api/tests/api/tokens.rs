//! Access tokens: ours are taken, everything else is one and the same 401.

use std::{sync::atomic::Ordering, time::Duration};

use contracts::{Scope, Scopes, Secret, SessionId};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use poem::http::{Method, StatusCode};
use serde_json::{Value, json};

use crate::support::{AUDIENCE, Api, ISSUER, KEY_ID, SESSION, Signer, base64url, header, now};

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
        with(&claims, "sid", json!("")),
        with(&claims, "sid", json!("5F0C2F9E-2A3B-4A52-9D0E-0F6F5A3F7C11")),
        with(&claims, "sid", json!("5f0c2f9e2a3b4a529d0e0f6f5a3f7c11")),
        with(&claims, "sid", json!(7)),
        with(&claims, "scope", json!(["read:cycles"])),
        with(&claims, "scope", Value::Null),
        with(&claims, "iat", json!("now")),
        with(&claims, "jti", json!(1)),
        without(&claims, "exp"),
        without(&claims, "iss"),
        without(&claims, "aud"),
        without(&claims, "sub"),
        without(&claims, "sid"),
        without(&claims, "jti"),
        without(&claims, "iat"),
        without(&claims, "nbf"),
        without(&claims, "scope"),
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
        // An API token that nobody knows, and what is none.
        Secret::from_random(Secret::API_TOKEN, &[7; 32]).expose().to_owned(),
        "lun_x".to_owned(),
        // A refresh token is no access token.
        Secret::from_random(Secret::REFRESH_TOKEN, &[7; 32]).expose().to_owned(),
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
async fn a_token_that_was_taken_opens_nothing_to_its_likes_and_not_for_ever() {
    let api = Api::new();
    // It lives as long as clocks may differ.
    let token = api.signer.token(&with(&Signer::claims(), "exp", json!(now())));
    assert_eq!(status_of(&api, &token).await, StatusCode::SERVICE_UNAVAILABLE);
    let (message, signature) = token.rsplit_once('.').unwrap();
    let (_, forged) = signature.split_at(1);
    for likes in [format!("{message}.A{forged}"), format!("{message}."), format!("{token}A")] {
        if likes != token {
            assert_eq!(status_of(&api, &likes).await, StatusCode::UNAUTHORIZED);
        }
    }
    let refused = async {
        while status_of(&api, &token).await != StatusCode::UNAUTHORIZED {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refused).await.unwrap();
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
    // A good one of the same claims was taken before.
    let good = status_of(&api, &signer.token(&Signer::claims())).await;
    assert_eq!(good, StatusCode::SERVICE_UNAVAILABLE);
    api.cycles.calls.lock().unwrap().clear();
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

#[tokio::test(start_paused = true)]
async fn a_token_of_a_session_that_ended_is_refused() {
    let api = Api::new();
    let token = api.signer.token(&Signer::claims());
    assert_eq!(status_of(&api, &token).await, StatusCode::SERVICE_UNAVAILABLE);
    // While nobody hears of it, the token is as good as it says.
    api.users.revoked.lock().unwrap().push(SessionId::parse(SESSION).unwrap());
    let hearing = api.verifier.keep_revocations();
    let refused = async {
        while status_of(&api, &token).await != StatusCode::UNAUTHORIZED {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::select! {
        () = hearing => unreachable!("it never ends"),
        refused = tokio::time::timeout(Duration::from_secs(10), refused) => refused.unwrap(),
    }
    let other = with(&Signer::claims(), "sid", json!("00000000-0000-4000-8000-000000000000"));
    let status = status_of(&api, &api.signer.token(&other)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "other sessions go on");
    assert_eq!(api.users.fetches.load(Ordering::SeqCst), 1, "the keys are as they were");
}

#[tokio::test]
async fn whoever_starts_hears_who_was_turned_out_before_letting_anybody_in() {
    let api = Api::new();
    api.users.revoked.lock().unwrap().push(SessionId::parse(SESSION).unwrap());
    let token = api.signer.token(&Signer::claims());
    assert_eq!(status_of(&api, &token).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn whoever_cannot_hear_who_was_turned_out_lets_nobody_in() {
    let api = Api::new();
    api.users.is_mute.store(true, Ordering::SeqCst);
    api.users.revoked.lock().unwrap().push(SessionId::parse(SESSION).unwrap());
    let other = with(&Signer::claims(), "sid", json!("00000000-0000-4000-8000-000000000000"));
    for claims in [Signer::claims(), other] {
        let token = api.signer.token(&claims);
        assert_eq!(status_of(&api, &token).await, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert!(api.cycles.calls.lock().unwrap().is_empty(), "the good one did not pass either");
    // It asks again, and then it knows.
    api.users.is_mute.store(false, Ordering::SeqCst);
    let token = api.signer.token(&Signer::claims());
    let refused = async {
        while status_of(&api, &token).await != StatusCode::UNAUTHORIZED {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), refused).await.unwrap();
}

#[tokio::test]
async fn a_scope_opens_its_own_operations_and_no_others() {
    let api = Api::new();
    let scopes: Scopes = [Scope::ReadCycles, Scope::WriteAnalytics].into_iter().collect();
    let claims = with(&Signer::claims(), "scope", json!(scopes.to_string()));
    let token = api.signer.token(&claims);
    let send = |method: Method, path: &'static str, body: Value| {
        let request = api.client.request(method, path).body_json(&body);
        request.header("authorization", format!("Bearer {token}")).send()
    };
    let cycle = json!({"start_date": "2024-01-01"});
    for (method, path, body, missing) in [
        (Method::GET, PATH, json!({}), None),
        (Method::POST, PATH, cycle, Some("write:cycles")),
        (Method::POST, "/api/analytics/predictions/generate", json!({}), None),
        (Method::GET, "/api/analytics/predictions", json!({}), Some("read:analytics")),
        (Method::GET, "/api/users/profile", json!({}), Some("read:profile")),
        (Method::GET, "/api/users/sessions", json!({}), Some("account")),
        (Method::POST, "/api/users/logout", json!({}), Some("account")),
    ] {
        let response = send(method, path, body).await;
        let Some(missing) = missing else {
            response.assert_status(StatusCode::SERVICE_UNAVAILABLE);
            continue;
        };
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{missing}\"");
        response.assert_header("www-authenticate", challenge);
        let (status, problem) = crate::support::read(response).await;
        assert_eq!((status, &problem["type"]), (403, &json!("/problems/insufficient-scope")));
    }
}

#[tokio::test]
async fn an_api_token_is_exchanged_once_and_what_is_none_never() {
    let api = Api::new();
    let api_token = Secret::from_random(Secret::API_TOKEN, &[1; 32]).expose().to_owned();
    let access_token = api.signer.token(&with(&Signer::claims(), "scope", json!("read:cycles")));
    api.users.api_tokens.lock().unwrap().push((api_token.clone(), access_token.clone()));
    for _ in 0..3 {
        assert_eq!(status_of(&api, &api_token).await, StatusCode::SERVICE_UNAVAILABLE);
    }
    assert_eq!(api.users.exchanges.load(Ordering::SeqCst), 1, "it is kept for a while");
    let calls = std::mem::take(&mut *api.cycles.calls.lock().unwrap());
    for call in calls {
        assert_eq!(call.token.unwrap().expose(), access_token, "the API token goes no further");
        assert_eq!(call.session, SessionId::parse(SESSION));
    }
    let mut typed_wrongly = api_token.clone();
    typed_wrongly.replace_range(10..11, if &api_token[10..11] == "A" { "B" } else { "A" });
    for none in ["lun_", "lun_abc", &typed_wrongly] {
        assert_eq!(status_of(&api, none).await, StatusCode::UNAUTHORIZED);
    }
    assert_eq!(api.users.exchanges.load(Ordering::SeqCst), 1, "nobody is asked about those");
    api.users.is_away.store(true, Ordering::SeqCst);
    assert_eq!(status_of(&api, &api_token).await, StatusCode::SERVICE_UNAVAILABLE);
}
