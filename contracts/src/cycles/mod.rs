//! The cycles group: cycles and symptoms, the facts that everything else is derived from.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use crate::{
    CycleId, Patch, SymptomId, UserId, Version,
    events::{ChangedPage, ChangedSince},
    health::GroupHealth,
    mailbox::mailbox,
    page::{Page, PageRequest},
};

mod episodes;
mod export;
mod gaps;
mod history;
mod retention;

pub use episodes::{
    DeleteEpisode, EditEpisode, Episode, EpisodeKind, EpisodeWritten, GetEpisode, ListEpisodes,
    RecordEpisode,
};
pub use export::{
    CyclesExport, CyclesImported, ExportCursor, ExportCycles, ExportedCycle, ExportedGapAnswer,
    ExportedRows, IMPORT_ROWS_MAX, ImportCycles, Imported, ImportedCycle, ImportedEpisode,
    ImportedGapAnswer, ImportedRows, ImportedSymptom,
};
pub use gaps::{AnswerGap, GapAnswer, GapAnswered};
pub use history::{
    GetHistory, History, HistoryCycle, HistoryEpisode, HistorySymptom, OVULATION_TEST, Observation,
    ObservationKind, TEMPERATURE,
};
pub use retention::{
    GetRetention, RETENTION_MONTHS_MAX, RETENTION_MONTHS_MIN, Retention, RetentionSet, SetRetention,
};

mailbox! {
    /// What the cycles group answers.
    CyclesMailbox of "cycles" {
        people {
            RecordCycle => CycleWritten, "record_cycle", WriteCycles;
            ListCycles => Page<Cycle>, "list_cycles", ReadCycles;
            GetCycle => Cycle, "get_cycle", ReadCycles;
            EditCycle => CycleWritten, "edit_cycle", WriteCycles;
            DeleteCycle => Deleted, "delete_cycle", WriteCycles;
            LogSymptom => SymptomWritten, "log_symptom", WriteCycles;
            ListSymptoms => Page<Symptom>, "list_symptoms", ReadCycles;
            EditSymptom => SymptomWritten, "edit_symptom", WriteCycles;
            DeleteSymptom => Deleted, "delete_symptom", WriteCycles;
            RecordEpisode => EpisodeWritten, "record_episode", WriteCycles;
            ListEpisodes => Page<Episode>, "list_episodes", ReadCycles;
            GetEpisode => Episode, "get_episode", ReadCycles;
            EditEpisode => EpisodeWritten, "edit_episode", WriteCycles;
            DeleteEpisode => Deleted, "delete_episode", WriteCycles;
            AnswerGap => GapAnswered, "answer_gap", WriteCycles;
            GetRetention => Retention, "get_retention", ReadCycles;
            SetRetention => RetentionSet, "set_retention", WriteCycles;
            ExportCycles => CyclesExport, "export_cycles", Account;
            ImportCycles => CyclesImported, "import_cycles", Account;
        }
        services {
            GetHistory => History, "get_history";
            ListCyclesChanged => ChangedPage, "changed_since";
        }
        open {
            CheckCycles => GroupHealth, "check";
        }
    }
}

/// Log the first day of bleeding, and the last one if it is known.
#[derive(Clone, Serialize, Deserialize)]
pub struct RecordCycle {
    /// Whose.
    pub user_id: UserId,
    /// First day of bleeding.
    pub start_date: NaiveDate,
    /// Last day of bleeding, inclusive.
    pub end_date: Option<NaiveDate>,
}

/// Read one's cycles, newest start first.
#[derive(Clone, Serialize, Deserialize)]
pub struct ListCycles {
    /// Whose.
    pub user_id: UserId,
    /// Only starts on or after this day.
    pub from: Option<NaiveDate>,
    /// Only starts on or before this day.
    pub to: Option<NaiveDate>,
    /// Which rows.
    pub page: PageRequest,
}

/// Read one cycle.
#[derive(Clone, Serialize, Deserialize)]
pub struct GetCycle {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub cycle_id: CycleId,
}

/// Correct a cycle.
#[derive(Clone, Serialize, Deserialize)]
pub struct EditCycle {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub cycle_id: CycleId,
    /// A new first day of bleeding; a start cannot be cleared.
    pub start_date: Option<NaiveDate>,
    /// A new last day of bleeding; cleared, the period is still going on.
    pub end_date: Patch<NaiveDate>,
    /// Whether the length of this cycle is to be left out of statistics and predictions. Left out
    /// of the JSON when it is not said: a request that is repeated to a process of an earlier
    /// version, or the other way round, has to be the same request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<bool>,
}

/// Remove a cycle and its symptoms.
#[derive(Clone, Serialize, Deserialize)]
pub struct DeleteCycle {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub cycle_id: CycleId,
}

/// Log a symptom on a day of a cycle.
#[derive(Clone, Serialize, Deserialize)]
pub struct LogSymptom {
    /// Whose.
    pub user_id: UserId,
    /// The cycle that the day belongs to.
    pub cycle_id: CycleId,
    /// The day.
    pub date: NaiveDate,
    /// What kind of symptom, in the user's words.
    pub symptom_type: String,
    /// Its value, in the user's words.
    pub value: String,
    /// 1 (hardly) to 10 (worst).
    pub severity: Option<i16>,
    /// Free text.
    pub notes: Option<String>,
}

/// Read one's symptoms, newest date first.
#[derive(Clone, Serialize, Deserialize)]
pub struct ListSymptoms {
    /// Whose.
    pub user_id: UserId,
    /// Only those of this cycle.
    pub cycle_id: Option<CycleId>,
    /// Only those of this type.
    pub symptom_type: Option<String>,
    /// Only days on or after this one.
    pub from: Option<NaiveDate>,
    /// Only days on or before this one.
    pub to: Option<NaiveDate>,
    /// Which rows.
    pub page: PageRequest,
}

/// Correct a symptom.
#[derive(Clone, Serialize, Deserialize)]
pub struct EditSymptom {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub symptom_id: SymptomId,
    /// Another day of the same cycle.
    pub date: Option<NaiveDate>,
    /// Another kind.
    pub symptom_type: Option<String>,
    /// Another value.
    pub value: Option<String>,
    /// 1 (hardly) to 10 (worst).
    pub severity: Patch<i16>,
    /// Free text.
    pub notes: Patch<String>,
}

/// Remove a symptom.
#[derive(Clone, Serialize, Deserialize)]
pub struct DeleteSymptom {
    /// Whose.
    pub user_id: UserId,
    /// Which.
    pub symptom_id: SymptomId,
}

/// Service-only: which users' cycles changed (anti-entropy).
#[derive(Clone, Serialize, Deserialize)]
pub struct ListCyclesChanged(pub ChangedSince);

/// Ask whether the group and what it needs are well.
#[derive(Clone, Serialize, Deserialize)]
pub struct CheckCycles {}

/// A cycle as its owner sees it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Cycle {
    /// The cycle's id.
    pub id: CycleId,
    /// Whose it is.
    pub user_id: UserId,
    /// First day of bleeding.
    pub start_date: NaiveDate,
    /// Last day of bleeding, inclusive; none while it goes on or if it was never said.
    pub end_date: Option<NaiveDate>,
    /// Days from this start to the next one; none for the newest cycle.
    pub cycle_length: Option<i32>,
    /// Inclusive days of bleeding; none without an end.
    pub period_length: Option<i32>,
    /// What is odd but possible about its length.
    pub marks: Vec<CycleMark>,
    /// Whether its owner wants its length left out of statistics and predictions.
    #[serde(default)]
    pub excluded: bool,
    /// When it was logged.
    pub created_at: DateTime<Utc>,
    /// When it was last corrected.
    pub updated_at: DateTime<Utc>,
    /// The symptoms logged in it, newest date first.
    pub symptoms: Vec<Symptom>,
}

/// What is odd but possible about a cycle's length: stored and marked, never refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CycleMark {
    /// Under 15 days.
    UnusuallyShort,
    /// Over 60 days, or over 1.75 times the user's median: perhaps a start was not logged.
    PossibleMissedLog,
}

/// A symptom as its owner sees it.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Symptom {
    /// The symptom's id.
    pub id: SymptomId,
    /// The cycle that it belongs to.
    pub cycle_id: CycleId,
    /// Whose it is.
    pub user_id: UserId,
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
    /// When it was logged.
    pub created_at: DateTime<Utc>,
}

/// A cycle that was written, and the user's version after it.
#[derive(Clone, Serialize, Deserialize)]
pub struct CycleWritten {
    /// The cycle as it now is.
    pub cycle: Cycle,
    /// The user's new version.
    pub version: Version,
}

/// A symptom that was written, and the user's version after it.
#[derive(Clone, Serialize, Deserialize)]
pub struct SymptomWritten {
    /// The symptom as it now is.
    pub symptom: Symptom,
    /// The user's new version.
    pub version: Version,
}

/// Something was removed.
#[derive(Clone, Serialize, Deserialize)]
pub struct Deleted {
    /// The user's new version.
    pub version: Version,
}
