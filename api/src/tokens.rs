//! Verifies access tokens against the users group's published keys (RFC 7519, RFC 8725, RFC 9068).

use std::{
    collections::HashMap,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use contracts::{
    Call, Grant, Handle, Refusal, Scopes, SessionId, UserId,
    call::AccessToken,
    limits,
    users::{GetSigningKeys, SigningKeys, UsersMailbox},
};
use jsonwebtoken::{
    Algorithm, DecodingKey, Validation, decode, decode_header,
    jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyAlgorithm},
};
use serde::Deserialize;
use serde_json::Value;
use tokio::{sync::Mutex, time};

use crate::{
    context::{new_request_id, new_trace},
    exchange::Exchange,
    revocations::Revocations,
    verified::Verified,
};

/// The least time between two fetches, so that forged key ids cost the users group nothing.
const REFETCH_AFTER: Duration = Duration::from_secs(5);
/// The least time between two fetches while there are no keys at all.
const RETRY_AFTER: Duration = Duration::from_millis(500);
/// How often they are asked for at the start, when everything starts at once.
const FIRST_LOOK_EVERY: Duration = Duration::from_millis(50);
/// How long the users group may take to answer.
const FETCH_PATIENCE: Duration = Duration::from_secs(1);
/// After this time the keys are fetched again, so that a withdrawn key stops being trusted.
const STALE_AFTER: Duration = Duration::from_mins(1);
/// How often the users group is asked which sessions ended and whether the keys changed.
const HEAR_EVERY: Duration = Duration::from_secs(1);
/// How often it is looked whether they have become so.
const LOOK_EVERY: Duration = Duration::from_secs(5);

/// Knows whom a token was issued to, and what it is good for. Every process has one: for the requests that come in by HTTP,
/// and for those that another process forwards.
pub struct Verifier {
    users: Handle<UsersMailbox>,
    keys: RwLock<Option<Arc<Keys>>>,
    last_fetch: Mutex<Option<Instant>>,
    /// Whether the last look for them was in vain.
    is_away: AtomicBool,
    /// The sessions whose tokens are not good any more.
    revocations: Revocations,
    /// What stands for personal API tokens.
    exchange: Exchange,
}

/// The keys as they were last fetched.
struct Keys {
    by_id: HashMap<String, DecodingKey>,
    version: String,
    validation: Validation,
    verified: Verified,
    fetched: Instant,
}

/// The claims that are relied upon. Each is required, and of exactly this type: a list of
/// audiences or a member given twice is not ours.
#[derive(Deserialize)]
struct Claims {
    sub: String,
    #[serde(rename = "iss")]
    _issuer: String,
    #[serde(rename = "aud")]
    _audience: String,
    #[serde(rename = "exp")]
    expires: u64,
    #[serde(rename = "nbf")]
    _not_before: u64,
    #[serde(rename = "iat")]
    _issued_at: u64,
    #[serde(rename = "jti")]
    _token_id: String,
    sid: String,
    scope: String,
}

impl Verifier {
    /// Verifies with the keys that the users group publishes.
    pub fn new(users: Handle<UsersMailbox>) -> Self {
        Self {
            revocations: Revocations::new(users.clone()),
            exchange: Exchange::new(users.clone()),
            users,
            keys: RwLock::new(None),
            last_fetch: Mutex::new(None),
            is_away: AtomicBool::new(false),
        }
    }

    /// What an access token proves: one check of a signature, unless it was done lately, and two looks
    /// into memory.
    ///
    /// # Errors
    ///
    /// The one 401 for anything that is wrong with it; 503 while the keys cannot be had.
    pub async fn verify(&self, call: &Call, token: &str) -> Result<Grant, Refusal> {
        let grant = self.verify_ended(call, token).await?;
        if self.has_ended(&grant) { Err(Refusal::unauthenticated()) } else { Ok(grant) }
    }

    /// The same of a token whose session may have ended: for the one answer that somebody who has
    /// left may ask for again.
    ///
    /// # Errors
    ///
    /// As [`Verifier::verify`].
    pub(crate) async fn verify_ended(&self, call: &Call, token: &str) -> Result<Grant, Refusal> {
        if let Some(grant) = self.known_keys().and_then(|keys| keys.verified.grant_of(token)) {
            return Ok(grant);
        }
        let key_id = key_id_of(token).ok_or_else(Refusal::unauthenticated)?;
        let keys = self.keys_with(call, &key_id).await?;
        let (grant, expires) =
            grant_of(token, &key_id, &keys).ok_or_else(Refusal::unauthenticated)?;
        keys.verified.keep(token, grant, expires);
        Ok(grant)
    }

    /// Whether a session has ended, as far as this process has heard.
    pub(crate) fn has_ended(&self, grant: &Grant) -> bool {
        self.revocations.holds(grant.session_id)
    }

    /// The access token that a bearer token is or stands for.
    ///
    /// # Errors
    ///
    /// The one 401 if it is a personal API token and not a good one; 503 while nobody can say.
    pub(crate) async fn access_token(
        &self,
        call: &Call,
        bearer: AccessToken,
    ) -> Result<AccessToken, Refusal> {
        self.exchange.access_token(call, bearer).await
    }

    /// Fetches the keys before anybody needs them, and again whenever they are stale: with the keys
    /// at hand, a users group that is away costs its own routes and no other. Never ends.
    pub async fn keep_fresh(&self) {
        loop {
            let is_fresh = self.known_keys().is_some_and(|keys| !keys.are_stale());
            if !is_fresh {
                let mut last_fetch = self.last_fetch.lock().await;
                let call = Call::new(new_request_id(), new_trace(), FETCH_PATIENCE);
                // Why it failed was logged; whoever needs a key meanwhile asks for it again.
                let _failed = self.fetch(&call, &mut last_fetch).await;
            }
            let pause = if self.known_keys().is_some() { LOOK_EVERY } else { FIRST_LOOK_EVERY };
            time::sleep(pause).await;
        }
    }

    /// Hears which sessions end, and fetches the keys when they change. Never ends.
    pub async fn keep_revocations(&self) {
        loop {
            if let Some(keys_version) = self.revocations.hear().await {
                let differs = |keys: Arc<Keys>| keys.version != keys_version;
                if self.known_keys().is_none_or(differs) {
                    let mut last_fetch = self.last_fetch.lock().await;
                    let call = Call::new(new_request_id(), new_trace(), FETCH_PATIENCE);
                    // Why it failed was logged; the next look tries again.
                    let _failed = self.fetch(&call, &mut last_fetch).await;
                }
            }
            time::sleep(HEAR_EVERY).await;
        }
    }

    /// Waits until there are keys, at most so long; says whether there are.
    pub async fn has_keys_within(&self, patience: Duration) -> bool {
        let there = async {
            while self.known_keys().is_none() {
                time::sleep(FIRST_LOOK_EVERY).await;
            }
        };
        time::timeout(patience, there).await.is_ok()
    }

    /// Keys that hold this one if it exists: fetched again if it is unknown or they are stale.
    async fn keys_with(&self, call: &Call, key_id: &str) -> Result<Arc<Keys>, Refusal> {
        let holding = self.known_keys().filter(|keys| keys.by_id.contains_key(key_id));
        if let Some(keys) = holding {
            // One request renews stale keys; nobody else waits for it.
            return match self.last_fetch.try_lock() {
                Ok(mut last_fetch) if keys.are_stale() && may_fetch(*last_fetch, REFETCH_AFTER) => {
                    Ok(self.fetch(call, &mut last_fetch).await.unwrap_or(keys))
                }
                _ => Ok(keys),
            };
        }
        let mut last_fetch = self.last_fetch.lock().await;
        let known = self.known_keys();
        let pause = if known.is_some() { REFETCH_AFTER } else { RETRY_AFTER };
        match known {
            Some(keys) if keys.by_id.contains_key(key_id) => Ok(keys),
            _ if may_fetch(*last_fetch, pause) => self.fetch(call, &mut last_fetch).await,
            known => known.ok_or_else(Refusal::unavailable),
        }
    }

    async fn fetch(
        &self,
        call: &Call,
        last_fetch: &mut Option<Instant>,
    ) -> Result<Arc<Keys>, Refusal> {
        *last_fetch = Some(Instant::now());
        let fetched = self.users.ask(&call.with_patience(FETCH_PATIENCE), GetSigningKeys {}).await;
        let fetched = fetched.map_err(|refusal| {
            // Asked for again and again: said once.
            if !self.is_away.swap(true, Ordering::Relaxed) {
                tracing::warn!(code = %refusal.code, "the signing keys cannot be had");
            }
            Refusal::unavailable()
        })?;
        if self.is_away.swap(false, Ordering::Relaxed) {
            tracing::info!("the signing keys can be had again");
        }
        // Whoever has just started knows who was turned out before letting anybody in. Why it cannot
        // be heard was logged.
        if !self.revocations.have_been_heard().await {
            return Err(Refusal::unavailable());
        }
        let keys = Arc::new(Keys::new(fetched));
        if keys.by_id.is_empty() {
            // Those that are known are better than none.
            tracing::error!("the users group published no key that is understood");
            return Err(Refusal::unavailable());
        }
        *self.keys.write().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&keys));
        Ok(keys)
    }

    fn known_keys(&self) -> Option<Arc<Keys>> {
        self.keys.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Keys {
    fn new(fetched: SigningKeys) -> Self {
        let version = fetched.version();
        let SigningKeys { jwks, issuer, audience } = fetched;
        // RFC 7517 §5: a key that is not understood is passed over, and the others count.
        let keys = jwks.get("keys").and_then(Value::as_array).into_iter().flatten();
        let keys = keys.filter_map(|key| serde_json::from_value::<Jwk>(key.clone()).ok());
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.leeway = limits::TOKEN_LEEWAY.as_secs();
        validation.validate_nbf = true;
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        Self {
            by_id: keys.filter_map(|key| verifying_key(&key)).collect(),
            version,
            validation,
            verified: Verified::default(),
            fetched: Instant::now(),
        }
    }

    fn are_stale(&self) -> bool {
        self.fetched.elapsed() >= STALE_AFTER
    }
}

fn may_fetch(last_fetch: Option<Instant>, pause: Duration) -> bool {
    last_fetch.is_none_or(|at| at.elapsed() >= pause)
}

/// An Ed25519 key with an id; anything else in the set is of no use here.
fn verifying_key(jwk: &Jwk) -> Option<(String, DecodingKey)> {
    let AlgorithmParameters::OctetKeyPair(parameters) = &jwk.algorithm else { return None };
    let is_ed25519 = parameters.curve == EllipticCurve::Ed25519
        && jwk.common.key_algorithm.is_none_or(|algorithm| algorithm == KeyAlgorithm::EdDSA);
    let id = jwk.common.key_id.clone().filter(|_| is_ed25519)?;
    Some((id, DecodingKey::from_jwk(jwk).ok()?))
}

/// The key that a token names, if its header is one of ours. The header chooses among our keys
/// and nothing else: never the algorithm, never a key of its own.
fn key_id_of(token: &str) -> Option<String> {
    if token.len() > AccessToken::LENGTH_MAX {
        return None;
    }
    let header = decode_header(token).ok()?;
    let is_access_token = header.typ.as_deref() == Some("at+jwt");
    let is_plain = header.crit.is_none() && header.enc.is_none() && header.zip.is_none();
    (header.alg == Algorithm::EdDSA && is_access_token && is_plain).then_some(header.kid)?
}

/// What a token proves, and when it runs out.
fn grant_of(token: &str, key_id: &str, keys: &Keys) -> Option<(Grant, u64)> {
    let key = keys.by_id.get(key_id)?;
    let claims: Claims = decode(token, key, &keys.validation).ok()?.claims;
    let canonical = |id: &i64| *id > 0 && id.to_string() == claims.sub;
    let user_id = claims.sub.parse::<i64>().ok().filter(canonical).map(UserId::new)?;
    let session_id = SessionId::parse(&claims.sid)?;
    let scopes = Scopes::parse(&claims.scope);
    Some((Grant { user_id, session_id, scopes }, claims.expires))
}
