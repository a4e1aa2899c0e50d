//! Taking along what is held on one, and bringing it back.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::{ApiToken, SignedIn, User};
use crate::UserId;

/// Begin an export: read what this group holds on one. It takes a sign-in of the last minutes, and
/// each kind can be had a few times a day.
#[derive(Clone, Serialize, Deserialize)]
pub struct ExportAccount {
    /// Whose.
    pub user_id: UserId,
    /// What is exported.
    pub kind: DataRequestKind,
}

/// Begin an import. It can be done a few times a day.
#[derive(Clone, Serialize, Deserialize)]
pub struct BeginImport {
    /// Whose.
    pub user_id: UserId,
}

/// What somebody asked to take along or to bring back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DataRequestKind {
    /// Everything, as JSON.
    Export,
    /// Cycles, as CSV.
    CyclesCsv,
    /// Symptoms, as CSV.
    SymptomsCsv,
    /// The other way: an export is brought back.
    Import,
}

impl DataRequestKind {
    /// All kinds.
    pub const ALL: [Self; 4] = [Self::Export, Self::CyclesCsv, Self::SymptomsCsv, Self::Import];

    /// The word in the database and on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Export => "export",
            Self::CyclesCsv => "cycles_csv",
            Self::SymptomsCsv => "symptoms_csv",
            Self::Import => "import",
        }
    }

    /// The kind of a word, as it stands in the database.
    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == word)
    }
}

/// What the users group holds on somebody. No secret is among it, not even as a hash.
#[derive(Clone, Serialize, Deserialize)]
pub struct AccountExport {
    /// When this was read.
    pub exported_at: DateTime<Utc>,
    /// The account.
    pub user: User,
    /// When the profile was last changed.
    pub updated_at: DateTime<Utc>,
    /// Where one is signed in, the latest used first.
    pub sessions: Vec<SignedIn>,
    /// Personal API tokens, the newest first.
    pub api_tokens: Vec<ApiToken>,
    /// The second factor, if one was set up.
    pub second_factor: Option<ExportedSecondFactor>,
    /// What was asked for in the last day, this request among it, oldest first.
    pub requests: Vec<DataRequest>,
}

/// That there is a second factor, and since when.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExportedSecondFactor {
    /// When it was set up.
    pub created_at: DateTime<Utc>,
    /// Since when it is asked for; none while it is not confirmed.
    pub confirmed_at: Option<DateTime<Utc>>,
    /// How many recovery codes were not used yet.
    pub recovery_codes_left: u32,
}

/// An export or an import.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataRequest {
    /// What was asked for.
    pub kind: DataRequestKind,
    /// When.
    pub requested_at: DateTime<Utc>,
}
