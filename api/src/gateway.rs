//! What belongs to no single group: the health of all, the public keys, the list of problems.

use std::collections::BTreeMap;

use contracts::{
    Handle, Refusal, Request,
    analytics::CheckAnalytics,
    cycles::CheckCycles,
    health::GroupHealth,
    notifications::CheckNotifications,
    users::{CheckUsers, GetSigningKeys},
};
use poem_openapi::{ApiResponse, Object, OpenApi, param::Path, payload::Json, types::Example};
use serde::Deserialize;

use crate::{
    app::{Groups, Mounted},
    context::Context,
    document::Tag,
    error::Problem,
    health::{Health, HealthAnswer, Service, State, health_of, state_of},
    problem::kind_of,
    scalar::{ProblemCode, Scalar, Text},
};

/// The operations of the gateway.
pub(crate) struct GatewayApi {
    /// All groups.
    pub(crate) groups: Groups,
    /// Which of them this process speaks for.
    pub(crate) mounted: Mounted,
}

#[OpenApi(tag = "Tag::Gateway")]
impl GatewayApi {
    /// Say how every group is
    ///
    /// A gateway answers for all groups. The process of a single group, on its own port, answers
    /// for itself as its group's own health endpoint does.
    #[oai(path = "/health", method = "get", operation_id = "getHealth")]
    async fn health(&self, context: Context) -> GatewayAnswer {
        match self.mounted.only_service() {
            Some(service) => self.health_of_one(&context, service).await.into(),
            None => self.health_of_all(&context).await,
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

impl GatewayApi {
    async fn health_of_one(&self, context: &Context, service: Service) -> HealthAnswer {
        let Groups { users, cycles, analytics, notifications } = &self.groups;
        match service {
            Service::User => health_of(service, context, users, CheckUsers {}).await,
            Service::CycleTracking => health_of(service, context, cycles, CheckCycles {}).await,
            Service::Analytics => health_of(service, context, analytics, CheckAnalytics {}).await,
            Service::Notification => {
                health_of(service, context, notifications, CheckNotifications {}).await
            }
        }
    }

    /// All groups that this process speaks for.
    async fn health_of_all(&self, context: &Context) -> GatewayAnswer {
        let Mounted { gateway: _, users, cycles, analytics, notifications } = self.mounted;
        let groups = &self.groups;
        let (users, cycles, analytics, notifications) = futures::join!(
            state_if(users, context, &groups.users, CheckUsers {}),
            state_if(cycles, context, &groups.cycles, CheckCycles {}),
            state_if(analytics, context, &groups.analytics, CheckAnalytics {}),
            state_if(notifications, context, &groups.notifications, CheckNotifications {}),
        );
        let all = [users, cycles, analytics, notifications];
        let groups = Some(GroupStates { users, cycles, analytics, notifications });
        if all.into_iter().flatten().all(|state| state == State::Healthy) {
            let status = State::Healthy;
            GatewayAnswer::Healthy(Json(ProcessHealth { groups, ..ProcessHealth::of(status) }))
        } else {
            let status = State::Unhealthy;
            GatewayAnswer::Unhealthy(Json(ProcessHealth { groups, ..ProcessHealth::of(status) }))
        }
    }
}

/// The state of a group, if it is asked for here.
async fn state_if<R: Request<Reply = GroupHealth>>(
    is_mounted: bool,
    context: &Context,
    group: &Handle<R::Mailbox>,
    check: R,
) -> Option<State> {
    if is_mounted { Some(state_of(context, group, check).await) } else { None }
}

/// How this process and the groups behind it are.
#[derive(ApiResponse)]
enum GatewayAnswer {
    /// Every group is well.
    #[oai(status = 200)]
    Healthy(Json<ProcessHealth>),
    /// At least one group is not.
    #[oai(status = 503)]
    Unhealthy(Json<ProcessHealth>),
}

impl From<HealthAnswer> for GatewayAnswer {
    fn from(answer: HealthAnswer) -> Self {
        match answer {
            HealthAnswer::Healthy(Json(health)) => Self::Healthy(Json(health.into())),
            HealthAnswer::Unhealthy(Json(health)) => Self::Unhealthy(Json(health.into())),
        }
    }
}

/// How this process and the groups behind it are.
#[derive(Object)]
#[oai(skip_serializing_if_is_none, example)]
struct ProcessHealth {
    /// Healthy if every group is.
    status: State,
    /// From a gateway: each group's state.
    groups: Option<GroupStates>,
    /// From the process of a single group: which one it is.
    service: Option<Service>,
    /// From the process of a single group, while it is not healthy: the checks that failed.
    checks: Option<BTreeMap<String, State>>,
}

impl Example for ProcessHealth {
    /// A gateway's: not everything that may be there is there at once.
    fn example() -> Self {
        let state = Some(State::Healthy);
        let groups =
            GroupStates { users: state, cycles: state, analytics: state, notifications: state };
        Self { groups: Some(groups), ..Self::of(State::Healthy) }
    }
}

impl ProcessHealth {
    fn of(status: State) -> Self {
        Self { status, groups: None, service: None, checks: None }
    }
}

impl From<Health> for ProcessHealth {
    fn from(health: Health) -> Self {
        let Health { status, service, checks } = health;
        Self { service: Some(service), checks, ..Self::of(status) }
    }
}

/// Each group's state; a process without a gateway knows its own groups only.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
struct GroupStates {
    /// Accounts.
    users: Option<State>,
    /// Cycles and symptoms.
    cycles: Option<State>,
    /// Statistics and predictions.
    analytics: Option<State>,
    /// Preferences and reminders.
    notifications: Option<State>,
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
