//! The connection: made once at the start, kept up for ever afterwards.

use std::{error::Error, io, time::Duration};

use async_nats::{
    Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, ServerAddr, jetstream,
};
use tokio::sync::watch;

use super::{ANSWER_TIMEOUT, Link, NO_CONNECTION};
use crate::{BusError, JetStreamOptions};

/// The oldest server that the streams and consumers were tested with.
const OLDEST_SERVER: (u32, u32) = (2, 9);
/// How often an idle connection is probed: a half-open one is noticed after two of these.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(2);

pub(super) async fn connect(options: JetStreamOptions) -> Result<Link, BusError> {
    let JetStreamOptions { url, client_name, replicas } = options;
    let servers = parse(&url)?;
    let (counter, mut changes) = watch::channel(0_u64);
    let mut settings = ConnectOptions::new()
        .name(client_name)
        .connection_timeout(ANSWER_TIMEOUT)
        .request_timeout(Some(ANSWER_TIMEOUT))
        .ping_interval(PING_INTERVAL)
        .max_reconnects(None)
        .reconnect_delay_callback(reconnect_delay)
        .event_callback(move |event| {
            observe(&event, &counter);
            std::future::ready(())
        });
    // async-nats leaves what stands before the '@' alone.
    if let Some(user) = servers.iter().find_map(ServerAddr::username) {
        settings = match servers.iter().find_map(ServerAddr::password) {
            Some(password) => settings.user_and_password(unescape(user)?, unescape(password)?),
            None => settings.token(unescape(user)?),
        };
    }
    let client =
        settings.connect(&servers[..]).await.map_err(|error| describe(&servers, &error))?;
    check_version(&client)?;
    let mut context = jetstream::new(client.clone());
    context.set_timeout(ANSWER_TIMEOUT);
    // The library reports its first connection too, a little later: that is no change.
    let first = tokio::time::timeout(ANSWER_TIMEOUT, changes.changed()).await;
    if !matches!(first, Ok(Ok(()))) {
        return Err(BusError::Unavailable(NO_CONNECTION));
    }
    Ok(Link { client, context, replicas, changes })
}

fn parse(url: &str) -> Result<Vec<ServerAddr>, BusError> {
    let servers: Result<Vec<ServerAddr>, io::Error> =
        url.split(',').map(|server| server.trim().parse()).collect();
    servers.map_err(|_error| BusError::InvalidUrl)
}

/// Undoes percent-encoding (RFC 3986 §2.1).
fn unescape(text: &str) -> Result<String, BusError> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut parts = text.split('%');
    bytes.extend(parts.next().unwrap_or_default().bytes());
    for part in parts {
        let (code, rest) = part.split_at_checked(2).ok_or(BusError::InvalidUrl)?;
        bytes.push(u8::from_str_radix(code, 16).map_err(|_error| BusError::InvalidUrl)?);
        bytes.extend(rest.bytes());
    }
    String::from_utf8(bytes).map_err(|_error| BusError::InvalidUrl)
}

/// 50 ms after the first loss, then twice as long each time, 2 s at most.
fn reconnect_delay(attempts: usize) -> Duration {
    let doublings = u32::try_from(attempts.saturating_sub(1)).unwrap_or(u32::MAX).min(6);
    (Duration::from_millis(50) * 2_u32.pow(doublings)).min(RECONNECT_DELAY_MAX)
}

fn observe(event: &Event, changes: &watch::Sender<u64>) {
    match event {
        Event::Connected => {
            tracing::info!("connected to NATS");
            changes.send_modify(|count| *count += 1);
        }
        Event::Disconnected => {
            tracing::warn!("the connection to NATS is lost; reconnecting");
            changes.send_modify(|count| *count += 1);
        }
        Event::LameDuckMode => tracing::warn!("the NATS server is about to shut down"),
        Event::SlowConsumer(_subscription) => {
            tracing::warn!("NATS messages arrive faster than they are read");
        }
        Event::ServerError(error) => tracing::warn!(%error, "the NATS server reports an error"),
        Event::ClientError(error) => tracing::debug!(%error, "the NATS client reports an error"),
        Event::Draining | Event::Closed => tracing::debug!("the connection to NATS is closing"),
    }
}

/// Says which server and why, without the library's own words: they may quote the URL.
fn describe(servers: &[ServerAddr], error: &ConnectError) -> BusError {
    let names: Vec<String> =
        servers.iter().map(|server| format!("{}:{}", server.host(), server.port())).collect();
    let io_kind = || {
        let source = error.source()?.downcast_ref::<io::Error>()?;
        Some(source.kind().to_string())
    };
    let reason = match error.kind() {
        ConnectErrorKind::AuthorizationViolation | ConnectErrorKind::Authentication => {
            "the credentials were refused".to_owned()
        }
        ConnectErrorKind::Dns => "the host name is not known".to_owned(),
        ConnectErrorKind::Io => io_kind().unwrap_or_else(|| "input/output error".to_owned()),
        kind @ (ConnectErrorKind::ServerParse
        | ConnectErrorKind::TimedOut
        | ConnectErrorKind::Tls
        | ConnectErrorKind::MaxReconnects) => kind.to_string(),
    };
    BusError::Connect { server: names.join(","), reason }
}

fn check_version(client: &Client) -> Result<(), BusError> {
    let version = client.server_info().version;
    let mut numbers = version.split('.').map_while(|part| part.parse::<u32>().ok());
    let found = (numbers.next().unwrap_or_default(), numbers.next().unwrap_or_default());
    if found < OLDEST_SERVER {
        return Err(BusError::Unsuitable { version, reason: "2.9 or newer is needed" });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_undone() {
        assert_eq!(unescape("p%40ss%3Aword").unwrap(), "p@ss:word");
        assert_eq!(unescape("plain").unwrap(), "plain");
        for bad in ["%4", "%zz", "%ff", "%é"] {
            assert!(unescape(bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn reconnects_are_paced() {
        assert_eq!(reconnect_delay(0), Duration::from_millis(50));
        assert_eq!(reconnect_delay(1), Duration::from_millis(50));
        assert_eq!(reconnect_delay(3), Duration::from_millis(200));
        assert_eq!(reconnect_delay(usize::MAX), RECONNECT_DELAY_MAX);
    }
}
