//! From any error to a problem: the one place that knows which status a refusal becomes.

use std::{borrow::Cow, fmt};

use contracts::{ErrorKind, FieldError, Refusal, Scope, call::RequestId};
use poem::{
    IntoResponse, Response,
    error::{MethodNotAllowedError, NotFoundError, ParsePathError, ResponseError},
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::types::ToJSON;

use crate::problem::{FieldProblem, ProblemDocument, kind_of, title_of};

/// How long a client should wait before it tries again, in seconds, where the group does not say.
const RETRY_AFTER_SECONDS: u32 = 1;

/// The problem of a sign-in that is too long ago.
const SIGN_IN_AGAIN: &str = "sign-in-again";
/// What is said with it (RFC 9470 §3).
const STEP_UP: &str = "Bearer error=\"insufficient_user_authentication\", max_age=\"900\"";

/// An error on its way to the client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Problem {
    status: StatusCode,
    code: Cow<'static, str>,
    detail: Cow<'static, str>,
    errors: Vec<FieldError>,
    conflicting_id: Option<i64>,
    retry_after_seconds: Option<u32>,
    /// The scope that is missing.
    scope: Option<Scope>,
}

impl Problem {
    /// A problem of the closed list.
    fn known(code: &'static str, detail: impl Into<Cow<'static, str>>) -> Self {
        let status = kind_of(code).and_then(|kind| StatusCode::from_u16(kind.status).ok());
        Self {
            status: status.unwrap_or(StatusCode::INTERNAL_SERVER_ERROR),
            code: Cow::Borrowed(code),
            detail: detail.into(),
            errors: Vec::new(),
            conflicting_id: None,
            retry_after_seconds: None,
            scope: None,
        }
    }

    /// 400: the body cannot be read.
    pub(crate) fn malformed_body(detail: impl Into<Cow<'static, str>>) -> Self {
        Self::known("malformed-body", detail)
    }

    /// 401: one and the same for every reason.
    pub(crate) fn unauthenticated() -> Self {
        Refusal::unauthenticated().into()
    }

    /// Whether it is that.
    pub(crate) fn is_unauthenticated(&self) -> bool {
        *self == Self::unauthenticated()
    }

    /// 403: the token is good, and not for this.
    pub(crate) fn insufficient_scope(scope: Scope) -> Self {
        Self { scope: Some(scope), ..Refusal::insufficient_scope().into() }
    }

    /// 404: no operation has this path.
    pub(crate) fn unknown_path() -> Self {
        Self::known("unknown-path", "No operation has this path.")
    }

    /// 405; the edge adds `Allow`.
    pub(crate) fn method_not_allowed() -> Self {
        Self::known("method-not-allowed", "The path has no such method.")
    }

    /// 408: the body did not arrive in time; nothing was begun.
    pub(crate) fn body_timeout() -> Self {
        Self::known("body-timeout", "The body did not arrive in time.")
    }

    /// 413: the body is larger than the contract allows.
    pub(crate) fn body_too_large() -> Self {
        Self::known("body-too-large", "The body is larger than 64 KiB, or an import than 5 MiB.")
    }

    /// 414: nothing that is asked for here is as long as that.
    pub(crate) fn uri_too_long() -> Self {
        Self::known("uri-too-long", "The path and the query have more than 4 KiB together.")
    }

    /// 415: the body is no JSON.
    pub(crate) fn unsupported_media_type() -> Self {
        Self::known(
            "unsupported-media-type",
            "Send the body as application/json in UTF-8, not compressed.",
        )
    }

    /// 503: all places are taken.
    pub(crate) fn no_connection() -> Self {
        Self::known("overloaded", "There are too many connections; try again.")
    }

    /// 422: members or parameters have values that cannot be.
    pub(crate) fn invalid(errors: Vec<FieldError>) -> Self {
        Self { errors, ..Self::known("invalid-input", "The request has invalid values.") }
    }

    /// The same of a member further up.
    pub(crate) fn under(mut self, parent: &str) -> Self {
        for error in &mut self.errors {
            error.pointer = Cow::Owned(format!("{parent}{}", error.pointer));
        }
        self
    }

    /// The status of the answer.
    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    /// The answer itself.
    pub(crate) fn into_response(self, request_id: &RequestId, instance: &str) -> Response {
        let Self { status, code, detail, errors, conflicting_id, retry_after_seconds, scope } =
            self;
        let field_problem = |FieldError { pointer, detail }| FieldProblem {
            pointer: pointer.into_owned(),
            detail: detail.into_owned(),
        };
        let document = ProblemDocument {
            kind: format!("/problems/{code}"),
            title: title_of(&code, status).to_owned(),
            status: status.as_u16(),
            detail: detail.into_owned(),
            instance: instance.to_owned(),
            errors: (!errors.is_empty()).then(|| errors.into_iter().map(field_problem).collect()),
            request_id: request_id.as_str().to_owned(),
            conflicting_id,
        };
        let mut response = document.to_json_string().into_response();
        response.set_status(status);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::UNAUTHORIZED {
            let challenge = if code == SIGN_IN_AGAIN { STEP_UP } else { "Bearer" };
            headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
        }
        if status == StatusCode::FORBIDDEN {
            headers.insert(header::WWW_AUTHENTICATE, insufficient_scope(scope));
        }
        // The rest of the body was not read, so the connection cannot carry another request.
        if [StatusCode::REQUEST_TIMEOUT, StatusCode::PAYLOAD_TOO_LARGE].contains(&status) {
            headers.insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        if [StatusCode::SERVICE_UNAVAILABLE, StatusCode::TOO_MANY_REQUESTS].contains(&status) {
            let seconds = retry_after_seconds.unwrap_or(RETRY_AFTER_SECONDS);
            headers.insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// RFC 6750 §3.1. The group in another process does not say which scope is missing.
fn insufficient_scope(scope: Option<Scope>) -> HeaderValue {
    let scope = scope.map(|scope| format!(", scope=\"{scope}\"")).unwrap_or_default();
    let text = format!("Bearer error=\"insufficient_scope\"{scope}");
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static("Bearer"))
}

impl From<Refusal> for Problem {
    fn from(refusal: Refusal) -> Self {
        let Refusal { kind, code, detail, errors, conflicting_id, retry_after_seconds } = refusal;
        let status = match kind {
            ErrorKind::Invalid => StatusCode::UNPROCESSABLE_ENTITY,
            ErrorKind::Unauthenticated => StatusCode::UNAUTHORIZED,
            ErrorKind::Forbidden => StatusCode::FORBIDDEN,
            ErrorKind::NotFound => StatusCode::NOT_FOUND,
            ErrorKind::Conflict => StatusCode::CONFLICT,
            ErrorKind::Throttled => StatusCode::TOO_MANY_REQUESTS,
            ErrorKind::Overloaded | ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            ErrorKind::Interrupted => StatusCode::GATEWAY_TIMEOUT,
            ErrorKind::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        };
        let scope = None;
        Self { status, code, detail, errors, conflicting_id, retry_after_seconds, scope }
    }
}

impl From<poem::Error> for Problem {
    /// Nothing of a foreign error's text is taken over: it may hold the value, or Rust's own
    /// type names.
    fn from(error: poem::Error) -> Self {
        if let Some(problem) = error.downcast_ref::<Self>() {
            return problem.clone();
        }
        if error.is::<NotFoundError>() {
            return Self::unknown_path();
        }
        if error.is::<MethodNotAllowedError>() {
            return Self::method_not_allowed();
        }
        // An id that is no id names nothing: the same answer as for one that is not there.
        if error.is::<poem_openapi::error::ParsePathError>() || error.is::<ParsePathError>() {
            return Refusal::not_found().into();
        }
        tracing::error!(status = error.status().as_u16(), "an error of no known kind");
        Refusal::internal().into()
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.code)
    }
}

impl std::error::Error for Problem {}

impl ResponseError for Problem {
    fn status(&self) -> StatusCode {
        self.status
    }
}
