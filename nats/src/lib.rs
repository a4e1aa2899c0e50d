//! The event bus of Lunation: two implementations behind one type, [`Bus`].
//!
//! `jetstream` is the product: NATS `JetStream` with file storage and durable pull consumers.
//! `memory` is its embedded stand-in: it is no queue of its own, publishing succeeds only when
//! every consumer of this process has committed, so the outbox stays the one durable truth.
//!
//! [`rpc`] carries requests to groups in other processes. It and the bus share one [`Connection`].
//!
//! This is the only crate that knows async-nats. One test suite runs on both implementations.
#![deny(missing_docs)]

pub mod accounts;
mod bus;
mod connection;
mod delivery;
mod durable;
mod error;
#[doc(hidden)]
pub mod fuzzing;
mod jetstream;
mod memory;
mod probe;
pub mod rpc;
mod streams;
mod wire;

pub use bus::{Asserted, Bus, BusKind, Change, Published};
pub use connection::{Connection, NatsOptions, credential_of};
pub use delivery::{DeadLetter, Delivery, Subscription};
pub use durable::Durable;
pub use error::{BusError, PublishError};
pub use jetstream::operator;
pub use probe::{Enforcement, probe};
pub use wire::Undecodable;
