//! How the process starts to listen, hears signals, and ends.

use std::{io, net::SocketAddr, process::ExitCode};

use anyhow::{Context as _, Result};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use crate::config::{Http, Problems};

/// The configuration or the command line is wrong.
const USAGE: u8 = 2;
/// A part kept failing, and its supervisor gave up (`EX_SOFTWARE` of sysexits.h).
const GAVE_UP: u8 = 70;

/// A part of the process failed so often that its supervisor gave up. The process ends, so that
/// whoever started it can decide.
#[derive(Debug)]
pub(crate) struct GaveUp(pub(crate) String);

impl std::fmt::Display for GaveUp {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "giving up: {}", self.0)
    }
}

impl std::error::Error for GaveUp {}

/// The exit code of an error.
pub(crate) fn exit_code(error: &anyhow::Error) -> ExitCode {
    if error.downcast_ref::<Problems>().is_some() {
        ExitCode::from(USAGE)
    } else if error.downcast_ref::<GaveUp>().is_some() {
        ExitCode::from(GAVE_UP)
    } else {
        ExitCode::FAILURE
    }
}

/// A token that SIGTERM or SIGINT cancels. A second signal ends the process at once.
///
/// # Errors
/// Signals cannot be listened to.
#[expect(clippy::disallowed_methods, reason = "the task lives as long as the process")]
pub(crate) fn shutdown_on_signal() -> Result<CancellationToken> {
    let mut signals = Signals {
        terminate: signal(SignalKind::terminate()).context("SIGTERM")?,
        interrupt: signal(SignalKind::interrupt()).context("SIGINT")?,
    };
    let shutdown = CancellationToken::new();
    let token = shutdown.clone();
    tokio::spawn(async move {
        let name = signals.next().await;
        tracing::info!(signal = name, "stopping; the same signal again stops at once");
        token.cancel();
        let name = signals.next().await;
        tracing::warn!(signal = name, "stopping at once");
        std::process::exit(1);
    });
    Ok(shutdown)
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.terminate.recv() => "SIGTERM",
            _ = self.interrupt.recv() => "SIGINT",
        }
    }
}

/// Sockets that are bound before anything slow starts, so that a port in use is known at once.
/// Clients that are early wait in the queue of the socket.
pub(crate) struct Listeners {
    /// The API.
    pub(crate) api: TcpListener,
    /// Health and metrics, unless turned off.
    pub(crate) admin: Option<TcpListener>,
}

impl Listeners {
    /// Binds the configured addresses.
    ///
    /// # Errors
    /// One cannot be had; the message names it and the flag that changes it.
    pub(crate) async fn bind(http: &Http) -> Result<Self> {
        let api = bind(http.listen, "the API", "--listen").await?;
        let admin = match http.admin_listen {
            Some(address) => Some(bind(address, "health and metrics", "--admin-listen").await?),
            None => None,
        };
        Ok(Self { api, admin })
    }
}

/// Binds an address.
///
/// # Errors
/// It cannot be had; the message says why and which flag changes it.
pub(crate) async fn bind(address: SocketAddr, purpose: &str, flag: &str) -> Result<TcpListener> {
    TcpListener::bind(address).await.map_err(|error| {
        let why = match error.kind() {
            io::ErrorKind::AddrInUse => "is in use by another program".to_owned(),
            io::ErrorKind::PermissionDenied => "needs more rights than this user has".to_owned(),
            io::ErrorKind::AddrNotAvailable => "is no address of this machine".to_owned(),
            _ => format!("cannot be bound ({error})"),
        };
        anyhow::anyhow!("{address} for {purpose} {why}; choose another with {flag}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_port_in_use_is_named_with_the_flag_that_changes_it() {
        let free = SocketAddr::from(([127, 0, 0, 1], 0));
        let taken = bind(free, "the API", "--listen").await.unwrap();
        let address = taken.local_addr().unwrap();
        let refused = bind(address, "the API", "--listen").await.unwrap_err().to_string();
        let expected = format!(
            "{address} for the API is in use by another program; choose another with --listen"
        );
        assert_eq!(refused, expected);
    }

    #[test]
    fn errors_have_their_exit_codes() {
        let code = |error: anyhow::Error| format!("{:?}", exit_code(&error.context("around")));
        let expected = |code: u8| format!("{:?}", ExitCode::from(code));
        assert_eq!(code(Problems(Vec::new()).into()), expected(2));
        assert_eq!(code(GaveUp("it".to_owned()).into()), expected(70));
        assert_eq!(code(anyhow::anyhow!("x")), expected(1));
    }
}
