//! Whatever a prediction is made from, its input version changes when that changes: under random
//! changes of cycles, episodes, signs of ovulation and answers.

use std::{
    collections::BTreeMap,
    sync::atomic::{AtomicI64, Ordering},
};

use chrono::{Days, NaiveDate};
use contracts::{
    CycleId, Patch, UserId, Version,
    cycles::{
        AnswerGap, DeleteCycle, DeleteEpisode, DeleteSymptom, EditCycle, EditEpisode, EditSymptom,
        EpisodeKind, GapAnswer, History, HistoryCycle, HistoryEpisode, ListEpisodes, ListSymptoms,
        LogSymptom, OVULATION_TEST, Observation, RecordCycle, RecordEpisode,
    },
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::harness::{ALL, Group, TestApp, day};

/// A day as an offset from the first one, and which of the objects that are there.
#[derive(Clone, Copy, Debug)]
enum Op {
    Record(u64),
    Edit { which: usize, start: Option<u64>, excluded: Option<bool> },
    Delete(usize),
    RecordEpisode { start: u64, length: Option<u64> },
    EditEpisode { which: usize, start: Option<u64>, length: u64 },
    DeleteEpisode(usize),
    Observe { which: usize, after: u64, positive: bool },
    EditObservation { which: usize, after: Option<u64>, positive: bool },
    DeleteObservation(usize),
    Answer { which: usize, answer: u8, after: u64 },
}

fn op() -> impl Strategy<Value = Op> {
    let start = || 0..200_u64;
    let which = any::<usize>;
    prop_oneof![
        4 => start().prop_map(Op::Record),
        2 => (which(), prop::option::of(start()), prop::option::of(any::<bool>()))
            .prop_map(|(which, start, excluded)| Op::Edit { which, start, excluded }),
        2 => which().prop_map(Op::Delete),
        2 => (start(), prop::option::of(0..40_u64))
            .prop_map(|(start, length)| Op::RecordEpisode { start, length }),
        1 => (which(), prop::option::of(start()), 0..40_u64)
            .prop_map(|(which, start, length)| Op::EditEpisode { which, start, length }),
        1 => which().prop_map(Op::DeleteEpisode),
        3 => (which(), 0..40_u64, any::<bool>())
            .prop_map(|(which, after, positive)| Op::Observe { which, after, positive }),
        1 => (which(), prop::option::of(0..40_u64), any::<bool>())
            .prop_map(|(which, after, positive)| Op::EditObservation { which, after, positive }),
        1 => which().prop_map(Op::DeleteObservation),
        3 => (which(), 0..3_u8, 0..40_u64)
            .prop_map(|(which, answer, after)| Op::Answer { which, answer, after }),
    ]
}

fn pick<T: Clone>(all: &[T], which: usize) -> Option<T> {
    all.get(which.checked_rem(all.len())?).cloned()
}

fn at(offset: u64) -> NaiveDate {
    day("2024-01-01") + Days::new(offset)
}

fn value(positive: bool) -> String {
    if positive { "positive" } else { "negative" }.to_owned()
}

/// Carries out one operation. Whether it is refused does not matter here.
async fn step(group: &Group, user_id: UserId, before: &History, op: Op) {
    let cycle = |which| pick(&before.cycles, which);
    match op {
        Op::Record(start) => {
            let request = RecordCycle { user_id, start_date: at(start), end_date: None };
            group.ask(user_id, request).await.ok();
        }
        Op::Edit { which, start, excluded } => {
            let Some(HistoryCycle { id: cycle_id, .. }) = cycle(which) else { return };
            let (start_date, end_date) = (start.map(at), Patch::Keep);
            let request = EditCycle { user_id, cycle_id, start_date, end_date, excluded };
            group.ask(user_id, request).await.ok();
        }
        Op::Delete(which) => {
            let Some(HistoryCycle { id: cycle_id, .. }) = cycle(which) else { return };
            group.ask(user_id, DeleteCycle { user_id, cycle_id }).await.ok();
        }
        Op::Observe { which, after, positive } => {
            let Some(HistoryCycle { id: cycle_id, start_date, .. }) = cycle(which) else { return };
            let request = LogSymptom {
                user_id,
                cycle_id,
                date: start_date + Days::new(after),
                symptom_type: OVULATION_TEST.to_owned(),
                value: value(positive),
                severity: None,
                notes: None,
            };
            group.ask(user_id, request).await.ok();
        }
        Op::Answer { which, answer, after } => {
            let Some(HistoryCycle { id: cycle_id, start_date, .. }) = cycle(which) else { return };
            let next = before.cycles.iter().map(|it| it.start_date).find(|&it| it > start_date);
            let answer = match answer {
                0 => GapAnswer::NoneMissed,
                1 => GapAnswer::MissedUnknown,
                _ => GapAnswer::MissedOn(start_date + Days::new(after)),
            };
            let request = AnswerGap { user_id, cycle_id, next_start: next, answer };
            group.ask(user_id, request).await.ok();
        }
        Op::RecordEpisode { .. } | Op::EditEpisode { .. } | Op::DeleteEpisode(_) => {
            episode_step(group, user_id, op).await;
        }
        Op::EditObservation { .. } | Op::DeleteObservation(_) => {
            observation_step(group, user_id, op).await;
        }
    }
}

async fn episode_step(group: &Group, user_id: UserId, op: Op) {
    let list = ListEpisodes { user_id, page: ALL };
    let episodes = group.ask(user_id, list).await.unwrap().rows;
    match op {
        Op::RecordEpisode { start, length } => {
            let (kind, start_date) = (EpisodeKind::Pause, at(start));
            let end_date = length.map(|length| at(start + length));
            group.ask(user_id, RecordEpisode { user_id, kind, start_date, end_date }).await.ok();
        }
        Op::EditEpisode { which, start, length } => {
            let Some(episode) = pick(&episodes, which) else { return };
            let start_date = start.map(at);
            let end = start_date.unwrap_or(episode.start_date) + Days::new(length);
            let end_date = Patch::Set(end);
            let (episode_id, kind) = (episode.id, Some(EpisodeKind::Perimenopause));
            let request = EditEpisode { user_id, episode_id, kind, start_date, end_date };
            group.ask(user_id, request).await.ok();
        }
        Op::DeleteEpisode(which) => {
            let Some(episode) = pick(&episodes, which) else { return };
            group.ask(user_id, DeleteEpisode { user_id, episode_id: episode.id }).await.ok();
        }
        _ => {}
    }
}

async fn observation_step(group: &Group, user_id: UserId, op: Op) {
    let list = ListSymptoms {
        user_id,
        cycle_id: None,
        symptom_type: None,
        from: None,
        to: None,
        page: ALL,
    };
    let signs = group.ask(user_id, list).await.unwrap().rows;
    match op {
        Op::EditObservation { which, after, positive } => {
            let Some(sign) = pick(&signs, which) else { return };
            let request = EditSymptom {
                user_id,
                symptom_id: sign.id,
                date: after.map(|after| sign.date + Days::new(after)),
                symptom_type: None,
                value: Some(value(positive)),
                severity: Patch::Keep,
                notes: Patch::Keep,
            };
            group.ask(user_id, request).await.ok();
        }
        Op::DeleteObservation(which) => {
            let Some(sign) = pick(&signs, which) else { return };
            group.ask(user_id, DeleteSymptom { user_id, symptom_id: sign.id }).await.ok();
        }
        _ => {}
    }
}

/// What a prediction anchored at a cycle can be made from: the cycles up to it, and what is dated
/// before the start after it.
#[derive(PartialEq)]
struct Inputs {
    cycles: Vec<(NaiveDate, Option<NaiveDate>, bool, Option<GapAnswer>)>,
    episodes: Vec<HistoryEpisode>,
    observations: Vec<Observation>,
}

fn anchors(history: &History) -> BTreeMap<CycleId, (Inputs, Version)> {
    let anchor = |index: usize| {
        let upto = &history.cycles[..=index];
        let next = history.cycles.get(index + 1).map(|cycle| cycle.start_date);
        let is_before = |day: NaiveDate| next.is_none_or(|next| day < next);
        let told = |it: &HistoryCycle| (it.start_date, it.end_date, it.excluded, it.gap_answer);
        let episodes = history.episodes.iter().filter(|it| is_before(it.start_date));
        let observations = history.observations.iter().filter(|it| is_before(it.date));
        let inputs = Inputs {
            cycles: upto.iter().map(told).collect(),
            episodes: episodes.copied().collect(),
            observations: observations.copied().collect(),
        };
        (inputs, upto.iter().map(|cycle| cycle.input_version).max().unwrap())
    };
    (0..history.cycles.len()).map(|index| (history.cycles[index].id, anchor(index))).collect()
}

#[test]
fn an_input_version_changes_with_everything_that_a_prediction_is_made_from() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let app = runtime.block_on(TestApp::start());
    let next_user = AtomicI64::new(1);
    let mut runner =
        TestRunner::new(Config { cases: 96, failure_persistence: None, ..Config::default() });
    let result = runner.run(&prop::collection::vec(op(), 1..32), |ops| {
        let user_id = UserId::new(next_user.fetch_add(1, Ordering::Relaxed));
        runtime.block_on(async {
            let mut before = app.group.history(user_id).await;
            for &op in &ops {
                step(&app.group, user_id, &before, op).await;
                let after = app.group.history(user_id).await;
                let old = anchors(&before);
                for (id, (inputs, version)) in anchors(&after) {
                    let is_told = match old.get(&id) {
                        Some((was, old_version)) => *was == inputs && *old_version == version,
                        None => false,
                    };
                    assert!(is_told || version == after.version, "{op:?}");
                }
                before = after;
            }
        });
        Ok(())
    });
    runtime.block_on(app.settle());
    result.unwrap();
}
