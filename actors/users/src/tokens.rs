//! Access tokens: JWTs of the profile of RFC 9068, signed with Ed25519.

use std::time::Duration;

use actor_runtime::clock::{Clock, Ids};
use contracts::{Refusal, UserId, users::SigningKeys};
use jsonwebtoken::{Algorithm, Header, encode};
use serde::Serialize;

use crate::SigningKey;

/// The media type of access tokens (RFC 9068 §2.1): no other token of ours can pass for one.
const TOKEN_TYPE: &str = "at+jwt";

/// Issues access tokens, and says how they are verified.
pub(crate) struct TokenIssuer {
    key: SigningKey,
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
    iat: i64,
    nbf: i64,
    exp: i64,
    jti: String,
}

impl TokenIssuer {
    /// Signs with `key` in the name of `issuer`, for `audience`.
    pub(crate) fn new(key: SigningKey, issuer: String, audience: String, ttl: Duration) -> Self {
        Self { key, issuer, audience, ttl, ids: Ids }
    }

    /// A token for a user, good from now on.
    ///
    /// # Errors
    ///
    /// The signature failed: a fault of ours.
    pub(crate) fn issue(&self, user_id: UserId, clock: Clock) -> Result<AccessToken, Refusal> {
        let now = clock.now().timestamp();
        let expires_in_seconds = self.ttl.as_secs();
        let claims = Claims {
            iss: &self.issuer,
            aud: &self.audience,
            sub: user_id.to_string(),
            iat: now,
            nbf: now,
            exp: now.saturating_add_unsigned(expires_in_seconds),
            jti: self.ids.event_id().simple().to_string(),
        };
        let header = Header {
            typ: Some(TOKEN_TYPE.to_owned()),
            kid: Some(self.key.key_id().to_owned()),
            ..Header::new(Algorithm::EdDSA)
        };
        let text = encode(&header, &claims, self.key.private()).map_err(|error| {
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
    pub(crate) fn signing_keys(&self) -> Result<SigningKeys, Refusal> {
        let jwks = serde_json::to_value(self.key.key_set()).map_err(|error| {
            tracing::error!(%error, "could not write the key set");
            Refusal::internal()
        })?;
        Ok(SigningKeys { jwks, issuer: self.issuer.clone(), audience: self.audience.clone() })
    }
}

#[cfg(test)]
mod tests {
    use chrono::DateTime;
    use jsonwebtoken::{
        DecodingKey, Validation, decode, decode_header, errors::ErrorKind, jwk::JwkSet,
    };
    use serde_json::{Map, Value, json};

    use super::*;
    use crate::keys::tests::rfc_8037_key;

    fn issuer() -> TokenIssuer {
        let ttl = Duration::from_mins(10);
        TokenIssuer::new(rfc_8037_key(), "https://issuer".to_owned(), "lunation".to_owned(), ttl)
    }

    /// Verifies as somebody does who has nothing but what is published.
    fn verify(
        issuer: &TokenIssuer,
        token: &str,
    ) -> jsonwebtoken::errors::Result<Map<String, Value>> {
        let SigningKeys { jwks, issuer, audience } = issuer.signing_keys().unwrap();
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
        let AccessToken { text, expires_in_seconds } =
            issuer.issue(UserId::new(42), Clock::System).unwrap();
        assert_eq!(expires_in_seconds, 600);
        let claims = verify(&issuer, &text).unwrap();
        assert_eq!(claims["sub"], json!("42"));
        assert_eq!(claims["iss"], json!("https://issuer"));
        assert_eq!(claims["aud"], json!("lunation"));
        let again = verify(&issuer, &issuer.issue(UserId::new(42), Clock::System).unwrap().text);
        assert_ne!(claims["jti"], again.unwrap()["jti"]);
    }

    #[test]
    fn the_header_and_the_claims_are_exactly_these() {
        let now = DateTime::from_timestamp(1_718_409_600, 999_000_000).unwrap();
        let token = issuer().issue(UserId::new(7), Clock::Fixed(now)).unwrap().text;
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
            "iat": 1_718_409_600,
            "nbf": 1_718_409_600,
            "exp": 1_718_410_200,
        });
        assert_eq!(Value::Object(claims), expected);
    }

    #[test]
    fn expired_early_and_altered_tokens_are_refused() {
        let issuer = issuer();
        let refused = |token: &str| verify(&issuer, token).unwrap_err().into_kind();
        let at = |seconds: i64| {
            let moment = Clock::System.now() + chrono::TimeDelta::seconds(seconds);
            issuer.issue(UserId::new(1), Clock::Fixed(moment)).unwrap().text
        };
        assert_eq!(refused(&at(-610)), ErrorKind::ExpiredSignature);
        assert_eq!(refused(&at(60)), ErrorKind::ImmatureSignature);
        let (one, two) = (at(0), issuer.issue(UserId::new(2), Clock::System).unwrap().text);
        let (head, _) = two.rsplit_once('.').unwrap();
        let (_, signature) = one.rsplit_once('.').unwrap();
        assert_eq!(refused(&format!("{head}.{signature}")), ErrorKind::InvalidSignature);
    }
}
