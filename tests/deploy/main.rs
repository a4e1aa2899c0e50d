//! What runs the product elsewhere: Dockerfile, docker-compose.yml, deploy/kubernetes. No container
//! engine and no cluster is needed. The files are held against the types of their specifications,
//! against each other and against the program; and what docker-compose.yml starts is started
//! outside containers, by the same commands and environments.
#![cfg(test)]

mod compose;
mod compose_file;
mod dockerfile;
mod dockerignore;
#[cfg(target_os = "linux")]
mod image;
mod kubernetes;
mod manifests;
mod processes;
mod secrets;
mod servers;
#[path = "../../actors/runtime/tests/support/signals.rs"]
mod signals;
mod stubs;
mod tools;
#[path = "../system/harness/wait.rs"]
mod wait;
