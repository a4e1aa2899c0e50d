//! Random inserts, edits and deletes through HTTP, against an independent oracle; and analytics
//! against what GET /cycles says.

use std::collections::BTreeMap;

use actor_runtime::clock::Clock;
use chrono::{Days, NaiveDate};
use proptest::{
    strategy::{Strategy, ValueTree},
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::harness::{App, Person, client::is_active_one, in_every_shape};

const STEPS: usize = 120;

#[derive(Clone, Debug)]
enum Step {
    Insert { day: u64, length: Option<u64> },
    Edit { nth: usize, day: Option<u64>, length: Option<u64> },
    Delete { nth: usize },
}

/// What should be stored: by id, first and last day.
type Model = BTreeMap<i64, (NaiveDate, Option<NaiveDate>)>;

fn day(number: u64) -> NaiveDate {
    NaiveDate::from_ymd_opt(2020, 1, 1).unwrap() + Days::new(number)
}

fn steps() -> impl Strategy<Value = Step> {
    let length = proptest::option::of(1_u64..9);
    proptest::prop_oneof![
        5 => (0_u64..1_500, length.clone()).prop_map(|(day, length)| Step::Insert { day, length }),
        2 => (0_usize..50, proptest::option::of(0_u64..1_500), length)
            .prop_map(|(nth, day, length)| Step::Edit { nth, day, length }),
        1 => (0_usize..50).prop_map(|nth| Step::Delete { nth }),
    ]
}

/// Whether a period would share a day with another one than `except`.
fn overlaps(
    model: &Model,
    except: Option<i64>,
    (start, end): (NaiveDate, Option<NaiveDate>),
) -> bool {
    let last = end.unwrap_or(start);
    model
        .iter()
        .filter(|(id, _)| Some(**id) != except)
        .any(|(_, (other, other_end))| start <= other_end.unwrap_or(*other) && *other <= last)
}

async fn take(person: &Person, model: &mut Model, step: Step, version: &mut i64) {
    let nth = |nth: usize| model.keys().nth(nth % model.len().max(1)).copied();
    let (answer, expected) = match step {
        Step::Insert { day: number, length } => {
            let period = (day(number), length.map(|length| day(number + length - 1)));
            let body = json!({"start_date": period.0, "end_date": period.1});
            let answer = person.post("/api/cycles/cycles", &body).await;
            if overlaps(model, None, period) {
                (answer, StatusCode::CONFLICT)
            } else {
                model.insert(answer.body["cycle"]["id"].as_i64().unwrap(), period);
                (answer, StatusCode::CREATED)
            }
        }
        Step::Edit { nth: which, day: number, length } => {
            let Some(id) = nth(which) else { return };
            let (start, end) = model[&id];
            let start_now = number.map_or(start, day);
            let end_now = match length {
                Some(length) => Some(start_now + Days::new(length - 1)),
                None => end,
            };
            let mut body = json!({});
            if number.is_some() {
                body["start_date"] = json!(start_now);
            }
            if length.is_some() {
                body["end_date"] = json!(end_now);
            }
            let answer = person.put(&format!("/api/cycles/cycles/{id}"), &body).await;
            let wrong =
                end_now.is_some_and(|end| end < start_now || (end - start_now).num_days() + 1 > 31);
            if wrong {
                (answer, StatusCode::UNPROCESSABLE_ENTITY)
            } else if overlaps(model, Some(id), (start_now, end_now)) {
                (answer, StatusCode::CONFLICT)
            } else {
                model.insert(id, (start_now, end_now));
                (answer, StatusCode::OK)
            }
        }
        Step::Delete { nth: which } => {
            let Some(id) = nth(which) else { return };
            model.remove(&id);
            (person.delete(&format!("/api/cycles/cycles/{id}")).await, StatusCode::OK)
        }
    };
    let applied = expected.is_success();
    let body = answer.expect(expected);
    if applied {
        let now = body["version"].as_i64().unwrap();
        assert!(now == *version + 1, "version {now} after {version}");
        *version = now;
    }
}

async fn check_cycles(person: &Person, model: &Model) -> Vec<Value> {
    let listed = person.get("/api/cycles/cycles?limit=100").await.expect(StatusCode::OK);
    let mut expected: Vec<_> = model.iter().map(|(id, (start, end))| (*start, *id, *end)).collect();
    expected.sort_unstable();
    let starts: Vec<NaiveDate> = expected.iter().map(|(start, ..)| *start).collect();
    let expected = expected.iter().enumerate().map(|(index, (start, id, end))| {
        let length = starts.get(index + 1).map(|next| (*next - *start).num_days());
        let period = end.map(|end| (end - *start).num_days() + 1);
        json!([id, start, end, length, period])
    });
    let mut expected: Vec<Value> = expected.collect();
    expected.reverse();
    let rows = listed["cycles"].as_array().unwrap();
    let stored: Vec<Value> = rows
        .iter()
        .map(|row| {
            json!([
                row["id"],
                row["start_date"],
                row["end_date"],
                row["cycle_length"],
                row["period_length"]
            ])
        })
        .collect();
    assert_eq!(stored, expected);
    rows.clone()
}

async fn check_analytics(person: &Person, cycles: &[Value], version: i64) {
    let path = format!("/api/analytics/analytics?limit=100&min_version={version}");
    let analytics = person.reflected(&path, version).await;
    let rows = analytics["analytics"].as_array().unwrap();
    assert_eq!(rows.len(), cycles.len());
    for (row, cycle) in rows.iter().zip(cycles) {
        assert_eq!(row["cycle_id"], cycle["id"]);
        for member in ["start_date", "end_date", "cycle_length", "period_length"] {
            assert_eq!(row[member], cycle[member], "{member}");
        }
    }
    let lengths = cycles.iter().filter_map(|cycle| cycle["cycle_length"].as_i64());
    // Of shorter and longer ones nothing is learned, nor of more than three years of them.
    let learned = lengths.filter(|days| (15..=120).contains(days)).take(36).count();
    let today = Clock::System.now().date_naive();
    let path = "/api/analytics/predictions?limit=100";
    let all = person.get(path).await.expect(StatusCode::OK);
    let starts = cycles.iter().map(|cycle| &cycle["start_date"]);
    let came = all["predictions"].as_array().unwrap().iter().map(|row| &row["actual_start_date"]);
    assert!(came.eq([&Value::Null].into_iter().chain(starts).take(cycles.len())), "{all}");
    let active = person.get(&format!("{path}&active=true")).await.expect(StatusCode::OK);
    if cycles.is_empty() {
        assert_eq!(active["count"], 0);
    } else {
        is_active_one(&active, u32::try_from(learned).unwrap(), today);
    }
}

in_every_shape! {
    /// Each shape has its own seed, printed when it fails; the same seed gives the same steps.
    async fn cycle_arithmetic_under_random_changes(app: &App) {
        let seed = [u8::try_from(app.shape as usize).unwrap() + 1; 32];
        let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &seed);
        let mut runner = TestRunner::new_with_rng(Config::default(), rng);
        let person = app.client().somebody().await;
        let (mut model, mut version) = (Model::new(), 0);
        for step in 0..STEPS {
            let next = steps().new_tree(&mut runner).unwrap().current();
            eprintln!("seed {seed:?}, step {step}: {next:?}");
            take(&person, &mut model, next, &mut version).await;
            if step % 10 == 9 {
                let cycles = check_cycles(&person, &model).await;
                check_analytics(&person, &cycles, version).await;
            }
        }
    }
}
