//! The HTTP contract of Lunation: poem-openapi over typed asks.
//!
//! A request passes `edge` (request id, time limit, problem documents, headers, one log line),
//! then the operation of its domain, which turns the DTO into a contract request, asks the
//! group's handle, and turns the reply back. Nothing here knows SQL, NATS or an actor.
//!
//! What a request may hold is said once, in its schema: `schema` checks every body and
//! parameter against the very schema that the API document shows.
#![expect(clippy::struct_field_names, reason = "members are named as the contract names them")]

mod app;
mod edge;
mod headers;
mod routes;

mod analytics;
mod api_tokens;
mod calendar;
mod credentials;
mod cycles;
mod episodes;
mod erasure;
mod export;
mod gateway;
mod health;
mod import;
mod insights;
mod notifications;
mod predictions;
mod preferences;
mod questions;
mod retention;
mod sessions;
mod symptoms;
mod users;
mod verified;

mod admin;
mod answer;
mod audit;
mod auth;
mod body;
mod context;
mod document;
mod error;
mod examples;
mod exchange;
mod fertility;
mod json;
mod origin;
mod page;
mod parameter;
mod pattern;
mod problem;
mod revocations;
mod scalar;
mod schema;
mod scopes;
mod tokens;

pub use admin::{Readiness, Render, admin};
pub use app::{ApiOptions, Groups, Mounted, app, nowhere};
pub use document::{openapi_document, openapi_json, openapi_yaml};
pub use edge::no_connection;
pub use problem::{PROBLEMS, ProblemKind};
pub use tokens::Verifier;
