//! Clients that race, and clients that try again.

use futures::future::join_all;
use reqwest::{Method, StatusCode};
use serde_json::json;

use crate::harness::{App, client::Answer, in_every_shape};

in_every_shape! {
    /// Two clients log overlapping periods at once: one wins, the other hears which stands in the
    /// way, and nothing of it is stored.
    async fn overlapping_periods(app: &App) {
        for round in 0..10 {
            let person = app.client().somebody().await;
            let bodies = [
                json!({"start_date": "2024-03-01", "end_date": "2024-03-06"}),
                json!({"start_date": "2024-03-04", "end_date": "2024-03-09"}),
            ];
            let answers = join_all(bodies.iter().map(|body| person.post("/api/cycles/cycles", body))).await;
            let (won, lost): (Vec<_>, Vec<_>) =
                answers.into_iter().partition(|answer| answer.status == StatusCode::CREATED);
            assert_eq!((won.len(), lost.len()), (1, 1), "round {round}");
            let winner = won[0].body["cycle"]["id"].clone();
            for answer in lost {
                assert_eq!(answer.problem(409)["conflicting_id"], winner);
            }
            let cycles = person.get("/api/cycles/cycles").await.expect(StatusCode::OK);
            assert_eq!(cycles["total"], 1);
            assert_eq!(won[0].body["version"], 1, "a refused write takes no version");
        }
    }

    /// The same key and body give the first answer again, however many try at once.
    async fn the_same_key_once_only(app: &App) {
        let person = app.client().somebody().await;
        let send = |body: serde_json::Value| {
            let request = person.request(Method::POST, "/api/cycles/cycles")
                .header("Idempotency-Key", "the-key")
                .json(&body);
            Answer::of(request)
        };
        let body = json!({"start_date": "2024-03-01"});
        let answers = join_all((0..6).map(|_| send(body.clone()))).await;
        let first = &answers[0].body;
        for answer in &answers {
            assert_eq!(answer.status, StatusCode::CREATED, "{}", answer.text);
            assert_eq!(&answer.body, first);
        }
        assert_eq!(first["version"], 1);
        send(json!({"start_date": "2024-05-01"})).await.problem(422);
        let cycles = person.get("/api/cycles/cycles").await.expect(StatusCode::OK);
        assert_eq!(cycles["total"], 1);
        let other = app.client().somebody().await;
        let request = other.request(Method::POST, "/api/cycles/cycles")
            .header("Idempotency-Key", "the-key")
            .json(&json!({"start_date": "2024-05-01"}));
        Answer::of(request).await.expect(StatusCode::CREATED);
    }

    /// Versions are dense under concurrent writers, and what a reader sees never falls.
    async fn versions_are_dense_and_never_fall(app: &App) {
        let person = app.client().somebody().await;
        let watching = async {
            let mut last = 0;
            while last < 24 {
                let answer = person.get("/api/analytics/insights").await.expect(StatusCode::OK);
                let now = answer["as_of_version"].as_i64().unwrap();
                assert!(now >= last, "as_of_version fell from {last} to {now}");
                last = now;
            }
        };
        let writing = async {
            let mut versions = Vec::new();
            for year in 2000..2006 {
                let bodies = (1..=4).map(|quarter| json!({"start_date": format!("{year}-{:02}-01", quarter * 3)}));
                let bodies: Vec<_> = bodies.collect();
                let answers = join_all(bodies.iter().map(|body| person.post("/api/cycles/cycles", body))).await;
                versions.extend(answers.into_iter().map(|answer| {
                    answer.expect(StatusCode::CREATED)["version"].as_i64().unwrap()
                }));
            }
            versions.sort_unstable();
            assert_eq!(versions, (1..=24).collect::<Vec<i64>>());
        };
        futures::join!(watching, writing);
    }
}
