//! The API over groups that are away, except that the users group publishes a real key.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use api::{ApiOptions, Groups, Verifier};
use contracts::{
    Call, Handle, Refusal, Scopes, SessionId,
    analytics::AnalyticsMailbox,
    handle::{Opened, Transport},
    users::{ExchangedToken, RevocationCursor, RevocationPage, SigningKeys, UsersMailbox},
};
use ed25519_dalek::{SigningKey, pkcs8::EncodePrivateKey};
use futures::future::{self, BoxFuture};
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use poem::{
    Response,
    endpoint::BoxEndpoint,
    http::Method,
    test::{TestClient, TestResponse},
};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "lunation-test";
pub(crate) const AUDIENCE: &str = "lunation-api";
pub(crate) const KEY_ID: &str = "key-1";
pub(crate) const SESSION: &str = "5f0c2f9e-2a3b-4a52-9d0e-0f6f5a3f7c11";

/// An API and the key that its tokens are signed with.
pub(crate) struct Api {
    pub(crate) client: TestClient<BoxEndpoint<'static, Response>>,
    pub(crate) signer: Signer,
    pub(crate) users: Arc<KeyHolder>,
    pub(crate) cycles: Arc<Away>,
    pub(crate) verifier: Arc<Verifier>,
}

impl Api {
    pub(crate) fn new() -> Self {
        Self::with(ApiOptions::default())
    }

    pub(crate) fn with(options: ApiOptions) -> Self {
        Self::over(options, Arc::new(Away::default()))
    }

    pub(crate) fn over(
        options: ApiOptions,
        analytics: Arc<dyn Transport<AnalyticsMailbox>>,
    ) -> Self {
        let signer = Signer::new();
        let users = Arc::new(KeyHolder {
            x: signer.public.clone(),
            fetches: AtomicUsize::new(0),
            is_away: AtomicBool::new(false),
            is_mute: AtomicBool::new(false),
            revoked: Mutex::default(),
            exchanges: AtomicUsize::new(0),
            api_tokens: Mutex::default(),
        });
        let cycles = Arc::new(Away::default());
        let groups = Groups {
            users: Handle::new(Arc::clone(&users) as Arc<dyn Transport<_>>),
            cycles: Handle::new(Arc::clone(&cycles) as Arc<dyn Transport<_>>),
            analytics: Handle::new(analytics),
            notifications: Handle::new(Arc::new(Away::default())),
        };
        let verifier = Arc::new(Verifier::new(groups.users.clone()));
        let client = TestClient::new(api::app(&groups, Arc::clone(&verifier), options));
        Self { client, signer, users, cycles, verifier }
    }

    /// Sends a request with a good token and returns its status and body.
    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&str>,
    ) -> (u16, Value) {
        let token = self.signer.token(&Signer::claims());
        let mut request = self.client.request(method, path).header("x-request-id", "test");
        request = request.header("authorization", format!("Bearer {token}"));
        if let Some(body) = body {
            request = request.content_type("application/json").body(body.to_owned());
        }
        read(request.send().await).await
    }
}

pub(crate) async fn read(response: TestResponse) -> (u16, Value) {
    let status = response.0.status().as_u16();
    let text = response.0.into_body().into_string().await.expect("UTF-8");
    (status, serde_json::from_str(&text).unwrap_or(Value::Null))
}

/// Publishes one key and which sessions ended, and knows some API tokens.
pub(crate) struct KeyHolder {
    x: String,
    pub(crate) fetches: AtomicUsize,
    pub(crate) is_away: AtomicBool,
    /// Whether it cannot say which sessions ended.
    pub(crate) is_mute: AtomicBool,
    pub(crate) revoked: Mutex<Vec<SessionId>>,
    pub(crate) exchanges: AtomicUsize,
    /// API tokens with the access tokens that they stand for.
    pub(crate) api_tokens: Mutex<Vec<(String, String)>>,
}

impl KeyHolder {
    /// Every session that ended, again and again.
    fn revocations(&self) -> RevocationPage {
        RevocationPage {
            revoked: self.revoked.lock().expect("unpoisoned").clone(),
            next: RevocationCursor { transaction: 1, place: 0, floor: 1 },
            has_more: false,
            keys_version: KEY_ID.to_owned(),
        }
    }

    fn exchange(&self, token: &str) -> Result<ExchangedToken, Refusal> {
        self.exchanges.fetch_add(1, Ordering::SeqCst);
        let known = self.api_tokens.lock().expect("unpoisoned");
        let found = known.iter().find(|(api_token, _)| api_token == token);
        let (_, access_token) = found.ok_or_else(Refusal::unauthenticated)?;
        Ok(ExchangedToken { access_token: access_token.clone(), expires_in_seconds: 600 })
    }
}

fn delivered() -> BoxFuture<'static, Result<Opened, Refusal>> {
    let opened = Opened::default();
    opened.mark();
    Box::pin(future::ready(Ok(opened)))
}

impl Transport<UsersMailbox> for KeyHolder {
    fn deliver(
        &self,
        _call: Call,
        message: UsersMailbox,
    ) -> BoxFuture<'_, Result<Opened, Refusal>> {
        let port = match message {
            UsersMailbox::GetSigningKeys(_, port) => port,
            UsersMailbox::ListRevocations(..) if self.is_mute.load(Ordering::SeqCst) => {
                return Box::pin(future::ready(Err(Refusal::unavailable())));
            }
            UsersMailbox::ListRevocations(_, port) => {
                port.answer(Ok(self.revocations()));
                return delivered();
            }
            UsersMailbox::ExchangeApiToken(request, port) => {
                port.answer(self.exchange(request.token.expose()));
                return delivered();
            }
            _ => return Box::pin(future::ready(Err(Refusal::unavailable()))),
        };
        self.fetches.fetch_add(1, Ordering::SeqCst);
        if self.is_away.load(Ordering::SeqCst) {
            return Box::pin(future::ready(Err(Refusal::unavailable())));
        }
        let jwks = json!({ "keys": [{
            "kty": "OKP", "crv": "Ed25519", "alg": "EdDSA", "use": "sig",
            "kid": KEY_ID, "x": self.x,
        }] });
        port.answer(Ok(SigningKeys {
            jwks,
            issuer: ISSUER.to_owned(),
            audience: AUDIENCE.to_owned(),
        }));
        delivered()
    }
}

/// A group that is away, and remembers what it was called with.
#[derive(Default)]
pub(crate) struct Away {
    pub(crate) calls: Mutex<Vec<Call>>,
}

impl<M: Send + 'static> Transport<M> for Away {
    fn deliver(&self, call: Call, _message: M) -> BoxFuture<'_, Result<Opened, Refusal>> {
        self.calls.lock().expect("unpoisoned").push(call);
        Box::pin(future::ready(Err(Refusal::unavailable())))
    }
}

/// Signs tokens.
pub(crate) struct Signer {
    pub(crate) key: EncodingKey,
    pub(crate) public: String,
}

impl Signer {
    pub(crate) fn new() -> Self {
        let key = SigningKey::from_bytes(&rand::random());
        let public = base64url(key.verifying_key().as_bytes());
        let der = key.to_pkcs8_der().expect("a key");
        Self { key: EncodingKey::from_ed_der(der.as_bytes()), public }
    }

    pub(crate) fn claims() -> Value {
        json!({
            "iss": ISSUER, "aud": AUDIENCE, "sub": "7", "sid": SESSION, "jti": "token-1",
            "iat": now(), "nbf": now(), "exp": now() + 600, "scope": Scopes::ALL.to_string(),
        })
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        self.token_with(&header(), claims)
    }

    pub(crate) fn token_with(&self, header: &Header, claims: &Value) -> String {
        encode(header, claims, &self.key).expect("a token")
    }
}

pub(crate) fn header() -> Header {
    let mut header = Header::new(Algorithm::EdDSA);
    header.typ = Some("at+jwt".to_owned());
    header.kid = Some(KEY_ID.to_owned());
    header
}

#[expect(clippy::disallowed_methods, reason = "a token's expiry is compared with the real clock")]
pub(crate) fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO).as_secs()
}

pub(crate) fn base64url(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let padded = [chunk[0], *chunk.get(1).unwrap_or(&0), *chunk.get(2).unwrap_or(&0)];
        let word = u32::from_be_bytes([0, padded[0], padded[1], padded[2]]);
        for at in 0..=chunk.len() {
            let index = (word >> (18 - 6 * at)) & 63;
            text.push(char::from(ALPHABET[usize::try_from(index).expect("six bits")]));
        }
    }
    text
}
