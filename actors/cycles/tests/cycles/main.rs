//! The cycles group as its askers see it: supervised actors over a real database.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at what it did not expect"
)]

#[path = "../../../runtime/tests/support/held.rs"]
mod held;
#[path = "../../../runtime/tests/support/postgres.rs"]
mod postgres;
#[path = "../../../runtime/tests/support/erasing_users.rs"]
mod users;

mod arithmetic;
mod bounds;
mod concurrency;
mod cycles;
mod episodes;
mod erasure;
mod export;
mod gaps;
mod guards;
mod harness;
mod history;
mod import;
mod inputs;
mod lifecycle;
mod retention;
mod sealed;
mod sealing;
mod symptoms;
mod upgrade;
