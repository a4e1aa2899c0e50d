//! The notifications group over a real Postgres: reminders, and the preferences that they follow.

// Every function here is a test or helps one: clippy lets them unwrap.
#![cfg(test)]

mod erasure;
mod guards;
mod preferences;
mod reminders;
mod support;
