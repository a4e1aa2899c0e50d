//! Insights, as they are read: from the rows, so what was said is what is counted.

use std::sync::Arc;

use contracts::{
    ErrorKind,
    analytics::{
        CyclePhase, GeneratePrediction, GetInsights, InsightKind, Insights, NoPredictionReason,
    },
    cycles::{EpisodeKind, GapAnswer, HistoryEpisode},
};

use super::*;

async fn insights(process: &Process, whose: UserId) -> Insights {
    let request = GetInsights { user_id: whose, min_version: None };
    process.handle.ask(&call(), request).await.unwrap()
}

fn said<'a>(insights: &'a Insights, rule: &str) -> Option<(InsightKind, &'a str)> {
    let insight = insights.insights.iter().find(|insight| insight.rule == rule)?;
    Some((insight.kind, insight.message.as_str()))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_record_is_of_what_was_said_and_what_came() {
    let (database, owner, whose) = (database().await, Arc::new(Owner::default()), user(1));
    let process = Process::start(&database, &owner, Settings::default()).await;
    for days in [28, 28, 30, 27, 29, 28, 26, 31, 28] {
        let version = owner.append(whose, days);
        process.wake(whose, version).await.unwrap();
    }
    let told = insights(&process, whose).await;
    let record = told.forecast_record.unwrap();
    assert_eq!(record.forecasts, 6);
    // Counted by hand from the rows that a client sees.
    let settled = process.predictions(whose, Some(false)).await.predictions;
    let newest: Vec<_> = settled.iter().take(6).collect();
    let off: i64 = newest
        .iter()
        .map(|one| (one.predicted_start_date - one.actual_start_date.unwrap()).num_days().abs())
        .sum();
    assert!(
        (record.mean_absolute_error_days - f64::from(i32::try_from(off).unwrap()) / 6.0).abs()
            < 1e-9
    );
    let inside = newest.iter().filter(|one| {
        let range = one.intervals.iter().find(|range| (range.level - 0.8).abs() < 1e-9).unwrap();
        (range.start..=range.end).contains(&one.actual_start_date.unwrap())
    });
    assert_eq!(record.inside_80, i32::try_from(inside.count()).unwrap());
    let (_, message) = said(&told, "forecast_record").unwrap();
    let expected =
        format!("The last 6 forecasts were off by {:.1} days", record.mean_absolute_error_days);
    assert!(message.starts_with(&expected), "{message}");

    // A length of which she says that it hides a start is no forecast that failed.
    owner.append(whose, 56);
    let version = owner.say(whose, 8, false, Some(GapAnswer::MissedUnknown));
    process.wake(whose, version).await.unwrap();
    assert!(insights(&process, whose).await.forecast_record == Some(record));
}

#[tokio::test(flavor = "multi_thread")]
async fn rules_are_of_the_cycles_that_count() {
    let (database, owner, whose) = (database().await, Arc::new(Owner::default()), user(1));
    let process = Process::start(&database, &owner, Settings::default()).await;
    for days in [28, 28, 30, 27, 29, 28, 56, 28] {
        owner.append(whose, days);
    }
    process.wake(whose, 8).await.unwrap();
    let told = insights(&process, whose).await;
    assert!(told.forecast_record.is_some());
    // The gap of 56 days is asked about, so it is not held against her. Of the others 27 to 30.
    let (kind, message) = said(&told, "regularity").unwrap();
    assert_eq!(kind, InsightKind::Positive);
    assert!(message.contains("differ by 3 days") && message.contains("up to 9 days"), "{message}");
    assert!(said(&told, "trend").unwrap().1.contains("no trend"));
    assert!(said(&told, "duration").unwrap().1.contains("lasted 5 days"));

    // At 30 the limit is 7 days.
    let version = owner.is_born(whose, day("1990-06-01"));
    process.waker.wake(&call(), whose, Wanted::PersonAtLeast(version)).await.unwrap();
    let (_, message) = said(&insights(&process, whose).await, "regularity").map(owned).unwrap();
    assert!(message.contains("up to 7 days is normal from 26 to 41 years"), "{message}");

    // While an episode goes on nothing is held against anybody.
    let start_date = owner.history(whose).cycles[7].start_date;
    let episode = HistoryEpisode { kind: EpisodeKind::Perimenopause, start_date, end_date: None };
    let version = owner.live_through(whose, episode);
    process.wake(whose, version).await.unwrap();
    let told = insights(&process, whose).await;
    assert!(said(&told, "regularity").is_none() && said(&told, "trend").is_none());
}

fn owned((kind, message): (InsightKind, &str)) -> (InsightKind, String) {
    (kind, message.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn symptoms_that_cluster_are_told() {
    let (database, owner, whose) = (database().await, Arc::new(Owner::default()), user(1));
    let process = Process::start(&database, &owner, Settings::default()).await;
    for _ in 0..5 {
        owner.append(whose, 28);
    }
    // With an end, a symptom could be logged on days of bleeding only.
    let mut version = owner.reopen(whose);
    for cycle in owner.history(whose).cycles.iter().take(4) {
        for at in [0, 1] {
            version = owner.feel(whose, cycle.start_date + chrono::Days::new(at), "cramps");
        }
        version = owner.feel(
            whose,
            cycle.start_date + chrono::Days::new(7 + version.unsigned_abs() % 15),
            "tired",
        );
    }
    process.wake(whose, version).await.unwrap();
    let told = insights(&process, whose).await;
    assert_eq!(told.symptom_patterns.len(), 1);
    let pattern = &told.symptom_patterns[0];
    assert_eq!(
        (pattern.symptom_type.as_str(), pattern.phase),
        ("cramps", CyclePhase::Menstruation)
    );
    assert_eq!((pattern.days_in_phase, pattern.days_total, pattern.cycles), (8, 8, 4));
    assert!(said(&told, "symptom_cluster").unwrap().1.contains("“cramps”"));
}

#[tokio::test(flavor = "multi_thread")]
async fn why_there_is_no_prediction_is_said() {
    let (database, owner, whose) = (database().await, Arc::new(Owner::default()), user(1));
    let process = Process::start(&database, &owner, Settings::default()).await;
    let none = process.predictions(whose, None).await.no_prediction.unwrap();
    assert_eq!((none.reason, none.since), (NoPredictionReason::NothingLogged, None));
    owner.append(whose, 28);
    process.wake(whose, 1).await.unwrap();
    assert!(process.predictions(whose, None).await.no_prediction.is_none());

    let start_date = day("2020-01-10");
    let episode = HistoryEpisode { kind: EpisodeKind::Pregnancy, start_date, end_date: None };
    owner.live_through(whose, episode);
    let generate = GeneratePrediction { user_id: whose };
    let refusal = process.handle.ask(&call(), generate).await.err().unwrap();
    assert_eq!((refusal.kind, &*refusal.code), (ErrorKind::Invalid, "no-prediction"));
    assert_eq!(refusal.detail, "No prediction, because a pregnancy goes on.");
    let list = process.predictions(whose, None).await;
    assert_eq!((list.total, list.predictions.len(), list.as_of_version.get()), (0, 0, 2));
    let none = list.no_prediction.unwrap();
    assert_eq!((none.reason, none.since), (NoPredictionReason::Pregnancy, Some(start_date)));
}

/// Nobody has looked for late users yet, and the day is another one.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_read_is_of_today_whatever_day_it_was_stored_on() {
    let (database, owner, whose) = (database().await, Arc::new(Owner::default()), user(1));
    for _ in 0..4 {
        owner.append(whose, 28);
    }
    let first = Process::start(&database, &owner, Settings::default()).await;
    first.wake(whose, 4).await.unwrap();
    let stored = first.predictions(whose, Some(true)).await.predictions.remove(0);
    assert_eq!(stored.open_until, None);
    first.supervisor.stop(None);
    // As a read of another process, without its look for late users.
    let service = |today: &str| crate::service::Service {
        pool: first.pool.clone(),
        board: actor_runtime::versions::VersionBoard::default(),
        waker: Waker::default(),
        cycles: Handle::new(Arc::new(WayTo(Arc::clone(&owner)))),
        clock: Clock::Fixed(day(today).and_time(NaiveTime::MIN).and_utc()),
    };
    let page = PageRequest { limit: 10, offset: 0 };
    let all = ListPredictions { user_id: whose, active: None, min_version: None, page };
    let late = service("2020-05-02").list_predictions(&call(), all.clone()).await.unwrap();
    let active = &late.predictions[0];
    assert!(active.is_active && active.id == stored.id);
    assert!(active.predicted_start_date >= day("2020-05-02"));
    assert_eq!(active.open_until, Some(day("2020-05-01")));
    assert!(late.no_prediction.is_none() && late.total == 4);

    let silent = service("2030-09-01").list_predictions(&call(), all.clone()).await.unwrap();
    let active = &silent.predictions[0];
    assert!(active.is_active && active.id == stored.id);
    assert!(active.predicted_start_date >= day("2030-09-01"));
    assert!(silent.no_prediction.is_none() && silent.total == 4);
    let active = ListPredictions { active: Some(true), ..all };
    let silent = service("2030-09-01").list_predictions(&call(), active).await.unwrap();
    assert_eq!((silent.total, silent.predictions.len()), (1, 1));
}
