//! The closed list of problems, and the document that each error becomes (RFC 9457).

use poem::http::StatusCode;
use poem_openapi::Object;

/// One kind of problem: what `/problems/<code>` stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProblemKind {
    /// The last part of `type`; it never changes.
    pub code: &'static str,
    /// The status that it comes with.
    pub status: u16,
    /// `title`: the same for every occurrence.
    pub title: &'static str,
    /// What it means for a client.
    pub meaning: &'static str,
}

/// Every kind of problem that this API answers with.
pub const PROBLEMS: &[ProblemKind] = &[
    kind(400, "malformed-body", "Malformed body", "The body is not well-formed JSON."),
    kind(
        401,
        "unauthenticated",
        "Not signed in",
        "The access token is missing, malformed, expired or not ours. Sign in again.",
    ),
    kind(
        401,
        "invalid-credentials",
        "Wrong e-mail or password",
        "There is no account with this e-mail address and password.",
    ),
    kind(
        401,
        "second-factor-required",
        "Second factor required",
        "The password is right, and the account asks for a code of its authenticator app as well \
         (`totp`), or for a recovery code (`recovery_code`): none was sent, or one that does not \
         count (any more).",
    ),
    kind(
        401,
        "invalid-refresh-token",
        "Refresh token not good",
        "The refresh token was never one, is spent, or its session has ended. Sign in again.",
    ),
    kind(
        401,
        "sign-in-again",
        "Sign in again",
        "The sign-in is too long ago for what takes everything along: sign in again, and ask with the \
         new token. Refreshing the session is not enough.",
    ),
    kind(
        403,
        "insufficient-scope",
        "Insufficient scope",
        "The token is good, but not for this operation: `WWW-Authenticate` names the scope that it \
         lacks. What concerns the account itself is not for personal API tokens.",
    ),
    kind(
        404,
        "not-found",
        "Not found",
        "There is no such object, or it is somebody else's; the two are told apart by nothing.",
    ),
    kind(404, "unknown-path", "Unknown path", "No operation has this path."),
    kind(
        405,
        "method-not-allowed",
        "Method not allowed",
        "The path has no such method; `Allow` lists those that it has.",
    ),
    kind(
        408,
        "body-timeout",
        "Body timeout",
        "The body did not arrive within 4 seconds, or within less where a request may take less \
         than 5. Nothing was carried out.",
    ),
    kind(409, "email-taken", "E-mail taken", "Another account has this e-mail address."),
    kind(409, "username-taken", "User name taken", "Another account has this user name."),
    kind(
        409,
        "overlapping-cycle",
        "Overlapping cycle",
        "The period overlaps another one of the same user, whose id is `conflicting_id`.",
    ),
    kind(
        409,
        "symptoms-outside-cycle",
        "Symptoms outside the cycle",
        "The new dates would leave a logged symptom outside, whose id is `conflicting_id`.",
    ),
    kind(
        409,
        "overlapping-episode",
        "Overlapping episode",
        "The episode overlaps another one of the same kind, whose id is `conflicting_id`.",
    ),
    kind(
        409,
        "gap-changed",
        "Gap changed",
        "A start was logged, moved or deleted since the question was asked; read the questions anew.",
    ),
    kind(
        409,
        "second-factor-enabled",
        "Second factor enabled",
        "The account has a second factor already; remove it before another one is set up.",
    ),
    kind(
        409,
        "second-factor-absent",
        "No second factor",
        "The account has no second factor, or none that could be confirmed.",
    ),
    kind(
        409,
        "too-many-tokens",
        "Too many API tokens",
        "There are 50 personal API tokens already; revoke one first.",
    ),
    kind(
        413,
        "body-too-large",
        "Body too large",
        "The body is larger than 64 KiB; that of an import, larger than 5 MiB.",
    ),
    kind(
        414,
        "uri-too-long",
        "URI too long",
        "The path and the query have more than 4 KiB together. Nothing was carried out.",
    ),
    kind(
        415,
        "unsupported-media-type",
        "Unsupported media type",
        "The body has to be application/json in UTF-8, not compressed.",
    ),
    kind(
        422,
        "invalid-input",
        "Invalid input",
        "A value cannot be; `errors` names each member or parameter and what is expected there.",
    ),
    kind(
        422,
        "insufficient-data",
        "Insufficient data",
        "There is no logged cycle to compute a prediction from.",
    ),
    kind(
        422,
        "no-prediction",
        "No prediction",
        "What was logged allows no prediction; `detail` says why: 'No prediction, because …'.",
    ),
    kind(
        422,
        "idempotency-key-reused",
        "Idempotency key reused",
        "The Idempotency-Key was used before with another request.",
    ),
    kind(
        422,
        "reset-token-invalid",
        "Reset token invalid",
        "The token of the link was used, has run out (after 10 minutes), or never was one.",
    ),
    kind(
        429,
        "throttled",
        "Too many attempts",
        "There were too many failed attempts for this account or from this address lately. The \
         request was not looked at, whether it was right or wrong; `Retry-After` says when the \
         next one is. No account is locked for good.",
    ),
    kind(
        429,
        "too-many-requests",
        "Too many requests",
        "This can be done five times a day; `Retry-After` says when the next one is.",
    ),
    kind(
        500,
        "internal",
        "Internal error",
        "A fault of ours; the request may have been carried out.",
    ),
    kind(
        503,
        "overloaded",
        "Overloaded",
        "Too much is in flight. The request was certainly not carried out; `Retry-After` says \
         when to try again.",
    ),
    kind(
        503,
        "unavailable",
        "Temporarily unavailable",
        "A part that is needed is away. The request was certainly not carried out; \
         `Retry-After` says when to try again.",
    ),
    kind(
        504,
        "interrupted",
        "Interrupted",
        "The answer did not come in time; the request may have been carried out. Retry with the \
         same Idempotency-Key.",
    ),
];

const fn kind(
    status: u16,
    code: &'static str,
    title: &'static str,
    meaning: &'static str,
) -> ProblemKind {
    ProblemKind { code, status, title, meaning }
}

/// The kind of a code.
pub(crate) fn kind_of(code: &str) -> Option<&'static ProblemKind> {
    PROBLEMS.iter().find(|kind| kind.code == code)
}

/// The title of a code; a code that a newer group has and this build does not know gets the name
/// of its status.
pub(crate) fn title_of(code: &str, status: StatusCode) -> &'static str {
    kind_of(code).map_or_else(|| status.canonical_reason().unwrap_or("Error"), |kind| kind.title)
}

/// A problem document (RFC 9457): what every error answers.
#[derive(Object)]
#[oai(rename = "Problem", skip_serializing_if_is_none)]
pub(crate) struct ProblemDocument {
    /// Which kind of problem: `/problems/<code>`, a stable reference.
    #[oai(rename = "type")]
    pub(crate) kind: String,
    /// The kind in words; the same for every occurrence.
    pub(crate) title: String,
    /// The status of the answer.
    pub(crate) status: u16,
    /// What happened this time.
    pub(crate) detail: String,
    /// The path of the request, without its query.
    pub(crate) instance: String,
    /// What is wrong with which member or parameter, for invalid input.
    pub(crate) errors: Option<Vec<FieldProblem>>,
    /// The request's id, also in `X-Request-Id` and in the log.
    pub(crate) request_id: String,
    /// The id of the caller's own object that stands in the way, for conflicts.
    pub(crate) conflicting_id: Option<i64>,
}

/// What is wrong with one member of the body, or with one parameter.
#[derive(Object)]
pub(crate) struct FieldProblem {
    /// A JSON pointer (RFC 6901) into the body, such as `/start_date`, or a parameter's name.
    pub(crate) pointer: String,
    /// What is expected there.
    pub(crate) detail: String,
}
