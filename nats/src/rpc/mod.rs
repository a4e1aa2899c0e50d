//! Asking a group in another process: request and reply over NATS.
//!
//! [`remote`] makes the handle, [`serve`] answers for a group that is hosted here. Replicas of a
//! group share its queue group, so each request goes to one of them. Delivery is at most once: a
//! request that nobody hears is refused at once, one that is not answered in time may have been
//! carried out. Bodies and tokens are never logged.
//!
//! Services show themselves by the micro protocol: `$SRV.PING|INFO|STATS`.

mod envelope;
mod figures;
mod meter;
pub(crate) mod micro;
mod remote;
mod serve;

use std::sync::Arc;

use contracts::{
    Call, Grant, Handle, Refusal,
    wire::{Audience, Op, WireMailbox},
};
use futures::future::BoxFuture;
use tokio_util::sync::CancellationToken;

use crate::{BusError, Connection};

/// Verifies again, where a request arrives, whom its token was issued to and what for.
pub trait Gate: Send + Sync {
    /// What the call's token proves; none if it has no token.
    fn admit<'a>(&'a self, call: &'a Call) -> BoxFuture<'a, Result<Option<Grant>, Refusal>>;
}

/// A handle to a group in another process. It outlives connections and replicas.
///
/// A request that no replica hears, or that cannot be sent, is `Unavailable` at once. One that was
/// sent and not answered is `Interrupted`: at the deadline, or when the connection is lost.
pub fn remote<M: WireMailbox>(connection: &Connection) -> Handle<M> {
    Handle::new(Arc::new(remote::Remote::new(connection.clone())))
}

/// Begins to answer for a group by its `local` handle. When this ends, the group can be reached;
/// what it gives has to be driven, and answers until `stop`. Then it takes nothing more, finishes
/// what it has taken, and ends.
///
/// # Errors
///
/// The connection is closed for good.
pub async fn serve<M: WireMailbox>(
    connection: &Connection,
    local: Handle<M>,
    gate: Arc<dyn Gate>,
    stop: CancellationToken,
) -> Result<impl Future<Output = ()> + Send + use<M>, BusError> {
    let service = serve::Service::open(connection.clone(), local, gate).await?;
    Ok(service.run(stop))
}

/// The subject of an operation.
fn subject(group: &str, op: Op) -> String {
    let tree = match op.audience {
        Audience::People | Audience::Open => "rpc",
        Audience::Services => "svc",
    };
    format!("{tree}.{group}.v1.{}", op.name)
}
