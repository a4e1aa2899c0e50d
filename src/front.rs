//! The HTTP listeners, and how they come up and go down.

use std::{
    fs, io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, Result};
use contracts::{
    Call, Refusal,
    health::{Check, GroupHealth},
};
use futures::future::BoxFuture;
use poem::{Server, listener::TcpAcceptor};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use sqlx::postgres::PgConnectOptions;
use tokio_util::sync::CancellationToken;

use crate::{config::Profile, serve::Launch};
use actor_runtime::clock::Ids;

/// How long requests are still accepted after readiness has begun to fail, so that whoever routes
/// them here has seen it. Nobody routes to a development instance, and its owner waits.
const NOTICE_PRODUCTION: Duration = Duration::from_secs(3);
/// Longest wait for requests that are in flight when the process is told to stop.
const DRAIN_WAIT: Duration = Duration::from_secs(20);
/// How long one readiness check may take.
const CHECK_PATIENCE: Duration = Duration::from_secs(2);
/// Tells in the data directory where the running instance is found.
const RUNNING: &str = "running.json";

/// Serves the API, and health and metrics, until `launch.shutdown` is cancelled; then readiness
/// fails, the listeners close, and requests in flight are finished.
///
/// # Errors
/// A listener failed.
pub(crate) async fn serve(launch: Launch, groups: api::Groups) -> Result<()> {
    let Launch { config, listeners, databases, metrics, shutdown, .. } = launch;
    let options = api::ApiOptions {
        mounted: api::Mounted::default(),
        request_timeout: config.http.request_timeout,
        allowed_origins: config.http.allowed_origins.clone(),
    };
    let listen = listeners.api.local_addr().context("the API's address")?;
    let admin_listen = listeners.admin.as_ref().map(tokio::net::TcpListener::local_addr);
    let admin_listen = admin_listen.transpose().context("the admin address")?;
    let socket_dir = databases.values().find_map(|url| {
        let options: PgConnectOptions = url.expose_secret().parse().ok()?;
        options.get_socket().cloned()
    });
    let here =
        Running { pid: std::process::id(), listen, admin_listen, postgres_socket_dir: socket_dir };
    let announcement = Announcement::write(&config.storage.data_dir, &here)
        .context("the data directory cannot be written")?;
    tracing::info!(%listen, "ready: http://{listen}, API documentation at http://{listen}/swagger");

    let notice = match config.profile {
        Profile::Production if listeners.admin.is_some() => NOTICE_PRODUCTION,
        Profile::Production | Profile::Development => Duration::ZERO,
    };
    let readiness = readiness(groups.clone(), shutdown.clone());
    let admin = api::admin(readiness, Arc::new(move || metrics.render()));
    // Health and metrics answer until the very end, so that readiness can be seen to fail.
    let admin_stop = CancellationToken::new();
    let admin_server = async {
        let Some(listener) = listeners.admin else { return Ok(()) };
        Server::new_with_acceptor(TcpAcceptor::from_tokio(listener)?)
            .run_with_graceful_shutdown(admin, admin_stop.cancelled(), Some(Duration::ZERO))
            .await
    };
    let api_server = async {
        let app = api::app(groups, options);
        let accepting_ends = async {
            shutdown.cancelled().await;
            tokio::time::sleep(notice).await;
        };
        let served = Server::new_with_acceptor(TcpAcceptor::from_tokio(listeners.api)?)
            .run_with_graceful_shutdown(app, accepting_ends, Some(DRAIN_WAIT))
            .await;
        admin_stop.cancel();
        served
    };
    let served: io::Result<((), ())> = futures::future::try_join(api_server, admin_server).await;
    drop(announcement);
    served.context("HTTP")?;
    Ok(())
}

/// Ready means: not about to stop, and every group answers that it is well.
fn readiness(groups: api::Groups, shutdown: CancellationToken) -> api::Readiness {
    Arc::new(move || {
        let (groups, shutdown) = (groups.clone(), shutdown.clone());
        Box::pin(async move {
            let mut checks = group_checks(&groups).await;
            checks.push(Check { name: "running".into(), healthy: !shutdown.is_cancelled() });
            checks
        }) as BoxFuture<'static, Vec<Check>>
    })
}

async fn group_checks(groups: &api::Groups) -> Vec<Check> {
    let call = Call::new(Ids.request_id("readiness"), Ids.trace(), CHECK_PATIENCE);
    let (users, cycles, analytics, notifications) = tokio::join!(
        groups.users.ask(&call, contracts::users::CheckUsers {}),
        groups.cycles.ask(&call, contracts::cycles::CheckCycles {}),
        groups.analytics.ask(&call, contracts::analytics::CheckAnalytics {}),
        groups.notifications.ask(&call, contracts::notifications::CheckNotifications {}),
    );
    let check = |name: &'static str, health: Result<GroupHealth, Refusal>| Check {
        name: name.into(),
        healthy: health.is_ok_and(|health| health.is_healthy()),
    };
    vec![
        check("users", users),
        check("cycles", cycles),
        check("analytics", analytics),
        check("notifications", notifications),
    ]
}

/// Where this instance is found.
#[derive(Serialize)]
struct Running {
    pid: u32,
    listen: SocketAddr,
    admin_listen: Option<SocketAddr>,
    postgres_socket_dir: Option<PathBuf>,
}

/// The file that says so, while it is so.
struct Announcement(Option<PathBuf>);

impl Announcement {
    /// Written beside and renamed: a reader sees all of it or none. An instance that keeps
    /// nothing on this machine has no directory to write it to.
    fn write(data_dir: &Path, running: &Running) -> io::Result<Self> {
        if !data_dir.is_dir() {
            return Ok(Self(None));
        }
        let beside = data_dir.join("running.json.new");
        fs::write(&beside, serde_json::to_vec(running)?)?;
        let path = data_dir.join(RUNNING);
        fs::rename(beside, &path)?;
        Ok(Self(Some(path)))
    }
}

impl Drop for Announcement {
    fn drop(&mut self) {
        if let Some(path) = &self.0
            && let Err(error) = fs::remove_file(path)
        {
            tracing::debug!(%error, "running.json could not be removed");
        }
    }
}
