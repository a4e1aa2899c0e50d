//! Applying a derived state: one write in a group commit, guarded by the version.

use std::{collections::HashMap, sync::Arc};

use actor_runtime::{
    clock::Ids,
    faults,
    group_commit::{Write, WriteError},
    outbox,
};
use contracts::{
    Call, CycleId, UserId, Version,
    events::{Topic, Verb},
};
use sqlx::PgConnection;

use crate::{
    derive::{Derived, Mark},
    store::{
        cycle_analytics::{
            cycle_analytics_delete_in_txn, cycle_analytics_list_marks_in_txn,
            cycle_analytics_upsert_in_txn,
        },
        predictions::{AnchoredPrediction, prediction_delete_in_txn, prediction_upsert_in_txn},
        subject::{Advanced, subject_advance_in_txn, subject_forget_version_in_txn},
    },
};

/// Replaces a user's derived state by a newer one.
pub(crate) struct ApplyDerived {
    pub(crate) derived: Arc<Derived>,
    /// What the submitter believes to be stored; it is used if the database agrees.
    pub(crate) believed: Option<Believed>,
    pub(crate) call: Call,
    pub(crate) ids: Ids,
}

/// The rows that were stored for a user at a version.
#[derive(Clone)]
pub(crate) struct Believed {
    pub(crate) version: Version,
    pub(crate) marks: Arc<[Mark]>,
}

/// What became of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Applied {
    /// The derived state is stored.
    Stored,
    /// The same version or a newer one was stored before.
    AlreadyAt(Version),
    /// The user was erased: nothing is stored.
    Erased,
}

impl Write for ApplyDerived {
    type Answer = Applied;

    fn user_id(&self) -> UserId {
        self.derived.user_id
    }

    /// The guard is decided under the user's row lock and before anything else is written, so the
    /// outbox is bumped for states that are newer and for no others.
    async fn apply_in_txn(&self, connection: &mut PgConnection) -> Result<Applied, WriteError> {
        let Derived { user_id, version, ref statistics, ref cycles, ref marks } = *self.derived;
        let seen_too_early = self.without_guards_in_txn(connection).await?;
        let replaced =
            match subject_advance_in_txn(connection, user_id, version, statistics).await? {
                Advanced::From(replaced) => replaced,
                Advanced::AlreadyAt(version) => return Ok(Applied::AlreadyAt(version)),
                Advanced::Erased => return Ok(Applied::Erased),
            };
        let topic = Topic::PredictionChanged;
        outbox::bump_in_txn(connection, user_id, topic, Verb::Derived, &self.call, self.ids)
            .await?;

        let stored = match seen_too_early {
            Some(stored) => stored,
            None => self.stored_marks_in_txn(connection, replaced).await?,
        };
        let change = Change::between(&stored, marks);
        let changed = || change.positions.iter().filter_map(|&index| cycles.get(index));
        let without_prediction = changed()
            .filter(|cycle| cycle.prediction.is_none())
            .map(|cycle| cycle.analytics.id.get());
        let gone_predictions: Vec<i64> =
            change.gone.iter().copied().chain(without_prediction).collect();
        let predictions: Vec<AnchoredPrediction<'_>> = changed()
            .filter_map(|cycle| {
                let prediction = cycle.prediction.as_ref()?;
                let anchor_cycle_id = cycle.analytics.id;
                let anchor_start_date = cycle.analytics.start_date;
                Some(AnchoredPrediction { anchor_cycle_id, anchor_start_date, prediction })
            })
            .collect();
        let analytics: Vec<_> = change
            .positions
            .iter()
            .filter_map(|&index| {
                Some((&cycles.get(index)?.analytics, marks.get(index)?.fingerprint))
            })
            .collect();

        if !gone_predictions.is_empty() {
            prediction_delete_in_txn(connection, user_id, &gone_predictions).await?;
        }
        if !change.gone.is_empty() {
            cycle_analytics_delete_in_txn(connection, user_id, &change.gone).await?;
        }
        if !predictions.is_empty() {
            prediction_upsert_in_txn(connection, user_id, &predictions).await?;
        }
        if !analytics.is_empty() {
            cycle_analytics_upsert_in_txn(connection, user_id, &analytics).await?;
        }
        Ok(Applied::Stored)
    }
}

impl ApplyDerived {
    /// What is stored: as believed, if that is what this state has just replaced.
    async fn stored_marks_in_txn(
        &self,
        connection: &mut PgConnection,
        replaced: Option<Version>,
    ) -> Result<Arc<[Mark]>, sqlx::Error> {
        match &self.believed {
            Some(Believed { version, marks }) if replaced == Some(*version) => {
                Ok(Arc::clone(marks))
            }
            _ => self.read_marks_in_txn(connection).await,
        }
    }

    async fn read_marks_in_txn(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Arc<[Mark]>, sqlx::Error> {
        let user_id = self.derived.user_id;
        Ok(cycle_analytics_list_marks_in_txn(connection, user_id).await?.into())
    }

    /// Nothing but in a test that takes a guard out: what is stored is then read before the lock
    /// of the user's row is had, or any version counts as newer.
    async fn without_guards_in_txn(
        &self,
        connection: &mut PgConnection,
    ) -> Result<Option<Arc<[Mark]>>, sqlx::Error> {
        let mut seen_too_early = None;
        if faults::is_off("analytics.row_lock") {
            seen_too_early = Some(self.read_marks_in_txn(connection).await?);
        }
        if faults::is_off("analytics.version_guard") {
            subject_forget_version_in_txn(connection, self.derived.user_id).await?;
        }
        Ok(seen_too_early)
    }
}

/// What there is to write.
#[derive(Debug, PartialEq, Eq)]
struct Change {
    /// Cycles that are stored and are no more.
    gone: Vec<i64>,
    /// Which of the derived cycles are new or differ from what is stored, by position.
    positions: Vec<usize>,
}

impl Change {
    fn between(stored: &[Mark], derived: &[Mark]) -> Self {
        let mut left: HashMap<CycleId, i64> =
            stored.iter().map(|mark| (mark.cycle_id, mark.fingerprint)).collect();
        let mut positions = Vec::new();
        for (index, mark) in derived.iter().enumerate() {
            if left.remove(&mark.cycle_id) != Some(mark.fingerprint) {
                positions.push(index);
            }
        }
        let mut gone: Vec<i64> = left.into_keys().map(CycleId::get).collect();
        gone.sort_unstable();
        Self { gone, positions }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marks(pairs: &[(i64, i64)]) -> Vec<Mark> {
        let mark = |&(id, fingerprint)| Mark { cycle_id: CycleId::new(id), fingerprint };
        pairs.iter().map(mark).collect()
    }

    #[test]
    fn an_append_writes_the_new_row_and_its_neighbour() {
        let change = Change::between(
            &marks(&[(1, 10), (2, 20), (3, 30)]),
            &marks(&[(1, 10), (2, 20), (3, 31), (4, 40)]),
        );
        assert_eq!(change, Change { gone: vec![], positions: vec![2, 3] });
    }

    #[test]
    fn what_is_no_more_is_gone_and_what_moved_but_is_equal_stays() {
        let change =
            Change::between(&marks(&[(5, 50), (9, 90), (7, 70)]), &marks(&[(7, 70), (8, 80)]));
        assert_eq!(change, Change { gone: vec![5, 9], positions: vec![1] });
    }
}
