//! The system's tests: the built binary as a process, a real Postgres, a real nats-server, HTTP by
//! a client. The same bodies run against every shape of the system; see `harness::Shape`.
#![cfg(test)]

mod harness;

mod backtest;
mod bad_input;
mod broker;
mod calendar;
mod commands;
mod contract;
mod crash_points;
mod document;
mod drills;
mod lifecycle;
mod load_kill;
mod logs;
mod one_machine;
mod operator;
mod oracle;
mod panics;
mod questions;
mod race;
mod rebuild;
mod split;
mod walk_through;
