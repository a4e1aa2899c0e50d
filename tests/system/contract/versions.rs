//! `as_of_version` and `min_version`: nobody has to sleep and poll.

use std::time::{Duration, Instant};

use futures::future::{join, join_all};
use reqwest::StatusCode;

use crate::harness::App;

/// Every read that reflects the user's cycles.
const READS: [&str; 6] = [
    "/api/analytics/predictions",
    "/api/analytics/insights",
    "/api/analytics/analytics",
    "/api/analytics/questions",
    "/api/notifications/preferences",
    "/api/notifications/notifications",
];

pub(super) async fn all(app: &App) {
    let person = app.client().somebody().await;
    // It waits for a version that is still to come.
    for (version, start) in (1..).zip(["2024-01-01", "2024-01-29", "2024-02-26"]) {
        let waiting = READS.map(|path| {
            let (person, path) = (person.clone(), format!("{path}?min_version={version}"));
            async move {
                let answer = person.get(&path).await.expect(StatusCode::OK);
                assert_eq!(answer["as_of_version"], version, "{path}");
            }
        });
        let begun = Instant::now();
        let (_, logged) = join(join_all(waiting), person.log_cycle(start, None)).await;
        assert_eq!(logged.1, version);
        assert!(begun.elapsed() < Duration::from_secs(2), "it answers as soon as it can");
    }
    // And answers with what it has for one that never comes.
    let waiting = READS.map(|path| {
        let (person, path) = (person.clone(), format!("{path}?min_version=9223372036854775807"));
        async move {
            let begun = Instant::now();
            let answer = person.get(&path).await.expect(StatusCode::OK);
            assert_eq!(answer["as_of_version"], 3, "{path}");
            let took = begun.elapsed();
            let about_two = Duration::from_millis(1_700)..Duration::from_secs(4);
            assert!(about_two.contains(&took), "{path} took {took:?}");
        }
    });
    join_all(waiting).await;
    // One that is there already is no reason to wait.
    for path in READS {
        for version in [0, 1, 3] {
            let begun = Instant::now();
            person.get(&format!("{path}?min_version={version}")).await.expect(StatusCode::OK);
            assert!(begun.elapsed() < Duration::from_millis(1_700), "{:?}", begun.elapsed());
        }
    }
}
