//! Groups that answer as a test says, and replicas that serve them.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use contracts::{
    Call, CycleId, Grant, Handle, Refusal, Scopes, SessionId, UserId, Version,
    call::{AccessToken, RequestId, TraceContext},
    cycles::{Cycle, CyclesMailbox, GetCycle, History},
    handle::{Opened, Transport},
    users::{SigningKeys, UsersMailbox},
    wire::WireMailbox,
};
use futures::{FutureExt, future::BoxFuture};
use nats::{
    Connection,
    rpc::{self, Gate},
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// More than any answer here takes: who waits so long was not answered at once.
pub(crate) const LONG: Duration = Duration::from_secs(20);
/// What 'at once' means, on a machine that is busy.
pub(crate) const AT_ONCE: Duration = Duration::from_secs(2);

pub(crate) const OWNER: UserId = UserId::new(7);

/// A handle to a group that does this with each request.
pub(crate) fn group<M: Send + 'static>(
    answer: impl Fn(Call, M) + Send + Sync + 'static,
) -> Handle<M> {
    Handle::new(Arc::new(Answering(answer)))
}

struct Answering<F>(F);

impl<M: Send + 'static, F: Fn(Call, M) + Send + Sync> Transport<M> for Answering<F> {
    fn deliver(&self, call: Call, message: M) -> BoxFuture<'_, Result<Opened, Refusal>> {
        Box::pin(async move {
            let opened = Opened::default();
            opened.mark();
            (self.0)(call, message);
            Ok(opened)
        })
    }
}

/// A group of cycles that answers everything that is asked here.
pub(crate) fn cycles() -> Handle<CyclesMailbox> {
    group(|_call, message| answer(message))
}

/// What was asked of a group and not answered yet.
pub(crate) type Parked = Arc<Mutex<Vec<CyclesMailbox>>>;

/// A group of cycles that takes every request and answers none by itself.
pub(crate) fn silent() -> (Handle<CyclesMailbox>, Parked) {
    let parked = Parked::default();
    let car_park = Arc::clone(&parked);
    (group(move |_call, message| car_park.lock().unwrap().push(message)), parked)
}

/// A group of users that has keys, and nothing else.
pub(crate) fn users() -> Handle<UsersMailbox> {
    group(|_call, message| match message {
        UsersMailbox::GetSigningKeys(_request, reply) => reply.answer(Ok(SigningKeys {
            jwks: serde_json::json!({"keys": []}),
            issuer: "issuer".to_owned(),
            audience: "audience".to_owned(),
        })),
        _ => panic!("nothing else is asked"),
    })
}

pub(crate) fn answer(message: CyclesMailbox) {
    match message {
        CyclesMailbox::GetCycle(request, reply) => reply.answer(Ok(cycle(&request))),
        CyclesMailbox::GetHistory(request, reply) => {
            reply.answer(Ok(History {
                user_id: request.user_id,
                version: Version::new(3),
                erased: false,
                forget_before: None,
                cycles: Vec::new(),
                episodes: Vec::new(),
                observations: Vec::new(),
                symptoms: Vec::new(),
            }));
        }
        _ => panic!("no test asks this"),
    }
}

pub(crate) fn cycle(request: &GetCycle) -> Cycle {
    let GetCycle { user_id, cycle_id } = *request;
    let logged = "2026-03-02T07:00:00Z".parse().expect("a time");
    Cycle {
        id: cycle_id,
        user_id,
        start_date: "2026-03-01".parse().expect("a date"),
        end_date: None,
        cycle_length: None,
        period_length: None,
        marks: Vec::new(),
        excluded: false,
        created_at: logged,
        updated_at: logged,
        symptoms: Vec::new(),
    }
}

pub(crate) const fn get_cycle() -> GetCycle {
    GetCycle { user_id: OWNER, cycle_id: CycleId::new(11) }
}

/// A call of the owner, with the owner's token.
pub(crate) fn call(patience: Duration) -> Call {
    call_with(Some("token-of-7"), patience)
}

pub(crate) fn call_with(token: Option<&str>, patience: Duration) -> Call {
    let request_id = RequestId::parse("request-1").expect("a sane id");
    let call = Call::new(request_id, TraceContext::from_ids(5, 6), patience);
    Call { token: token.and_then(AccessToken::parse), ..call }
}

/// Lets in whoever has a token of this form: `token-of-7`, or `token-of-7-for-read:cycles`.
struct Tokens;

impl Gate for Tokens {
    fn admit<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Option<Grant>, Refusal>> {
        let Some(token) = &call.token else { return async { Ok(None) }.boxed() };
        let admitted = grant(token.expose()).ok_or_else(Refusal::unauthenticated);
        async { admitted.map(Some) }.boxed()
    }
}

fn grant(token: &str) -> Option<Grant> {
    let token = token.strip_prefix("token-of-")?;
    let (id, scopes) = match token.split_once("-for-") {
        Some((id, scopes)) => (id, Scopes::parse(&scopes.replace('_', " "))),
        None => (token, Scopes::ALL),
    };
    let session_id = SessionId::parse("00000000-0000-4000-8000-000000000007")?;
    Some(Grant { user_id: UserId::new(id.parse().ok()?), session_id, scopes })
}

/// One process of a group.
pub(crate) struct Replica {
    stop: CancellationToken,
    serving: JoinSet<()>,
}

impl Replica {
    pub(crate) async fn start<M: WireMailbox>(connection: &Connection, local: Handle<M>) -> Self {
        let stop = CancellationToken::new();
        let serving = rpc::serve(connection, local, Arc::new(Tokens), stop.clone());
        let mut tasks = JoinSet::new();
        tasks.spawn(serving.await.expect("the connection is open"));
        Self { stop, serving: tasks }
    }

    /// Leaves as a process does that is told to stop.
    pub(crate) async fn leave(mut self) {
        self.stop.cancel();
        let left = tokio::time::timeout(LONG, self.serving.join_next()).await;
        left.expect("it leaves in time").expect("it was there").expect("it did not panic");
    }
}
