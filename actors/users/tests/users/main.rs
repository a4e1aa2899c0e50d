//! The users group as its askers see it: supervised actors over a real database.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at what it did not expect"
)]

#[path = "../../../runtime/tests/support/postgres.rs"]
mod postgres;

mod accounts;
mod people;
mod support;
