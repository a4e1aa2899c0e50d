//! Many leave while others write and analytics is away: a minute after it is back nothing of them is
//! anywhere, and nothing brings them back.
//!
//! In the suite a few; `DRILL_ERASURES=1000 cargo test --features fault-injection --test system
//! drills::erasure -- --nocapture` for the long form.

use std::time::{Duration, Instant};

use async_nats::jetstream;
use futures::{StreamExt as _, future::join_all, stream};
use reqwest::StatusCode;
use serde_json::json;

use super::{Drill, KILLED};
use crate::{
    erasure::{
        COMPLETE_WITHIN, assert_all_gone, complete_within, erased, kept, kept_of_any,
        outages::sql,
        resurrection::{events_of_all, publish_again, settle},
        rows_of_any,
    },
    harness::{App, Client, Person, Shape, wait},
};

/// How many of them at the same time: each has a password hashed.
const AT_ONCE: usize = 4;
/// What is in every text of theirs.
const THEIRS: &str = "leaves";
/// The read models of those who stay have to be there so soon, while the machine does other things too.
const CONVERGED_WITHIN: Duration = Duration::from_mins(1);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_leaves_while_analytics_is_away_stays_gone() {
    let app = App::start(Shape::Split).await;
    let (people, old) = come(&app).await;
    let ids: Vec<i64> = people.iter().map(|person| person.id).collect();
    let mut drill = Drill::under(app, &xtask::Settings::default()).await;

    drill.app.kill_group("analytics");
    let receipts = leave(&people).await;
    drill.goes_on(20).await;
    publish_again(&drill.app, &old).await;
    drill.app.start_group_again("analytics").await;
    drill.moved();
    let back = Instant::now();
    for receipt in &receipts {
        let left = COMPLETE_WITHIN.saturating_sub(back.elapsed());
        complete_within(left, &drill.app, receipt).await;
    }
    eprintln!("{} erasures, done {:.1?} after analytics was back", ids.len(), back.elapsed());
    assert_all_gone(&drill.app, &ids, THEIRS).await;
    assert!(kept_of_any(&drill.app, &ids).await.is_empty());

    // What was delayed on its way, and what nobody ever said, each twice, while others write.
    let late: Vec<_> = old.into_iter().chain(events_of_all(&people)).collect();
    for _ in 0..2 {
        publish_again(&drill.app, &late).await;
    }
    drill.goes_on(20).await;
    let (mut app, _) = drill.end_load(CONVERGED_WITHIN, KILLED).await;
    settle(&app).await;
    assert_all_gone(&app, &ids, THEIRS).await;

    let stays = app.client().register("stays").await;
    let (_, version) = stays.log_cycle("2024-01-01", None).await;
    made_anew(&mut app).await;
    wait::until_within(COMPLETE_WITHIN, "analytics to erase again", || async {
        let subjects = rows_of_any(&app, "analytics", &ids, THEIRS).await.remove("subject");
        let erased = subjects.iter().flatten().filter(|row| row["erased_at"].is_string());
        (erased.count() == ids.len()).then_some(())
    })
    .await;
    settle(&app).await;
    stays.prediction_at(version).await;
    assert_all_gone(&app, &ids, THEIRS).await;
    let dead = kept(&app).await.into_iter().filter(|(subject, _)| subject.starts_with("dlq."));
    assert_eq!(dead.count(), 0);
    app.finish().await;
}

/// Who is going to leave, with the events that tell of them.
async fn come(app: &App) -> (Vec<Person>, Vec<(String, String)>) {
    let client = app.client();
    let people = stream::iter(0..count()).map(|number| comes(client.clone(), number));
    let people: Vec<Person> = people.buffer_unordered(AT_ONCE).collect().await;
    let ids: Vec<i64> = people.iter().map(|person| person.id).collect();
    let old = kept_of_any(app, &ids).await;
    assert!(old.len() >= ids.len(), "{} events", old.len());
    (people, old)
}

async fn comes(client: Client, number: usize) -> Person {
    let person = client.register(&format!("{THEIRS}{number}")).await;
    let profile = json!({"first_name": THEIRS, "date_of_birth": "1990-02-28"});
    person.put("/api/users/profile", &profile).await.expect(StatusCode::OK);
    person.log_cycle("2024-01-01", None).await;
    let (cycle, _) = person.log_cycle("2024-01-29", None).await;
    let symptom = json!({
        "cycle_id": cycle, "date": "2024-01-30", "symptom_type": "mood",
        "value": THEIRS, "notes": THEIRS,
    });
    let logged = person.post("/api/cycles/symptoms", &symptom).await.expect(StatusCode::CREATED);
    person.prediction_at(logged["version"].as_i64().unwrap()).await;
    person
}

/// All of them leave, and go on writing until they have.
async fn leave(people: &[Person]) -> Vec<String> {
    let mut receipts = Vec::new();
    for some in people.chunks(AT_ONCE) {
        let leaving = some.iter().map(|person| async move {
            // It may be a while since they came. Who is not answered in time asks again.
            let session = wait::until("the session to go on", || async {
                let answer = person.refresh().await;
                (![503, 504].contains(&answer.status.as_u16())).then_some(answer)
            });
            let person = person.client.signed_in(&session.await.expect(StatusCode::OK));
            let writes = (3..=6).map(|month| {
                let body = json!({"start_date": format!("2024-{month:02}-01")});
                let person = &person;
                async move { person.post("/api/cycles/cycles", &body).await.status }
            });
            let (receipt, written) = futures::join!(erased(&person), join_all(writes));
            let expected = [
                StatusCode::CREATED,
                StatusCode::UNAUTHORIZED,
                StatusCode::SERVICE_UNAVAILABLE,
                StatusCode::GATEWAY_TIMEOUT,
            ];
            assert!(written.iter().all(|status| expected.contains(status)), "{written:?}");
            receipt
        });
        receipts.extend(join_all(leaving).await);
    }
    receipts
}

/// Analytics loses its database, and begins with the first event that is there.
async fn made_anew(app: &mut App) {
    app.kill_group("analytics");
    let nats = app.nats.as_ref().unwrap().client().await;
    let context = jetstream::new(nats);
    for (stream, durable) in
        [("CYCLES", "analytics"), ("USERS", "analytics-people"), ("USERS", "analytics-erase")]
    {
        let stream = context.get_stream(stream).await.unwrap();
        stream.delete_consumer(durable).await.unwrap();
    }
    sql(app, "DROP DATABASE analytics WITH (FORCE)").await;
    sql(app, "CREATE DATABASE analytics OWNER analytics").await;
    app.start_group_again("analytics").await;
}

#[expect(clippy::disallowed_methods, reason = "a test run is configured from outside")]
fn count() -> usize {
    std::env::var("DRILL_ERASURES").map_or(24, |count| count.parse().unwrap())
}
