//! The one error type that crosses a border between parts.
//!
//! It holds only what the caller may read. The cause is logged once, where it is handled.

use std::{borrow::Cow, fmt};

use serde::{Deserialize, Serialize};

/// The closed list of reasons. Only `api/src/error.rs` knows which HTTP status each becomes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorKind {
    /// The request asks for something that cannot be: a wrong value, a wrong combination.
    Invalid,
    /// The caller did not prove who they are.
    Unauthenticated,
    /// The caller proved who they are, by something that does not allow this.
    Forbidden,
    /// There is no such thing, or it is somebody else's: the two answer alike.
    NotFound,
    /// The request contradicts what is stored.
    Conflict,
    /// Not admitted: too much is in flight. Certainly not applied; safe to retry.
    Overloaded,
    /// Not delivered: a part that is needed is away. Certainly not applied; safe to retry.
    Unavailable,
    /// Too many attempts lately: not begun. `retry_after_seconds` says when the next one is.
    Throttled,
    /// The answer did not come in time. It may have happened.
    Interrupted,
    /// A fault of ours. It may have happened.
    Internal,
}

/// What is wrong with one member of a request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the request body, or the name of a parameter.
    pub pointer: Cow<'static, str>,
    /// What is expected there. It never repeats the value.
    pub detail: Cow<'static, str>,
}

/// Why a request was not carried out, in words that its sender may read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refusal {
    /// The kind of reason.
    pub kind: ErrorKind,
    /// A stable, documented code in kebab-case: the last part of the problem's `type`.
    pub code: Cow<'static, str>,
    /// One sentence for a person. No value of the request, no inside of the system.
    pub detail: Cow<'static, str>,
    /// Which members were wrong, for invalid input.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
    /// The id of the caller's own object that stands in the way, for conflicts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub conflicting_id: Option<i64>,
    /// After how many seconds to try again, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
}

impl Refusal {
    /// A refusal of `kind` with a stable `code`.
    pub fn new(
        kind: ErrorKind,
        code: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        Self {
            kind,
            code: code.into(),
            detail: detail.into(),
            errors: Vec::new(),
            conflicting_id: None,
            retry_after_seconds: None,
        }
    }

    /// Too many attempts lately.
    pub fn throttled(retry_after_seconds: u32) -> Self {
        let detail = "Too many attempts; wait for as long as Retry-After says.";
        Self {
            retry_after_seconds: Some(retry_after_seconds),
            ..Self::new(ErrorKind::Throttled, "throttled", detail)
        }
    }

    /// Invalid input in one member.
    pub fn invalid(
        pointer: impl Into<Cow<'static, str>>,
        detail: impl Into<Cow<'static, str>>,
    ) -> Self {
        let error = FieldError { pointer: pointer.into(), detail: detail.into() };
        Self {
            errors: vec![error],
            ..Self::new(ErrorKind::Invalid, "invalid-input", "The request has invalid values.")
        }
    }

    /// There is no such object for this user.
    pub fn not_found() -> Self {
        Self::new(ErrorKind::NotFound, "not-found", "There is no such resource.")
    }

    /// Too much is in flight.
    pub fn overloaded() -> Self {
        Self::new(
            ErrorKind::Overloaded,
            "overloaded",
            "Too many requests are in flight; retry shortly.",
        )
    }

    /// A part that is needed is away.
    pub fn unavailable() -> Self {
        Self::new(
            ErrorKind::Unavailable,
            "unavailable",
            "A part of the service is away; retry shortly.",
        )
    }

    /// The answer did not come in time.
    pub fn interrupted() -> Self {
        Self::new(
            ErrorKind::Interrupted,
            "interrupted",
            "The answer did not come in time; the request may have been carried out. \
             Retry with the same Idempotency-Key.",
        )
    }

    /// A fault of ours.
    pub fn internal() -> Self {
        Self::new(
            ErrorKind::Internal,
            "internal",
            "Something went wrong on our side; the request may have been carried out. \
             Retry with the same Idempotency-Key.",
        )
    }

    /// Who asks did not prove who they are, or asks for somebody else: one and the same answer.
    pub fn unauthenticated() -> Self {
        Self::new(
            ErrorKind::Unauthenticated,
            "unauthenticated",
            "Sign in and send the access token as a bearer token.",
        )
    }

    /// The token does not allow this kind of operation.
    pub fn insufficient_scope() -> Self {
        Self::new(
            ErrorKind::Forbidden,
            "insufficient-scope",
            "The token does not have the scope that this operation needs.",
        )
    }

    /// The group has no such operation: the asker is newer than it is. Certainly not carried out.
    pub fn unknown_op() -> Self {
        Self::new(ErrorKind::Unavailable, "unavailable", "The group has no such operation (yet).")
    }

    /// The request is none of this operation: one of the two processes is newer than the other.
    /// Certainly not carried out.
    pub fn not_understood() -> Self {
        let detail = "The group does not understand the request (yet).";
        Self::new(ErrorKind::Unavailable, "unavailable", detail)
    }

    /// The request does not fit into one message between two processes. Certainly not carried out.
    pub fn request_too_large() -> Self {
        let detail = "The request is too large for a message between two parts of the service.";
        Self::new(ErrorKind::Invalid, "invalid-input", detail)
    }

    /// The answer does not fit into one message between two processes.
    pub fn answer_too_large() -> Self {
        let detail = "The answer is too large for a message between two parts of the service: ask \
                      for fewer rows. The request was carried out.";
        Self::new(ErrorKind::Internal, "internal", detail)
    }

    /// Names the caller's own object that stands in the way.
    #[must_use]
    pub fn with_conflicting_id(mut self, id: i64) -> Self {
        self.conflicting_id = Some(id);
        self
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: {}", self.code, self.detail)
    }
}

impl std::error::Error for Refusal {}
