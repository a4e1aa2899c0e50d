//! What users say about gaps.

use actor_runtime::{group_commit::WriteError, outbox};
use chrono::{DateTime, Utc};
use contracts::{
    UserId,
    cycles::{AnswerGap, GapAnswer, GapAnswered, RecordCycle},
    events::{Topic, Verb},
};
use sqlx::PgConnection;

use super::{
    Change, Stamp,
    cycles::{self, span},
};
use crate::{
    error::CyclesError,
    sealed::UserKey,
    store::{self, KeptAnswer},
    validate,
};

impl Change for AnswerGap {
    type Answer = GapAnswered;

    fn user_id(&self) -> UserId {
        self.user_id
    }

    fn verb(&self) -> Verb {
        Verb::Recorded
    }

    /// Who says once more what was said of the same gap says nothing new. Only a 'no' about an open
    /// gap speaks of more days with each day that it is said on.
    async fn answer_if_done(
        &self,
        connection: &mut PgConnection,
        at: DateTime<Utc>,
    ) -> Result<Option<GapAnswered>, WriteError> {
        let &Self { user_id, cycle_id, next_start, answer } = self;
        let kept = match answer {
            GapAnswer::NoneMissed => KeptAnswer::NoneMissed,
            GapAnswer::MissedUnknown => KeptAnswer::MissedUnknown,
            GapAnswer::MissedOn(_) => return Ok(None),
        };
        let gap = (next_start, at.date_naive());
        if !store::gap_answer_is(&mut *connection, user_id, cycle_id, gap, kept).await? {
            return Ok(None);
        }
        let version = outbox::current_version(connection, user_id, Topic::CycleChanged).await?;
        Ok(Some(GapAnswered { cycle: None, version }))
    }

    async fn carry_out(
        &self,
        connection: &mut PgConnection,
        stamp: Stamp,
        key: &mut UserKey<'_>,
    ) -> Result<GapAnswered, WriteError> {
        let &Self { user_id, cycle_id, next_start, answer } = self;
        let gap = store::cycle_dates(&mut *connection, user_id, cycle_id).await?;
        let gap = gap.ok_or(CyclesError::NotFound)?;
        if gap.next_start != next_start {
            return Err(CyclesError::GapChanged.into());
        }
        let kept = match answer {
            GapAnswer::NoneMissed => KeptAnswer::NoneMissed,
            GapAnswer::MissedUnknown => KeptAnswer::MissedUnknown,
            GapAnswer::MissedOn(start_date) => {
                validate::missed_day(start_date, &span(&gap))?;
                let missed = RecordCycle { user_id, start_date, end_date: None };
                let cycle = cycles::record(connection, &missed, stamp, key).await?;
                return Ok(GapAnswered { cycle: Some(cycle), version: stamp.version });
            }
        };
        let days = (gap.start_date, next_start);
        store::gap_answer_keep(connection, user_id, cycle_id, days, kept, stamp).await?;
        Ok(GapAnswered { cycle: None, version: stamp.version })
    }
}

/// Forgets what was said about gaps that are others by now: a start came, went or moved.
pub(super) async fn forget_outdated(
    connection: &mut PgConnection,
    user_id: UserId,
    stamp: Stamp,
) -> Result<(), WriteError> {
    let answered = store::gap_answers_now(&mut *connection, user_id).await?;
    let outdated: Vec<_> = answered
        .into_iter()
        .filter(|gap| !gap.asked.is(gap.start, gap.next_start))
        .map(|gap| gap.cycle_id)
        .collect();
    if !outdated.is_empty() {
        store::gap_answers_drop(connection, user_id, &outdated, stamp).await?;
    }
    Ok(())
}
