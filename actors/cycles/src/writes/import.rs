//! Bringing rows of an export back. What is there already is left as it is.

use std::collections::{HashMap, HashSet};

use actor_runtime::group_commit::WriteError;
use chrono::NaiveDate;
use contracts::{
    CycleId, FieldError, Refusal, SymptomId, UserId,
    cycles::{
        CyclesImported, GapAnswer, ImportCycles, Imported, ImportedCycle, ImportedEpisode,
        ImportedGapAnswer, ImportedRows, ImportedSymptom, RecordCycle, RecordEpisode, Symptom,
    },
    events::Verb,
};
use sqlx::PgConnection;

use super::{Change, Stamp, cycles, episodes, symptoms};
use crate::{
    sealed::UserKey,
    store::{self, CycleThere, KeptAnswer},
    timeline::AskedGap,
    validate::{self, Span},
};

impl Change for ImportCycles {
    type Answer = CyclesImported;

    fn user_id(&self) -> UserId {
        self.user_id
    }

    fn verb(&self) -> Verb {
        Verb::Recorded
    }

    fn is_private(&self, _answer: &CyclesImported) -> bool {
        matches!(self.rows, ImportedRows::Symptoms(_))
    }

    async fn carry_out(
        &self,
        connection: &mut PgConnection,
        stamp: Stamp,
        key: &mut UserKey<'_>,
    ) -> Result<CyclesImported, WriteError> {
        let Self { user_id, check_only: _, rows } = self;
        let mut import = Import { connection, user_id: *user_id, stamp, key };
        let (stored, all) = match rows {
            ImportedRows::Cycles(rows) => (import.cycles(rows).await?, rows.len()),
            ImportedRows::Symptoms(rows) => (import.symptoms(rows).await?, rows.len()),
            ImportedRows::Episodes(rows) => (import.episodes(rows).await?, rows.len()),
            ImportedRows::GapAnswers(rows) => (import.gap_answers(rows).await?, rows.len()),
        };
        let count = |rows: usize| u32::try_from(rows).unwrap_or(u32::MAX);
        let unchanged = count(all.saturating_sub(stored));
        Ok(CyclesImported { stored: count(stored), unchanged, version: Some(stamp.version) })
    }
}

/// One transaction's part of an import. Each method says how many rows it stored.
struct Import<'a, 'key> {
    connection: &'a mut PgConnection,
    user_id: UserId,
    stamp: Stamp,
    key: &'a mut UserKey<'key>,
}

/// All that a symptom says: two that say the same are twins.
type SymptomSays<'a> = (CycleId, NaiveDate, &'a str, &'a str, Option<i16>, Option<&'a str>);

impl Import<'_, '_> {
    async fn cycles(&mut self, rows: &[Imported<ImportedCycle>]) -> Result<usize, WriteError> {
        let starts: Vec<NaiveDate> = rows.iter().map(|it| it.row.start_date).collect();
        let mut there: HashSet<NaiveDate> = self.there(&starts).await?.into_keys().collect();
        let (mut stored, mut excluded) = (0, Vec::new());
        for Imported { place, row } in rows {
            let &ImportedCycle { start_date, end_date, excluded: is_excluded } = row;
            if !there.insert(start_date) {
                continue;
            }
            let request = RecordCycle { user_id: self.user_id, start_date, end_date };
            let recorded = cycles::record(self.connection, &request, self.stamp, self.key).await;
            let cycle = recorded.map_err(|error| at("cycles", *place, error))?;
            if is_excluded {
                excluded.push(cycle.id);
            }
            stored += 1;
        }
        if !excluded.is_empty() {
            store::cycles_exclude(self.connection, self.user_id, &excluded).await?;
        }
        Ok(stored)
    }

    async fn episodes(&mut self, rows: &[Imported<ImportedEpisode>]) -> Result<usize, WriteError> {
        let user_id = self.user_id;
        let starts: Vec<NaiveDate> = rows.iter().map(|it| it.row.start_date).collect();
        let there = store::episodes_starting_on(&mut *self.connection, user_id, &starts).await?;
        let mut there: HashSet<_> = there.into_iter().collect();
        let mut stored = 0;
        for Imported { place, row } in rows {
            let &ImportedEpisode { kind, start_date, end_date } = row;
            if !there.insert((kind, start_date)) {
                continue;
            }
            let request = RecordEpisode { user_id, kind, start_date, end_date };
            let recorded = episodes::record(self.connection, &request, self.stamp).await;
            recorded.map_err(|error| at("episodes", *place, error))?;
            stored += 1;
        }
        Ok(stored)
    }

    async fn symptoms(&mut self, rows: &[Imported<ImportedSymptom>]) -> Result<usize, WriteError> {
        let user_id = self.user_id;
        let starts: Vec<NaiveDate> = rows.iter().map(|it| it.row.cycle_start_date).collect();
        let cycles = self.there(&starts).await?;
        let ids: Vec<CycleId> = cycles.values().map(|cycle| cycle.id).collect();
        let days: Vec<NaiveDate> = rows.iter().map(|it| it.row.date).collect();
        let found =
            store::symptoms_on(&mut *self.connection, user_id, self.key, &ids, &days).await?;
        let mut there: HashMap<SymptomSays<'_>, u32> = HashMap::new();
        for symptom in &found {
            *there.entry(says_of(symptom)).or_default() += 1;
        }
        let mut missing: Vec<(CycleId, &ImportedSymptom)> = Vec::new();
        for Imported { place, row } in rows {
            let pointer = |member| format!("/symptoms/{place}/{member}");
            let cycle = cycles.get(&row.cycle_start_date).ok_or_else(|| {
                Refusal::invalid(pointer("cycle_id"), "must be the id of one of the cycles")
            })?;
            let twins = there.entry(says(cycle.id, row)).or_default();
            if *twins > row.twins_before {
                continue;
            }
            *twins += 1;
            // A start that was logged later may stand before it: then it stays with its cycle.
            let span = Span { start: cycle.start, end: cycle.end, next_start: None };
            let day = validate::symptom_day(row.date, &row.symptom_type, &span);
            day.map_err(|error| at("symptoms", *place, error.into()))?;
            missing.push((cycle.id, row));
        }
        self.room_for(&missing).await?;
        self.store_symptoms(&missing).await?;
        Ok(missing.len())
    }

    async fn room_for(&mut self, rows: &[(CycleId, &ImportedSymptom)]) -> Result<(), WriteError> {
        let mut more: HashMap<CycleId, i64> = HashMap::new();
        for (cycle_id, _) in rows {
            *more.entry(*cycle_id).or_default() += 1;
        }
        let ids: Vec<CycleId> = more.keys().copied().collect();
        let counts = store::symptom_counts(&mut *self.connection, self.user_id, &ids).await?;
        for (cycle_id, count) in counts {
            let more = more.get(&cycle_id).copied().unwrap_or_default();
            validate::symptom_room(count, more)?;
        }
        Ok(())
    }

    async fn store_symptoms(
        &mut self,
        rows: &[(CycleId, &ImportedSymptom)],
    ) -> Result<(), WriteError> {
        if rows.is_empty() {
            return Ok(());
        }
        let (user_id, stamp) = (self.user_id, self.stamp);
        let ids = store::symptom_ids(&mut *self.connection, rows.len()).await?;
        let symptoms: Vec<Symptom> = rows
            .iter()
            .zip(ids)
            .map(|((cycle_id, row), id)| {
                let row: &ImportedSymptom = row;
                let ImportedSymptom {
                    cycle_start_date: _,
                    date,
                    symptom_type,
                    value,
                    severity,
                    notes,
                    twins_before: _,
                } = row.clone();
                Symptom {
                    id: SymptomId::new(id),
                    cycle_id: *cycle_id,
                    user_id,
                    date,
                    symptom_type,
                    value,
                    severity,
                    notes,
                    created_at: stamp.at,
                }
            })
            .collect();
        store::data_key_require(self.connection, user_id, self.key, stamp.at).await?;
        store::symptoms_insert(self.connection, user_id, self.key, &symptoms).await?;
        let signs = symptoms.iter().map(|symptom| (symptom.date, &*symptom.symptom_type));
        symptoms::observed(self.connection, user_id, signs, stamp).await
    }

    async fn gap_answers(
        &mut self,
        rows: &[Imported<ImportedGapAnswer>],
    ) -> Result<usize, WriteError> {
        let user_id = self.user_id;
        let starts: Vec<NaiveDate> = rows.iter().map(|it| it.row.start_date).collect();
        let mut there = self.there(&starts).await?;
        let mut stored = 0;
        for Imported { place: _, row } in rows {
            // Twice the same start: the first counts.
            let Some(cycle) = there.remove(&row.start_date) else { continue };
            if cycle.is_answered {
                continue;
            }
            let (start, answered_at) = (row.start_date, row.answer.answered_at);
            let asked = AskedGap { start, next_start: row.answer.next_start, answered_at };
            // It is another gap here: what was said about the one that was counts no longer.
            if !asked.is(cycle.start, cycle.next_start) {
                continue;
            }
            let answer = match row.answer.answer {
                GapAnswer::NoneMissed => KeptAnswer::NoneMissed,
                GapAnswer::MissedUnknown => KeptAnswer::MissedUnknown,
                GapAnswer::MissedOn(_) => continue,
            };
            let kept = store::gap_answer_bring_back(
                self.connection,
                user_id,
                cycle.id,
                &asked,
                answer,
                self.stamp,
            );
            kept.await?;
            stored += 1;
        }
        Ok(stored)
    }

    /// The cycles that start on these days.
    async fn there(
        &mut self,
        starts: &[NaiveDate],
    ) -> Result<HashMap<NaiveDate, CycleThere>, WriteError> {
        let found = store::cycles_starting_on(&mut *self.connection, self.user_id, starts).await?;
        Ok(found.into_iter().map(|cycle| (cycle.start, cycle)).collect())
    }
}

fn says(cycle_id: CycleId, row: &ImportedSymptom) -> SymptomSays<'_> {
    let notes = row.notes.as_deref();
    (cycle_id, row.date, &row.symptom_type, &row.value, row.severity, notes)
}

fn says_of(symptom: &Symptom) -> SymptomSays<'_> {
    let notes = symptom.notes.as_deref();
    let Symptom { cycle_id, date, symptom_type, value, severity, .. } = symptom;
    (*cycle_id, *date, symptom_type, value, *severity, notes)
}

/// A refusal of one row names its place.
fn at(list: &str, place: u32, error: WriteError) -> WriteError {
    let WriteError::Refused(mut refusal) = error else { return error };
    refusal.errors = placed(list, place, std::mem::take(&mut refusal.errors));
    if refusal.errors.is_empty() {
        let pointer = format!("/{list}/{place}").into();
        let detail = refusal.detail.clone();
        refusal.errors.push(FieldError { pointer, detail });
    }
    refusal.into()
}

/// Errors of one row, as errors of the list that it is in.
pub(crate) fn placed(list: &str, place: u32, errors: Vec<FieldError>) -> Vec<FieldError> {
    let placed = errors.into_iter().map(|FieldError { pointer, detail }| FieldError {
        pointer: format!("/{list}/{place}{pointer}").into(),
        detail,
    });
    placed.collect()
}
