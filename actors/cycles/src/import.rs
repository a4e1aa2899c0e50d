//! What can be told of rows of an export before any of them is stored.

use chrono::NaiveDate;
use contracts::{
    CycleId, FieldError, UserId,
    cycles::{
        GapAnswer, IMPORT_ROWS_MAX, ImportCycles, Imported, ImportedCycle, ImportedEpisode,
        ImportedGapAnswer, ImportedRows, ImportedSymptom, LogSymptom, RecordCycle, RecordEpisode,
    },
};

use crate::{error::CyclesError, validate, writes::placed};

/// Most errors of one answer.
const ERRORS_MAX: usize = 20;

/// Checks each row as it would be checked if it were logged by itself.
pub(crate) fn check(request: &ImportCycles, latest_today: NaiveDate) -> Result<(), CyclesError> {
    let &ImportCycles { user_id, check_only: _, ref rows } = request;
    let mut errors = match rows {
        ImportedRows::Cycles(rows) => {
            every("cycles", rows, |row| cycle(user_id, row, latest_today))
        }
        ImportedRows::Symptoms(rows) => {
            every("symptoms", rows, |row| symptom(user_id, row, latest_today))
        }
        ImportedRows::Episodes(rows) => {
            every("episodes", rows, |row| episode(user_id, row, latest_today))
        }
        ImportedRows::GapAnswers(rows) => {
            every("cycles", rows, |row| gap_answer(row, latest_today))
        }
    };
    errors.truncate(ERRORS_MAX);
    if errors.is_empty() { Ok(()) } else { Err(CyclesError::Invalid(errors)) }
}

/// The API cuts lists into parts; a remote caller is not believed.
fn every<T>(
    list: &'static str,
    rows: &[Imported<T>],
    check: impl Fn(&T) -> Result<(), CyclesError>,
) -> Vec<FieldError> {
    if rows.len() > IMPORT_ROWS_MAX {
        let detail = "has too many rows for one request".into();
        return vec![FieldError { pointer: format!("/{list}").into(), detail }];
    }
    let refused = |Imported { place, row }: &Imported<T>| match check(row) {
        Err(CyclesError::Invalid(errors)) => placed(list, *place, errors),
        Ok(()) | Err(_) => Vec::new(),
    };
    rows.iter().flat_map(refused).collect()
}

fn cycle(user_id: UserId, row: &ImportedCycle, latest_today: NaiveDate) -> Result<(), CyclesError> {
    let &ImportedCycle { start_date, end_date, excluded: _ } = row;
    validate::record_cycle(&RecordCycle { user_id, start_date, end_date }, latest_today)
}

fn symptom(
    user_id: UserId,
    row: &ImportedSymptom,
    latest_today: NaiveDate,
) -> Result<(), CyclesError> {
    let ImportedSymptom {
        cycle_start_date: _,
        date,
        symptom_type,
        value,
        severity,
        notes,
        twins_before: _,
    } = row.clone();
    // Which cycle it is has no part in these checks.
    let cycle_id = CycleId::new(0);
    let request = LogSymptom { user_id, cycle_id, date, symptom_type, value, severity, notes };
    validate::log_symptom(&request, latest_today)
}

fn episode(
    user_id: UserId,
    row: &ImportedEpisode,
    latest_today: NaiveDate,
) -> Result<(), CyclesError> {
    let &ImportedEpisode { kind, start_date, end_date } = row;
    let request = RecordEpisode { user_id, kind, start_date, end_date };
    validate::record_episode(&request, latest_today)
}

fn gap_answer(row: &ImportedGapAnswer, latest_today: NaiveDate) -> Result<(), CyclesError> {
    let ImportedGapAnswer { start_date, answer } = row;
    let mut errors = Vec::new();
    let mut add = |member: &str, detail: &'static str| {
        let pointer = format!("/gap_answer/{member}").into();
        errors.push(FieldError { pointer, detail: detail.into() });
    };
    if answer.next_start.is_some_and(|next| next <= *start_date) {
        add("next_start", "must be after the start of the cycle");
    }
    if answer.next_start.is_some_and(|next| next > latest_today) {
        add("next_start", "must not be in the future");
    }
    let answered_on = answer.answered_at.date_naive();
    if answered_on > latest_today {
        add("answered_at", "must not be in the future");
    }
    if answered_on < contracts::limits::DATE_MIN {
        add("answered_at", "must not be before 1900-01-01");
    }
    if let GapAnswer::MissedOn(_) = answer.answer {
        add("answer", "must be none_missed or missed_unknown");
    }
    if errors.is_empty() { Ok(()) } else { Err(CyclesError::Invalid(errors)) }
}
