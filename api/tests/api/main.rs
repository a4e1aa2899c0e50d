//! What can be tested of the HTTP contract without any domain. The rows of the contract that need
//! one are tested end to end, with the real binary, by the root package.

#![expect(clippy::expect_used, reason = "a helper that cannot help fails its test")]

extern crate lunation_api as api;

mod bodies;
mod document;
mod edge;
mod exports;
mod origins;
mod parameters;
mod support;
mod tokens;
mod wire;
