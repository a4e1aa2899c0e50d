//! The HTTP listeners, and how they come up and go down.

use std::{io, sync::Arc, time::Duration};

use actor_runtime::clock::Ids;
use anyhow::{Context as _, Result};
use contracts::{
    Call, Refusal,
    health::{Check, GroupHealth},
};
use futures::future::BoxFuture;
use nats::Connection;
use poem::listener::TcpAcceptor;
use tokio_util::sync::CancellationToken;

use crate::{
    accept,
    config::{Domain, Groups, Profile},
    connections,
    running::{Announcement, Running},
    serve::{Launch, Local},
};

/// How long requests are still accepted after readiness has begun to fail, so that whoever routes
/// them here has seen it. Nobody routes to a development instance, and its owner waits.
const NOTICE_PRODUCTION: Duration = Duration::from_secs(3);
/// Longest wait for requests that are in flight when the process is told to stop.
const DRAIN_WAIT_MAX: Duration = Duration::from_secs(20);
/// What an answer needs beyond the request's own time limit to reach its client.
const DRAIN_MARGIN: Duration = Duration::from_secs(2);
/// How long the keys of the users group are waited for before this process says that it is there.
const KEYS_WAIT: Duration = Duration::from_secs(5);
/// How long one readiness check may take.
const CHECK_PATIENCE: Duration = Duration::from_secs(2);

/// What is behind HTTP.
#[derive(Clone)]
pub(crate) struct Front {
    /// All groups, in this process and in others.
    pub(crate) groups: api::Groups,
    /// Knows whom a token was issued to.
    pub(crate) verifier: Arc<api::Verifier>,
    /// The connection with the other processes.
    pub(crate) connection: Option<Connection>,
    /// Cancelled when nothing more is accepted, by whatever way it comes.
    pub(crate) draining: CancellationToken,
}

/// Serves the API, and health and metrics, until `launch.shutdown` is cancelled; then readiness
/// fails, the listeners close, and whoever is connected by then is answered.
///
/// # Errors
/// A listener failed.
pub(crate) async fn serve(launch: Launch, front: Front) -> Result<()> {
    let Launch { config, listeners, databases, metrics, shutdown, .. } = launch;
    let options = api::ApiOptions {
        mounted: mounted(&config.groups),
        request_timeout: config.http.request_timeout,
        allowed_origins: config.http.allowed_origins.clone(),
        trusted_proxies: config.http.trusted_proxies.clone(),
        stopping: shutdown.clone(),
    };
    connections::make_room(&config.connections);
    let listen = listeners.api.local_addr().context("the API's address")?;
    let admin_listen = listeners.admin.as_ref().map(tokio::net::TcpListener::local_addr);
    let admin_listen = admin_listen.transpose().context("the admin address")?;
    let here = Running {
        pid: std::process::id(),
        listen,
        admin_listen,
        postgres_socket_dir: Local::postgres_socket_dir(&databases),
        nats_url: None,
        nats_pid: None,
        processes: Vec::new(),
    };
    let keys = shutdown.run_until_cancelled(front.verifier.has_keys_within(KEYS_WAIT)).await;
    // Told to stop before anybody could be served.
    let Some(has_keys) = keys else { return Ok(()) };
    if !has_keys {
        tracing::warn!("the users group is away: who is signed in is refused until it returns");
    }
    let announcement = Announcement::write(&config.storage.data_dir, &here)
        .context("the data directory cannot be written")?;
    tracing::info!(%listen, "ready: http://{listen}, API documentation at http://{listen}/swagger");

    let notice = match config.profile {
        Profile::Production if listeners.admin.is_some() => NOTICE_PRODUCTION,
        Profile::Production | Profile::Development => Duration::ZERO,
    };
    let drain_wait = (config.http.request_timeout + DRAIN_MARGIN).min(DRAIN_WAIT_MAX);
    let readiness = readiness(config.groups, &front, shutdown.clone());
    let admin = api::admin(readiness, Arc::new(move || metrics.render()));
    // Health and metrics answer until the very end, so that readiness can be seen to fail.
    let admin_stop = CancellationToken::new();
    let admin_server = async {
        let Some(listener) = listeners.admin else { return Ok(()) };
        let (entrance, stop) = (TcpAcceptor::from_tokio(listener)?, admin_stop.cancelled());
        connections::serve(entrance, admin, &config.connections, stop, Duration::ZERO).await;
        Ok(())
    };
    let api_server = async {
        let app = api::app(&front.groups, front.verifier, options);
        let (entrance, door) = accept::entrance(listeners.api)?;
        let accepting_ends = async {
            shutdown.cancelled().await;
            tokio::time::sleep(notice).await;
            front.draining.cancel();
            door.close().await;
        };
        let bounds = &config.connections;
        connections::serve(entrance, app, bounds, accepting_ends, drain_wait).await;
        admin_stop.cancel();
        Ok(())
    };
    let served: io::Result<((), ())> = futures::future::try_join(api_server, admin_server).await;
    drop(announcement);
    served.context("HTTP")?;
    Ok(())
}

/// The gateway serves every route, and the process of a group its own.
fn mounted(groups: &Groups) -> api::Mounted {
    let gateway = groups.has_gateway();
    let serves = |domain| gateway || groups.has_domain(domain);
    api::Mounted {
        gateway,
        users: serves(Domain::Users),
        cycles: serves(Domain::Cycles),
        analytics: serves(Domain::Analytics),
        notifications: serves(Domain::Notifications),
    }
}

/// Ready means: not about to stop, every group of this process answers that it is well, and the
/// other processes can be reached. Whether their groups are well is not asked: processes that
/// waited for each other would never start.
fn readiness(groups: Groups, front: &Front, shutdown: CancellationToken) -> api::Readiness {
    let (handles, connection) = (front.groups.clone(), front.connection.clone());
    // A process with every group serves on while the broker is away, and a gateway says which
    // groups cannot be reached.
    let connection = connection.filter(|_| !groups.is_all() && groups.domains().next().is_some());
    Arc::new(move || {
        let (groups, handles) = (groups.clone(), handles.clone());
        let running = !shutdown.is_cancelled();
        let connected = connection.as_ref().map(Connection::is_connected);
        Box::pin(async move {
            let mut checks = group_checks(&groups, &handles).await;
            checks.extend(connected.map(|healthy| Check { name: "nats".into(), healthy }));
            checks.push(Check { name: "running".into(), healthy: running });
            checks
        }) as BoxFuture<'static, Vec<Check>>
    })
}

async fn group_checks(groups: &Groups, handles: &api::Groups) -> Vec<Check> {
    let call = Call::new(Ids.request_id("readiness"), Ids.trace(), CHECK_PATIENCE);
    let checks = groups.domains().map(async |domain| {
        let health = health_of(&call, domain, handles).await;
        let healthy = health.is_ok_and(|health| health.is_healthy());
        Check { name: domain.name().into(), healthy }
    });
    futures::future::join_all(checks).await
}

async fn health_of(
    call: &Call,
    domain: Domain,
    handles: &api::Groups,
) -> Result<GroupHealth, Refusal> {
    let api::Groups { users, cycles, analytics, notifications } = handles;
    match domain {
        Domain::Users => users.ask(call, contracts::users::CheckUsers {}).await,
        Domain::Cycles => cycles.ask(call, contracts::cycles::CheckCycles {}).await,
        Domain::Analytics => analytics.ask(call, contracts::analytics::CheckAnalytics {}).await,
        Domain::Notifications => {
            notifications.ask(call, contracts::notifications::CheckNotifications {}).await
        }
    }
}
