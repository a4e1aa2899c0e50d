//! What travels between two processes is held still: each operation's name, audience, request and
//! reply, and the refusal. Processes are upgraded one at a time, so a member may be added with a
//! default, and none may change or go.

// The name under which everyone else depends on it.
extern crate lunation_contracts as contracts;

#[cfg(test)]
mod analytics;
#[cfg(test)]
mod credentials;
#[cfg(test)]
mod cycles;
#[cfg(test)]
mod erasures;
#[cfg(test)]
mod exports;
#[cfg(test)]
mod notifications;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod scopes;
#[cfg(test)]
mod sessions;
#[cfg(test)]
mod support;
#[cfg(test)]
mod users;
