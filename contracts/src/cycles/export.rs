//! Everything that is held on a user, page by page, and the way back.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{Episode, EpisodeKind, GapAnswer, Symptom};
use crate::{CycleId, EpisodeId, SymptomId, UserId, Version};

/// Most rows of one kind in one [`ImportCycles`].
pub const IMPORT_ROWS_MAX: usize = 200;

/// Read a page of everything.
#[derive(Clone, Serialize, Deserialize)]
pub struct ExportCycles {
    /// Whose.
    pub user_id: UserId,
    /// Which rows, and after which one.
    pub after: ExportCursor,
}

/// How far a reader has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportCursor {
    /// Cycles after this start.
    Cycles(Option<NaiveDate>),
    /// Symptoms after this one.
    Symptoms(Option<SymptomId>),
    /// Episodes after this one.
    Episodes(Option<EpisodeId>),
}

/// A page of everything.
#[derive(Clone, Serialize, Deserialize)]
pub struct CyclesExport {
    /// The version that this is the state of. Pages of two versions do not belong together.
    pub version: Version,
    /// The rows.
    pub rows: ExportedRows,
    /// Where the next page of these rows begins; none: there are no more.
    pub next: Option<ExportCursor>,
}

/// Rows of one kind.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ExportedRows {
    /// Oldest start first.
    Cycles(Vec<ExportedCycle>),
    /// In the order in which they were logged.
    Symptoms(Vec<Symptom>),
    /// In the order in which they were logged.
    Episodes(Vec<Episode>),
}

/// A cycle with all that is held on it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedCycle {
    /// The cycle's id.
    pub id: CycleId,
    /// First day of bleeding.
    pub start_date: NaiveDate,
    /// Last day of bleeding, inclusive.
    pub end_date: Option<NaiveDate>,
    /// Days from this start to the next one; derived.
    pub cycle_length: Option<i32>,
    /// Inclusive days of bleeding; derived.
    pub period_length: Option<i32>,
    /// Whether its length is to be left out.
    pub excluded: bool,
    /// What was said about the gap that it begins.
    pub gap_answer: Option<ExportedGapAnswer>,
    /// When it was logged.
    pub created_at: DateTime<Utc>,
    /// When it was last corrected.
    pub updated_at: DateTime<Utc>,
}

/// What was said about a gap.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedGapAnswer {
    /// The start that ended the gap when it was asked about; none: it was open.
    pub next_start: Option<NaiveDate>,
    /// What was said; never [`GapAnswer::MissedOn`].
    pub answer: GapAnswer,
    /// When: about an open gap, the answer speaks of the days until then.
    pub answered_at: DateTime<Utc>,
}

/// Bring back rows of an export. What is there already is left as it is, so that doing it twice is
/// doing it once.
#[derive(Clone, Serialize, Deserialize)]
pub struct ImportCycles {
    /// Whose from now on.
    pub user_id: UserId,
    /// Whether the rows are looked at only, each by itself, and nothing is stored.
    pub check_only: bool,
    /// The rows.
    pub rows: ImportedRows,
}

/// Rows of one kind, each under its place in the export.
#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImportedRows {
    /// Cycles.
    Cycles(Vec<Imported<ImportedCycle>>),
    /// Symptoms; their cycles have to be there.
    Symptoms(Vec<Imported<ImportedSymptom>>),
    /// Episodes.
    Episodes(Vec<Imported<ImportedEpisode>>),
    /// Answers about gaps; all cycles have to be there.
    GapAnswers(Vec<Imported<ImportedGapAnswer>>),
}

/// A row and its place in the list of the export, to name it if it is refused.
#[derive(Clone, Serialize, Deserialize)]
pub struct Imported<T> {
    /// The place, from 0 on.
    pub place: u32,
    /// The row.
    pub row: T,
}

/// A cycle, found again by its start.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedCycle {
    /// First day of bleeding.
    pub start_date: NaiveDate,
    /// Last day of bleeding, inclusive.
    pub end_date: Option<NaiveDate>,
    /// Whether its length is to be left out.
    pub excluded: bool,
}

/// A symptom, found again by all that it says.
#[derive(Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ImportedSymptom {
    /// The start of the cycle that it belongs to.
    pub cycle_start_date: NaiveDate,
    /// The day.
    pub date: NaiveDate,
    /// What kind of symptom.
    pub symptom_type: String,
    /// Its value.
    pub value: String,
    /// 1 (hardly) to 10 (worst).
    pub severity: Option<i16>,
    /// Free text.
    pub notes: Option<String>,
    /// How many that say the very same stand before it in the export: nothing forbids to log one
    /// twice.
    pub twins_before: u32,
}

/// An episode, found again by its kind and days.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedEpisode {
    /// What it is.
    pub kind: EpisodeKind,
    /// Its first day.
    pub start_date: NaiveDate,
    /// Its last day, inclusive; none while it goes on.
    pub end_date: Option<NaiveDate>,
}

/// An answer about the gap that a cycle begins.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImportedGapAnswer {
    /// The start of the cycle.
    pub start_date: NaiveDate,
    /// What was said.
    pub answer: ExportedGapAnswer,
}

/// What came of an import.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CyclesImported {
    /// How many rows were stored.
    pub stored: u32,
    /// How many were there already.
    pub unchanged: u32,
    /// The user's version after it; none if nothing was stored.
    pub version: Option<Version>,
}
