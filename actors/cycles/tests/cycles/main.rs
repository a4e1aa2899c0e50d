//! The cycles group as its askers see it: supervised actors over a real database.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at what it did not expect"
)]

#[path = "../../../runtime/tests/support/postgres.rs"]
mod postgres;

mod arithmetic;
mod concurrency;
mod cycles;
mod episodes;
mod gaps;
mod guards;
mod harness;
mod history;
mod inputs;
mod lifecycle;
mod symptoms;
mod upgrade;
