//! The system's tests: the built binary as a process, a real Postgres, a real nats-server, HTTP by
//! a client. The same bodies run against every shape of the system; see `harness::Shape`.
#![cfg(test)]

mod harness;

mod audit;
mod authorization;
mod backtest;
mod bad_input;
mod broker;
mod calendar;
mod canaries;
mod commands;
mod connections;
mod contract;
mod crash_points;
mod credentials;
mod document;
mod drills;
mod erasure;
mod export;
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
mod sealing;
mod sessions;
mod split;
mod stopped;
mod throttle;
mod walk_through;
