//! Query parameters and the `Idempotency-Key` header.

use std::borrow::Cow;

use contracts::{FieldError, Refusal, call::IdempotencyKey};
use poem::{Request, RequestBody};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaParamIn, MetaSchemaRef, Registry},
    types::{self, ParseFromJSON},
};

use crate::{context::Context, error::Problem, scalar::IdempotencyKeyText, schema};

/// A parameter of the query. Left empty, as in `?status=`, it counts as left out.
pub(crate) struct Query<T>(pub(crate) T);

impl<'a, T: ParseFromJSON> ApiExtractor<'a> for Query<T> {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
    const PARAM_IS_REQUIRED: bool = T::IS_REQUIRED;
    type ParamType = T;
    type ParamRawType = T::RawValueType;

    fn register(registry: &mut Registry) {
        T::register(registry);
    }

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Query)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        Some(T::schema_ref())
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        options: ExtractParamOptions<T>,
    ) -> poem::Result<Self> {
        let refuse = |detail: &'static str| invalid(options.name, Cow::Borrowed(detail));
        let query: Vec<(String, String)> =
            request.params().map_err(|_| refuse("the query string cannot be read"))?;
        let encoded = request.uri().query().unwrap_or_default().split('&');
        let pairs = query.iter().zip(encoded.filter(|pair| !pair.is_empty()));
        let mut given = pairs.filter(|((name, _), _)| name == options.name);
        let first = given.next();
        if given.next().is_some() {
            return Err(refuse("must not be given twice").into());
        }
        if first.is_some_and(|(_, encoded)| !is_utf8(encoded)) {
            return Err(refuse("must be UTF-8").into());
        }
        let first = first.map(|((_, text), _)| text.as_str()).filter(|text| !text.is_empty());
        match (first, options.default_value) {
            (Some(text), _) => Ok(Self(parse(Context::of(request)?, options.name, text)?)),
            (None, Some(default_value)) => Ok(Self(default_value())),
            (None, None) => Ok(Self(T::parse_from_json(None).map_err(|_| refuse("is required"))?)),
        }
    }
}

/// The `Idempotency-Key` header of a write.
pub(crate) struct Idempotency(pub(crate) Option<IdempotencyKey>);

impl<'a> ApiExtractor<'a> for Idempotency {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::Parameter];
    type ParamType = ();
    type ParamRawType = ();

    fn param_in() -> Option<MetaParamIn> {
        Some(MetaParamIn::Header)
    }

    fn param_schema_ref() -> Option<MetaSchemaRef> {
        // With `Type` imported, the `is_empty` of a `&&str` would be that trait's, which says no.
        Some(<IdempotencyKeyText as types::Type>::schema_ref())
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let mut given = request.headers().get_all(options.name).iter();
        let Some(value) = given.next() else { return Ok(Self(None)) };
        let key = value.to_str().ok().and_then(IdempotencyKey::parse);
        if let (Some(key), None) = (key, given.next()) {
            return Ok(Self(Some(key)));
        }
        let expected = "must be given once, as 1 to 255 visible ASCII characters";
        Err(invalid(options.name, Cow::Borrowed(expected)).into())
    }
}

fn parse<T: ParseFromJSON>(
    context: &Context,
    name: &'static str,
    text: &str,
) -> Result<T, Problem> {
    let schema = T::schema_ref();
    let resolved = context.schemas().resolve(&schema);
    let mut value = resolved.map_or_else(Default::default, |s| schema::value_of_text(s, text));
    context.schemas().check(&schema, name, &mut value).map_err(Problem::invalid)?;
    T::parse_from_json(Some(value)).map_err(|_| Refusal::internal().into())
}

/// Whether what is percent-encoded is UTF-8: in the place of anything else the parser puts U+FFFD.
fn is_utf8(query: &str) -> bool {
    let mut pieces = query.split('%');
    let mut bytes = pieces.next().unwrap_or_default().as_bytes().to_vec();
    for piece in pieces {
        let byte = piece.get(..2).and_then(|digits| u8::from_str_radix(digits, 16).ok());
        bytes.extend(byte);
        bytes.extend(piece.bytes().skip(if byte.is_some() { 2 } else { 0 }));
    }
    str::from_utf8(&bytes).is_ok()
}

fn invalid(name: &'static str, detail: Cow<'static, str>) -> Problem {
    Problem::invalid(vec![FieldError { pointer: Cow::Borrowed(name), detail }])
}
