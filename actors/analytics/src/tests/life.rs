//! Life as it is: episodes, answers about gaps, cycles that are left out, signs of ovulation.

use std::sync::Arc;

use contracts::{
    analytics::NoPredictionReason,
    cycles::{EpisodeKind, GapAnswer, HistoryEpisode, Observation, ObservationKind},
};

use super::*;
use crate::{known::Known, store::subject_reads::subject_known};

async fn known(process: &Process, whose: UserId) -> Known {
    subject_known(&process.pool, whose).await.unwrap().1.unwrap()
}

/// The rows of a user's predictions as the database identifies them: a row that is not written
/// keeps its place.
async fn places(process: &Process) -> Vec<String> {
    let rows = sqlx::query_scalar!(
        r#"SELECT ctid::text AS "place!" FROM prediction ORDER BY anchor_start_date"#
    );
    rows.fetch_all(&process.pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_append_writes_its_row_and_settles_the_one_before() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    let whose = user(1);
    for version in 1..=5 {
        owner.append(whose, 28);
        process.wake(whose, version).await.unwrap();
    }
    let before = places(&process).await;
    let version = owner.append(whose, 28);
    process.wake(whose, version).await.unwrap();
    process.assert_stored(&owner, whose).await;
    let after = places(&process).await;
    assert_eq!(after.len(), 6);
    assert_eq!(before[..4], after[..4], "nothing was written there");

    // A change of the first cycle is one of all that follow.
    let version = owner.shift(whose, 0, true);
    process.wake(whose, version).await.unwrap();
    process.assert_stored(&owner, whose).await;
    let all = places(&process).await;
    assert!(all.iter().zip(&after).all(|(one, other)| one != other));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_episode_ends_predictions_and_begins_anew() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    let whose = user(1);
    for _ in 0..6 {
        owner.append(whose, 35);
    }
    let newest = owner.history(whose).cycles[5].start_date;
    let (kind, end_date) = (EpisodeKind::Pregnancy, None);
    let episode = HistoryEpisode { kind, start_date: newest, end_date };
    let version = owner.live_through(whose, episode);
    process.wake(whose, version).await.unwrap();
    process.assert_stored(&owner, whose).await;
    let list = process.predictions(whose, None).await;
    assert_eq!(list.total, 5, "what was said before it stays");
    let none = list.no_prediction.unwrap();
    assert_eq!((none.reason, none.since), (NoPredictionReason::Pregnancy, Some(newest)));

    let version = owner.append(whose, 300);
    process.wake(whose, version).await.unwrap();
    process.assert_stored(&owner, whose).await;
    // It goes on for all that is known, whatever bleeding was logged.
    assert!(process.predictions(whose, None).await.no_prediction.is_some());
    let version = owner.end_episode(whose, newest + chrono::Days::new(280));
    process.wake(whose, version).await.unwrap();
    process.assert_stored(&owner, whose).await;
    let list = process.predictions(whose, None).await;
    assert!(list.no_prediction.is_none());
    assert_eq!(list.predictions[0].based_on_cycles, 0, "nothing from before it counts");
    let average = process.analytics(whose).await.analytics[0].average_cycle_length;
    assert_eq!(average, Some(35.0), "nor does the time itself");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_gap_is_asked_about_until_it_is_answered() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    let whose = user(1);
    for days in [28, 28, 28, 28, 28, 28, 56, 28] {
        owner.append(whose, days);
    }
    process.wake(whose, 8).await.unwrap();
    process.assert_stored(&owner, whose).await;
    let asked = known(&process, whose).await.questions;
    let gap = &owner.history(whose).cycles[5];
    assert_eq!(asked.len(), 1);
    assert_eq!((asked[0].cycle_id, asked[0].gap_start), (gap.id, gap.start_date));
    assert!(asked[0].probability > 0.9);
    // An append keeps it: what is believed is not looked at again.
    let version = owner.append(whose, 28);
    process.wake(whose, version).await.unwrap();
    assert!(known(&process, whose).await.questions == asked);
    let average = process.analytics(whose).await.analytics[0].average_cycle_length;
    assert!(average.unwrap() > 31.0);

    let version = owner.say(whose, 5, false, Some(GapAnswer::MissedUnknown));
    process.wake(whose, version).await.unwrap();
    process.assert_stored(&owner, whose).await;
    assert!(known(&process, whose).await.questions.is_empty());
    let average = process.analytics(whose).await.analytics[0].average_cycle_length;
    assert_eq!(average, Some(28.0), "a length that hides a start is none of one cycle");
    let version = owner.say(whose, 5, true, None);
    process.wake(whose, version).await.unwrap();
    process.assert_stored(&owner, whose).await;
    assert!(known(&process, whose).await.questions.is_empty(), "nor is one that is left out");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_about_the_open_gap_forces_the_forecast() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let whose = user(1);
    for _ in 0..8 {
        owner.append(whose, 28);
    }
    let newest = owner.history(whose).cycles[7].start_date;
    let today = newest + chrono::Days::new(41);
    let process =
        Process::start(&database, &owner, Settings { today, ..Settings::default() }).await;
    process.wake(whose, 8).await.unwrap();
    let asked = known(&process, whose).await.open_question(today).unwrap();
    assert_eq!((asked.gap_start, asked.gap_end), (newest, None));
    let missed = process.predictions(whose, Some(true)).await.predictions.remove(0);
    assert!((missed.missed_log_probability - asked.probability).abs() < 1e-12);

    let version = owner.say(whose, 7, false, Some(GapAnswer::NoneMissed));
    process.wake(whose, version).await.unwrap();
    process.assert_stored(&owner, whose).await;
    let none_missed = process.predictions(whose, Some(true)).await.predictions.remove(0);
    assert!(known(&process, whose).await.open_question(today).is_none());
    assert!(none_missed.missed_log_probability.abs() < f64::EPSILON);

    let version = owner.say(whose, 7, false, Some(GapAnswer::MissedUnknown));
    process.wake(whose, version).await.unwrap();
    process.assert_stored(&owner, whose).await;
    let second = process.predictions(whose, Some(true)).await.predictions.remove(0);
    assert_eq!(second.predicted_start_date, newest + chrono::Days::new(56));
    assert_eq!(second.upcoming.len(), 2);
    assert_eq!(second.upcoming[0].predicted_start_date, newest + chrono::Days::new(84));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ovulation_that_was_seen_counts_while_the_cycle_is_open() {
    let (database, owner) = (database().await, Arc::new(Owner::default()));
    let process = Process::start(&database, &owner, Settings::default()).await;
    let whose = user(1);
    for _ in 0..4 {
        owner.append(whose, 28);
    }
    process.wake(whose, 4).await.unwrap();
    let calendar = process.predictions(whose, Some(true)).await.predictions.remove(0);
    let newest = owner.history(whose).cycles[3].start_date;
    let date = newest + chrono::Days::new(20);
    let kind = ObservationKind::OvulationTestPositive;
    let version = owner.observe(whose, Observation { date, kind });
    process.wake(whose, version).await.unwrap();
    process.assert_stored(&owner, whose).await;
    let seen = process.predictions(whose, Some(true)).await.predictions.remove(0);
    assert_eq!(seen.ovulation_date, date + chrono::Days::new(1));
    assert!(seen.predicted_start_date > calendar.predicted_start_date);

    let version = owner.append(whose, 35);
    process.wake(whose, version).await.unwrap();
    process.assert_stored(&owner, whose).await;
    let settled = process.predictions(whose, Some(false)).await.predictions.remove(0);
    assert_eq!(settled.predicted_start_date, calendar.predicted_start_date);
    assert_eq!(known(&process, whose).await.ovulations.len(), 1);
}
