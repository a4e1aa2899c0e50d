//! Watchers: clients that read all the time, and hold what they see against what they saw.

use std::{
    collections::BTreeMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::Value;
use tokio::{sync::watch, time::sleep};
use tokio_util::sync::CancellationToken;

use crate::{
    http::{Http, Person},
    load::Addresses,
};

/// A watcher does not wait for a process that hangs: it would see nothing meanwhile.
const PATIENCE: Duration = Duration::from_secs(1);
/// The pause between two reads.
const REST: Duration = Duration::from_millis(2);

/// What one watcher reads, in turn. All of it tells as of which version it is; the last is from
/// another read model, whose version is one of its own.
const READS: [(&str, Model); 4] = [
    ("/api/analytics/predictions?active=true", Model::Analytics),
    ("/api/analytics/insights", Model::Analytics),
    ("/api/analytics/analytics?limit=1", Model::Analytics),
    ("/api/notifications/notifications?status=pending", Model::Notifications),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Model {
    Analytics,
    Notifications,
}

/// What a watcher has seen.
#[derive(Debug, Default)]
pub(crate) struct Watched {
    /// How many answers it had.
    pub(crate) polls: u64,
    /// How many reads had none.
    pub(crate) unanswered: u64,
    /// How often two predictions or two reminders of one user were active at once.
    pub(crate) double_active: u64,
    /// How often a version was lower than one that was seen before.
    pub(crate) regressions: u64,
    /// What it saw of these, in words.
    pub(crate) problems: Vec<String>,
    highest: BTreeMap<(i64, Model), i64>,
    /// The answers of all watchers.
    all: Arc<AtomicU64>,
}

/// Reads about everybody in turn until `stop`.
pub(crate) async fn watch_on(
    http: Http,
    people: Vec<Person>,
    addresses: watch::Receiver<Addresses>,
    stop: CancellationToken,
    nth: usize,
    mut watched: Watched,
) -> Watched {
    let mut turn = nth;
    loop {
        for person in &people {
            if stop.is_cancelled() {
                return watched;
            }
            turn += 1;
            let Some((path, model)) = READS.get(turn % READS.len()).copied() else { continue };
            let base = base_of(&addresses.borrow(), model, turn);
            match http.get_within(PATIENCE, person, &base, path).await {
                Ok(answer) if answer.status.is_success() => {
                    watched.see(person.id, path, model, &answer.body);
                }
                // Nothing was logged yet, so there is nothing to say.
                Ok(answer) if answer.status.as_u16() == 422 => watched.count(),
                Ok(answer) => {
                    watched.problems.push(format!("{path} answers {}", answer.status));
                }
                Err(_) => watched.unanswered += 1,
            }
            sleep(REST).await;
        }
        // The next round reads something else about each.
        turn += 1;
    }
}

fn base_of(addresses: &Addresses, model: Model, turn: usize) -> String {
    let bases = match model {
        Model::Analytics => &addresses.analytics,
        Model::Notifications => &addresses.notifications,
    };
    // Not in step with what is read, so that everything is read everywhere.
    bases.get((turn / READS.len()) % bases.len().max(1)).cloned().unwrap_or_default()
}

impl Watched {
    /// Nothing yet. Its answers are counted here too.
    pub(crate) fn counted_in(all: &Arc<AtomicU64>) -> Self {
        Self { all: Arc::clone(all), ..Self::default() }
    }

    fn count(&mut self) {
        self.polls += 1;
        self.all.fetch_add(1, Ordering::Relaxed);
    }

    fn see(&mut self, user: i64, path: &str, model: Model, body: &Value) {
        self.count();
        let Some(version) = body["as_of_version"].as_i64() else {
            self.problems.push(format!("{path} does not tell as of which version it is"));
            return;
        };
        let highest = self.highest.entry((user, model)).or_default();
        if version < *highest {
            self.regressions += 1;
            let problem = format!("user {user}: {path} is of {version} after {highest}");
            self.problems.push(problem);
        }
        *highest = version.max(*highest);
        let is_of_active = path.contains("active=true") || path.contains("status=pending");
        if is_of_active && body["total"].as_i64().is_some_and(|total| total > 1) {
            self.double_active += 1;
            self.problems.push(format!("user {user}: {} are active in {path}", body["total"]));
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_fall_and_a_double_are_seen() {
        let mut watched = Watched::default();
        let mut see = |user, read: usize, version: i64, total: i64| {
            let (path, model) = READS[read];
            watched.see(user, path, model, &json!({"as_of_version": version, "total": total}));
        };
        see(1, 0, 4, 1);
        // Another user, and another model, have versions of their own.
        see(2, 0, 3, 1);
        see(1, 3, 3, 1);
        see(1, 1, 4, 0);
        see(1, 2, 3, 24);
        see(1, 0, 4, 2);
        see(1, 3, 2, 2);
        assert_eq!((watched.polls, watched.regressions, watched.double_active), (7, 2, 2));
        assert_eq!(watched.problems.len(), 4);
    }
}
