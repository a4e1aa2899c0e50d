//! Whether the server lets a credential do what it has to, asked before anything depends on it.
//!
//! NATS does not answer a publish, and it tells of a refusal on the side: `-ERR 'Permissions
//! Violation for Publish to "x"'`, which no request can be told from; to whoever waits, it looks
//! like a time-out. So every permission of the table is tried here, on a connection of its own,
//! with a subject that the permission covers and that means nothing:
//!
//! - `*` and `>` become `lunation-probe` and `lunation.probe`. No group answers there, and no
//!   stream takes it (the permissions to publish events begin a level above what streams take).
//! - What is published is no JSON, so the `JetStream` API refuses it: nothing is made, pulled or
//!   deleted. Should a stream take it all the same, one that somebody has set to keep everything, a
//!   header says that it is meant for another (`Nats-Expected-Stream`). A request of ours (the
//!   signing keys, an answer about a gap: the subjects without a wildcard) is out of its time before
//!   it arrives.
//! - Subscriptions end with the connection, without a message.
//!
//! The server works through a connection in order. So once it has refused the last thing, it has
//! refused all that it would refuse. The last thing is to purge a stream, which nobody may do, with
//! a reply below `_R_`, which is the servers' own: who is not stopped by the one is stopped by the
//! other, and which of them it is tells whether the server knows of credentials at all. So a probe
//! leaves a line in the server's log for each hundred permissions, and one for each that is missing.
//! Tried with nats-server 2.9.10 and 2.15.0.

use std::time::Duration;

use async_nats::{Client, ConnectOptions, Event, HeaderMap, ServerError, Subscriber};
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::{
    BusError,
    accounts::{Credential, Permission, Verb, permissions},
    connection,
};

/// How long everything together may take, beside connecting.
const PATIENCE: Duration = Duration::from_secs(2);
/// How many probes wait for their end at a time: the library drops what it cannot tell.
const AT_A_TIME: usize = 100;
/// Neither empty nor a number nor JSON: whatever interface takes it refuses it, and a pull of events
/// pulls none.
const PAYLOAD: &[u8] = b"{lunation-probe";
/// Nobody may do this; and there is no such stream.
const FORBIDDEN: &str = "$JS.API.STREAM.PURGE.LUNATION_PROBE";
/// The servers' own: no client may be answered here.
const RESERVED_REPLY: &str = "_R_.lunation-probe";

/// Whether the server knows of credentials at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Enforcement {
    /// It refuses what nobody may do.
    Enforced,
    /// It lets everybody do everything: fit for one's own machine alone.
    Open,
}

/// A word of the server, as far as it matters here.
#[derive(Debug, PartialEq, Eq)]
enum Refused<'a> {
    Publish(&'a str),
    Subscribe(&'a str),
    Reply(&'a str),
}

/// Connects as `credential`, by the URL, and tries each of its permissions.
///
/// # Errors
/// There is no connection, the password is wrong, or permissions are missing: all of them are named
/// ([`BusError::MissingPermissions`]).
pub async fn probe(url: &str, credential: Credential) -> Result<Enforcement, BusError> {
    let servers = connection::parse(url)?;
    let (heard, mut events) = mpsc::unbounded_channel();
    let settings = ConnectOptions::new()
        .name(format!("lunation-probe {credential}"))
        .custom_inbox_prefix(credential.inbox_prefix())
        .connection_timeout(PATIENCE)
        .event_callback(move |event| {
            // Nobody listens any more once the answer is known.
            let _late = heard.send(event);
            std::future::ready(())
        });
    let settings = connection::with_credentials(settings, &servers)?;
    let client = settings
        .connect(&servers[..])
        .await
        .map_err(|error| connection::describe(&servers, &error))?;
    let probing = try_all(&client, &mut events, credential);
    tokio::time::timeout(PATIENCE, probing)
        .await
        .unwrap_or(Err(BusError::Unavailable("it does not say what it refuses")))
}

async fn try_all(
    client: &Client,
    events: &mut UnboundedReceiver<Event>,
    credential: Credential,
) -> Result<Enforcement, BusError> {
    let mut missing = Vec::new();
    let mut enforcement = Enforcement::Open;
    for some in permissions(credential).chunks(AT_A_TIME) {
        let subscriptions = send(client, credential, some).await.map_err(|_error| lost())?;
        loop {
            let text = match events.recv().await {
                Some(Event::ServerError(ServerError::Other(text))) => text,
                Some(Event::Disconnected | Event::Closed) | None => return Err(lost()),
                Some(_other) => continue,
            };
            match Refused::parse(&text) {
                Some(Refused::Publish(FORBIDDEN)) => {
                    enforcement = Enforcement::Enforced;
                    break;
                }
                Some(Refused::Reply(RESERVED_REPLY)) => break,
                Some(refused) => {
                    missing.extend(some.iter().find(|it| refused.is_about(it)).cloned());
                }
                None => tracing::warn!("the NATS server reports an error that is not known"),
            }
        }
        drop(subscriptions);
    }
    if missing.is_empty() {
        Ok(enforcement)
    } else {
        Err(BusError::MissingPermissions { credential, missing })
    }
}

/// Tries each, then what ends it.
async fn send(
    client: &Client,
    credential: Credential,
    permissions: &[Permission],
) -> Result<Vec<Subscriber>, async_nats::Error> {
    let mut subscriptions = Vec::new();
    let nowhere = format!("{}.lunation.nowhere", credential.inbox_prefix());
    for permission in permissions {
        let subject = harmless(&permission.subject);
        match permission.verb {
            Verb::Subscribe => subscriptions.push(match permission.queue {
                Some(queue) => client.queue_subscribe(subject, queue.to_owned()).await?,
                None => client.subscribe(subject).await?,
            }),
            Verb::Ask | Verb::Publish => {
                let mut headers = HeaderMap::new();
                headers.insert("Nats-Expected-Stream", "lunation-probe");
                headers.insert("Lunation-Deadline", "0");
                let (reply, payload) = (nowhere.clone(), PAYLOAD.into());
                client.publish_with_reply_and_headers(subject, reply, headers, payload).await?;
            }
        }
    }
    client.publish_with_reply(FORBIDDEN, RESERVED_REPLY, PAYLOAD.into()).await?;
    client.flush().await?;
    Ok(subscriptions)
}

/// A subject that the pattern covers and that means nothing.
fn harmless(pattern: &str) -> String {
    let tokens = pattern.split('.').map(|token| match token {
        "*" => "lunation-probe",
        ">" => "lunation.probe",
        literal => literal,
    });
    tokens.collect::<Vec<_>>().join(".")
}

fn lost() -> BusError {
    BusError::Unavailable(connection::NO_CONNECTION)
}

impl<'a> Refused<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix("Permissions Violation for ")?;
        let (what, rest) = rest.split_once('"')?;
        let (subject, _queue) = rest.split_once('"')?;
        match what {
            "Publish to " => Some(Self::Publish(subject)),
            "Publish with Reply of " => Some(Self::Reply(subject)),
            "Subscription to " => Some(Self::Subscribe(subject)),
            _other => None,
        }
    }

    fn is_about(&self, permission: &Permission) -> bool {
        let (subscribes, subject) = match self {
            Self::Publish(subject) => (false, *subject),
            Self::Subscribe(subject) => (true, *subject),
            Self::Reply(_) => return false,
        };
        (permission.verb == Verb::Subscribe) == subscribes
            && harmless(&permission.subject) == subject
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_server_are_understood() {
        let known = [
            ("Permissions Violation for Publish to \"a.b\"", Refused::Publish("a.b")),
            ("Permissions Violation for Subscription to \"a.b\"", Refused::Subscribe("a.b")),
            (
                "Permissions Violation for Subscription to \"a\" using queue \"q\"",
                Refused::Subscribe("a"),
            ),
            ("Permissions Violation for Publish with Reply of \"_R_.1\"", Refused::Reply("_R_.1")),
        ];
        for (text, expected) in known {
            assert_eq!(Refused::parse(text), Some(expected), "{text}");
        }
        for unknown in ["", "Maximum Payload Violation", "Permissions Violation for Publish to a"] {
            assert_eq!(Refused::parse(unknown), None, "{unknown}");
        }
    }

    #[test]
    fn a_probe_is_covered_by_its_pattern() {
        assert_eq!(harmless("rpc.users.v1.*"), "rpc.users.v1.lunation-probe");
        assert_eq!(harmless("cycle.changed.>"), "cycle.changed.lunation.probe");
        assert_eq!(
            harmless("$SRV.*.lunation-users.*"),
            "$SRV.lunation-probe.lunation-users.lunation-probe"
        );
        assert_eq!(harmless("$JS.API.INFO"), "$JS.API.INFO");
    }
}
