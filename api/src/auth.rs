//! Who is calling: the bearer token of a request.

use std::time::{Duration, Instant};

use contracts::{
    Call, Grant, Handle, Request as Ask, Scope, SessionId, UserId,
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
/// How long that may take which has more time than a request usually has.
const LONG_PATIENCE: Duration = Duration::from_secs(10);

/// What a token needs for the operation that is asked for. The edge knows it of the route, so that
/// who may not is told so before anything of the request is looked at; what counts is the scope of
/// the request that the operation makes of it.
#[derive(Clone, Copy)]
pub(crate) struct RequiredScope(pub(crate) Scope);

/// A person who proved who they are.
pub(crate) struct Caller {
    /// Who.
    pub(crate) user_id: UserId,
    grant: Grant,
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
        self.may::<R>()?;
        Ok(group.ask(&self.call(), request).await?)
    }

    /// Asks a group to write something, once for each idempotency key.
    pub(crate) async fn write<R: Ask>(
        &self,
        group: &Handle<R::Mailbox>,
        idempotency_key: Option<IdempotencyKey>,
        request: R,
    ) -> Result<R::Reply, Problem> {
        self.may::<R>()?;
        let call = Call { idempotency_key, ..self.call() };
        Ok(group.ask(&call, request).await?)
    }

    /// Asks for what may take longer than other requests may: for one of many parts of an answer or a
    /// write, or for something that nobody should have to ask for twice.
    pub(crate) async fn ask_patiently<R: Ask>(
        &self,
        group: &Handle<R::Mailbox>,
        request: R,
    ) -> Result<R::Reply, Problem> {
        self.may::<R>()?;
        let call = Call { deadline: Instant::now() + LONG_PATIENCE, ..self.call() };
        Ok(group.ask(&call, request).await?)
    }

    /// Whoever the token of a request was issued to; `may_have_left` if its session need not go on.
    async fn of(request: &Request, may_have_left: bool) -> Result<Self, Problem> {
        let context = Context::of(request)?;
        let token = bearer_token(request.headers())
            .and_then(AccessToken::parse)
            .ok_or_else(Problem::unauthenticated)?;
        let (call, verifier) = (context.call(), context.verifier());
        let token = verifier.access_token(&call, token).await?;
        let grant = if may_have_left {
            verifier.verify_ended(&call, token.expose()).await?
        } else {
            verifier.verify(&call, token.expose()).await?
        };
        if let Some(RequiredScope(scope)) = request.data::<RequiredScope>()
            && !grant.scopes.allow(*scope)
        {
            // A token that was taken back is not told what it was good for.
            let has_ended = verifier.has_ended(&grant);
            let refusal = Problem::insufficient_scope(*scope);
            return Err(if has_ended { Problem::unauthenticated() } else { refusal });
        }
        Ok(Self { user_id: grant.user_id, grant, token, context: context.clone() })
    }

    /// Whether the token has the scope of the request. The group that answers in another process
    /// looks again.
    fn may<R: Ask>(&self) -> Result<(), Problem> {
        match R::SCOPE {
            Some(scope) if !self.grant.scopes.allow(scope) => {
                Err(Problem::insufficient_scope(scope))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// The call that an ask is made with. It says who asks: a group admits only so much of one
    /// person at a time. It holds the proof too: a group in another process verifies it again.
    fn call(&self) -> Call {
        let Grant { user_id, session_id, scopes: _ } = self.grant;
        Call {
            principal: Some(user_id),
            session: Some(session_id),
            token: Some(self.token.clone()),
            ..self.context.call()
        }
    }
}

/// A person who proved who they are, or were: their session may have ended meanwhile.
pub(crate) struct Leaver {
    /// Who.
    pub(crate) caller: Caller,
    /// Whether it has, as far as is known here.
    pub(crate) has_left: bool,
}

impl Leaver {
    /// The session that the token is of.
    pub(crate) fn session_id(&self) -> SessionId {
        self.caller.grant.session_id
    }
}

impl<'a> ApiExtractor<'a> for Leaver {
    const TYPES: &'static [ApiExtractorType] = Caller::TYPES;
    type ParamType = ();
    type ParamRawType = ();

    fn register(registry: &mut Registry) {
        Caller::register(registry);
    }

    fn security_schemes() -> Vec<&'static str> {
        Caller::security_schemes()
    }

    async fn from_request(
        request: &'a Request,
        _body: &mut RequestBody,
        _options: ExtractParamOptions<()>,
    ) -> poem::Result<Self> {
        let caller = Caller::of(request, true).await?;
        let has_left = caller.context.verifier().has_ended(&caller.grant);
        Ok(Self { caller, has_left })
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
                 `at+jwt`. Its public keys are at `/.well-known/jwks.json`. Or a personal API token \
                 of `POST /api/users/tokens`, which allows what its scopes say.",
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
        Ok(Self::of(request, false).await?)
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
