//! Who is let in: one and the same 401 for everybody else.

use jsonwebtoken::{
    Algorithm, DecodingKey, EncodingKey, Header, Validation, crypto::rust_crypto, decode, encode,
    get_current_timestamp, jwk::JwkSet,
};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::alike;
use crate::harness::{App, Person, client::Answer, document::DOCUMENT};

pub(super) async fn all(app: &App) {
    let _installed_already = rust_crypto::DEFAULT_PROVIDER.install_default();
    published_keys_verify_a_token(app).await;
    let expected = every_operation_asks_for_one(app).await;
    forged_ones_are_refused(app, &expected).await;
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

/// Every operation that the document says needs a token; all refuse alike without one.
async fn every_operation_asks_for_one(app: &App) -> Value {
    let mut refused = Vec::new();
    for (template, item) in DOCUMENT["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            if operation["security"].as_array().is_none_or(Vec::is_empty) {
                continue;
            }
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            // An id of anything: whoever is not known does not learn whether it is one.
            let path = template.replace("{id}", "1");
            let answer = Answer::of(app.client().request(method, &path)).await;
            assert_eq!(answer.header("www-authenticate"), Some("Bearer"), "{template}");
            refused.push(alike(answer.problem_of(401, "unauthenticated")));
        }
    }
    assert!(refused.len() > 40, "{} operations ask who is there", refused.len());
    assert!(refused.windows(2).all(|pair| pair[0] == pair[1]));
    refused.remove(0)
}

async fn forged_ones_are_refused(app: &App, expected: &Value) {
    let person = app.client().somebody().await;
    let pem = std::fs::read(app.data_dir().join("signing-key.pem")).unwrap();
    let ours = EncodingKey::from_ed_pem(&pem).unwrap();
    let header = jsonwebtoken::decode_header(&person.token).unwrap();
    let claims = claims(person.id);
    let signed = |claims: &Value| encode(&header, claims, &ours).unwrap();
    let good = signed(&claims);
    let mut forged = wrong_claims(&claims, &signed);
    forged.extend(other_signatures(&header, &claims, &ours, &pem));
    let other = signed(&json!({"sub": "1"}));
    forged.extend(mangled(&good, &other));
    forged.extend(opaque(&person));
    assert!(forged.len() >= 60, "{}", forged.len());
    let mut answers = Vec::new();
    for authorization in &forged {
        let request = app.client().request(Method::GET, "/api/users/profile");
        let request = request.header("X-Request-Id", "forged");
        let answer = Answer::of(request.header("Authorization", authorization)).await;
        let mut headers = answer.headers.clone();
        headers.remove("date");
        answers.push((answer.text.clone(), headers));
        assert_eq!(answer.header("www-authenticate"), Some("Bearer"));
        let problem = alike(answer.problem_of(401, "unauthenticated"));
        assert_eq!(&problem, expected, "{authorization}");
    }
    assert!(answers.windows(2).all(|pair| pair[0] == pair[1]), "byte for byte the same");
    // Two are no one's, and in the query it is not looked for.
    let twice = app.client().request(Method::GET, "/api/users/profile");
    let twice = twice.bearer_auth(&good).header("Authorization", format!("Bearer {good}"));
    Answer::of(twice).await.problem_of(401, "unauthenticated");
    let path = format!("/api/users/profile?access_token={good}");
    app.client().get(&path).await.problem_of(401, "unauthenticated");
    // The same claims, signed as they should be, are taken: each of the above fails for its own
    // reason. The scheme's case does not matter.
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let request = app.client().request(Method::GET, "/api/users/profile");
        let answer = Answer::of(request.header("Authorization", format!("{scheme} {good}"))).await;
        assert_eq!(answer.expect(StatusCode::OK)["id"], person.id);
    }
}

/// Signed as they should be, but for nobody, for somebody else, or for another time.
fn wrong_claims(claims: &Value, signed: &impl Fn(&Value) -> String) -> Vec<String> {
    let id = claims["sub"].as_str().unwrap();
    let with = |member: &str, value: Value| {
        let mut claims = claims.clone();
        claims[member] = value;
        format!("Bearer {}", signed(&claims))
    };
    let without = |member: &str| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(member).unwrap();
        format!("Bearer {}", signed(&claims))
    };
    let now = get_current_timestamp();
    vec![
        with("exp", json!(now - 60)),
        with("exp", json!("never")),
        with("nbf", json!(now + 600)),
        with("iss", json!("somebody-else")),
        with("aud", json!("somebody-else")),
        with("aud", json!(["lunation"])),
        with("sub", json!("0")),
        with("sub", json!("-1")),
        with("sub", json!(format!("0{id}"))),
        with("sub", json!(format!("{id} "))),
        with("sub", json!(id.parse::<i64>().unwrap())),
        with("sub", json!("9223372036854775808")),
        with("sid", json!("")),
        with("sid", json!("5F0C2F9E-2A3B-4A52-9D0E-0F6F5A3F7C11")),
        with("sid", json!("{5f0c2f9e-2a3b-4a52-9d0e-0f6f5a3f7c11}")),
        with("sid", json!(1)),
        with("scope", json!(["read:profile"])),
        with("scope", Value::Null),
        with("iat", json!("now")),
        with("jti", json!(1)),
        without("exp"),
        without("nbf"),
        without("iat"),
        without("jti"),
        without("sub"),
        without("sid"),
        without("iss"),
        without("aud"),
        without("scope"),
    ]
}

/// Secrets of ours that are none of theirs, or no access tokens.
fn opaque(person: &Person) -> Vec<String> {
    let unknown = contracts::Secret::from_random(contracts::Secret::API_TOKEN, &[7; 32]);
    let mut mistyped = unknown.expose().to_owned();
    mistyped.pop();
    [unknown.expose(), &mistyped, "lun_", "lun_ ", &person.refresh_token]
        .map(|token| format!("Bearer {token}"))
        .to_vec()
}

/// What is left of a good token when something is done to it.
fn mangled(good: &str, other: &str) -> Vec<String> {
    let parts: Vec<&str> = good.split('.').collect();
    let other_claims = other.split('.').nth(1).unwrap();
    vec![
        String::new(),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        "Bearer x".to_owned(),
        "Bearer a.b.c".to_owned(),
        format!("Basic {good}"),
        format!("Token {good}"),
        good.to_owned(),
        format!("Bearer {good}x"),
        format!("Bearer {good}.{good}"),
        format!("Bearer {good}, Bearer {good}"),
        format!("Bearer {} {}", parts[0], parts[1]),
        format!("Bearer {}.{}.", parts[0], parts[1]),
        format!("Bearer {}.{other_claims}.{}", parts[0], parts[2]),
        format!("Bearer {}", "a".repeat(5_000)),
    ]
}

fn claims(id: i64) -> Value {
    let now = get_current_timestamp();
    json!({
        "iss": "lunation", "aud": "lunation", "sub": id.to_string(), "iat": now, "nbf": now,
        "exp": now + 600, "jti": "forged", "sid": "5f0c2f9e-2a3b-4a52-9d0e-0f6f5a3f7c11",
        "scope": "read:profile",
    })
}

/// The right claims under a wrong signature, or a header that is none of ours.
fn other_signatures(
    header: &Header,
    claims: &Value,
    ours: &EncodingKey,
    pem: &[u8],
) -> Vec<String> {
    // RFC 8410's example key: as good as ours, but not ours.
    let theirs = "-----BEGIN PRIVATE KEY-----\n\
        MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
        -----END PRIVATE KEY-----\n";
    let theirs = EncodingKey::from_ed_pem(theirs.as_bytes()).unwrap();
    let symmetric = EncodingKey::from_secret(pem);
    let changed = |change: &dyn Fn(&mut Header), key: &EncodingKey| {
        let mut header = header.clone();
        change(&mut header);
        encode(&header, claims, key).unwrap()
    };
    let unsigned = changed(&|_| {}, ours);
    let payload = unsigned.split('.').nth(1).unwrap();
    // {"alg":"none","typ":"at+jwt"}
    let none = format!("eyJhbGciOiJub25lIiwidHlwIjoiYXQrand0In0.{payload}.");
    [
        changed(&|_| {}, &theirs),
        changed(&|header| header.kid = Some("unknown".to_owned()), &theirs),
        changed(&|header| header.kid = None, ours),
        changed(&|header| header.typ = Some("JWT".to_owned()), ours),
        changed(&|header| header.typ = None, ours),
        changed(&|header| header.typ = Some("refresh+jwt".to_owned()), ours),
        changed(&|header| header.kid = Some("../signing-key.pem".to_owned()), ours),
        changed(&|header| header.kid = Some("' OR 1=1 --".to_owned()), ours),
        changed(&|header| header.jku = Some("https://example.org/keys".to_owned()), &theirs),
        changed(&|header| header.x5u = Some("https://example.org/cert".to_owned()), &theirs),
        changed(&|header| header.crit = Some(vec!["exp".to_owned()]), ours),
        changed(&|header| header.alg = Algorithm::HS256, &symmetric),
        changed(&|header| header.alg = Algorithm::HS512, &symmetric),
        none,
    ]
    .map(|token| format!("Bearer {token}"))
    .to_vec()
}
