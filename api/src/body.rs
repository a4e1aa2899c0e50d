//! Request bodies: JSON of a bounded size that is as its schema says.

use std::time::Duration;

use contracts::{Patch, Refusal, limits};
use poem::{Request, RequestBody, error::ReadBodyError, http::header};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaMediaType, MetaRequest, Registry},
    types::{MaybeUndefined, ParseFromJSON},
};
use tokio::{
    runtime::{Handle, RuntimeFlavor},
    task::block_in_place,
    time,
};

use crate::{
    context::Context,
    error::Problem,
    json,
    scalar::{Rule, Scalar},
    schema::Schemas,
};

/// Longest wait for a body. It is always less than the request may take (a fifth is kept), so that
/// a body that never comes is the client's problem and not a lost answer.
const BODY_WAIT_MAX: Duration = Duration::from_secs(4);
/// Longest wait for a body that may be larger than others.
const LARGE_BODY_WAIT_MAX: Duration = Duration::from_secs(20);

/// A JSON body of at most so many bytes.
pub(crate) struct Body<T, const BYTES_MAX: usize = { limits::BODY_BYTES_MAX }>(pub(crate) T);

impl<'a, T: ParseFromJSON, const BYTES_MAX: usize> ApiExtractor<'a> for Body<T, BYTES_MAX> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::RequestObject];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn request_meta() -> Option<MetaRequest> {
        let json = MetaMediaType { content_type: "application/json", schema: T::schema_ref() };
        Some(MetaRequest { description: None, content: vec![json], required: true })
    }

    async fn from_request(
        request: &'a Request,
        body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        if !is_plain_json(request) {
            return Err(Problem::unsupported_media_type().into());
        }
        let bytes = read(request, body, BYTES_MAX).await?;
        let schemas = Context::of(request)?.schemas();
        let parse = || parse(bytes.as_ref(), schemas);
        Ok(Self(if is_large(BYTES_MAX) { aside(parse) } else { parse() }?))
    }
}

fn parse<T: ParseFromJSON>(bytes: &[u8], schemas: &Schemas) -> Result<T, Problem> {
    let mut value = json::parse(bytes).map_err(Problem::malformed_body)?;
    schemas.check(&T::schema_ref(), "", &mut value).map_err(Problem::invalid)?;
    // What the schema lets through, the type takes; if not, the two were written apart.
    T::parse_from_json(Some(value)).map_err(|_| {
        tracing::error!(body = %T::name(), "a schema let through what its type refuses");
        Refusal::internal().into()
    })
}

/// Does what takes long while all others go on, where there is a thread for them. Not in a task of its
/// own: whoever leaves would leave it behind, and let the next one in beside it.
fn aside<T>(work: impl FnOnce() -> T) -> T {
    match Handle::current().runtime_flavor() {
        RuntimeFlavor::MultiThread => block_in_place(work),
        _ => work(),
    }
}

/// Whether bodies of so many bytes are larger than others.
fn is_large(bytes_max: usize) -> bool {
    bytes_max > limits::BODY_BYTES_MAX
}

/// What a partial update says about one member.
pub(crate) fn patch<R: Rule>(member: MaybeUndefined<Scalar<R>>) -> Patch<R::Value> {
    match member {
        MaybeUndefined::Undefined => Patch::Keep,
        MaybeUndefined::Null => Patch::Clear,
        MaybeUndefined::Value(Scalar(value)) => Patch::Set(value),
    }
}

/// Whether the body is announced as JSON in UTF-8, and not compressed.
fn is_plain_json(request: &Request) -> bool {
    let compressed = request.headers().contains_key(header::CONTENT_ENCODING);
    let content_type = request.content_type().unwrap_or_default();
    let mut parts = content_type.split(';').map(str::trim);
    let is_json = parts.next().is_some_and(|kind| kind.eq_ignore_ascii_case("application/json"));
    let is_utf8 = parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
        !name.trim().eq_ignore_ascii_case("charset")
            || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
    });
    is_json && is_utf8 && !compressed
}

/// Reads the body up to its limit, whether its length was announced or not.
async fn read(
    request: &Request,
    body: &mut RequestBody,
    bytes_max: usize,
) -> Result<impl AsRef<[u8]> + use<>, Problem> {
    let announced = request.header(header::CONTENT_LENGTH).and_then(|text| text.parse().ok());
    if announced.is_some_and(|length: u64| length > bytes_max as u64) {
        return Err(Problem::body_too_large());
    }
    let body = body.take().map_err(|_| Problem::from(Refusal::internal()))?;
    let arriving = body.into_bytes_limit(bytes_max);
    let wait_max = if is_large(bytes_max) { LARGE_BODY_WAIT_MAX } else { BODY_WAIT_MAX };
    let wait = wait_max.min(Context::of(request)?.time_left().mul_f64(0.8));
    let arrived = time::timeout(wait, arriving).await;
    arrived.map_err(|_| Problem::body_timeout())?.map_err(|error| match error {
        ReadBodyError::PayloadTooLarge => Problem::body_too_large(),
        _ => Problem::malformed_body("The body broke off."),
    })
}
