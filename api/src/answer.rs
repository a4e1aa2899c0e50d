//! Successful answers other than a plain 200.

use contracts::Version;
use poem::{
    IntoResponse, Response,
    http::{HeaderValue, StatusCode, header},
};
use poem_openapi::{
    ApiResponse,
    payload::Json,
    registry::{MetaHeader, MetaMediaType, MetaResponse, MetaResponses, Registry},
    types::{ToJSON, Type},
};

use crate::scalar::Text;

/// 201 without a version.
pub(crate) struct Created<T>(pub(crate) T);

impl<T: ToJSON> IntoResponse for Created<T> {
    fn into_response(self) -> Response {
        Json(self.0).with_status(StatusCode::CREATED).into_response()
    }
}

impl<T: ToJSON> ApiResponse for Created<T> {
    fn meta() -> MetaResponses {
        MetaResponses { responses: vec![response::<T>(201, Vec::new())] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// 202: it is on its way.
pub(crate) struct Accepted<T>(pub(crate) T);

impl<T: ToJSON> IntoResponse for Accepted<T> {
    fn into_response(self) -> Response {
        Json(self.0).with_status(StatusCode::ACCEPTED).into_response()
    }
}

impl<T: ToJSON> ApiResponse for Accepted<T> {
    fn meta() -> MetaResponses {
        MetaResponses { responses: vec![response::<T>(202, Vec::new())] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

/// A write to a user's cycles: the body, and the user's new version as `ETag`.
pub(crate) struct Written<T, const STATUS: u16> {
    /// The answer itself.
    pub(crate) body: T,
    /// The user's version after the write.
    pub(crate) version: Version,
}

impl<T: ToJSON, const STATUS: u16> IntoResponse for Written<T, STATUS> {
    fn into_response(self) -> Response {
        let mut response = Json(self.body).into_response();
        response.set_status(StatusCode::from_u16(STATUS).unwrap_or(StatusCode::OK));
        if let Ok(etag) = HeaderValue::from_str(&format!("\"{}\"", self.version)) {
            response.headers_mut().insert(header::ETAG, etag);
        }
        response
    }
}

impl<T: ToJSON, const STATUS: u16> ApiResponse for Written<T, STATUS> {
    fn meta() -> MetaResponses {
        let etag = MetaHeader {
            name: "ETag".to_owned(),
            description: Some("The user's new version, in quotation marks".to_owned()),
            required: true,
            deprecated: false,
            schema: Text::schema_ref(),
        };
        MetaResponses { responses: vec![response::<T>(STATUS, vec![etag])] }
    }

    fn register(registry: &mut Registry) {
        T::register(registry);
    }
}

fn response<T: Type>(status: u16, headers: Vec<MetaHeader>) -> MetaResponse {
    MetaResponse {
        description: "",
        status: Some(status),
        status_range: None,
        content: vec![MetaMediaType { content_type: "application/json", schema: T::schema_ref() }],
        headers,
    }
}
