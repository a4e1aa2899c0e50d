//! What every domain of Lunation needs and none owns: supervision, admission, the outbox and its
//! relay, consumers, anti-entropy, group commit, sealing, the clock.
#![deny(missing_docs)]

pub mod admission;
pub mod anti_entropy;
pub mod background;
pub mod breaker;
pub mod clock;
pub mod consume;
pub mod database;
pub mod erasure;
pub mod faults;
pub mod group_commit;
pub mod idempotency;
pub mod mailroom;
pub mod outbox;
pub mod presence;
pub mod relay;
pub mod seal;
pub mod supervisor;
pub mod tasks;
pub mod versions;
