//! A day later: the active prediction of a user who is late, made again from what is known. Nobody
//! is asked.

use actor_runtime::{clock::Ids, outbox};
use chrono::NaiveDate;
use contracts::{
    Call, CycleId, UserId,
    analytics::Prediction,
    events::{Topic, Verb},
};
use sqlx::PgConnection;

use crate::{
    apply::Applied,
    derive::{Believed, Key},
    known::Known,
    log::fingerprints::Mark,
    store::{
        cycle_analytics::cycle_analytics_mark_in_txn,
        predictions::{AnchoredPrediction, prediction_delete_in_txn, prediction_upsert_in_txn},
        subject::subject_advance_day_in_txn,
    },
};

/// The active prediction of a user as it is on a later day.
pub(crate) struct Refreshed {
    pub(crate) user_id: UserId,
    /// What is stored, if nobody has moved it on meanwhile.
    pub(crate) from: Key,
    pub(crate) day: NaiveDate,
    due: Option<NaiveDate>,
    newest: Option<NewestRow>,
}

/// The newest cycle's rows.
struct NewestRow {
    start_date: NaiveDate,
    mark: Mark,
    /// None: nothing is predicted any more.
    prediction: Option<Prediction>,
}

impl Refreshed {
    /// What is stored, moved on to a day.
    pub(crate) fn of(believed: &Believed, known: &Known, day: NaiveDate) -> Self {
        let newest = known.newest.as_ref().map(|newest| NewestRow {
            start_date: newest.anchor.start_date,
            mark: newest.mark(known.open_until(day)),
            prediction: known.prediction(day).ok(),
        });
        let due = known.due_after(day);
        Self { user_id: known.user_id, from: believed.key, day, due, newest }
    }

    /// What is stored once this is.
    pub(crate) fn believed(&self, before: Believed) -> Believed {
        before.moved(self.day, self.newest.as_ref().map(|newest| newest.mark))
    }

    /// Writes it, if what it was made from is still what is stored.
    pub(crate) async fn apply_in_txn(
        &self,
        connection: &mut PgConnection,
        call: &Call,
        ids: Ids,
    ) -> Result<Applied, sqlx::Error> {
        let (user_id, day) = (self.user_id, self.day);
        let advanced =
            subject_advance_day_in_txn(connection, user_id, &self.from, day, self.due).await?;
        if let Some(instead) = Applied::instead(&advanced, &Key { day, ..self.from }) {
            return Ok(instead);
        }
        let topic = Topic::PredictionChanged;
        outbox::bump_in_txn(connection, user_id, topic, Verb::Derived, call, ids).await?;
        let Some(NewestRow { start_date, mark, prediction }) = &self.newest else {
            return Ok(Applied::Stored);
        };
        let anchor_cycle_id: CycleId = mark.cycle_id;
        if let Some(prediction) = prediction.clone() {
            let anchored =
                AnchoredPrediction { anchor_cycle_id, anchor_start_date: *start_date, prediction };
            prediction_upsert_in_txn(connection, user_id, &[anchored]).await?;
        } else {
            prediction_delete_in_txn(connection, user_id, &[anchor_cycle_id.get()]).await?;
        }
        cycle_analytics_mark_in_txn(connection, user_id, mark).await?;
        Ok(Applied::Stored)
    }
}
