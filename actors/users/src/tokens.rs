//! Access tokens: JWTs of the profile of RFC 9068, signed with Ed25519.

use std::{sync::Arc, time::Duration};

use actor_runtime::clock::{Clock, Ids};
use chrono::{DateTime, Utc};
use contracts::{Refusal, Scopes, SessionId, UserId, users::SigningKeys};
use jsonwebtoken::{Algorithm, Header, encode};
use serde::Serialize;

use crate::KeyRing;

/// The media type of access tokens (RFC 9068 §2.1): no other token of ours can pass for one.
const TOKEN_TYPE: &str = "at+jwt";

/// Issues access tokens, and says how they are verified.
pub(crate) struct TokenIssuer {
    keys: Arc<KeyRing>,
    issuer: String,
    audience: String,
    ttl: Duration,
    ids: Ids,
}

/// A signed token and how long it is good for.
pub(crate) struct AccessToken {
    pub(crate) text: String,
    pub(crate) expires_in_seconds: u64,
}

#[derive(Serialize)]
struct Claims<'a> {
    iss: &'a str,
    aud: &'a str,
    sub: String,
    sid: SessionId,
    scope: Scopes,
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
}

impl TokenIssuer {
    /// Signs with the current one of `keys` in the name of `issuer`, for `audience`.
    pub(crate) fn new(keys: Arc<KeyRing>, issuer: String, audience: String, ttl: Duration) -> Self {
        Self { keys, issuer, audience, ttl, ids: Ids }
    }

    /// A token for a user, good from now on and never longer than its session.
    ///
    /// # Errors
    ///
    /// The signature failed: a fault of ours.
    pub(crate) fn issue(
        &self,
        user_id: UserId,
        session_id: SessionId,
        scopes: Scopes,
        session_expires_at: DateTime<Utc>,
        clock: Clock,
    ) -> Result<AccessToken, Refusal> {
        let key = self.keys.signing(clock.now());
        let now = clock.now().timestamp();
        let left = u64::try_from(session_expires_at.timestamp() - now).unwrap_or_default();
        let expires_in_seconds = self.ttl.as_secs().min(left);
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: user_id.to_string(),
            sid: session_id,
            scope: scopes,
            iat: now,
            nbf: now,
            exp: now.saturating_add_unsigned(expires_in_seconds),
            jti: self.ids.event_id().simple().to_string(),
        };
        let header = Header {
            typ: Some(TOKEN_TYPE.to_owned()),
            kid: Some(key.key_id().to_owned()),
            ..Header::new(Algorithm::EdDSA)
        };
        let text = encode(&header, &claims, key.private()).map_err(|error| {
            tracing::error!(%error, "could not sign a token");
            Refusal::internal()
        })?;
        Ok(AccessToken { text, expires_in_seconds })
    }

    /// The public keys, and what every token of ours says.
    ///
    /// # Errors
    ///
    /// The key set cannot be written as JSON: a fault of ours.
    pub(crate) fn signing_keys(&self, now: DateTime<Utc>) -> Result<SigningKeys, Refusal> {
        let jwks = serde_json::to_value(self.keys.published(now)).map_err(|error| {
            tracing::error!(%error, "could not write the key set");
            Refusal::internal()
        })?;
        Ok(SigningKeys { jwks, issuer: self.issuer.clone(), audience: self.audience.clone() })
    }
}

#[cfg(test)]
mod tests {
    use chrono::{DateTime, TimeDelta};
    use jsonwebtoken::{
        DecodingKey, Validation, decode, decode_header, errors::ErrorKind, jwk::JwkSet,
    };
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::keys::tests::rfc_8037_key;

    const SESSION: &str = "5f0c2f9e-2a3b-4a52-9d0e-0f6f5a3f7c11";

    fn issuer() -> TokenIssuer {
        let ttl = Duration::from_mins(10);
        let keys = Arc::new(KeyRing::of(rfc_8037_key()));
        TokenIssuer::new(keys, "https://issuer".to_owned(), "lunation".to_owned(), ttl)
    }

    /// A token of a session that ends in so many seconds.
    fn issue(issuer: &TokenIssuer, user_id: i64, session_left: i64, clock: Clock) -> AccessToken {
        let session = SessionId::parse(SESSION).unwrap();
        let session_ends = clock.now() + TimeDelta::seconds(session_left);
        let scopes = Scopes::parse("read:cycles account");
        issuer.issue(UserId::new(user_id), session, scopes, session_ends, clock).unwrap()
    }

    /// Verifies as somebody does who has nothing but what is published.
    fn verify(
        issuer: &TokenIssuer,
        token: &str,
    ) -> jsonwebtoken::errors::Result<Map<String, Value>> {
        let SigningKeys { jwks, issuer, audience } =
            issuer.signing_keys(Clock::System.now()).unwrap();
        let jwks: JwkSet = serde_json::from_value(jwks).unwrap();
        let key_id = decode_header(token)?.kid.unwrap();
        let key = DecodingKey::from_jwk(jwks.find(&key_id).unwrap())?;
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[audience]);
        validation.set_required_spec_claims(&["exp", "nbf", "iss", "aud", "sub"]);
        validation.validate_nbf = true;
        validation.leeway = 5;
        Ok(decode(token, &key, &validation)?.claims)
    }

    #[test]
    fn a_token_is_verified_with_the_published_keys() {
        let issuer = issuer();
        let AccessToken { text, expires_in_seconds } = issue(&issuer, 42, 3_600, Clock::System);
        assert_eq!(expires_in_seconds, 600);
        let claims = verify(&issuer, &text).unwrap();
        assert_eq!(claims["sub"], json!("42"));
        assert_eq!(claims["iss"], json!("https://issuer"));
        assert_eq!(claims["aud"], json!("lunation"));
        let again = verify(&issuer, &issue(&issuer, 42, 3_600, Clock::System).text);
        assert_ne!(claims["jti"], again.unwrap()["jti"]);
    }

    #[test]
    fn the_header_and_the_claims_are_exactly_these() {
        let now = DateTime::from_timestamp(1_718_409_600, 999_000_000).unwrap();
        let token = issue(&issuer(), 7, 3_600, Clock::Fixed(now)).text;
        let header = decode_header(&token).unwrap();
        assert_eq!(header.typ.as_deref(), Some("at+jwt"));
        assert_eq!(header.alg, Algorithm::EdDSA);
        assert_eq!(header.kid.as_deref(), Some(rfc_8037_key().key_id()));
        let mut claims: Map<String, Value> =
            jsonwebtoken::dangerous::insecure_decode(&token).unwrap().claims;
        let jti = claims.remove("jti").unwrap();
        assert_eq!(jti.as_str().unwrap().len(), 32);
        let expected = json!({
            "iss": "https://issuer",
            "aud": "lunation",
            "sub": "7",
            "sid": SESSION,
            "scope": "read:cycles account",
            "iat": 1_718_409_600,
            "nbf": 1_718_409_600,
            "exp": 1_718_410_200,
        });
        assert_eq!(Value::Object(claims), expected);
    }

    #[test]
    fn a_token_ends_with_its_session() {
        let issuer = issuer();
        for (session_left, seconds) in [(601, 600), (600, 600), (599, 599), (1, 1), (0, 0), (-5, 0)]
        {
            let token = issue(&issuer, 7, session_left, Clock::System);
            assert_eq!(token.expires_in_seconds, seconds, "{session_left}");
        }
    }

    #[test]
    fn expired_early_and_altered_tokens_are_refused() {
        let issuer = issuer();
        let refused = |token: &str| verify(&issuer, token).unwrap_err().into_kind();
        let at = |seconds: i64| {
            let moment = Clock::System.now() + TimeDelta::seconds(seconds);
            issue(&issuer, 1, 3_600, Clock::Fixed(moment)).text
        };
        assert_eq!(refused(&at(-610)), ErrorKind::ExpiredSignature);
        assert_eq!(refused(&at(60)), ErrorKind::ImmatureSignature);
        let (one, two) = (at(0), issue(&issuer, 2, 3_600, Clock::System).text);
        let (head, _) = two.rsplit_once('.').unwrap();
        let (_, signature) = one.rsplit_once('.').unwrap();
        assert_eq!(refused(&format!("{head}.{signature}")), ErrorKind::InvalidSignature);
    }
}
