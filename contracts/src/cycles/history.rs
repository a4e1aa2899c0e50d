//! What prediction needs of a user: dates and kinds, no note and no free value.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::{EpisodeKind, GapAnswer};
use crate::{CycleId, UserId, Version};

/// The symptom type of an ovulation (LH) test: its value is `positive` or `negative`.
pub const OVULATION_TEST: &str = "ovulation_test";
/// The symptom type of a basal body temperature: its value is in degrees Celsius, 34 to 43 with at
/// most two decimals.
pub const TEMPERATURE: &str = "basal_body_temperature";

/// Service-only: read what prediction needs of a user, at the current version.
#[derive(Clone, Serialize, Deserialize)]
pub struct GetHistory {
    /// Whose.
    pub user_id: UserId,
}

/// What prediction needs of a user.
#[derive(Clone, Serialize, Deserialize)]
pub struct History {
    /// Whose.
    pub user_id: UserId,
    /// The version that this is the state of.
    pub version: Version,
    /// Whether the user was erased: then there is nothing here and never will be.
    #[serde(default)]
    pub erased: bool,
    /// What lies before this day was forgotten, because the user wants it so.
    #[serde(default)]
    pub forget_before: Option<NaiveDate>,
    /// All cycles, oldest start first.
    pub cycles: Vec<HistoryCycle>,
    /// All episodes, oldest start first.
    #[serde(default)]
    pub episodes: Vec<HistoryEpisode>,
    /// Signs of ovulation in the last 36 cycles, oldest first: at most the newest 2,000.
    #[serde(default)]
    pub observations: Vec<Observation>,
    /// Other symptoms in the last 36 cycles, oldest first: at most the newest 2,000.
    #[serde(default)]
    pub symptoms: Vec<HistorySymptom>,
}

/// One cycle of a history.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryCycle {
    /// The cycle's id.
    pub id: CycleId,
    /// First day of bleeding.
    pub start_date: NaiveDate,
    /// Last day of bleeding, inclusive.
    pub end_date: Option<NaiveDate>,
    /// Whether its length is to be left out.
    #[serde(default)]
    pub excluded: bool,
    /// What the user said about the days from this start to the next one, if that gap is still
    /// the one that was asked about; never [`GapAnswer::MissedOn`].
    #[serde(default)]
    pub gap_answer: Option<GapAnswer>,
    /// The day, in UTC, on which the user said so; none without an answer.
    #[serde(default)]
    pub gap_answered_on: Option<NaiveDate>,
    /// The user's version at which this cycle's own dates, its exclusion, the answer about its gap,
    /// the start before it, or an episode or sign of ovulation in the days from its start to the
    /// next last changed.
    /// A prediction made from the cycles up to this one has the greatest of these as its input
    /// version, so that a rebuilt read model derives the same ids.
    pub input_version: Version,
    /// When that was.
    pub input_changed_at: DateTime<Utc>,
}

/// One episode of a history.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistoryEpisode {
    /// What it is.
    pub kind: EpisodeKind,
    /// Its first day.
    pub start_date: NaiveDate,
    /// Its last day, inclusive; none while it goes on.
    pub end_date: Option<NaiveDate>,
}

/// A sign of ovulation on a day.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Observation {
    /// The day.
    pub date: NaiveDate,
    /// What was seen.
    pub kind: ObservationKind,
}

/// What was seen.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ObservationKind {
    /// A positive ovulation (LH) test.
    OvulationTestPositive,
    /// A negative one.
    OvulationTestNegative,
    /// A basal body temperature, in degrees Celsius.
    BasalBodyTemperature(f64),
}

/// That a symptom was logged on a day: its type, and neither its value nor its note.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HistorySymptom {
    /// The day.
    pub date: NaiveDate,
    /// What kind of symptom, in the user's words.
    pub symptom_type: String,
}
