//! The API as one endpoint over the groups' handles.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use contracts::{
    Call, Handle, Refusal,
    analytics::AnalyticsMailbox,
    cycles::CyclesMailbox,
    handle::{Opened, Transport},
    notifications::NotificationsMailbox,
    users::UsersMailbox,
};
use futures::future::{self, BoxFuture};
use ipnet::IpNet;
use poem::{
    Endpoint, EndpointExt, Response, Route, endpoint::BoxEndpoint, endpoint::make_sync, get,
    http::header,
};
use poem_openapi::{ContactObject, LicenseObject, OpenApi, OpenApiService, registry::Registry};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::{
    analytics::AnalyticsApi,
    api_tokens::ApiTokensApi,
    audit::AuditApi,
    calendar::CalendarApi,
    context::Shared,
    credentials::CredentialsApi,
    cycles::CyclesApi,
    document::{openapi_document, openapi_json, openapi_yaml},
    edge::Edge,
    episodes::EpisodesApi,
    erasure::ErasureApi,
    export::ExportApi,
    gateway::GatewayApi,
    headers::{CrossOrigin, PAGE_POLICY},
    health::Service,
    import::ImportApi,
    insights::InsightsApi,
    notifications::NotificationsApi,
    origin::TrustedProxies,
    predictions::PredictionsApi,
    preferences::PreferencesApi,
    questions::QuestionsApi,
    retention::RetentionApi,
    routes::Routes,
    schema::Schemas,
    sessions::SessionsApi,
    symptoms::SymptomsApi,
    tokens::Verifier,
    users::UsersApi,
};

/// Most imports that are under way: a document of 5 MiB takes some 60 MB while it is looked at.
const IMPORTS_MAX: usize = 2;

/// What the document says of the whole.
const DESCRIPTION: &str = "Menstrual cycle tracking: log cycles and symptoms, read statistics, \
    predictions and reminders.\n\nDates are civil dates `YYYY-MM-DD`; instants are RFC 3339 in \
    UTC; ids are positive 64-bit integers. Every error is a problem document (RFC 9457). Each \
    write to a user's cycles answers the user's new `version`, which a later read takes as \
    `min_version` to be sure to see its effect. `X-Request-Id` (1 to 64 characters of `A-Z a-z \
    0-9 . _ -`) and `traceparent` are taken from the client or made.\n\nFertile days and \
    ovulation are estimates for information, no contraception and no medical advice.";

/// The handles of all groups, whether they run in this process or in another.
#[derive(Clone)]
pub struct Groups {
    /// Accounts, sign-in, profile.
    pub users: Handle<UsersMailbox>,
    /// Cycles and symptoms.
    pub cycles: Handle<CyclesMailbox>,
    /// Statistics and predictions.
    pub analytics: Handle<AnalyticsMailbox>,
    /// Preferences and reminders.
    pub notifications: Handle<NotificationsMailbox>,
}

impl Groups {
    /// Groups none of which can be reached: enough to write the document.
    pub(crate) fn nowhere() -> Self {
        Self { users: nowhere(), cycles: nowhere(), analytics: nowhere(), notifications: nowhere() }
    }
}

/// A group that cannot be reached: what a process puts in the place of one that it neither hosts
/// nor asks.
pub fn nowhere<M: Send + 'static>() -> Handle<M> {
    Handle::new(Arc::new(Nowhere))
}

struct Nowhere;

impl<M: Send + 'static> Transport<M> for Nowhere {
    fn deliver(&self, _call: Call, _message: M) -> BoxFuture<'_, Result<Opened, Refusal>> {
        Box::pin(future::ready(Err(Refusal::unavailable())))
    }
}

/// Which routes this process serves.
#[derive(Clone, Copy, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own")]
pub struct Mounted {
    /// `/health` over all groups; without it, that of this process.
    pub gateway: bool,
    /// `/api/users`.
    pub users: bool,
    /// `/api/cycles`.
    pub cycles: bool,
    /// `/api/analytics`.
    pub analytics: bool,
    /// `/api/notifications`.
    pub notifications: bool,
}

impl Default for Mounted {
    fn default() -> Self {
        Self { gateway: true, users: true, cycles: true, analytics: true, notifications: true }
    }
}

impl Mounted {
    /// Whether a route template is served.
    pub(crate) fn serves(self, template: &str) -> bool {
        let Self { gateway, users, cycles, analytics, notifications } = self;
        let mut parts = template.trim_start_matches('/').split('/');
        match (parts.next(), parts.next()) {
            (Some("api"), Some("users" | "erasures")) => users,
            (Some("api"), Some("cycles")) => cycles,
            (Some("api"), Some("analytics")) => analytics,
            (Some("api"), Some("notifications")) => notifications,
            (Some(".well-known"), _) => users || gateway,
            _ => true,
        }
    }

    /// The service that this process is, if it is a single group's.
    pub(crate) fn only_service(self) -> Option<Service> {
        let Self { gateway, users, cycles, analytics, notifications } = self;
        match (gateway, users, cycles, analytics, notifications) {
            (false, true, false, false, false) => Some(Service::User),
            (false, false, true, false, false) => Some(Service::CycleTracking),
            (false, false, false, true, false) => Some(Service::Analytics),
            (false, false, false, false, true) => Some(Service::Notification),
            _ => None,
        }
    }
}

/// What a process may choose about its API.
#[derive(Clone, Debug)]
pub struct ApiOptions {
    /// Which routes it serves.
    pub mounted: Mounted,
    /// How long a request may take in all.
    pub request_timeout: Duration,
    /// Origins whose scripts may read answers; none means no cross-origin access at all.
    pub allowed_origins: Vec<String>,
    /// Networks of proxies whose `X-Forwarded-For` counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Cancelled when the process is about to stop: every answer from then on ends its connection.
    pub stopping: CancellationToken,
}

impl Default for ApiOptions {
    fn default() -> Self {
        Self {
            mounted: Mounted::default(),
            request_timeout: Duration::from_secs(5),
            allowed_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            stopping: CancellationToken::new(),
        }
    }
}

/// The API as one endpoint.
pub fn app(
    groups: &Groups,
    verifier: Arc<Verifier>,
    options: ApiOptions,
) -> BoxEndpoint<'static, Response> {
    let ApiOptions { mounted, request_timeout, allowed_origins, trusted_proxies, stopping } =
        options;
    let service = service(groups, mounted);
    let document = openapi_document();
    // The page has its document inlined: poem-openapi's own is replaced with the complete one.
    let page = service.swagger_ui_html().replacen(&service.spec(), &inline_json(&document), 1);
    let routes = Routes::new(&document);
    let inner = Route::new()
        .at("/openapi.json", get(fixed("application/json", openapi_json())))
        .at("/openapi.yaml", get(fixed("application/yaml", openapi_yaml())))
        .at("/swagger", get(swagger(page)))
        .nest("/", service)
        .map_to_response();
    let proxies = Arc::new(TrustedProxies::new(trusted_proxies));
    let imports = Arc::new(Semaphore::new(IMPORTS_MAX));
    let shared = Shared { verifier, schemas: Arc::new(schemas()), proxies, imports };
    let cross_origin = CrossOrigin::new(allowed_origins);
    Edge { inner, routes, mounted, shared, request_timeout, cross_origin, stopping }.boxed()
}

/// All operations.
pub(crate) type Operations = (
    GatewayApi,
    UsersApi,
    (ErasureApi, ExportApi, ImportApi),
    (SessionsApi, CredentialsApi),
    (ApiTokensApi, AuditApi),
    CyclesApi,
    SymptomsApi,
    EpisodesApi,
    RetentionApi,
    PredictionsApi,
    InsightsApi,
    CalendarApi,
    QuestionsApi,
    AnalyticsApi,
    PreferencesApi,
    NotificationsApi,
);

/// All operations over these groups. Which of them are served is decided at the edge, so that the
/// document is the same everywhere.
pub(crate) fn service(groups: &Groups, mounted: Mounted) -> OpenApiService<Operations, ()> {
    let Groups { users, cycles, analytics, notifications } = groups.clone();
    let operations = (
        GatewayApi { groups: groups.clone(), mounted },
        UsersApi { users: users.clone() },
        (
            ErasureApi { users: users.clone() },
            ExportApi { groups: groups.clone() },
            ImportApi { groups: groups.clone() },
        ),
        (SessionsApi { users: users.clone() }, CredentialsApi { users: users.clone() }),
        (ApiTokensApi { users: users.clone() }, AuditApi { users }),
        CyclesApi { cycles: cycles.clone() },
        SymptomsApi { cycles: cycles.clone() },
        EpisodesApi { cycles: cycles.clone() },
        RetentionApi { cycles },
        PredictionsApi { analytics: analytics.clone() },
        InsightsApi { analytics: analytics.clone() },
        CalendarApi { analytics: analytics.clone() },
        QuestionsApi { analytics: analytics.clone() },
        AnalyticsApi { analytics },
        PreferencesApi { notifications: notifications.clone() },
        NotificationsApi { notifications },
    );
    OpenApiService::new(operations, "Lunation", env!("CARGO_PKG_VERSION"))
        .description(DESCRIPTION)
        .contact(ContactObject::new().url(env!("CARGO_PKG_REPOSITORY")))
        .license(LicenseObject::new(env!("CARGO_PKG_LICENSE")))
        .server("/")
}

/// The schemas of all operations: what bodies and parameters are checked against.
fn schemas() -> Schemas {
    let mut registry = Registry::new();
    <Operations as OpenApi>::register(&mut registry);
    Schemas::new(registry.schemas)
}

/// A document that never changes while the process runs.
fn fixed(content_type: &'static str, body: String) -> impl Endpoint<Output = Response> {
    let body = Bytes::from(body);
    make_sync(move |_| Response::builder().content_type(content_type).body(body.clone()))
}

/// The Swagger page: one file with everything in it, an asset that may be cached.
fn swagger(page: String) -> impl Endpoint<Output = Response> {
    let page = Bytes::from(page);
    make_sync(move |_| {
        Response::builder()
            .content_type("text/html; charset=utf-8")
            .header(header::CACHE_CONTROL, "private, max-age=300")
            .header(header::CONTENT_SECURITY_POLICY, PAGE_POLICY)
            .body(page.clone())
    })
}

/// JSON that may stand inside a script element: no `<` can end it.
fn inline_json(document: &serde_json::Value) -> String {
    document.to_string().replace('<', "\\u003c")
}
