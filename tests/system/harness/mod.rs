//! What every system test stands on.
//!
//! A test says in which [`Shape`] the system runs and gets an [`App`]: processes of the built
//! binary on free ports with a data directory of their own. Everything is stopped and removed when
//! the `App` is dropped. Nothing here sleeps for a fixed time: effects are awaited with
//! [`wait::until`].

pub(crate) mod app;
pub(crate) mod canaries;
pub(crate) mod client;
pub(crate) mod document;
pub(crate) mod nats_server;
pub(crate) mod postgres;
pub(crate) mod process;
#[path = "../../../actors/runtime/tests/support/signals.rs"]
pub(crate) mod signals;
#[path = "../../../actors/runtime/tests/support/smtp.rs"]
pub(crate) mod smtp;
pub(crate) mod template;
pub(crate) mod wait;

pub(crate) use app::{App, Options, Shape};
pub(crate) use client::{Client, Person};
pub(crate) use nats_server::NatsServer;

/// Defines a test body once and runs it in every shape of the system, each as a test of its own.
macro_rules! in_every_shape {
    ($($(#[$doc:meta])* async fn $name:ident($app:ident: &App) $body:block)+) => {
        $(
            $(#[$doc])*
            mod $name {
                use super::*;

                async fn body($app: &App) $body

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn memory() {
                    let app = App::start(crate::harness::Shape::Memory).await;
                    body(&app).await;
                    app.finish().await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn jetstream() {
                    let app = App::start(crate::harness::Shape::JetStream).await;
                    body(&app).await;
                    app.finish().await;
                }

                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn split() {
                    let app = App::start(crate::harness::Shape::Split).await;
                    body(&app).await;
                    app.finish().await;
                }
            }
        )+
    };
}
pub(crate) use in_every_shape;
