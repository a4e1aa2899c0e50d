//! What accounts cost, measured on the built binary beside a bound of the same run.
//!
//! `cargo bench --bench accounts` prints how long a refused sign-in takes for accounts that exist and
//! for such that do not; and how long a read takes while others sign in as fast as they can, beside
//! one of an idle process; `-- timing` and `-- storm` one of both alone. With `-- --against BINARY` it
//! compares: what registering, signing in, reads and writes cost in the binary under test, beside
//! another one, in turn.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints, and ends where a test would fail"
)]

mod compare;
#[path = "../../tests/system/harness/mod.rs"]
#[expect(dead_code, reason = "the tests use more of the harness than the benchmark")]
#[expect(unused_imports, reason = "the tests use more of the harness than the benchmark")]
#[expect(unused_macros, reason = "the tests use more of the harness than the benchmark")]
mod harness;
mod storm;
mod timing;
mod usage;
mod wire;

use std::{env, path::PathBuf};

use futures::{StreamExt as _, stream};
use serde_json::json;

use wire::{Wire, request};

/// Everybody's password.
const PASSWORD: &str = "correct horse battery staple";

fn main() {
    // `cargo bench` passes flags of its own.
    let arguments: Vec<_> = env::args_os().skip(1).collect();
    let against = arguments.iter().skip_while(|it| *it != "--against").nth(1).map(PathBuf::from);
    let has = |name: &str| arguments.iter().any(|it| it == name);
    let (only_timing, only_storm) = (has("timing"), has("storm"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        if let Some(before) = against {
            compare::compare(before).await;
            return;
        }
        if !only_storm {
            timing::timing().await;
        }
        if !only_timing {
            storm::storm().await;
        }
    });
}

/// Registers so many people, whose addresses are `name0@example.org` and so on.
async fn sign_up(url: &str, count: usize, name: &str) {
    let registering = (0..count).map(|number| async move {
        let name = format!("{name}{number}");
        let email = format!("{name}@example.org");
        let body = json!({"email": email, "username": name, "password": PASSWORD});
        let mut wire = Wire::open(url).await;
        let (status, _) = wire.send(&request("POST", "/api/users/register", "", Some(&body))).await;
        assert_eq!(status, 201);
    });
    stream::iter(registering).buffer_unordered(8).for_each(|()| async {}).await;
}

/// The middle one; they are sorted afterwards.
fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}
