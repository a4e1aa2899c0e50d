//! The headers that every answer carries, and cross-origin access.

use poem::{
    Request, Response,
    http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header},
};

/// What an answer carries unless it says otherwise itself.
const DEFAULTS: [(HeaderName, &str); 4] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::CACHE_CONTROL, "no-store"),
    (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (header::REFERRER_POLICY, "no-referrer"),
];

/// What the Swagger page needs: its own script and style, inlined, and this API.
pub(crate) const PAGE_POLICY: &str = "default-src 'none'; script-src 'unsafe-inline'; \
    style-src 'unsafe-inline'; img-src data:; connect-src 'self'; base-uri 'none'; \
    form-action 'none'; frame-ancestors 'none'";

/// A year.
const STRICT_TRANSPORT_SECURITY: &str = "max-age=31536000";

const ALLOWED_METHODS: &str = "GET, HEAD, POST, PUT, DELETE";
const ALLOWED_HEADERS: &str =
    "Authorization, Content-Type, Idempotency-Key, X-Request-Id, Traceparent";
const EXPOSED_HEADERS: &str = "ETag, Retry-After, X-Request-Id";
/// How long a browser may remember a preflight answer, in seconds.
const PREFLIGHT_MAX_AGE: &str = "600";

/// Adds what is missing.
pub(crate) fn add_defaults(headers: &mut HeaderMap) {
    for (name, value) in DEFAULTS {
        headers.entry(name).or_insert(HeaderValue::from_static(value));
    }
    headers.remove(header::SERVER);
}

/// Whoever came by TLS shall never come without (RFC 6797 §7.2: said to nobody else).
pub(crate) fn demand_encryption(headers: &mut HeaderMap) {
    headers.insert(
        header::STRICT_TRANSPORT_SECURITY,
        HeaderValue::from_static(STRICT_TRANSPORT_SECURITY),
    );
}

/// Cross-origin access: none unless configured, and then for exactly these origins.
pub(crate) struct CrossOrigin {
    allowed_origins: Vec<String>,
}

impl CrossOrigin {
    /// Allows these origins.
    pub(crate) fn new(allowed_origins: Vec<String>) -> Self {
        Self { allowed_origins }
    }

    /// The request's origin, if it is allowed.
    pub(crate) fn origin_of(&self, request: &Request) -> Option<HeaderValue> {
        let origin = request.headers().get(header::ORIGIN)?;
        let is_allowed = |allowed: &String| origin.as_bytes() == allowed.as_bytes();
        self.allowed_origins.iter().any(is_allowed).then(|| origin.clone())
    }

    /// Lets the origin read the answer. An answer to another origin is the same but for this.
    pub(crate) fn allow(&self, origin: Option<HeaderValue>, headers: &mut HeaderMap) {
        if self.allowed_origins.is_empty() {
            return;
        }
        headers.append(header::VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = origin {
            headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            headers.insert(
                header::ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(EXPOSED_HEADERS),
            );
        }
    }
}

/// The answer to `OPTIONS`: which methods the path has, and for an allowed origin what it may
/// send.
pub(crate) fn options(allow: &HeaderValue, origin: Option<&HeaderValue>) -> Response {
    let mut response = Response::builder().status(StatusCode::NO_CONTENT).finish();
    let headers = response.headers_mut();
    headers.insert(header::ALLOW, allow.clone());
    if origin.is_some() {
        let preflight = [
            (header::ACCESS_CONTROL_ALLOW_METHODS, ALLOWED_METHODS),
            (header::ACCESS_CONTROL_ALLOW_HEADERS, ALLOWED_HEADERS),
            (header::ACCESS_CONTROL_MAX_AGE, PREFLIGHT_MAX_AGE),
        ];
        for (name, value) in preflight {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
    response
}
