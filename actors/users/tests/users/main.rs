//! The users group as its askers see it: supervised actors over a real database.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test ends at what it did not expect"
)]

#[path = "../../../runtime/tests/support/postgres.rs"]
mod postgres;
#[path = "../../../runtime/tests/support/smtp.rs"]
mod smtp;

mod accounts;
mod audit;
mod credentials;
mod erasure;
mod export;
mod ledger;
mod people;
mod refreshes;
mod sealing;
mod second_factor;
mod sessions;
mod support;
mod throttle;
mod tokens;
