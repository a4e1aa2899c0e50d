//! Applying a derived state: one write in a group commit, guarded by what it was derived from.

use std::{collections::HashMap, sync::Arc};

use actor_runtime::{
    clock::Ids,
    faults,
    group_commit::{Write, WriteError},
    outbox,
};
use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    Call, CycleId, UserId,
    events::{Topic, Verb},
};
use sqlx::PgConnection;

use crate::{
    derive::{Believed, Derived, Key},
    known::MODEL_NUMBER,
    log::fingerprints::Mark,
    refresh::Refreshed,
    store::{
        cycle_analytics::{
            cycle_analytics_delete_in_txn, cycle_analytics_list_marks_in_txn,
            cycle_analytics_upsert_in_txn,
        },
        erasure::user_erase_in_txn,
        predictions::{
            AnchoredPrediction, prediction_delete_in_txn, prediction_settle_in_txn,
            prediction_upsert_in_txn,
        },
        subject::{Advanced, StoredKey, subject_advance_in_txn, subject_forget_version_in_txn},
    },
};

/// Replaces a user's derived state by a newer one.
pub(crate) struct ApplyDerived {
    pub(crate) work: Work,
    pub(crate) call: Call,
    pub(crate) ids: Ids,
}

/// What is written.
#[derive(Clone)]
pub(crate) enum Work {
    /// Everything, and what the submitter believes to be stored; that is used if the database
    /// agrees.
    Whole(Arc<Derived>, Option<Believed>),
    /// The active prediction, as it is on a later day.
    Day(Arc<Refreshed>),
    /// Nothing any more, and a tombstone from this instant: the user was erased.
    Erase(UserId, DateTime<Utc>),
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// The derived state is stored.
    Stored,
    /// This state, which is the same or newer in every respect, was stored before.
    AlreadyAt(Key),
    /// This one was stored before, which is newer in one respect and older in another. Nothing was
    /// written, for something would have gone back.
    Mixed(Key),
    /// A program with a later model stored what is there. Nothing was written.
    Outdated,
    /// The user was erased: nothing is stored.
    Erased,
}

impl Write for ApplyDerived {
    type Answer = Applied;

    fn user_id(&self) -> UserId {
        match &self.work {
            Work::Whole(derived, _) => derived.user_id,
            Work::Day(refreshed) => refreshed.user_id,
            Work::Erase(user_id, _) => *user_id,
        }
    }

    /// The guard is decided under the user's row lock and before anything else is written, so the
    /// outbox is bumped for states that are newer and for no others.
    async fn apply_in_txn(&self, connection: &mut PgConnection) -> Result<Applied, WriteError> {
        match &self.work {
            Work::Whole(derived, believed) => {
                self.apply_whole_in_txn(connection, derived, believed.as_ref()).await
            }
            Work::Day(refreshed) => {
                Ok(refreshed.apply_in_txn(connection, &self.call, self.ids).await?)
            }
            Work::Erase(user_id, at) => {
                user_erase_in_txn(connection, *user_id, *at).await?;
                Ok(Applied::Erased)
            }
        }
    }
}

impl ApplyDerived {
    async fn apply_whole_in_txn(
        &self,
        connection: &mut PgConnection,
        derived: &Derived,
        believed: Option<&Believed>,
    ) -> Result<Applied, WriteError> {
        let user_id = derived.user_id;
        let seen_too_early = without_guards_in_txn(connection, user_id).await?;
        let advanced = subject_advance_in_txn(connection, user_id, derived, believed).await?;
        if let Some(instead) = Applied::instead(&advanced, &derived.key) {
            return Ok(instead);
        }
        let topic = Topic::PredictionChanged;
        outbox::bump_in_txn(connection, user_id, topic, Verb::Derived, &self.call, self.ids)
            .await?;

        let as_believed = matches!(advanced, Advanced::Stored { as_believed: true });
        let stored = match (seen_too_early, believed) {
            (Some(stored), _) => stored,
            (None, Some(believed)) if as_believed => Arc::clone(&believed.marks),
            (None, _) => cycle_analytics_list_marks_in_txn(connection, user_id).await?.into(),
        };
        Change::between(&stored, derived).write_in_txn(connection, derived).await?;
        Ok(Applied::Stored)
    }
}

impl Applied {
    /// What became of a state that was not stored.
    pub(crate) fn instead(advanced: &Advanced, wanted: &Key) -> Option<Self> {
        match advanced {
            Advanced::Stored { .. } => None,
            Advanced::Erased => Some(Self::Erased),
            Advanced::At(StoredKey { model_number, key, cycles }) => Some(match key {
                Some(key) if *model_number >= MODEL_NUMBER && key.covers(wanted) => {
                    Self::AlreadyAt(*key)
                }
                _ if *model_number > MODEL_NUMBER => Self::Outdated,
                Some(key) => Self::Mixed(*key),
                // Without a day, only the version of the cycles can have been in the way.
                None => Self::Mixed(Key { cycles: *cycles, person: None, ..*wanted }),
            }),
        }
    }
}

/// Nothing but in a test that takes a guard out: what is stored is then read before the lock of the
/// user's row is had, or any version counts as newer.
async fn without_guards_in_txn(
    connection: &mut PgConnection,
    user_id: UserId,
) -> Result<Option<Arc<[Mark]>>, sqlx::Error> {
    let mut seen_too_early = None;
    if faults::is_off("analytics.row_lock") {
        let marks = cycle_analytics_list_marks_in_txn(connection, user_id).await?;
        seen_too_early = Some(marks.into());
    }
    if faults::is_off("analytics.version_guard") {
        subject_forget_version_in_txn(connection, user_id).await?;
    }
    Ok(seen_too_early)
}

/// What there is to write, by position in the derived state.
#[derive(Debug, Default, PartialEq, Eq)]
struct Change {
    /// Cycles that are stored and are no more.
    gone: Vec<i64>,
    /// Cycles that are new or differ from what is stored.
    rows: Vec<usize>,
    /// Those of them that were predicted from otherwise, or not at all.
    predictions: Vec<usize>,
    /// Those whose prediction is the same as before but for the start that came, and that start.
    settled: Vec<(i64, NaiveDate)>,
}

impl Change {
    fn between(stored: &[Mark], derived: &Derived) -> Self {
        Self::between_marks(stored, &derived.marks, |position| derived.next_start(position))
    }

    fn between_marks(
        stored: &[Mark],
        derived: &[Mark],
        next_start: impl Fn(usize) -> Option<NaiveDate>,
    ) -> Self {
        let mut left: HashMap<CycleId, &Mark> =
            stored.iter().map(|mark| (mark.cycle_id, mark)).collect();
        let mut change = Self::default();
        for (position, mark) in derived.iter().enumerate() {
            let before = left.remove(&mark.cycle_id);
            if before == Some(mark) {
                continue;
            }
            change.rows.push(position);
            match next_start(position) {
                Some(start) if before.is_some_and(|before| before.forecast == mark.forecast) => {
                    change.settled.push((mark.cycle_id.get(), start));
                }
                _ => change.predictions.push(position),
            }
        }
        change.gone = left.into_keys().map(CycleId::get).collect();
        change.gone.sort_unstable();
        change
    }

    async fn write_in_txn(
        self,
        connection: &mut PgConnection,
        derived: &Derived,
    ) -> Result<(), sqlx::Error> {
        let Self { gone, rows, predictions, settled } = self;
        let user_id = derived.user_id;
        let mut without_prediction = gone.clone();
        let mut anchored = Vec::with_capacity(predictions.len());
        for position in predictions {
            let Some(cycle) = derived.cycles.get(position) else { continue };
            match derived.prediction(position) {
                None => without_prediction.push(cycle.id.get()),
                Some(prediction) => anchored.push(AnchoredPrediction {
                    anchor_cycle_id: cycle.id,
                    anchor_start_date: cycle.start_date,
                    prediction,
                }),
            }
        }
        let analytics: Vec<_> = rows
            .into_iter()
            .filter_map(|position| {
                Some((derived.cycles.get(position)?, derived.marks.get(position)?))
            })
            .collect();

        if !without_prediction.is_empty() {
            prediction_delete_in_txn(connection, user_id, &without_prediction).await?;
        }
        if !gone.is_empty() {
            cycle_analytics_delete_in_txn(connection, user_id, &gone).await?;
        }
        // What was active steps back before its successor appears.
        if !settled.is_empty() {
            prediction_settle_in_txn(connection, user_id, &settled).await?;
        }
        if !anchored.is_empty() {
            prediction_upsert_in_txn(connection, user_id, &anchored).await?;
        }
        if !analytics.is_empty() {
            cycle_analytics_upsert_in_txn(connection, user_id, &analytics).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(rows: &[(i64, i64, i64)]) -> Vec<Mark> {
        let mark = |&(id, forecast, all)| Mark { cycle_id: CycleId::new(id), forecast, all };
        rows.iter().map(mark).collect()
    }

    fn start(day: u32) -> NaiveDate {
        NaiveDate::from_ymd_opt(2026, 1, day).unwrap()
    }

    fn between(stored: &[Mark], derived: &[Mark]) -> Change {
        let last = derived.len() - 1;
        Change::between_marks(stored, derived, |position| (position < last).then(|| start(7)))
    }

    #[test]
    fn an_append_predicts_once_and_settles_its_neighbour() {
        let change = between(
            &marks(&[(1, 1, 10), (2, 2, 20), (3, 3, 30)]),
            &marks(&[(1, 1, 10), (2, 2, 20), (3, 3, 31), (4, 4, 40)]),
        );
        let (rows, predictions) = (vec![2, 3], vec![3]);
        assert_eq!(
            change,
            Change { gone: vec![], rows, predictions, settled: vec![(3, start(7))] }
        );
    }

    #[test]
    fn what_is_no_more_is_gone_and_what_moved_but_is_equal_stays() {
        let change = between(
            &marks(&[(5, 5, 50), (9, 9, 90), (7, 7, 70)]),
            &marks(&[(7, 7, 70), (8, 8, 80)]),
        );
        let (rows, predictions) = (vec![1], vec![1]);
        assert_eq!(change, Change { gone: vec![5, 9], rows, predictions, settled: vec![] });
    }

    #[test]
    fn the_newest_is_written_whole_even_if_it_is_predicted_from_the_same() {
        let change = between(&marks(&[(1, 1, 10), (2, 2, 20)]), &marks(&[(1, 1, 11)]));
        let (rows, predictions) = (vec![0], vec![0]);
        assert_eq!(change, Change { gone: vec![2], rows, predictions, settled: vec![] });
    }
}
