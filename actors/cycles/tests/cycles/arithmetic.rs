//! An independent model of cycle arithmetic against the group, under random inserts, edits and
//! deletes. The model counts days by walking them; it knows no window function and no range.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::atomic::{AtomicI64, Ordering},
};

use chrono::{DateTime, Days, NaiveDate, Utc};
use contracts::{
    CycleId, Patch, UserId, Version,
    cycles::{Cycle, CycleMark, DeleteCycle, EditCycle, History, RecordCycle},
};
use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::harness::{Group, TestApp, day};

#[derive(Clone, Debug)]
enum Op {
    Record { start: u64, end_after: Option<i64> },
    Edit { which: usize, start: Option<u64>, end: End, excluded: Option<bool> },
    Delete { which: usize },
}

/// What an edit says about the end, in days after the start.
#[derive(Clone, Copy, Debug)]
enum End {
    Keep,
    Clear,
    After(i64),
}

/// Few days and many operations, so that they meet.
fn op() -> impl Strategy<Value = Op> {
    let start = || 0..240_u64;
    let end_after = || -2..36_i64;
    let end = prop_oneof![
        Just(End::Keep),
        Just(End::Clear),
        end_after().prop_map(End::After),
        (0..6_i64).prop_map(End::After),
    ];
    let record_end = prop_oneof![Just(None), (0..8_i64).prop_map(Some), end_after().prop_map(Some)];
    prop_oneof![
        4 => (start(), record_end).prop_map(|(start, end_after)| Op::Record { start, end_after }),
        4 => (any::<usize>(), prop::option::of(start()), end, prop::option::of(any::<bool>()))
            .prop_map(|(which, start, end, excluded)| Op::Edit { which, start, end, excluded }),
        1 => any::<usize>().prop_map(|which| Op::Delete { which }),
    ]
}

#[derive(Clone, Copy, PartialEq, Debug)]
struct Dates {
    start: NaiveDate,
    end: Option<NaiveDate>,
}

/// Id, dates, length, period length, marks, whether it is excluded.
type Row = (CycleId, Dates, Option<i32>, Option<i32>, Vec<CycleMark>, bool);

#[derive(Default)]
struct Model {
    cycles: BTreeMap<NaiveDate, (CycleId, Option<NaiveDate>)>,
    excluded: BTreeSet<CycleId>,
    version: i64,
}

fn walk(dates: Dates) -> Vec<NaiveDate> {
    let end = dates.end.unwrap_or(dates.start);
    dates.start.iter_days().take_while(|&day| day <= end).collect()
}

impl Model {
    fn nth(&self, which: usize) -> Option<(CycleId, Dates)> {
        let count = self.cycles.len();
        let index = which.checked_rem(count)?;
        let (&start, &(id, end)) = self.cycles.iter().nth(index)?;
        Some((id, Dates { start, end }))
    }

    /// The code of the refusal that these dates deserve.
    fn refusal(&self, dates: Dates, except: Option<CycleId>) -> Option<&'static str> {
        let days = walk(dates);
        if days.is_empty() || days.len() > 31 {
            return Some("invalid-input");
        }
        let taken: BTreeSet<NaiveDate> = self
            .cycles
            .iter()
            .filter(|(_, (id, _))| Some(*id) != except)
            .flat_map(|(&start, &(_, end))| walk(Dates { start, end }))
            .collect();
        days.iter().any(|day| taken.contains(day)).then_some("overlapping-cycle")
    }

    /// Newest first.
    fn expected(&self) -> Vec<Row> {
        let starts: Vec<NaiveDate> = self.cycles.keys().copied().collect();
        let length = |start: NaiveDate| {
            let next = *starts.iter().find(|&&other| other > start)?;
            i32::try_from(start.iter_days().take_while(|&day| day < next).count()).ok()
        };
        let counted = self.cycles.iter().filter(|(_, (id, _))| !self.excluded.contains(id));
        let mut known: Vec<i32> = counted.filter_map(|(&start, _)| length(start)).collect();
        known.sort_unstable();
        // Twice the median, so that it stays whole.
        let median_doubled =
            (known.len() >= 2).then(|| known[(known.len() - 1) / 2] + known[known.len() / 2]);
        let rows = self.cycles.iter().rev().map(|(&start, &(id, end))| {
            let dates = Dates { start, end };
            let period = end.map(|_| i32::try_from(walk(dates).len()).unwrap());
            let mut marks = Vec::new();
            if let Some(length) = length(start) {
                if length < 15 {
                    marks.push(CycleMark::UnusuallyShort);
                }
                // length > 1.75 × median, in whole numbers.
                if length > 60 || median_doubled.is_some_and(|twice| 8 * length > 7 * twice) {
                    marks.push(CycleMark::PossibleMissedLog);
                }
            }
            (id, dates, length(start), period, marks, self.excluded.contains(&id))
        });
        rows.collect()
    }
}

fn apply_end(after: i64, start: NaiveDate) -> NaiveDate {
    start + chrono::TimeDelta::days(after)
}

/// Carries out one operation on both and compares the outcome.
async fn step(group: &Group, user_id: UserId, model: &mut Model, op: &Op) {
    let origin = day("2024-01-01");
    let date = |offset: u64| origin + Days::new(offset);
    let (outcome, expected) = match *op {
        Op::Record { start, end_after } => {
            let start = date(start);
            let end = end_after.map(|after| apply_end(after, start));
            let request = RecordCycle { user_id, start_date: start, end_date: end };
            let outcome = group.ask(user_id, request).await;
            let expected = model.refusal(Dates { start, end }, None);
            if let Ok(written) = &outcome {
                model.cycles.insert(start, (written.cycle.id, end));
            }
            (outcome.map(|written| (written.version, Some(written.cycle))), expected)
        }
        Op::Edit { which, start, end, excluded } => {
            let Some((cycle_id, before)) = model.nth(which) else { return };
            let start_date = start.map(date);
            let start = start_date.unwrap_or(before.start);
            let end_date = match end {
                End::Keep => Patch::Keep,
                End::Clear => Patch::Clear,
                End::After(after) => Patch::Set(apply_end(after, start)),
            };
            let end = end_date.apply(before.end);
            let request = EditCycle { user_id, cycle_id, start_date, end_date, excluded };
            let outcome = group.ask(user_id, request).await;
            let expected = model.refusal(Dates { start, end }, Some(cycle_id));
            if outcome.is_ok() {
                model.cycles.remove(&before.start);
                model.cycles.insert(start, (cycle_id, end));
                match excluded {
                    Some(true) => drop(model.excluded.insert(cycle_id)),
                    Some(false) => drop(model.excluded.remove(&cycle_id)),
                    None => {}
                }
            }
            (outcome.map(|written| (written.version, Some(written.cycle))), expected)
        }
        Op::Delete { which } => {
            let Some((cycle_id, before)) = model.nth(which) else { return };
            let outcome = group.ask(user_id, DeleteCycle { user_id, cycle_id }).await;
            model.cycles.remove(&before.start);
            (outcome.map(|deleted| (deleted.version, None)), None)
        }
    };
    let code = outcome.as_ref().err().map(|refusal| refusal.code.clone());
    assert_eq!(code.as_deref(), expected, "{op:?}");
    let Ok((version, written)) = outcome else { return };
    model.version += 1;
    assert_eq!(version, Version::new(model.version));
    if let Some(written) = written {
        let listed = group.list(user_id).await;
        let read = listed.iter().find(|cycle| cycle.id == written.id);
        assert!(read == Some(&written), "the answer is what a read gives");
    }
}

fn compare(model: &Model, listed: &[Cycle], history: &History) {
    let read: Vec<Row> = listed
        .iter()
        .map(|cycle| {
            let dates = Dates { start: cycle.start_date, end: cycle.end_date };
            let lengths = (cycle.cycle_length, cycle.period_length);
            (cycle.id, dates, lengths.0, lengths.1, cycle.marks.clone(), cycle.excluded)
        })
        .collect();
    let expected = model.expected();
    assert_eq!(read, expected);
    assert_eq!(history.version, Version::new(model.version));
    let told: Vec<_> = history
        .cycles
        .iter()
        .rev()
        .map(|cycle| {
            let dates = Dates { start: cycle.start_date, end: cycle.end_date };
            (cycle.id, dates, cycle.excluded)
        })
        .collect();
    let known: Vec<_> =
        expected.into_iter().map(|(id, dates, .., excluded)| (id, dates, excluded)).collect();
    assert_eq!(told, known);
}

/// What a prediction anchored at a cycle is computed from, and what it derives its id from.
struct Anchor {
    inputs: Vec<(Dates, bool)>,
    input_version: Version,
    input_changed_at: DateTime<Utc>,
}

fn anchors(history: &History) -> BTreeMap<CycleId, Anchor> {
    let cycles = &history.cycles;
    let anchor = |index: usize| {
        let upto = &cycles[..=index];
        let inputs = upto
            .iter()
            .map(|cycle| (Dates { start: cycle.start_date, end: cycle.end_date }, cycle.excluded))
            .collect();
        let input_version = upto.iter().map(|cycle| cycle.input_version).max().unwrap();
        let input_changed_at = upto.iter().map(|cycle| cycle.input_changed_at).max().unwrap();
        Anchor { inputs, input_version, input_changed_at }
    };
    (0..cycles.len()).map(|index| (cycles[index].id, anchor(index))).collect()
}

/// An anchor's input version changes exactly when the cycles up to it do, and then to the version
/// of that change.
fn compare_anchors(before: &History, after: &History) {
    let old = anchors(before);
    for (id, new) in anchors(after) {
        match old.get(&id) {
            Some(old) if old.inputs == new.inputs => {
                assert_eq!(old.input_version, new.input_version, "nothing changed up to it");
                assert_eq!(old.input_changed_at, new.input_changed_at);
            }
            _ => assert_eq!(new.input_version, after.version, "something changed up to it"),
        }
    }
}

#[test]
fn cycle_arithmetic_agrees_with_an_independent_model() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let app = runtime.block_on(TestApp::start());
    let next_user = AtomicI64::new(1);
    let mut runner =
        TestRunner::new(Config { cases: 96, failure_persistence: None, ..Config::default() });
    let result = runner.run(&prop::collection::vec(op(), 1..24), |ops| {
        let user_id = UserId::new(next_user.fetch_add(1, Ordering::Relaxed));
        runtime.block_on(async {
            let mut model = Model::default();
            let mut before = app.group.history(user_id).await;
            for op in &ops {
                step(&app.group, user_id, &mut model, op).await;
                let after = app.group.history(user_id).await;
                compare(&model, &app.group.list(user_id).await, &after);
                compare_anchors(&before, &after);
                before = after;
            }
        });
        Ok(())
    });
    runtime.block_on(app.settle());
    result.unwrap();
}
