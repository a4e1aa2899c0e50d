//! The model on the development half of the Fehring/Marquette study: golden vectors, and the
//! figures that it must reach. Where the files come from: `tests/data/README.md`.
#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot read its data has failed, and one prints the figures reached"
)]

mod development;
mod figures;
mod golden;
