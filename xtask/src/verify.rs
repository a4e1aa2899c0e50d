//! After a load: what is stored, held against what was acknowledged.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use chrono::NaiveDate;
use reqwest::StatusCode;
use serde_json::Value;
use tokio::time::sleep;

use crate::{
    http::{Http, Person},
    ledger::{Contradiction, Cycle, Ledger},
    load::{Outcome, Written},
    verdict::Verdict,
};

/// How often a read is tried again.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// The longest page.
const PAGE: usize = 100;

impl Outcome {
    /// Compares everything that is stored with what was acknowledged. The read models may take
    /// this long to be there.
    pub async fn verify(self, patience: Duration) -> Verdict {
        let Self { written, watched, base, http } = self;
        let mut verdict = Verdict::default();
        for seen in watched {
            verdict.polls += seen.polls;
            verdict.unanswered += seen.unanswered;
            verdict.double_active += seen.double_active;
            verdict.regressions += seen.regressions;
            verdict.problems.extend(seen.problems);
        }
        let reader = Reader { http, base, begun: Instant::now(), patience };
        for one in written {
            let person = one.person.clone();
            let ledger = verdict.take(one);
            if let Err(problem) = reader.check(&person, &ledger, &mut verdict).await {
                verdict.diverged += 1;
                verdict.problems.push(format!("user {}: {problem}", person.id));
            }
        }
        verdict
    }
}

impl Verdict {
    fn take(&mut self, written: Written) -> Ledger {
        let Written { person: _, ledger, tally, contradictions, problems, open } = written;
        self.acknowledged += ledger.acknowledged;
        self.failures.add(tally);
        for contradiction in contradictions {
            match contradiction {
                Contradiction::Fell | Contradiction::Nonsense => self.regressions += 1,
                Contradiction::Skipped => self.doubled += 1,
            }
        }
        self.problems.extend(problems);
        self.unfinished += u64::from(open.is_some());
        self.problems.extend(open.map(|open| format!("never acknowledged: {open:?}")));
        ledger
    }

    /// Counts the differences between what was acknowledged and what is stored.
    fn compare(&mut self, user: i64, ledger: &Ledger, stored: &BTreeMap<NaiveDate, Cycle>) {
        for (start, cycle) in &ledger.cycles {
            if stored.get(start) != Some(cycle) {
                self.lost += 1;
                let found = stored.get(start);
                self.problems
                    .push(format!("user {user}: {start} {cycle:?} is stored as {found:?}"));
            }
        }
        for (start, cycle) in stored {
            if !ledger.cycles.contains_key(start) {
                self.doubled += 1;
                self.problems.push(format!("user {user}: {start} {cycle:?} was not acknowledged"));
            }
        }
    }
}

/// Reads after the load.
struct Reader {
    http: Http,
    base: String,
    begun: Instant,
    patience: Duration,
}

impl Reader {
    async fn check(
        &self,
        person: &Person,
        ledger: &Ledger,
        verdict: &mut Verdict,
    ) -> Result<(), String> {
        let cycles = self.all(person, "/api/cycles/cycles", "cycles").await?;
        let stored = cycles.iter().map(cycle_of).collect::<Option<BTreeMap<_, _>>>();
        let stored = stored.ok_or("cycles without dates")?;
        verdict.compare(person.id, ledger, &stored);
        let version = ledger.version;
        let separated = [
            "/api/analytics/predictions?active=true",
            "/api/notifications/notifications?status=pending&limit=100",
        ];
        let [active, pending] = separated.map(|path| format!("{path}&min_version={version}"));
        let active = self.reflected(person, &active, version).await?;
        let pending = self.reflected(person, &pending, version).await?;
        verdict.converged_after = verdict.converged_after.max(self.begun.elapsed());

        let analytics = self.all(person, "/api/analytics/analytics", "analytics").await?;
        same_lengths(ledger, &analytics)?;
        let predictions = active["predictions"].as_array().ok_or("no predictions")?;
        let based_on: Vec<_> =
            predictions.iter().map(|row| row["based_on_cycles"].as_i64()).collect();
        let expected: Vec<_> = ledger
            .cycles
            .keys()
            .next_back()
            .map(|_newest| Some(ledger.learned()))
            .into_iter()
            .collect();
        if based_on != expected {
            return Err(format!(
                "predicted from {based_on:?} lengths, and {expected:?} would be right"
            ));
        }
        same_outcomes(
            ledger,
            &self.all(person, "/api/analytics/predictions", "predictions").await?,
        )?;
        let reminders = pending["notifications"].as_array().ok_or("no notifications")?;
        let ids = |rows: &[Value], member: &str| {
            rows.iter().map(|row| row[member].as_i64()).collect::<Vec<_>>()
        };
        let (of, active) = (ids(reminders, "prediction_id"), ids(predictions, "id"));
        if of != active {
            return Err(format!("reminders of {of:?} are pending, and {active:?} is predicted"));
        }
        Ok(())
    }

    /// Waits until a read is of exactly this version.
    async fn reflected(&self, person: &Person, path: &str, version: i64) -> Result<Value, String> {
        loop {
            let body = self.read(person, path).await?;
            let as_of = body["as_of_version"].as_i64();
            if as_of == Some(version) {
                return Ok(body);
            }
            if as_of > Some(version) || self.begun.elapsed() > self.patience {
                return Err(format!("{path} is of {as_of:?} and not of {version}"));
            }
            sleep(LOOK_EVERY).await;
        }
    }

    async fn all(&self, person: &Person, path: &str, member: &str) -> Result<Vec<Value>, String> {
        let mut rows: Vec<Value> = Vec::new();
        loop {
            let page = format!("{path}?limit={PAGE}&offset={}", rows.len());
            let page = self.read(person, &page).await?;
            let page = page[member].as_array().ok_or("a page without rows")?;
            rows.extend(page.iter().cloned());
            if page.len() < PAGE {
                return Ok(rows);
            }
        }
    }

    async fn read(&self, person: &Person, path: &str) -> Result<Value, String> {
        loop {
            let said = match self.http.get(person, &self.base, path).await {
                Ok(answer) if answer.status == StatusCode::OK => return Ok(answer.body),
                Ok(answer) => format!("{path} answers {}", answer.status),
                Err((failure, said)) => format!("{path}: {failure:?} {said}"),
            };
            if self.begun.elapsed() > self.patience {
                return Err(said);
            }
            sleep(LOOK_EVERY).await;
        }
    }
}

/// Whether the lengths, newest first, are those of the ledger.
fn same_lengths(ledger: &Ledger, analytics: &[Value]) -> Result<(), String> {
    let mut lengths: Vec<Option<i64>> = ledger.lengths().into_iter().map(Some).collect();
    if !ledger.cycles.is_empty() {
        lengths.push(None);
    }
    let expected = ledger.cycles.keys().map(ToString::to_string).zip(lengths).rev();
    let found = analytics.iter().map(|row| {
        (row["start_date"].as_str().unwrap_or_default().to_owned(), row["cycle_length"].as_i64())
    });
    if expected.eq(found) { Ok(()) } else { Err("the cycle analytics are others".to_owned()) }
}

/// Whether there is a prediction made at each start, newest first, and settled by the next one.
fn same_outcomes(ledger: &Ledger, predictions: &[Value]) -> Result<(), String> {
    let later = ledger.cycles.keys().skip(1).map(|start| Some(start.to_string()));
    let newest = ledger.cycles.keys().next_back().map(|_newest| None);
    let expected: Vec<Option<String>> = later.chain(newest).rev().collect();
    let actual = |row: &Value| row["actual_start_date"].as_str().map(str::to_owned);
    let found: Vec<Option<String>> = predictions.iter().map(actual).collect();
    if expected == found { Ok(()) } else { Err("predictions were settled otherwise".to_owned()) }
}

fn cycle_of(row: &Value) -> Option<(NaiveDate, Cycle)> {
    let start = row["start_date"].as_str()?.parse().ok()?;
    let end = match row["end_date"].as_str() {
        Some(end) => Some(end.parse().ok()?),
        None => None,
    };
    Some((start, Cycle { id: row["id"].as_i64()?, end }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_lost_changed_or_doubled_is_counted() {
        let day = |day| NaiveDate::from_ymd_opt(2000, 1, day).unwrap();
        let cycle = |id| Cycle { id, end: None };
        let acknowledged = BTreeMap::from([(day(1), cycle(1)), (day(2), cycle(2))]);
        let ledger = Ledger { cycles: acknowledged.clone(), version: 2, acknowledged: 2 };
        let mut verdict = Verdict::default();
        verdict.compare(7, &ledger, &acknowledged);
        assert!(verdict.is_clean());
        let changed = Cycle { end: Some(day(3)), ..cycle(2) };
        verdict.compare(7, &ledger, &BTreeMap::from([(day(2), changed), (day(9), cycle(3))]));
        assert_eq!((verdict.lost, verdict.doubled, verdict.problems.len()), (2, 1, 3));
        assert!(!verdict.is_clean());
    }
}
