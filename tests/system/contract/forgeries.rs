//! What no token of ours looks like: each fails for one reason of its own.

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{
    Algorithm, EncodingKey, Header, crypto, decode_header, encode, get_current_timestamp, jwk::Jwk,
};
use serde_json::{Value, json};

use crate::harness::{App, Person};

/// What a forger has: a token of somebody, what is published, and a key of their own. What they do
/// not have is our key: with it, each of these is tried with a signature that is good.
pub(super) struct Forger {
    header: Header,
    claims: Value,
    ours: EncodingKey,
    theirs: EncodingKey,
    /// The key as it is published.
    public: Value,
    /// A refresh token, which is no access token.
    refresh_token: String,
}

impl Forger {
    pub(super) async fn new(app: &App, person: &Person) -> Self {
        // RFC 8410's example key: as good as ours, but not ours.
        let theirs = "-----BEGIN PRIVATE KEY-----\n\
            MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n\
            -----END PRIVATE KEY-----\n";
        let pem = std::fs::read(app.data_dir().join("signing-key.pem")).unwrap();
        let published = app.client().get("/.well-known/jwks.json").await.body;
        Self {
            header: decode_header(&person.token).unwrap(),
            claims: claims(person.id),
            ours: EncodingKey::from_ed_pem(&pem).unwrap(),
            theirs: EncodingKey::from_ed_pem(theirs.as_bytes()).unwrap(),
            public: published["keys"][0].clone(),
            refresh_token: person.refresh_token.clone(),
        }
    }

    /// With nothing wrong.
    pub(super) fn good(&self) -> String {
        encode(&self.header, &self.claims, &self.ours).unwrap()
    }

    /// Whole values of `Authorization`, none twice.
    pub(super) fn all(&self) -> Vec<String> {
        let tokens = [self.wrong_claims(), self.wrong_headers(), self.raw(), self.symmetric()];
        let tokens = tokens.into_iter().flatten().chain(self.opaque());
        tokens.map(|token| format!("Bearer {token}")).chain(self.mangled()).collect()
    }

    /// Signed as they should be, but for nobody, for somebody else, or for another time.
    fn wrong_claims(&self) -> Vec<String> {
        let id = self.claims["sub"].as_str().unwrap();
        let now = get_current_timestamp();
        let signed = |claims: &Value| encode(&self.header, claims, &self.ours).unwrap();
        let with = |(member, value): (&str, Value)| {
            let mut claims = self.claims.clone();
            claims[member] = value;
            signed(&claims)
        };
        let without = |member: &str| {
            let mut claims = self.claims.clone();
            claims.as_object_mut().unwrap().remove(member).unwrap();
            signed(&claims)
        };
        let changed = [
            ("exp", json!(now - 60)),
            // The leeway is 5 s.
            ("exp", json!(now - 6)),
            ("exp", json!("never")),
            ("nbf", json!(now + 600)),
            ("iss", json!("somebody-else")),
            ("aud", json!("somebody-else")),
            ("aud", json!(["lunation"])),
            ("sub", json!("0")),
            ("sub", json!("-1")),
            ("sub", json!(format!("0{id}"))),
            ("sub", json!(format!("{id} "))),
            ("sub", json!(id.parse::<i64>().unwrap())),
            ("sub", json!("9223372036854775808")),
            ("sid", json!("")),
            ("sid", json!("5F0C2F9E-2A3B-4A52-9D0E-0F6F5A3F7C11")),
            ("sid", json!("{5f0c2f9e-2a3b-4a52-9d0e-0f6f5a3f7c11}")),
            ("sid", json!(1)),
            ("scope", json!(["read:profile"])),
            ("scope", Value::Null),
            ("iat", json!("now")),
            ("jti", json!(1)),
        ];
        let members = ["exp", "nbf", "iat", "jti", "sub", "sid", "iss", "aud", "scope"];
        changed.into_iter().map(with).chain(members.map(without)).collect()
    }

    /// The right claims under a wrong signature, or a header that is none of ours.
    fn wrong_headers(&self) -> Vec<String> {
        let changed = |change: &dyn Fn(&mut Header), key: &EncodingKey| {
            let mut header = self.header.clone();
            change(&mut header);
            encode(&header, &self.claims, key).unwrap()
        };
        let their_public = Jwk::from_encoding_key(&self.theirs, Algorithm::EdDSA).unwrap();
        let (ours, theirs) = (&self.ours, &self.theirs);
        let url = |path: &str| Some(format!("https://example.org/{path}"));
        vec![
            changed(&|_| {}, theirs),
            changed(&|header| header.kid = Some("unknown".to_owned()), theirs),
            changed(&|header| header.kid = None, ours),
            changed(&|header| header.kid = Some("../signing-key.pem".to_owned()), ours),
            changed(&|header| header.kid = Some("' OR 1=1 --".to_owned()), ours),
            changed(&|header| header.typ = Some("JWT".to_owned()), ours),
            changed(&|header| header.typ = None, ours),
            changed(&|header| header.typ = Some("refresh+jwt".to_owned()), ours),
            changed(&|header| header.jku = url("keys"), theirs),
            changed(&|header| header.x5u = url("certificate"), theirs),
            changed(&|header| header.jwk = Some(their_public.clone()), theirs),
            changed(&|header| header.crit = Some(vec!["exp".to_owned()]), ours),
        ]
    }

    /// Headers and claims that a library would not write, under a signature that is good.
    fn raw(&self) -> Vec<String> {
        let (kid, claims) = (self.header.kid.as_deref().unwrap(), self.claims.to_string());
        let signed = |header: &str, claims: &str| {
            let message = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part)).join(".");
            let signature = crypto::sign(message.as_bytes(), &self.ours, Algorithm::EdDSA);
            format!("{message}.{}", signature.unwrap())
        };
        let algorithms = ["none", "None", "NONE", "eddsa", "HS256", "RS256", "ES256", ""];
        let of =
            |algorithm: &str| format!(r#"{{"typ":"at+jwt","alg":"{algorithm}","kid":"{kid}"}}"#);
        let mut tokens: Vec<String> =
            algorithms.iter().map(|algorithm| signed(&of(algorithm), &claims)).collect();
        let unsigned = signed(&of("none"), &claims);
        tokens.push(unsigned[..=unsigned.rfind('.').unwrap()].to_owned());
        let good = of("EdDSA");
        let twice = |text: &str, member: &str| text.replacen('{', &format!("{{{member},"), 1);
        for (header, claims) in [
            (twice(&good, r#""alg":"none""#), claims.clone()),
            (good.replace(kid, &format!("{kid} ")), claims.clone()),
            (good.replace(&format!("\"{kid}\""), &format!("[\"{kid}\"]")), claims.clone()),
            (good.clone(), twice(&claims, r#""sub":"1""#)),
            (good.clone(), twice(&claims, r#""exp":9999999999"#)),
            (good.clone(), format!("[{claims}]")),
            (good.clone(), "null".to_owned()),
            (good.clone(), format!("{claims}{claims}")),
        ] {
            tokens.push(signed(&header, &claims));
        }
        tokens
    }

    /// The confusion of algorithms: what is published, taken as a secret.
    fn symmetric(&self) -> Vec<String> {
        let x = self.public["x"].as_str().unwrap();
        let bytes = URL_SAFE_NO_PAD.decode(x).unwrap();
        // RFC 8410 §4: what stands before the bytes of a public key.
        let prefix = [0x30, 0x2a, 0x30, 0x05, 0x06, 0x03, 0x2b, 0x65, 0x70, 0x03, 0x21, 0x00];
        let der = [&prefix[..], &bytes].concat();
        let text = base64::engine::general_purpose::STANDARD.encode(&der);
        let pem = format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n");
        let jwk = self.public.to_string();
        let secrets = [&bytes[..], x.as_bytes(), &der, pem.as_bytes(), jwk.as_bytes(), b""];
        let of_each = secrets.map(|secret| (Algorithm::HS256, secret));
        let others = [Algorithm::HS384, Algorithm::HS512].map(|it| (it, pem.as_bytes()));
        let signed = |(algorithm, secret): (Algorithm, &[u8])| {
            let header = Header { alg: algorithm, ..self.header.clone() };
            encode(&header, &self.claims, &EncodingKey::from_secret(secret)).unwrap()
        };
        of_each.into_iter().chain(others).map(signed).collect()
    }

    /// Secrets of ours that are none of theirs, or no access tokens.
    fn opaque(&self) -> Vec<String> {
        let unknown = contracts::Secret::from_random(contracts::Secret::API_TOKEN, &[7; 32]);
        let mut mistyped = unknown.expose().to_owned();
        mistyped.pop();
        [unknown.expose(), &mistyped, contracts::Secret::API_TOKEN, &self.refresh_token]
            .map(str::to_owned)
            .to_vec()
    }

    /// What is left of a good token when something is done to it.
    fn mangled(&self) -> Vec<String> {
        let good = self.good();
        let parts: Vec<&str> = good.split('.').collect();
        let other = encode(&self.header, &json!({"sub": "1"}), &self.ours).unwrap();
        let other_claims = other.split('.').nth(1).unwrap();
        vec![
            String::new(),
            "Bearer".to_owned(),
            "Bearer x".to_owned(),
            "Bearer a.b.c".to_owned(),
            "Bearer ..".to_owned(),
            format!("Basic {good}"),
            format!("Token {good}"),
            good.clone(),
            format!("Bearer {good}x"),
            format!("Bearer {good}="),
            format!("Bearer {good}.{good}"),
            format!("Bearer {good}, Bearer {good}"),
            format!("Bearer {} {}", parts[0], parts[1]),
            format!("Bearer {}.{}", parts[0], parts[1]),
            format!("Bearer {}.{}.", parts[0], parts[1]),
            format!("Bearer {}.{other_claims}.{}", parts[0], parts[2]),
            format!("Bearer {}", "a".repeat(5_000)),
        ]
    }
}

fn claims(id: i64) -> Value {
    let now = get_current_timestamp();
    json!({
        "iss": "lunation", "aud": "lunation", "sub": id.to_string(), "iat": now, "nbf": now,
        "exp": now + 600, "jti": "forged", "sid": "5f0c2f9e-2a3b-4a52-9d0e-0f6f5a3f7c11",
        "scope": "read:profile",
    })
}
