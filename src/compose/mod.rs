//! Puts the parts of this process together: databases, bus, groups under one root supervisor, HTTP
//! in front, and the doors by which other processes ask.

mod databases;
mod groups;
mod link;

pub(crate) use link::{check_credential, credential_of};

use std::{sync::Arc, time::Duration};

use actor_runtime::supervisor::{Child, Plan, Supervisor};
use anyhow::Result;
use api::Verifier;
use ractor::{Actor as _, ActorRef};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use self::{groups::Assembly, link::Link};
use crate::{
    front::{self, Front},
    lifecycle::GaveUp,
    provisioner,
    serve::Launch,
    upkeep,
};

/// Longest wait for the supervisors to stop what they supervise.
const STOP_WAIT: Duration = Duration::from_secs(10);

/// Longest wait for connections to come back to their pools: a database that hangs keeps them.
const CLOSE_WAIT: Duration = Duration::from_secs(2);

/// Everything that runs below HTTP.
struct System {
    root: ActorRef<actor_runtime::supervisor::Message>,
    pools: Vec<PgPool>,
    front: Front,
    gave_up: CancellationToken,
}

/// Runs the groups and serves HTTP until `launch.shutdown` is cancelled or the root gives up.
///
/// # Errors
/// Something could not be started; or a group failed more often than the root bears.
pub(crate) async fn serve(launch: Launch) -> Result<()> {
    let shutdown = launch.shutdown.clone();
    let system = System::start(&launch).await?;
    let served = front::serve(launch, system.front.clone());
    tokio::pin!(served);
    let result = tokio::select! {
        result = &mut served => result,
        () = system.gave_up.cancelled() => {
            shutdown.cancel();
            let stopped = served.await;
            stopped.and(Err(GaveUp("a group failed more often than its supervisor bears".to_owned()).into()))
        }
    };
    system.stop().await;
    result
}

impl System {
    async fn start(launch: &Launch) -> Result<Self> {
        let link = Link::open(&launch.config).await?;
        let mut assembly = Assembly::new(launch, &link);
        let groups = assembly.groups()?;
        let verifier = Arc::new(Verifier::new(groups.users.clone()));
        let draining = CancellationToken::new();
        let doors = assembly.doors(&groups, &verifier, &draining);
        let Assembly { plans, pools, .. } = assembly;
        // They stop in the reverse order: the doors before what is behind them, and what consumes
        // before what is consumed.
        let mut children = vec![upkeep::child(launch.metrics.clone())];
        if link.provisions {
            children.push(provisioner::child(link.bus.clone()));
        }
        children.extend(plans.into_iter().map(Child::supervisor));
        children.push(link::keys_child(&verifier));
        children.extend(doors);
        let gave_up = CancellationToken::new();
        let plan = Plan::root(children, gave_up.clone());
        let (root, _join) = Supervisor::spawn(None, Supervisor, plan)
            .await
            .map_err(|error| anyhow::anyhow!("the groups could not be started: {error}"))?;
        let connection = link.connection().cloned();
        let front = Front { groups, verifier, connection, draining };
        Ok(Self { root, pools, front, gave_up })
    }

    async fn stop(self) {
        if self.root.stop_and_wait(None, Some(STOP_WAIT)).await.is_err() {
            tracing::warn!("the groups did not stop in time");
        }
        let closed = futures::future::join_all(self.pools.iter().map(PgPool::close));
        if tokio::time::timeout(CLOSE_WAIT, closed).await.is_err() {
            tracing::warn!("a database did not let go of its connections in time");
        }
    }
}
