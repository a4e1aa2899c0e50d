//! What belongs to no single group: the health of all, the public keys, the list of problems.

use contracts::{
    Refusal,
    analytics::CheckAnalytics,
    cycles::CheckCycles,
    notifications::CheckNotifications,
    users::{CheckUsers, GetSigningKeys},
};
use poem_openapi::{ApiResponse, Object, OpenApi, param::Path, payload::Json};
use serde::Deserialize;

use crate::{
    app::Groups,
    context::Context,
    document::Tag,
    error::Problem,
    health::{State, state_of},
    problem::kind_of,
    scalar::{ProblemCode, Scalar, Text},
};

/// The operations of the gateway.
pub(crate) struct GatewayApi {
    /// All groups.
    pub(crate) groups: Groups,
}

#[OpenApi(tag = "Tag::Gateway")]
impl GatewayApi {
    /// Say how every group is
    #[oai(path = "/health", method = "get", operation_id = "getHealth")]
    async fn health(&self, context: Context) -> GatewayAnswer {
        let Groups { users, cycles, analytics, notifications } = &self.groups;
        let (users, cycles, analytics, notifications) = futures::join!(
            state_of(&context, users, CheckUsers {}),
            state_of(&context, cycles, CheckCycles {}),
            state_of(&context, analytics, CheckAnalytics {}),
            state_of(&context, notifications, CheckNotifications {}),
        );
        let all = [users, cycles, analytics, notifications];
        let groups = GroupStates { users, cycles, analytics, notifications };
        if all.iter().all(|state| *state == State::Healthy) {
            let health = GatewayHealth { status: State::Healthy, groups };
            GatewayAnswer::Healthy(Json(health))
        } else {
            let health = GatewayHealth { status: State::Unhealthy, groups };
            GatewayAnswer::Unhealthy(Json(health))
        }
    }

    /// Read the public keys that access tokens are verified with
    ///
    /// A JSON Web Key Set (RFC 7517).
    #[oai(path = "/.well-known/jwks.json", method = "get", operation_id = "getSigningKeys")]
    async fn keys(&self, context: Context) -> poem::Result<Json<JwkSet>> {
        let keys = context.ask(&self.groups.users, GetSigningKeys {}).await?;
        let jwks: PublishedKeys = serde_json::from_value(keys.jwks).map_err(|_| {
            tracing::error!("the users group published something that is no key set");
            Problem::from(Refusal::internal())
        })?;
        let keys = jwks.keys.into_iter().map(Jwk::from).collect();
        Ok(Json(JwkSet { keys }))
    }

    /// Read what a problem's `type` means
    #[oai(path = "/problems/:code", method = "get", operation_id = "getProblem")]
    #[expect(clippy::unused_async, reason = "poem-openapi takes async operations only")]
    async fn problem(
        &self,
        /// The code: the last part of `type`.
        code: Path<ProblemCode>,
    ) -> poem::Result<Json<ProblemMeaning>> {
        let kind = kind_of(&code.0.0).ok_or_else(|| Problem::from(Refusal::not_found()))?;
        Ok(Json(ProblemMeaning {
            code: Scalar(kind.code.to_owned()),
            status: kind.status,
            title: Scalar(kind.title.to_owned()),
            meaning: Scalar(kind.meaning.to_owned()),
        }))
    }
}

/// How all groups are.
#[derive(ApiResponse)]
enum GatewayAnswer {
    /// Every group is well.
    #[oai(status = 200)]
    Healthy(Json<GatewayHealth>),
    /// At least one group is not.
    #[oai(status = 503)]
    Unhealthy(Json<GatewayHealth>),
}

/// How all groups are.
#[derive(Object)]
struct GatewayHealth {
    /// Healthy if every group is.
    status: State,
    /// Each group's state.
    groups: GroupStates,
}

/// Each group's state.
#[derive(Object)]
struct GroupStates {
    /// Accounts.
    users: State,
    /// Cycles and symptoms.
    cycles: State,
    /// Statistics and predictions.
    analytics: State,
    /// Preferences and reminders.
    notifications: State,
}

/// What a problem's `type` means.
#[derive(Object)]
struct ProblemMeaning {
    /// The last part of `type`; it never changes.
    code: ProblemCode,
    /// The status that it comes with.
    status: u16,
    /// The kind in words.
    title: Text,
    /// What it means for a client.
    meaning: Text,
}

/// A JSON Web Key Set (RFC 7517).
#[derive(Object)]
struct JwkSet {
    /// The keys that tokens are, were or soon will be signed with.
    keys: Vec<Jwk>,
}

/// The public half of an Ed25519 key (RFC 8037).
#[derive(Object)]
struct Jwk {
    /// The key's id: `kid` of the tokens that it signed.
    kid: Text,
    /// `OKP`.
    kty: Text,
    /// `Ed25519`.
    crv: Text,
    /// `EdDSA`.
    alg: Text,
    /// `sig`.
    #[oai(rename = "use")]
    usage: Text,
    /// The public key, base64url without padding.
    x: Text,
}

/// The key set as the users group hands it over. Only these members are passed on, so that a
/// private member could never be published by mistake.
#[derive(Deserialize)]
struct PublishedKeys {
    keys: Vec<PublishedKey>,
}

#[derive(Deserialize)]
struct PublishedKey {
    kid: String,
    crv: String,
    x: String,
}

impl From<PublishedKey> for Jwk {
    fn from(key: PublishedKey) -> Self {
        let PublishedKey { kid, crv, x } = key;
        Self {
            kid: Scalar(kid),
            kty: Scalar("OKP".to_owned()),
            crv: Scalar(crv),
            alg: Scalar("EdDSA".to_owned()),
            usage: Scalar("sig".to_owned()),
            x: Scalar(x),
        }
    }
}
