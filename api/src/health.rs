//! How a group is, as its own health endpoint says it.

use std::collections::BTreeMap;

use contracts::{Handle, Refusal, Request, health::GroupHealth};
use poem_openapi::{ApiResponse, Enum, Object, payload::Json};

use crate::context::Context;

/// What a health endpoint answers.
#[derive(ApiResponse)]
pub(crate) enum HealthAnswer {
    /// Everything that the group needs is there.
    #[oai(status = 200)]
    Healthy(Json<Health>),
    /// Something that the group needs is away, or the group itself is.
    #[oai(status = 503)]
    Unhealthy(Json<Health>),
}

/// How a group is.
#[derive(Object)]
#[oai(skip_serializing_if_is_none)]
pub(crate) struct Health {
    /// Whether it can do its work.
    pub(crate) status: State,
    /// Which group it is.
    pub(crate) service: Service,
    /// The checks that failed, each `unhealthy` or `unavailable`; only while unhealthy.
    pub(crate) checks: Option<BTreeMap<String, State>>,
}

/// The groups under the names of the earlier system.
#[derive(Clone, Copy, Enum)]
pub(crate) enum Service {
    #[oai(rename = "user-service")]
    User,
    #[oai(rename = "cycle-tracking-service")]
    CycleTracking,
    #[oai(rename = "analytics-service")]
    Analytics,
    #[oai(rename = "notification-service")]
    Notification,
}

/// How something is: well, not well, or not there to say so.
#[derive(Clone, Copy, PartialEq, Eq, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum State {
    Healthy,
    Unhealthy,
    Unavailable,
}

/// Asks a group how it is, in the words of its health endpoint.
pub(crate) async fn health_of<R: Request<Reply = GroupHealth>>(
    service: Service,
    context: &Context,
    group: &Handle<R::Mailbox>,
    check: R,
) -> HealthAnswer {
    let failing: BTreeMap<String, State> = match group.ask(&context.health_call(), check).await {
        Ok(health) if health.is_healthy() => {
            let status = State::Healthy;
            return HealthAnswer::Healthy(Json(Health { status, service, checks: None }));
        }
        Ok(health) => {
            let failing = health.checks.into_iter().filter(|check| !check.healthy);
            failing.map(|check| (check.name.into_owned(), State::Unhealthy)).collect()
        }
        Err(refusal) => BTreeMap::from([(group_check(&refusal), State::Unavailable)]),
    };
    let status = State::Unhealthy;
    HealthAnswer::Unhealthy(Json(Health { status, service, checks: Some(failing) }))
}

/// Asks a group how it is, in one word.
pub(crate) async fn state_of<R: Request<Reply = GroupHealth>>(
    context: &Context,
    group: &Handle<R::Mailbox>,
    check: R,
) -> State {
    match group.ask(&context.health_call(), check).await {
        Ok(health) if health.is_healthy() => State::Healthy,
        Ok(_) => State::Unhealthy,
        Err(_) => State::Unavailable,
    }
}

/// The group did not answer: logged here, because the answer itself says no more than that.
fn group_check(refusal: &Refusal) -> String {
    tracing::warn!(code = %refusal.code, "a group did not say how it is");
    "group".to_owned()
}
