//! Bringing an export back: `POST /api/users/import`.

use std::collections::{HashMap, HashSet};

use chrono::NaiveDate;
use contracts::{
    FieldError, Patch, Refusal,
    cycles::{
        self as domain, CyclesImported, GetRetention, IMPORT_ROWS_MAX, ImportCycles, Imported,
        ImportedCycle, ImportedEpisode, ImportedGapAnswer, ImportedRows, ImportedSymptom,
        SetRetention,
    },
    limits::IMPORT_BYTES_MAX,
    users::{BeginImport, UpdateProfile},
};
use poem_openapi::{Object, OpenApi, payload::Json};
use serde_json::Value;

use crate::{
    app::Groups,
    auth::Caller,
    body::Body,
    context::ImportPlace,
    document::{Extra, Tag},
    episodes::Episode,
    error::Problem,
    export::{ExportFormat, ExportVersion, ExportedCycle, ExportedProfile, RetentionExport, Yes},
    preferences::Preferences,
    scalar::{Count, Nullable, Scalar, StateVersion, Text},
    symptoms::Symptom,
};

/// Most bytes of texts in one part: a message between two processes holds 1 MiB, and a text can become
/// twice as long as JSON.
const PART_BYTES_MAX: usize = 256 * 1024;
/// Most errors of one answer.
const ERRORS_MAX: usize = 20;

/// What these operations answer besides what follows from their shape.
pub(crate) const EXTRA: &[Extra] = &[
    Extra { operation: "importAccount", code: "too-many-requests" },
    Extra { operation: "importAccount", code: "overlapping-cycle" },
    Extra { operation: "importAccount", code: "overlapping-episode" },
];

/// The operation that brings everything back.
pub(crate) struct ImportApi {
    /// Each gets a part.
    pub(crate) groups: Groups,
}

#[OpenApi(prefix_path = "/api/users", tag = "Tag::Users")]
impl ImportApi {
    /// Bring an export back
    ///
    /// Takes what `GET /api/users/export` answered, of at most 5 MiB: cycles, symptoms, episodes, answers
    /// about gaps, names and date of birth, preferences and retention. Every value is checked as if it
    /// were sent by itself, before anything is stored. What is there already stays as it is: a cycle
    /// with that start, an episode of that kind and start, a symptom that says the same. So a second
    /// import of one file changes nothing, and one that was broken off is gone on with. E-mail address,
    /// user name, password, second factor, sessions and API tokens remain those of the account. Ids are
    /// new; whatever is derived is made anew and may be left out. It can be done five times a day.
    #[oai(path = "/import", method = "post", operation_id = "importAccount")]
    async fn import(
        &self,
        caller: Caller,
        _place: ImportPlace,
        body: Body<AccountImport, IMPORT_BYTES_MAX>,
    ) -> poem::Result<Json<AccountImported>> {
        Ok(Json(carry_out(&caller, &self.groups, body.0).await?))
    }
}

/// An export. Members that are derived, or that belong to the account, are not looked at.
#[derive(Object)]
struct AccountImport {
    /// `lunation-export`.
    format: ExportFormat,
    /// The version of the format.
    version: ExportVersion,
    /// The account that it was taken from.
    profile: ExportedProfile,
    /// Cycles.
    cycles: Vec<ExportedCycle>,
    /// Symptoms; `cycle_id` is the `id` of one of the cycles of this document.
    symptoms: Vec<Symptom>,
    /// Episodes.
    episodes: Vec<Episode>,
    /// How long what was logged is kept.
    retention: RetentionExport,
    /// How one wants to be reminded.
    preferences: Preferences,
    /// True: the document was not broken off.
    complete: Yes,
    /// Not looked at.
    exported_at: Option<Value>,
    /// Not looked at.
    cycles_version: Option<Value>,
    /// Not looked at.
    sessions: Option<Value>,
    /// Not looked at.
    api_tokens: Option<Value>,
    /// Not looked at.
    second_factor: Option<Value>,
    /// Not looked at.
    requests: Option<Value>,
    /// Not looked at.
    statistics: Option<Value>,
    /// Not looked at.
    derived_as_of_version: Option<Value>,
    /// Not looked at.
    predictions: Option<Value>,
    /// Not looked at.
    cycle_analytics: Option<Value>,
    /// Not looked at.
    notifications: Option<Value>,
    /// Not looked at.
    audit: Option<Value>,
}

/// What came of an import.
#[derive(Object)]
struct AccountImported {
    /// `Import completed successfully`.
    message: Text,
    /// Cycles.
    cycles: ImportedCount,
    /// Symptoms.
    symptoms: ImportedCount,
    /// Episodes.
    episodes: ImportedCount,
    /// Answers about gaps.
    gap_answers: ImportedCount,
    /// The user's new version: read analytics with `min_version` set to it to see its effect. Null if
    /// there was nothing to store.
    version: Nullable<StateVersion>,
}

/// What came of one list.
#[derive(Object)]
struct ImportedCount {
    /// How many were stored.
    stored: Count,
    /// How many were there already, or count no longer.
    unchanged: Count,
}

/// What an import stores, in its order.
struct Parts {
    cycles: Vec<ImportedRows>,
    episodes: Vec<ImportedRows>,
    symptoms: Vec<ImportedRows>,
    gap_answers: Vec<ImportedRows>,
}

async fn carry_out(
    caller: &Caller,
    groups: &Groups,
    import: AccountImport,
) -> Result<AccountImported, Problem> {
    let AccountImport {
        profile, cycles, symptoms, episodes, retention, preferences, complete, ..
    } = import;
    if !complete.0 {
        return Err(Refusal::invalid("/complete", "must be true").into());
    }
    let parts = Parts::of(cycles, symptoms, episodes)?;
    let all = [&parts.cycles, &parts.episodes, &parts.symptoms, &parts.gap_answers];
    for rows in all.into_iter().flatten() {
        let check = ImportCycles { user_id: caller.user_id, check_only: true, rows: rows.clone() };
        caller.ask_patiently(&groups.cycles, check).await?;
    }
    caller.ask_patiently(&groups.users, BeginImport { user_id: caller.user_id }).await?;
    bring_back_profile(caller, groups, profile).await?;
    let preferences = preferences.changes(caller.user_id);
    caller.ask_patiently(&groups.notifications, preferences).await?;
    let Parts { cycles, episodes, symptoms, gap_answers } = parts;
    let mut version = None;
    let cycles = bring_back(caller, groups, cycles, &mut version).await?;
    let episodes = bring_back(caller, groups, episodes, &mut version).await?;
    let symptoms = bring_back(caller, groups, symptoms, &mut version).await?;
    let gap_answers = bring_back(caller, groups, gap_answers, &mut version).await?;
    // At the end: what it forgets has to be there before.
    if let Some(Scalar(months)) = retention.months.0 {
        let months = Some(months);
        let now = GetRetention { user_id: caller.user_id };
        if caller.ask_patiently(&groups.cycles, now).await?.months != months {
            let request = SetRetention { user_id: caller.user_id, months };
            version = Some(caller.ask_patiently(&groups.cycles, request).await?.version);
        }
    }
    Ok(AccountImported {
        message: Scalar("Import completed successfully".to_owned()),
        cycles,
        symptoms,
        episodes,
        gap_answers,
        version: version.map(contracts::Version::get).into(),
    })
}

/// Names and date of birth; what the document does not say stays as it is.
async fn bring_back_profile(
    caller: &Caller,
    groups: &Groups,
    profile: ExportedProfile,
) -> Result<(), Problem> {
    let ExportedProfile { first_name, last_name, date_of_birth, .. } = profile;
    let request = UpdateProfile {
        user_id: caller.user_id,
        first_name: first_name.0.map_or(Patch::Keep, |name| Patch::Set(name.0)),
        last_name: last_name.0.map_or(Patch::Keep, |name| Patch::Set(name.0)),
        date_of_birth: date_of_birth.0.map_or(Patch::Keep, |date| Patch::Set(date.0)),
    };
    if request.first_name.is_keep()
        && request.last_name.is_keep()
        && request.date_of_birth.is_keep()
    {
        return Ok(());
    }
    let updated = caller.ask_patiently(&groups.users, request).await;
    updated.map_err(|problem| problem.under("/profile"))?;
    Ok(())
}

async fn bring_back(
    caller: &Caller,
    groups: &Groups,
    parts: Vec<ImportedRows>,
    version: &mut Option<contracts::Version>,
) -> Result<ImportedCount, Problem> {
    let mut count = ImportedCount { stored: Scalar(0), unchanged: Scalar(0) };
    for rows in parts {
        let request = ImportCycles { user_id: caller.user_id, check_only: false, rows };
        let imported = caller.ask_patiently(&groups.cycles, request).await?;
        let CyclesImported { stored, unchanged, version: now } = imported;
        count.stored.0 += i64::from(stored);
        count.unchanged.0 += i64::from(unchanged);
        *version = now.or(*version);
    }
    Ok(count)
}

impl Parts {
    fn of(
        cycles: Vec<ExportedCycle>,
        symptoms: Vec<Symptom>,
        episodes: Vec<Episode>,
    ) -> Result<Self, Problem> {
        let starts = starts_of(&cycles)?;
        let symptoms = symptoms_of(symptoms, &starts)?;
        let episodes = placed(episodes.into_iter().map(|episode| {
            let domain::Episode { kind, start_date, end_date, .. } = episode.into();
            ImportedEpisode { kind, start_date, end_date }
        }));
        let mut answers = Vec::new();
        let mut rows = Vec::new();
        for (place, cycle) in (0..).zip(cycles) {
            let ExportedCycle { start_date, end_date, excluded, gap_answer, .. } = cycle;
            let (start_date, end_date) = (start_date.0, end_date.0.map(|date| date.0));
            let row = ImportedCycle { start_date, end_date, excluded: excluded.0 };
            rows.push(Imported { place, row });
            if let Some(answer) = gap_answer.0 {
                let row = ImportedGapAnswer { start_date, answer: answer.into() };
                answers.push(Imported { place, row });
            }
        }
        // A start after all others changes nothing of them.
        rows.sort_by_key(|it| it.row.start_date);
        Ok(Self {
            cycles: cut(rows, |_| 0).map(ImportedRows::Cycles).collect(),
            episodes: cut(episodes, |_| 0).map(ImportedRows::Episodes).collect(),
            symptoms: cut(symptoms, text_bytes).map(ImportedRows::Symptoms).collect(),
            gap_answers: cut(answers, |_| 0).map(ImportedRows::GapAnswers).collect(),
        })
    }
}

/// The starts of the cycles by their ids in the document.
fn starts_of(cycles: &[ExportedCycle]) -> Result<HashMap<i64, NaiveDate>, Problem> {
    let (mut starts, mut days, mut errors) = (HashMap::new(), HashSet::new(), Vec::new());
    for (place, cycle) in cycles.iter().enumerate() {
        let mut add = |member: &str, detail: &'static str| {
            let pointer = format!("/cycles/{place}/{member}").into();
            errors.push(FieldError { pointer, detail: detail.into() });
        };
        if starts.insert(cycle.id.0, cycle.start_date.0).is_some() {
            add("id", "must not be the id of another cycle too");
        }
        if !days.insert(cycle.start_date.0) {
            add("start_date", "must not be the start of another cycle too");
        }
    }
    verdict(errors, starts)
}

/// The symptoms beside the starts of their cycles, those that say the same numbered.
fn symptoms_of(
    symptoms: Vec<Symptom>,
    starts: &HashMap<i64, NaiveDate>,
) -> Result<Vec<Imported<ImportedSymptom>>, Problem> {
    let (mut twins, mut errors) = (HashMap::new(), Vec::new());
    let mut rows = Vec::with_capacity(symptoms.len());
    for (place, symptom) in (0..).zip(symptoms) {
        let domain::Symptom { cycle_id, date, symptom_type, value, severity, notes, .. } =
            symptom.into();
        let Some(cycle_start_date) = starts.get(&cycle_id.get()).copied() else {
            let pointer = format!("/symptoms/{place}/cycle_id").into();
            let detail = "must be the id of one of the cycles".into();
            errors.push(FieldError { pointer, detail });
            continue;
        };
        let twins_before = 0;
        let mut row = ImportedSymptom {
            cycle_start_date,
            date,
            symptom_type,
            value,
            severity,
            notes,
            twins_before,
        };
        let twins = twins.entry(row.clone()).or_insert(0_u32);
        row.twins_before = *twins;
        *twins += 1;
        rows.push(Imported { place, row });
    }
    verdict(errors, rows)
}

fn verdict<T>(mut errors: Vec<FieldError>, value: T) -> Result<T, Problem> {
    errors.truncate(ERRORS_MAX);
    if errors.is_empty() { Ok(value) } else { Err(Problem::invalid(errors)) }
}

fn placed<T>(rows: impl Iterator<Item = T>) -> Vec<Imported<T>> {
    (0..).zip(rows).map(|(place, row)| Imported { place, row }).collect()
}

fn text_bytes(row: &ImportedSymptom) -> usize {
    let notes = row.notes.as_ref().map_or(0, String::len);
    row.symptom_type.len() + row.value.len() + notes
}

/// Cuts a list into parts that fit into one request.
fn cut<T>(
    rows: Vec<Imported<T>>,
    bytes: impl Fn(&T) -> usize,
) -> impl Iterator<Item = Vec<Imported<T>>> {
    let mut parts: Vec<Vec<Imported<T>>> = Vec::new();
    let mut size = 0;
    for row in rows {
        let row_bytes = bytes(&row.row);
        match parts.last_mut() {
            Some(part) if part.len() < IMPORT_ROWS_MAX && size + row_bytes <= PART_BYTES_MAX => {
                size += row_bytes;
                part.push(row);
            }
            _ => {
                size = row_bytes;
                parts.push(vec![row]);
            }
        }
    }
    parts.into_iter()
}
