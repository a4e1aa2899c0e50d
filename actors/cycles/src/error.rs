//! What this domain refuses, and how each refusal reads to its sender.

use actor_runtime::group_commit::WriteError;
use contracts::{CycleId, EpisodeId, ErrorKind, FieldError, Refusal, SymptomId};

/// Why a request cannot be carried out. No text here holds a value of the request.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CyclesError {
    /// Values that cannot be, each with its place in the request; never empty.
    #[error("The request has invalid values.")]
    Invalid(Vec<FieldError>),
    /// There is no such object, or it is another user's.
    #[error("There is no such resource.")]
    NotFound,
    /// The period shares a day with that of another cycle.
    #[error("The period overlaps that of another cycle.")]
    Overlap(CycleId),
    /// The new dates would leave a logged symptom outside.
    #[error("A symptom is logged on a day outside the new dates; move or delete it first.")]
    SymptomOutside(SymptomId),
    /// The episode shares a day with another one of its kind.
    #[error("The episode overlaps another one of the same kind.")]
    EpisodeOverlap(EpisodeId),
    /// A start was logged, moved or deleted since the question was asked.
    #[error("The days in question have changed; ask for the questions again.")]
    GapChanged,
}

impl From<CyclesError> for Refusal {
    fn from(error: CyclesError) -> Self {
        let detail = error.to_string();
        match error {
            CyclesError::Invalid(errors) => {
                Self { errors, ..Self::new(ErrorKind::Invalid, "invalid-input", detail) }
            }
            CyclesError::NotFound => Self::not_found(),
            CyclesError::Overlap(other) => {
                Self::new(ErrorKind::Conflict, "overlapping-cycle", detail)
                    .with_conflicting_id(other.get())
            }
            CyclesError::SymptomOutside(symptom) => {
                Self::new(ErrorKind::Conflict, "symptoms-outside-cycle", detail)
                    .with_conflicting_id(symptom.get())
            }
            CyclesError::EpisodeOverlap(other) => {
                Self::new(ErrorKind::Conflict, "overlapping-episode", detail)
                    .with_conflicting_id(other.get())
            }
            CyclesError::GapChanged => Self::new(ErrorKind::Conflict, "gap-changed", detail),
        }
    }
}

impl From<CyclesError> for WriteError {
    fn from(error: CyclesError) -> Self {
        Self::Refused(error.into())
    }
}
