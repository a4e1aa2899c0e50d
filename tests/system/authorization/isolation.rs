//! Many people at once, each over a connection of their own: no answer holds a word, a date or an id
//! of another one.
//!
//! `ISOLATION_REQUESTS` says how many requests each of them sends; a run of the suite is a short one.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, Instant},
};

use futures::{StreamExt as _, future::join_all, stream};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::{
    operations::{self, Operation},
    patient,
    planted::Planted,
    strangers::owners,
};
use crate::harness::{App, Shape, canaries::MARK, client::Answer};

const PEOPLE: u32 = 16;
/// How many good answers each of them gets unless it is said otherwise.
const REQUESTS: u64 = 300;
/// The year in which the first one, and nobody else, had a cycle.
const FIRST_YEAR: u32 = 1930;
/// How much a busy machine may turn away for each request that it answers.
const TURNED_AWAY_PER_ANSWER: u64 = 2;

/// A token is good for ten minutes, and a long run is longer.
const REFRESH_AFTER: Duration = Duration::from_mins(3);

/// One of them.
struct Resident {
    number: u32,
    planted: Planted,
    /// Since when they have the token that they have.
    signed_in: Instant,
    /// A symptom that they logged in the course of this, and that is still there.
    logged: Option<Value>,
}

/// What was seen by all.
#[derive(Default)]
struct Seen {
    answers: AtomicU64,
    /// Answers that held something of the one who asked: that would have been found in another's.
    with_own: AtomicU64,
    turned_away: AtomicU64,
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_answer_holds_what_is_somebody_elses() {
    let app = App::start_with(Shape::Memory, patient()).await;
    let arriving = (0..PEOPLE).map(|number| {
        let client = app.client();
        async move {
            let name = name_of(number);
            let planted = Planted::new(client, &name, FIRST_YEAR + number).await;
            Resident { number, planted, signed_in: Instant::now(), logged: None }
        }
    });
    // A few at a time: each has a password to be hashed, which takes a core.
    let residents: Vec<Resident> = stream::iter(arriving).buffered(2).collect().await;
    // Whose id each asks for that is not theirs: the next one's.
    let cycles: Vec<i64> = residents.iter().map(|resident| resident.planted.cycle).collect();
    let (seen, requests) = (Seen::default(), requests_each());
    let begun = Instant::now();
    let living = residents.into_iter().enumerate().map(|(place, resident)| {
        let foreign = cycles[(place + 1) % cycles.len()];
        resident.live(requests, foreign, &seen)
    });
    join_all(living).await;
    let answers = seen.answers.load(Ordering::Relaxed);
    let with_own = seen.with_own.load(Ordering::Relaxed);
    let turned_away = seen.turned_away.load(Ordering::Relaxed);
    eprintln!(
        "{PEOPLE} people, {answers} answers in {:?}, {with_own} with something of one's own, \
         {turned_away} turned away",
        begun.elapsed()
    );
    assert_eq!(answers, u64::from(PEOPLE) * requests);
    assert!(with_own * 3 > answers, "{with_own} of {answers} could have been told apart");
    app.finish().await;
}

#[expect(clippy::disallowed_methods, reason = "a test run is configured from outside")]
fn requests_each() -> u64 {
    let given = std::env::var("ISOLATION_REQUESTS").ok();
    given.map_or(REQUESTS, |number| number.parse().expect("ISOLATION_REQUESTS is a number"))
}

/// Two digits, so that no name begins like another.
fn name_of(number: u32) -> String {
    format!("resident{number:02}")
}

impl Resident {
    /// Reads everything there is to read, again and again, with writes in between.
    async fn live(mut self, requests: u64, foreign: i64, seen: &Seen) {
        let reads: Vec<Operation> = operations::secured().filter(is_repeatable_read).collect();
        let mut turn = 0;
        while turn < requests {
            if self.signed_in.elapsed() > REFRESH_AFTER {
                self.refresh().await;
            }
            let read = &reads[usize::try_from(turn).unwrap() % reads.len()];
            let answer = match turn % 5 {
                0 => self.write(turn / 5).await,
                1 if turn % 2 == 0 => self.looks_for(foreign).await,
                _ => read.send_as(&self.planted.person).await,
            };
            self.hold(&answer, seen);
            if [StatusCode::SERVICE_UNAVAILABLE, StatusCode::GATEWAY_TIMEOUT]
                .contains(&answer.status)
            {
                let turned_away = seen.turned_away.fetch_add(1, Ordering::Relaxed);
                let most = TURNED_AWAY_PER_ANSWER * u64::from(PEOPLE) * requests;
                assert!(turned_away <= most, "{turned_away} were turned away: {}", answer.text);
                continue;
            }
            seen.answers.fetch_add(1, Ordering::Relaxed);
            turn += 1;
        }
    }

    /// Goes on with the session. If the machine is too busy for it now, the next turn does.
    async fn refresh(&mut self) {
        let answer = self.planted.person.refresh().await;
        if answer.status == StatusCode::OK {
            self.planted.person = self.planted.person.client.signed_in(&answer.body);
            self.signed_in = Instant::now();
        } else {
            let is_busy = [503, 504].contains(&answer.status.as_u16());
            assert!(is_busy, "not refreshed: {}", answer.text);
        }
    }

    /// One write after the other. Everybody uses the same idempotency keys.
    async fn write(&mut self, turn: u64) -> Answer {
        let Planted { person, mark, symptom, .. } = &self.planted;
        let (method, path, body) = match (turn % 4, &self.logged) {
            (0, _) => {
                let names = json!({"first_name": format!("{mark}first{turn}")});
                (Method::PUT, "/api/users/profile".to_owned(), Some(names))
            }
            (1, None) => {
                let symptom = self.planted.symptom();
                (Method::POST, "/api/cycles/symptoms".to_owned(), Some(symptom))
            }
            (2, Some(id)) => (Method::DELETE, format!("/api/cycles/symptoms/{id}"), None),
            _ => {
                let notes = json!({"notes": format!("{mark}notes{turn}")});
                (Method::PUT, format!("/api/cycles/symptoms/{symptom}"), Some(notes))
            }
        };
        let mut request = person.request(method.clone(), &path);
        request = request.header("Idempotency-Key", format!("turn-{turn}"));
        if let Some(body) = body {
            request = request.json(&body);
        }
        let answer = Answer::of(request).await;
        if answer.status.is_success() {
            match method {
                Method::POST => self.logged = Some(answer.body["symptom"]["id"].clone()),
                Method::DELETE => self.logged = None,
                _ => {}
            }
        }
        answer
    }

    /// Asks for what is the next one's.
    async fn looks_for(&self, foreign: i64) -> Answer {
        let answer = self.planted.person.get(&format!("/api/cycles/cycles/{foreign}")).await;
        assert!([404, 503, 504].contains(&answer.status.as_u16()), "{}", answer.text);
        answer
    }

    /// Fails the test if an answer is not good, or holds what is another's.
    fn hold(&self, answer: &Answer, seen: &Seen) {
        let status = answer.status.as_u16();
        let is_expected = answer.status.is_success() || [404, 503, 504].contains(&status);
        assert!(is_expected, "{status} {}", answer.text);
        let shown = format!("{:?} {}", answer.headers, answer.text);
        let strangers = strangers_in(&shown, self.number);
        assert!(strangers.is_empty(), "{} is told of {strangers:?}: {shown}", self.number);
        let owners = owners(&answer.body);
        let own = self.planted.person.id;
        assert!(owners.iter().all(|owner| *owner == own), "{own} is told of {owners:?}: {shown}");
        if !owners.is_empty() || shown.contains(&self.planted.mark) {
            seen.with_own.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// What can be asked again and again: an export is counted.
fn is_repeatable_read(operation: &Operation) -> bool {
    operation.is_read() && !operation.documents(429) && !operation.template.contains('{')
}

/// Of whom but this one a text has the name, or the year.
fn strangers_in(text: &str, own: u32) -> Vec<u32> {
    let is_named = |number: &u32| {
        text.contains(&format!("{MARK}-{}-", name_of(*number)))
            || text.contains(&format!("{}-03-", FIRST_YEAR + number))
            || text.contains(&format!("{}-06-01", FIRST_YEAR + number))
    };
    (0..PEOPLE).filter(|number| *number != own).filter(is_named).collect()
}

#[test]
fn a_word_and_a_date_of_another_one_are_found() {
    let own = format!("{MARK}-resident03-notes 1933-03-05");
    assert_eq!(strangers_in(&own, 3), Vec::<u32>::new());
    assert_eq!(strangers_in(&own, 4), [3]);
    assert_eq!(strangers_in("{\"start_date\":\"1945-06-01\"}", 3), [15]);
    assert_eq!(strangers_in(&format!("{MARK}-resident11-last"), 1), [11]);
}
