//! Whoever lost the answer, or was told to come again, loses nothing by it.

use std::collections::BTreeSet;

use futures::future::join_all;

use super::{complete, erased};
use crate::harness::{App, Shape};

/// Each erasure hashes a password, so a crowd waits for cores, and some are told to come again.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_that_leaves_at_once_gets_its_receipts() {
    let app = App::start(Shape::Memory).await;
    let client = app.client();
    let mut people = Vec::new();
    for number in 0..12 {
        people.push(client.register(&format!("leaves-{number}")).await);
    }
    let receipts: Vec<String> = join_all(people.iter().map(erased)).await;
    let different: BTreeSet<&String> = receipts.iter().collect();
    assert_eq!(different.len(), people.len());
    join_all(receipts.iter().map(|receipt| complete(&app, receipt))).await;
    for (person, receipt) in people.iter().zip(&receipts) {
        assert_eq!(erased(person).await, *receipt, "whoever asks again gets the same");
    }
    app.finish().await;
}
