//! What prediction needs of a user.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    CycleId, UserId, Version,
    cycles::{GapAnswer, History, HistoryCycle, HistoryEpisode, HistorySymptom, Observation},
    events::Topic,
};
use serde::Deserialize;
use sqlx::{PgExecutor, types::Json};

use super::{episodes, gaps::KeptAnswer};
use crate::{
    observation,
    sealed::{Column, UserKey},
    timeline::AskedGap,
};

/// Predictions look back on so many cycles; what was observed before says nothing.
const CYCLES_OBSERVED: i64 = 36;
/// Most observations, and most symptoms, of a history: it has to fit into one message.
const DAYS_MAX: i64 = 2_000;

/// The user's cycles, oldest start first, with everything else that predictions are made from, and
/// the version that they are the state of: one statement, so one snapshot and one round trip. Each
/// kind comes as one JSON value, since rows of four kinds would each need the columns of all.
pub(crate) async fn history_get(
    executor: impl PgExecutor<'_>,
    user_id: UserId,
    mut key: UserKey<'_>,
) -> Result<History, sqlx::Error> {
    let observed = observation::TYPES.map(str::to_owned);
    let row = sqlx::query_as!(
        HistoryRow,
        r#"WITH recent AS (
               SELECT min(start_date) AS since FROM (
                   SELECT start_date FROM cycle WHERE user_id = $1
                   ORDER BY start_date DESC LIMIT $3) newest
           ), observation AS (
               SELECT id, date, symptom_type, value, value_sealed FROM symptom
               WHERE user_id = $1 AND date >= (SELECT since FROM recent)
                 AND symptom_type = ANY($5)
               ORDER BY date DESC, id DESC LIMIT $4
           ), other AS (
               SELECT id, date, symptom_type FROM symptom
               WHERE user_id = $1 AND date >= (SELECT since FROM recent)
                 AND symptom_type <> ALL($5)
               ORDER BY date DESC, id DESC LIMIT $4
           )
           SELECT (SELECT version FROM outbox WHERE topic = $2 AND user_id = $1) AS version,
                  EXISTS (SELECT FROM erased WHERE user_id = $1) AS "erased!",
                  (SELECT forget_before FROM retention WHERE user_id = $1) AS forget_before,
                  (SELECT json_agg(json_build_object(
                              'id', cycle.id, 'start_date', cycle.start_date,
                              'end_date', cycle.end_date, 'excluded', cycle.excluded,
                              'input_version', cycle.input_version,
                              'input_changed_at', cycle.input_changed_at,
                              'answer', gap_answer.answer,
                              'asked_start', gap_answer.start_date,
                              'asked_next_start', gap_answer.next_start_date,
                              'answered_at', gap_answer.answered_at)
                          ORDER BY cycle.start_date)
                   FROM cycle LEFT JOIN gap_answer
                        ON gap_answer.user_id = $1 AND gap_answer.cycle_id = cycle.id
                   WHERE cycle.user_id = $1) AS "cycles: Json<Vec<CycleRow>>",
                  (SELECT json_agg(json_build_object('kind', kind, 'start_date', start_date,
                                                     'end_date', end_date)
                          ORDER BY start_date, id)
                   FROM episode WHERE user_id = $1) AS "episodes: Json<Vec<EpisodeRow>>",
                  (SELECT json_agg(json_build_object('id', id, 'date', date,
                                                     'symptom_type', symptom_type, 'value', value)
                          ORDER BY date, id)
                   FROM observation) AS "observations: Json<Vec<ObservationRow>>",
                  (SELECT array_agg(value_sealed ORDER BY date, id)
                   FROM observation) AS "values_sealed: Vec<Option<Vec<u8>>>",
                  (SELECT wrapped FROM data_key WHERE user_id = $1
                   AND EXISTS (SELECT FROM observation WHERE value_sealed IS NOT NULL)) AS wrapped,
                  (SELECT json_agg(json_build_object('date', date, 'symptom_type', symptom_type)
                          ORDER BY date, id)
                   FROM other) AS "symptoms: Json<Vec<SymptomRow>>""#,
        user_id.get(),
        Topic::CycleChanged.name(),
        CYCLES_OBSERVED,
        DAYS_MAX,
        &observed[..],
    )
    .fetch_one(executor)
    .await?;

    key.learn(row.wrapped.as_deref())?;
    Ok(row.into_history(user_id, &key))
}

/// What the statement gives. An aggregate of no rows is null.
struct HistoryRow {
    version: Option<i64>,
    erased: bool,
    forget_before: Option<NaiveDate>,
    cycles: Option<Json<Vec<CycleRow>>>,
    episodes: Option<Json<Vec<EpisodeRow>>>,
    observations: Option<Json<Vec<ObservationRow>>>,
    /// Beside the observations, in their order.
    values_sealed: Option<Vec<Option<Vec<u8>>>>,
    wrapped: Option<Vec<u8>>,
    symptoms: Option<Json<Vec<SymptomRow>>>,
}

impl HistoryRow {
    fn into_history(self, user_id: UserId, key: &UserKey<'_>) -> History {
        let Self {
            version,
            erased,
            forget_before,
            cycles,
            episodes,
            observations,
            values_sealed,
            wrapped: _,
            symptoms,
        } = self;
        let episodes = episodes.into_iter().flat_map(|rows| rows.0);
        let observations = observations.map_or_else(Vec::new, |rows| rows.0);
        let values = observation_values(user_id, key, &observations, values_sealed);
        let symptoms = symptoms.into_iter().flat_map(|rows| rows.0);
        History {
            user_id,
            version: version.map_or(Version::ZERO, Version::new),
            erased,
            forget_before,
            cycles: cycles.map_or_else(Vec::new, |rows| history_cycles(rows.0)),
            episodes: episodes.filter_map(EpisodeRow::into_episode).collect(),
            observations: values.filter_map(|(row, value)| row.observation(&value)).collect(),
            symptoms: symptoms.map(SymptomRow::into_symptom).collect(),
        }
    }
}

/// The cycles, each with the answer about its gap if that is still the gap that was asked about.
fn history_cycles(rows: Vec<CycleRow>) -> Vec<HistoryCycle> {
    let starts: Vec<NaiveDate> = rows.iter().map(|row| row.start_date).collect();
    let next_starts = starts.into_iter().skip(1).map(Some).chain([None]);
    rows.into_iter().zip(next_starts).map(|(row, next)| row.into_cycle(next)).collect()
}

#[derive(Deserialize)]
struct CycleRow {
    id: i64,
    start_date: NaiveDate,
    end_date: Option<NaiveDate>,
    excluded: bool,
    input_version: i64,
    input_changed_at: DateTime<Utc>,
    answer: Option<String>,
    asked_start: Option<NaiveDate>,
    asked_next_start: Option<NaiveDate>,
    answered_at: Option<DateTime<Utc>>,
}

impl CycleRow {
    fn into_cycle(self, next_start: Option<NaiveDate>) -> HistoryCycle {
        let Self {
            id,
            start_date,
            end_date,
            excluded,
            input_version,
            input_changed_at,
            answer,
            asked_start,
            asked_next_start,
            answered_at,
        } = self;
        let counts = || {
            let asked = AskedGap {
                start: asked_start?,
                next_start: asked_next_start,
                answered_at: answered_at?,
            };
            asked.is(start_date, next_start).then_some(())
        };
        let answer = answer.as_deref().and_then(KeptAnswer::parse).filter(|_| counts().is_some());
        HistoryCycle {
            id: CycleId::new(id),
            start_date,
            end_date,
            excluded,
            gap_answered_on: answer.and(answered_at).map(|at| at.date_naive()),
            gap_answer: answer.map(|answer| match answer {
                KeptAnswer::NoneMissed => GapAnswer::NoneMissed,
                KeptAnswer::MissedUnknown => GapAnswer::MissedUnknown,
            }),
            input_version: Version::new(input_version),
            input_changed_at,
        }
    }
}

#[derive(Deserialize)]
struct EpisodeRow {
    kind: String,
    start_date: NaiveDate,
    end_date: Option<NaiveDate>,
}

impl EpisodeRow {
    fn into_episode(self) -> Option<HistoryEpisode> {
        let Self { kind, start_date, end_date } = self;
        Some(HistoryEpisode { kind: episodes::kind_of(&kind)?, start_date, end_date })
    }
}

#[derive(Deserialize)]
struct ObservationRow {
    id: i64,
    date: NaiveDate,
    symptom_type: String,
    /// None if it is sealed.
    value: Option<String>,
}

impl ObservationRow {
    fn observation(&self, value: &str) -> Option<Observation> {
        let kind = observation::read(&self.symptom_type, value)?;
        Some(Observation { date: self.date, kind })
    }
}

/// The signs of ovulation with their values. One that cannot be opened says nothing: an operator has
/// to know, and predictions go on without it.
fn observation_values<'rows>(
    user_id: UserId,
    key: &UserKey<'_>,
    rows: &'rows [ObservationRow],
    sealed: Option<Vec<Option<Vec<u8>>>>,
) -> impl Iterator<Item = (&'rows ObservationRow, String)> + use<'rows> {
    let (mut values, mut broken) = (Vec::with_capacity(rows.len()), 0);
    for (row, sealed) in rows.iter().zip(sealed.unwrap_or_default()) {
        let value = match (&row.value, sealed) {
            (_, Some(sealed)) => key.open(Column::Value, row.id, &sealed).ok(),
            (in_clear, None) => in_clear.clone(),
        };
        broken += usize::from(value.is_none());
        values.extend(value.map(|value| (row, value)));
    }
    if broken > 0 {
        tracing::error!(%user_id, broken, "signs of ovulation cannot be opened");
    }
    values.into_iter()
}

#[derive(Deserialize)]
struct SymptomRow {
    date: NaiveDate,
    symptom_type: String,
}

impl SymptomRow {
    fn into_symptom(self) -> HistorySymptom {
        let Self { date, symptom_type } = self;
        HistorySymptom { date, symptom_type }
    }
}
