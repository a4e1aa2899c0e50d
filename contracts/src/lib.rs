//! What the domains of Lunation say to each other.
//!
//! Requests are imperatives, replies are nouns, events are versioned wake-ups. Whatever is
//! serialisable here is promised: split processes are upgraded one at a time, so a change to a
//! wire type is checked against the golden JSON in `tests/golden/`.
//!
//! There is no I/O in this crate. `Debug` is left out on purpose on every type that holds health
//! data, an e-mail address, a name or a secret: such a value cannot reach a log line by accident.
#![deny(missing_docs)]

pub mod analytics;
pub mod call;
pub mod cycles;
pub mod events;
pub mod handle;
pub mod health;
pub mod ids;
pub mod limits;
mod mailbox;
pub mod notifications;
pub mod page;
pub mod patch;
pub mod refusal;
pub mod scope;
pub mod secret;
pub mod users;
pub mod wire;

pub use call::{Call, Grant};
pub use handle::{Handle, ReplyPort, Request};
pub use ids::{
    AuditEntryId, CycleId, EpisodeId, NotificationId, PredictionId, QuestionId, SessionId,
    SymptomId, UserId, Version,
};
pub use patch::Patch;
pub use refusal::{ErrorKind, FieldError, Refusal};
pub use scope::{Scope, Scopes};
pub use secret::Secret;
