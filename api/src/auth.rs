//! Who is calling: the bearer token of a request.

use contracts::{
    Call, Handle, Request as Ask, UserId,
    call::{AccessToken, IdempotencyKey},
};
use poem::{
    Request, RequestBody,
    http::{HeaderMap, header},
};
use poem_openapi::{
    ApiExtractor, ApiExtractorType, ExtractParamOptions,
    registry::{MetaSecurityScheme, Registry},
};

use crate::{context::Context, error::Problem};

/// The name of the security scheme in the API document.
const SCHEME: &str = "bearer";

/// A person who proved who they are.
pub(crate) struct Caller {
    /// Who.
    pub(crate) user_id: UserId,
    token: AccessToken,
    context: Context,
}

impl Caller {
    /// Asks a group to read something.
    pub(crate) async fn ask<R: Ask>(
        &self,
        group: &Handle<R::Mailbox>,
        request: R,
    ) -> Result<R::Reply, Problem> {
        Ok(group.ask(&self.call(), request).await?)
    }

    /// Asks a group to write something, once for each idempotency key.
    pub(crate) async fn write<R: Ask>(
        &self,
        group: &Handle<R::Mailbox>,
        idempotency_key: Option<IdempotencyKey>,
        request: R,
    ) -> Result<R::Reply, Problem> {
        let call = Call { idempotency_key, ..self.call() };
        Ok(group.ask(&call, request).await?)
    }

    /// The call that an ask is made with. It says who asks: a group admits only so much of one
    /// person at a time. It holds the proof too: a group in another process verifies it again.
    fn call(&self) -> Call {
        let (principal, token) = (Some(self.user_id), Some(self.token.clone()));
        Call { principal, token, ..self.context.call() }
    }
}

impl<'a> ApiExtractor<'a> for Caller {
    const TYPES: &'static [ApiExtractorType] = &[ApiExtractorType::SecurityScheme];
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        let scheme = MetaSecurityScheme {
            ty: "http",
            description: Some(
                "The `token` of `POST /api/users/login`: a JWT signed with Ed25519, of type \
                 `at+jwt`. Its public keys are at `/.well-known/jwks.json`.",
            ),
            name: None,
            key_in: None,
            scheme: Some("bearer"),
            bearer_format: Some("JWT"),
            flows: None,
            openid_connect_url: None,
        };
        registry.create_security_scheme(SCHEME, scheme);
    }

    fn security_schemes() -> Vec<&'static str> {
        vec![SCHEME]
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let context = Context::of(request)?;
        let token = bearer_token(request.headers())
            .and_then(AccessToken::parse)
            .ok_or_else(Problem::unauthenticated)?;
        let user_id = context.verifier().verify(&context.call(), token.expose()).await;
        let user_id = user_id.map_err(Problem::from)?;
        Ok(Self { user_id, token, context: context.clone() })
    }
}

/// The token of the one `Authorization` header; the scheme's case does not matter (RFC 9110
/// §11.1).
fn bearer_token(headers: &HeaderMap) -> Option<&str> {
    let mut given = headers.get_all(header::AUTHORIZATION).iter();
    let value = given.next()?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    let is_bearer = scheme.eq_ignore_ascii_case("bearer") && given.next().is_none();
    is_bearer.then(|| token.trim_start_matches(' ')).filter(|token| !token.is_empty())
}
