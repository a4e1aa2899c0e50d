//! What can go wrong on the bus. No message holds a credential or a part of the URL but its host.

use std::time::Duration;

use crate::{
    Durable,
    accounts::{Credential, Permission},
};

/// The broker did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The URL of the broker cannot be understood. It is not repeated: it may hold a password.
    #[error("the NATS URL is not valid; expected nats://[user:password@]host[:port]")]
    InvalidUrl,
    /// There was no connection at the start.
    #[error("no connection to NATS at {server}: {reason}")]
    Connect {
        /// Host and port, without credentials.
        server: String,
        /// What went wrong.
        reason: String,
    },
    /// The server is there, but cannot carry the streams.
    #[error("the NATS server {version} cannot be used: {reason}")]
    Unsuitable {
        /// The server's version.
        version: String,
        /// What is missing.
        reason: &'static str,
    },
    /// The server keeps a stream or a consumer with settings that break a promise.
    #[error("{object} has {member} = {found}, but {expected} is needed; correct or delete it")]
    Configuration {
        /// `stream CYCLES`, `consumer analytics`…
        object: String,
        /// The setting that differs.
        member: &'static str,
        /// What it should be.
        expected: String,
        /// What the server answered.
        found: String,
    },
    /// The broker is away, or it did not answer in time.
    #[error("the broker did not answer: {0}")]
    Unavailable(&'static str),
    /// The broker answered with an error of its own.
    #[error("the broker refused to {action}: {reason}")]
    Refused {
        /// What was asked.
        action: &'static str,
        /// The error that it named.
        reason: String,
    },
    /// The server does not let a credential do what it has to.
    #[error(
        "the NATS credential '{credential}' may not {}; its permissions on the server have to be those of nats/server.conf",
        list(missing)
    )]
    MissingPermissions {
        /// Whose.
        credential: Credential,
        /// What is missing, all of it.
        missing: Vec<Permission>,
    },
    /// A class of dead letters is one token of a subject: `a-z`, `0-9`, `_`, `-`.
    #[error("'{0}' is not a class of dead letters")]
    InvalidClass(&'static str),
}

/// An event was not published; whoever publishes keeps it and tries again.
#[derive(Debug, thiserror::Error)]
pub enum PublishError {
    /// The broker is away, or no acknowledgement came in time. The event may have arrived.
    #[error("the broker did not acknowledge the event: {0}")]
    Unavailable(&'static str),
    /// No stream takes the subject: the broker was wiped and waits for `provision`.
    #[error("the broker has no stream for the event")]
    NoStream,
    /// The stream is at its limit and takes nothing new until something expires.
    #[error("the stream is full")]
    StreamFull,
    /// The broker answered with another error.
    #[error("the broker refused the event: {0}")]
    Refused(String),
    /// Memory only: a durable of this process has no live subscription.
    #[error("{} has not subscribed", .0.name())]
    NotSubscribed(Durable),
    /// Memory only: the consumer could not take the event now.
    #[error("{} asks for the event again", durable.name())]
    RetryRequested {
        /// Whose consumer.
        durable: Durable,
        /// When it wants the event again.
        delay: Duration,
    },
}

impl PublishError {
    /// Whether it is the bus that cannot take anything, so that no other event would fare better
    /// now.
    pub fn is_away(&self) -> bool {
        match self {
            Self::Unavailable(_) | Self::NoStream | Self::StreamFull | Self::NotSubscribed(_) => {
                true
            }
            Self::Refused(_) | Self::RetryRequested { .. } => false,
        }
    }

    /// How long the consumer wants to be left alone, if it was the consumer that refused.
    pub fn retry_after(&self) -> Option<Duration> {
        match self {
            Self::RetryRequested { delay, .. } => Some(*delay),
            Self::Unavailable(_)
            | Self::NoStream
            | Self::StreamFull
            | Self::Refused(_)
            | Self::NotSubscribed(_) => None,
        }
    }
}

fn list(permissions: &[Permission]) -> String {
    let each = |permission: &Permission| {
        let queue = permission.queue.map(|queue| format!(" in queue {queue}")).unwrap_or_default();
        format!("{} {}{queue}", permission.verb.name(), permission.subject)
    };
    permissions.iter().map(each).collect::<Vec<_>>().join(", ")
}
