//! The load and the checker of every failure drill: the short ones of `tests/system/drills` and the
//! long one of `cargo xtask drills`.
//!
//! People log, correct and remove cycles through the public API while something is done to the
//! system. Each keeps a [`Ledger`] of what was acknowledged; watchers read beside them all the
//! time. Afterwards [`Outcome::verify`] compares what is stored with the ledgers and counts what
//! must not be: lost and doubled writes, two active predictions at once, versions that fell.

mod http;
mod ledger;
mod load;
mod random;
mod tally;
mod verdict;
mod verify;
mod watch;

pub use http::Person;
pub use ledger::Ledger;
pub use load::{Addresses, Load, Outcome, Settings};
pub use random::Random;
pub use tally::{Failure, Tally};
pub use verdict::Verdict;
