//! Who is let in: one and the same 401 for everybody else.

use std::collections::BTreeSet;

use jsonwebtoken::{Algorithm, DecodingKey, Validation, crypto::rust_crypto, decode, jwk::JwkSet};
use reqwest::{Method, StatusCode, header::HeaderMap};
use serde_json::{Value, json};

use super::forgeries::Forger;
use crate::harness::{App, client::Answer};

pub(super) async fn all(app: &App) {
    let _installed_already = rust_crypto::DEFAULT_PROVIDER.install_default();
    published_keys_verify_a_token(app).await;
    forged_ones_are_refused(app).await;
}

/// The header and claims of a token that the system issued, after its signature was verified
/// with nothing but what the system publishes.
async fn published_keys_verify_a_token(app: &App) {
    let person = app.client().register("verified").await;
    let keys = app.client().get("/.well-known/jwks.json").await.expect(StatusCode::OK);
    for key in keys["keys"].as_array().unwrap() {
        assert!(key.get("d").is_none(), "a private member");
        let fixed = (&key["kty"], &key["crv"], &key["alg"], &key["use"]);
        assert_eq!(fixed, (&json!("OKP"), &json!("Ed25519"), &json!("EdDSA"), &json!("sig")));
    }
    let keys: JwkSet = serde_json::from_value(keys).unwrap();
    let header = jsonwebtoken::decode_header(&person.token).unwrap();
    let key = keys.find(&header.kid.unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_audience(&["lunation"]);
    validation.set_issuer(&["lunation"]);
    let key = DecodingKey::from_jwk(key).unwrap();
    let claims = decode::<Value>(&person.token, &key, &validation).unwrap().claims;
    assert_eq!(claims["sub"], person.id.to_string());
    let lifetime = claims["exp"].as_i64().unwrap() - claims["iat"].as_i64().unwrap();
    let body =
        json!({"email": "verified@example.org", "password": crate::harness::client::PASSWORD});
    let login = app.client().post("/api/users/login", &body).await.expect(StatusCode::OK);
    assert_eq!(login["expires_in"], lifetime);
}

async fn forged_ones_are_refused(app: &App) {
    let person = app.client().somebody().await;
    let forger = Forger::new(app, &person).await;
    let tokens = forger.all();
    let different: BTreeSet<&str> = tokens.iter().map(|it| it.trim()).collect();
    assert_eq!(different.len(), tokens.len(), "one of them twice");
    assert!(tokens.len() >= 60, "{}", tokens.len());
    let with = |authorization: &str| {
        let request = app.client().request(Method::GET, "/api/users/profile");
        request.header("X-Request-Id", "forged").header("Authorization", authorization)
    };
    let nobody = app.client().request(Method::GET, "/api/users/profile");
    let nobody = Answer::of(nobody.header("X-Request-Id", "forged")).await;
    for authorization in &tokens {
        let answer = Answer::of(with(authorization)).await;
        assert_eq!(answer.status, StatusCode::UNAUTHORIZED, "{authorization}");
        assert_eq!(whole(&answer), whole(&nobody), "{authorization}");
    }
    assert_eq!(nobody.header("www-authenticate"), Some("Bearer"));
    nobody.problem_of(401, "unauthenticated");
    // Two are no one's, and in the query it is not looked for.
    let good = forger.good();
    let twice = app.client().request(Method::GET, "/api/users/profile");
    let twice = twice.bearer_auth(&good).header("Authorization", format!("Bearer {good}"));
    Answer::of(twice).await.problem_of(401, "unauthenticated");
    let path = format!("/api/users/profile?access_token={good}");
    app.client().get(&path).await.problem_of(401, "unauthenticated");
    // The same claims, signed as they should be, are taken: each of the above fails for its own
    // reason. The scheme's case does not matter.
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let answer = Answer::of(with(&format!("{scheme} {good}"))).await;
        assert_eq!(answer.expect(StatusCode::OK)["id"], person.id);
    }
}

/// All of an answer but the moment at which it was given.
fn whole(answer: &Answer) -> (StatusCode, HeaderMap, &str) {
    let mut headers = answer.headers.clone();
    headers.remove("date");
    (answer.status, headers, &answer.text)
}
