//! The connection: made once at the start, kept up for ever afterwards. The bus and the remote
//! handles of a process share it.

use std::{error::Error, fmt, io, sync::Arc, time::Duration};

use async_nats::{
    Client, ConnectError, ConnectErrorKind, ConnectOptions, Event, ServerAddr, connection::State,
};
use tokio::sync::watch;

use crate::{BusError, accounts::Credential};

/// How long an answer of the broker is waited for.
pub(crate) const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
/// The reason that is given when there is no connection, or when it was lost.
pub(crate) const NO_CONNECTION: &str = "there is no connection";

/// The oldest server that the streams and consumers were tested with.
const OLDEST_SERVER: (u32, u32) = (2, 9);
/// How often an idle connection is probed: a half-open one is noticed after two of these.
const PING_INTERVAL: Duration = Duration::from_secs(5);
const RECONNECT_DELAY_MAX: Duration = Duration::from_secs(2);

/// How to reach the broker.
#[derive(Clone)]
pub struct NatsOptions {
    /// `nats://host:port`, several separated by commas; may carry `user:password@` or `token@`.
    pub url: String,
    /// The name under which the connection is listed on the server.
    pub client_name: String,
    /// What the subjects begin with on which answers are heard, such as `_INBOX_cycles`; none is
    /// `_INBOX`. A credential may listen below its own alone.
    pub inbox_prefix: Option<String>,
}

/// A connection to NATS. Clones share it; it closes when the last one is dropped.
#[derive(Clone)]
pub struct Connection(Arc<Inner>);

struct Inner {
    client: Client,
    seen: Seen,
}

/// What was seen of the connection.
struct Seen {
    /// Counts how often the connection was made or lost: what was asked over one connection is
    /// not answered over the next.
    changes: watch::Receiver<u64>,
    /// Counts how often it was lost.
    losses: watch::Receiver<u64>,
}

/// Counts what happens to the connection.
struct Observer {
    changes: watch::Sender<u64>,
    losses: watch::Sender<u64>,
}

impl Connection {
    /// Connects to a NATS server. A server that is away now is an error; one that goes away later
    /// is waited for, for ever.
    pub async fn connect(options: NatsOptions) -> Result<Self, BusError> {
        let NatsOptions { url, client_name, inbox_prefix } = options;
        let servers = parse(&url)?;
        let (observer, mut seen) = Observer::new();
        let mut settings = ConnectOptions::new()
            .name(client_name)
            .connection_timeout(ANSWER_TIMEOUT)
            .request_timeout(Some(ANSWER_TIMEOUT))
            .ping_interval(PING_INTERVAL)
            .max_reconnects(None)
            .reconnect_delay_callback(reconnect_delay)
            .event_callback(move |event| {
                observer.observe(&event);
                std::future::ready(())
            });
        if let Some(prefix) = inbox_prefix {
            settings = settings.custom_inbox_prefix(prefix);
        }
        let settings = with_credentials(settings, &servers)?;
        let client =
            settings.connect(&servers[..]).await.map_err(|error| describe(&servers, &error))?;
        check_version(&client)?;
        // The library reports its first connection too, a little later: that is no change.
        let first = tokio::time::timeout(ANSWER_TIMEOUT, seen.changes.changed()).await;
        if !matches!(first, Ok(Ok(()))) {
            return Err(BusError::Unavailable(NO_CONNECTION));
        }
        Ok(Self(Arc::new(Inner { client, seen })))
    }

    /// Whether there is a connection at this moment.
    pub fn is_connected(&self) -> bool {
        self.0.client.connection_state() == State::Connected
    }

    pub(crate) fn client(&self) -> &Client {
        &self.0.client
    }

    /// Tells of every change of the connection from now on.
    pub(crate) fn changes(&self) -> watch::Receiver<u64> {
        from_now_on(&self.0.seen.changes)
    }

    /// Tells of every loss of the connection from now on.
    pub(crate) fn losses(&self) -> watch::Receiver<u64> {
        from_now_on(&self.0.seen.losses)
    }
}

impl Observer {
    fn new() -> (Self, Seen) {
        let (change_count, changes) = watch::channel(0);
        let (loss_count, losses) = watch::channel(0);
        (Self { changes: change_count, losses: loss_count }, Seen { changes, losses })
    }

    fn observe(&self, event: &Event) {
        match event {
            Event::Connected => {
                tracing::info!("connected to NATS");
                self.changes.send_modify(|count| *count += 1);
            }
            Event::Disconnected => {
                tracing::warn!("the connection to NATS is lost; reconnecting");
                self.changes.send_modify(|count| *count += 1);
                self.losses.send_modify(|count| *count += 1);
            }
            Event::LameDuckMode => tracing::warn!("the NATS server is about to shut down"),
            Event::SlowConsumer(_subscription) => {
                tracing::warn!("NATS messages arrive faster than they are read");
            }
            Event::ServerError(error) => tracing::warn!(%error, "the NATS server reports an error"),
            Event::ClientError(error) => {
                tracing::debug!(%error, "the NATS client reports an error");
            }
            Event::Draining | Event::Closed => {
                tracing::debug!("the connection to NATS is closing");
            }
        }
    }
}

fn from_now_on(count: &watch::Receiver<u64>) -> watch::Receiver<u64> {
    let mut count = count.clone();
    count.mark_unchanged();
    count
}

pub(crate) fn parse(url: &str) -> Result<Vec<ServerAddr>, BusError> {
    let servers: Result<Vec<ServerAddr>, io::Error> =
        url.split(',').map(|server| server.trim().parse()).collect();
    servers.map_err(|_error| BusError::InvalidUrl)
}

/// Signs in as the URL says: async-nats leaves what stands before the '@' alone.
pub(crate) fn with_credentials(
    settings: ConnectOptions,
    servers: &[ServerAddr],
) -> Result<ConnectOptions, BusError> {
    let Some(user) = servers.iter().find_map(ServerAddr::username) else { return Ok(settings) };
    Ok(match servers.iter().find_map(ServerAddr::password) {
        Some(password) => settings.user_and_password(unescape(user)?, unescape(password)?),
        None => settings.token(unescape(user)?),
    })
}

/// Whose credential a URL signs in with: none if it names nobody of `nats/server.conf`.
pub fn credential_of(url: &str) -> Option<Credential> {
    let servers = parse(url).ok()?;
    let user = servers.iter().find_map(ServerAddr::username)?;
    // A user without a password is a token.
    servers.iter().find_map(ServerAddr::password)?;
    Credential::parse(&unescape(user).ok()?)
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

/// Says which server and why, without the library's own words: they may quote the URL.
pub(crate) fn describe(servers: &[ServerAddr], error: &ConnectError) -> BusError {
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

impl fmt::Debug for NatsOptions {
    /// Leaves the URL out: it may carry a password.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("NatsOptions")
            .field("client_name", &self.client_name)
            .field("inbox_prefix", &self.inbox_prefix)
            .finish_non_exhaustive()
    }
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
    fn a_url_may_name_a_credential() {
        for (url, credential) in [
            ("nats://operator:pw@h:4222", Some(Credential::Operator)),
            ("all:p:w@h, other:pw@i", Some(Credential::All)),
            ("nats://h1:4222,nats://users:pw@h2", Some(Credential::Users)),
            ("nats://%61ll:pw@h", Some(Credential::All)),
            ("nats://users@h", None),
            ("nats://somebody:pw@h", None),
            ("nats://h:4222", None),
            ("", None),
        ] {
            assert_eq!(credential_of(url), credential, "{url}");
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
