//! The document of an export, member by member. Format version 1.

use contracts::{
    cycles as cycles_domain,
    users::{self as domain, DataRequestKind},
};
use poem_openapi::{Enum, Object, registry::MetaSchema};
use serde_json::json;

use crate::{
    analytics::CycleAnalytics,
    api_tokens::ApiToken,
    audit::AuditEntry,
    episodes::Episode,
    insights::Statistics,
    notifications::Notification,
    predictions::Prediction,
    preferences::Preferences,
    scalar::{
        Count, Date, Days, Email, Flag, Id, Instant, Name, Nullable, PeriodDays, RetentionMonths,
        Rule, Scalar, StateVersion, Username,
    },
    sessions::Session,
    symptoms::Symptom,
};

/// `format` of every export.
const FORMAT: &str = "lunation-export";
/// The version of the format.
const VERSION: i64 = 1;

/// The rule of [`ExportFormat`].
pub(crate) struct ExportFormatRule;

impl Rule for ExportFormatRule {
    type Value = String;

    fn schema() -> MetaSchema {
        MetaSchema { enum_items: vec![json!(FORMAT)], ..MetaSchema::new("string") }
    }
}

/// What tells an export from other JSON.
pub(crate) type ExportFormat = Scalar<ExportFormatRule>;

/// The rule of [`ExportVersion`].
pub(crate) struct ExportVersionRule;

impl Rule for ExportVersionRule {
    type Value = i64;

    fn schema() -> MetaSchema {
        MetaSchema {
            minimum: Some(1.0),
            maximum: Some(1.0),
            example: Some(json!(VERSION)),
            ..MetaSchema::new_with_format("integer", "int32")
        }
    }
}

/// The version of the format.
pub(crate) type ExportVersion = Scalar<ExportVersionRule>;

/// The rule of [`Yes`].
pub(crate) struct YesRule;

impl Rule for YesRule {
    type Value = bool;

    fn schema() -> MetaSchema {
        MetaSchema { enum_items: vec![json!(true)], ..MetaSchema::new("boolean") }
    }
}

/// True, and nothing else.
pub(crate) type Yes = Scalar<YesRule>;

/// Everything that is held on somebody, secrets aside.
#[derive(Object)]
pub(crate) struct AccountExport {
    #[oai(flatten)]
    head: ExportHead,
    /// Cycles, oldest start first.
    cycles: Vec<ExportedCycle>,
    /// Symptoms, in the order in which they were logged; `cycle_id` is the `id` of one of the cycles.
    symptoms: Vec<Symptom>,
    /// Episodes, in the order in which they were logged.
    episodes: Vec<Episode>,
    /// Predictions, newest first. Derived from the cycles: an import makes them anew.
    predictions: Vec<Prediction>,
    /// Statistics of each cycle, newest start first. Derived.
    cycle_analytics: Vec<CycleAnalytics>,
    /// Reminders, newest first.
    notifications: Vec<Notification>,
    /// The audit log, newest first. It remains that of the account.
    audit: Vec<AuditEntry>,
    /// The last member: without it, the document was broken off.
    complete: Yes,
}

/// The part of an export that comes first.
#[derive(Object)]
pub(crate) struct ExportHead {
    /// `lunation-export`.
    pub(super) format: ExportFormat,
    /// The version of this format.
    pub(super) version: ExportVersion,
    /// When it was written.
    pub(super) exported_at: Instant,
    /// The version of one's cycles that it shows.
    pub(super) cycles_version: StateVersion,
    /// The account.
    pub(super) profile: ExportedProfile,
    /// Where one is signed in.
    pub(super) sessions: Vec<Session>,
    /// Personal API tokens, without the tokens.
    pub(super) api_tokens: Vec<ApiToken>,
    /// The second factor, without its secret.
    pub(super) second_factor: Nullable<ExportedSecondFactor>,
    /// Exports and imports of the last day.
    pub(super) requests: Vec<DataRequest>,
    /// How long what was logged is kept.
    pub(super) retention: RetentionExport,
    /// How one wants to be reminded.
    pub(super) preferences: Preferences,
    /// What can be said of all cycles together. Derived.
    pub(super) statistics: Statistics,
    /// The version of one's cycles that the derived members show, or a later one.
    pub(super) derived_as_of_version: StateVersion,
}

/// An account.
#[derive(Object)]
pub(crate) struct ExportedProfile {
    /// The account's id.
    pub(crate) id: Id,
    /// Where the person can be reached. An import leaves it to the account.
    pub(crate) email: Email,
    /// What the person is called here. An import leaves it to the account.
    pub(crate) username: Username,
    /// Given name.
    pub(crate) first_name: Nullable<Name>,
    /// Family name.
    pub(crate) last_name: Nullable<Name>,
    /// Date of birth.
    pub(crate) date_of_birth: Nullable<Date>,
    /// Whether the account can be used.
    pub(crate) is_active: Flag,
    /// When the account was made.
    pub(crate) created_at: Instant,
    /// When it was last changed.
    pub(crate) updated_at: Instant,
}

/// A second factor.
#[derive(Object)]
pub(crate) struct ExportedSecondFactor {
    /// When it was set up.
    created_at: Instant,
    /// Since when it is asked for; null while it is not confirmed.
    confirmed_at: Nullable<Instant>,
    /// How many recovery codes were not used yet.
    recovery_codes_left: Count,
}

/// An export or an import.
#[derive(Object)]
pub(crate) struct DataRequest {
    /// What was asked for.
    kind: RequestKind,
    /// When.
    requested_at: Instant,
}

/// What can be asked for.
#[derive(Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum RequestKind {
    Export,
    CyclesCsv,
    SymptomsCsv,
    Import,
}

/// How long what was logged is kept.
#[derive(Object)]
pub(crate) struct RetentionExport {
    /// For so many months; null: for ever.
    pub(crate) months: Nullable<RetentionMonths>,
    /// What lies before this day was forgotten.
    pub(crate) forget_before: Nullable<Date>,
}

/// A cycle with all that is held on it, its symptoms aside.
#[derive(Object)]
pub(crate) struct ExportedCycle {
    /// The cycle's id.
    pub(crate) id: Id,
    /// First day of bleeding.
    pub(crate) start_date: Date,
    /// Last day of bleeding, inclusive.
    pub(crate) end_date: Nullable<Date>,
    /// Days to the next start. Derived.
    pub(crate) cycle_length: Nullable<Days>,
    /// Inclusive days of bleeding. Derived.
    pub(crate) period_length: Nullable<PeriodDays>,
    /// Whether its length is left out of statistics and predictions.
    pub(crate) excluded: Flag,
    /// What was said about the days from its start to the next one.
    pub(crate) gap_answer: Nullable<ExportedGapAnswer>,
    /// When it was logged.
    pub(crate) created_at: Instant,
    /// When it was last corrected.
    pub(crate) updated_at: Instant,
}

/// What was said about a gap between two starts.
#[derive(Object)]
pub(crate) struct ExportedGapAnswer {
    /// The start that ended it when it was asked about; null: it was open.
    pub(crate) next_start: Nullable<Date>,
    /// What was said.
    pub(crate) answer: KeptGapAnswer,
    /// When. About an open gap, the answer speaks of the days until then.
    pub(crate) answered_at: Instant,
}

/// What was said: no start was missed, or one was whose date is not known. A date that is known became a
/// cycle.
#[derive(Clone, Copy, Enum)]
#[oai(rename_all = "snake_case")]
pub(crate) enum KeptGapAnswer {
    NoneMissed,
    MissedUnknown,
}

impl ExportHead {
    /// How every export begins.
    pub(super) fn format() -> (ExportFormat, ExportVersion) {
        (Scalar(FORMAT.to_owned()), Scalar(VERSION))
    }
}

impl ExportedProfile {
    /// An account, and when it was last changed.
    pub(super) fn new(user: domain::User, updated_at: chrono::DateTime<chrono::Utc>) -> Self {
        let domain::User {
            id,
            email,
            username,
            first_name,
            last_name,
            date_of_birth,
            created_at,
            is_active,
        } = user;
        Self {
            id: Scalar(id.get()),
            email: Scalar(email),
            username: Scalar(username),
            first_name: first_name.into(),
            last_name: last_name.into(),
            date_of_birth: date_of_birth.into(),
            is_active: Scalar(is_active),
            created_at: Scalar(created_at),
            updated_at: Scalar(updated_at),
        }
    }
}

impl From<domain::ExportedSecondFactor> for ExportedSecondFactor {
    fn from(factor: domain::ExportedSecondFactor) -> Self {
        let domain::ExportedSecondFactor { created_at, confirmed_at, recovery_codes_left } = factor;
        Self {
            created_at: Scalar(created_at),
            confirmed_at: confirmed_at.into(),
            recovery_codes_left: Scalar(recovery_codes_left.into()),
        }
    }
}

impl From<domain::DataRequest> for DataRequest {
    fn from(request: domain::DataRequest) -> Self {
        let domain::DataRequest { kind, requested_at } = request;
        let kind = match kind {
            DataRequestKind::Export => RequestKind::Export,
            DataRequestKind::CyclesCsv => RequestKind::CyclesCsv,
            DataRequestKind::SymptomsCsv => RequestKind::SymptomsCsv,
            DataRequestKind::Import => RequestKind::Import,
        };
        Self { kind, requested_at: Scalar(requested_at) }
    }
}

impl From<cycles_domain::Retention> for RetentionExport {
    fn from(retention: cycles_domain::Retention) -> Self {
        let cycles_domain::Retention { months, forget_before } = retention;
        Self { months: months.into(), forget_before: forget_before.into() }
    }
}

impl From<cycles_domain::ExportedCycle> for ExportedCycle {
    fn from(cycle: cycles_domain::ExportedCycle) -> Self {
        let cycles_domain::ExportedCycle {
            id,
            start_date,
            end_date,
            cycle_length,
            period_length,
            excluded,
            gap_answer,
            created_at,
            updated_at,
        } = cycle;
        Self {
            id: Scalar(id.get()),
            start_date: Scalar(start_date),
            end_date: end_date.into(),
            cycle_length: cycle_length.into(),
            period_length: period_length.into(),
            excluded: Scalar(excluded),
            gap_answer: Nullable(gap_answer.as_ref().and_then(ExportedGapAnswer::of)),
            created_at: Scalar(created_at),
            updated_at: Scalar(updated_at),
        }
    }
}

impl ExportedGapAnswer {
    /// None for the answer that is never kept.
    fn of(kept: &cycles_domain::ExportedGapAnswer) -> Option<Self> {
        let &cycles_domain::ExportedGapAnswer { next_start, answer, answered_at } = kept;
        let answer = match answer {
            cycles_domain::GapAnswer::NoneMissed => KeptGapAnswer::NoneMissed,
            cycles_domain::GapAnswer::MissedUnknown => KeptGapAnswer::MissedUnknown,
            cycles_domain::GapAnswer::MissedOn(_) => return None,
        };
        Some(Self { next_start: next_start.into(), answer, answered_at: Scalar(answered_at) })
    }
}

impl From<ExportedGapAnswer> for cycles_domain::ExportedGapAnswer {
    fn from(kept: ExportedGapAnswer) -> Self {
        let ExportedGapAnswer { next_start, answer, answered_at } = kept;
        Self {
            next_start: next_start.0.map(|date| date.0),
            answer: match answer {
                KeptGapAnswer::NoneMissed => cycles_domain::GapAnswer::NoneMissed,
                KeptGapAnswer::MissedUnknown => cycles_domain::GapAnswer::MissedUnknown,
            },
            answered_at: answered_at.0,
        }
    }
}
