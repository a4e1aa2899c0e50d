//! Personal API tokens where they come in: each is exchanged for a short access token, which is what
//! everybody behind the gateway sees and verifies.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

use contracts::{
    Call, Handle, Refusal, Secret,
    call::AccessToken,
    users::{ExchangeApiToken, ExchangedToken, UsersMailbox},
};
use sha2::{Digest, Sha256};

/// For how long an access token stands for the API token without a question. (A revoked one is
/// refused sooner, since its access tokens are.)
const KEPT_MAX: Duration = Duration::from_mins(1);
/// Most of them in memory.
const KEPT_COUNT_MAX: usize = 10_000;
/// How long the users group may take to answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Access tokens by the SHA-256 of what they stand for.
pub(crate) struct Exchange {
    users: Handle<UsersMailbox>,
    kept: Mutex<HashMap<[u8; 32], Kept>>,
}

struct Kept {
    access_token: AccessToken,
    until: Instant,
}

impl Exchange {
    /// Nothing yet.
    pub(crate) fn new(users: Handle<UsersMailbox>) -> Self {
        Self { users, kept: Mutex::default() }
    }

    /// The access token that a bearer token is or stands for. Whether it is good is for others to
    /// say.
    ///
    /// # Errors
    ///
    /// The one 401 if it is an API token and not a good one; what the users group says otherwise.
    pub(crate) async fn access_token(
        &self,
        call: &Call,
        bearer: AccessToken,
    ) -> Result<AccessToken, Refusal> {
        if !bearer.expose().starts_with(Secret::API_TOKEN) {
            return Ok(bearer);
        }
        let token = Secret::new(bearer.expose().to_owned());
        if !token.is_well_formed(Secret::API_TOKEN) {
            return Err(Refusal::unauthenticated());
        }
        let hash: [u8; 32] = Sha256::digest(token.expose()).into();
        if let Some(access_token) = self.known(&hash) {
            return Ok(access_token);
        }
        let asked = Instant::now();
        // From where it is used is told to its owner.
        let patience = PATIENCE.min(call.deadline.duration_since(asked));
        let call = Call { origin: call.origin, ..call.with_patience(patience) };
        let exchanged = self.users.ask(&call, ExchangeApiToken { token }).await?;
        let ExchangedToken { access_token, expires_in_seconds } = exchanged;
        let access_token = AccessToken::parse(&access_token).ok_or_else(Refusal::internal)?;
        let good_for = Duration::from_secs(expires_in_seconds) / 2;
        self.keep(hash, access_token.clone(), asked + good_for.min(KEPT_MAX));
        Ok(access_token)
    }

    fn known(&self, hash: &[u8; 32]) -> Option<AccessToken> {
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        let found = kept.get(hash).filter(|kept| kept.until > Instant::now());
        found.map(|kept| kept.access_token.clone())
    }

    fn keep(&self, hash: [u8; 32], access_token: AccessToken, until: Instant) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_COUNT_MAX {
            let now = Instant::now();
            kept.retain(|_hash, kept| kept.until > now);
        }
        // More than that are in use at once: the others are asked for again.
        if kept.len() < KEPT_COUNT_MAX {
            kept.insert(hash, Kept { access_token, until });
        }
    }
}
