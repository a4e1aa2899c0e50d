//! Which paths there are, as templates: what logs and metrics name instead of the raw path, and
//! what `Allow` lists.

use std::sync::Arc;

use contracts::Scope;
use poem::http::{HeaderValue, Method};
use serde_json::{Map, Value};

use crate::scopes::SCOPE;

/// Paths that are served without being operations of the API document.
const PAGES: [&str; 3] = ["/openapi.json", "/openapi.yaml", "/swagger"];

/// All templates.
pub(crate) struct Routes(Vec<Route>);

/// One path.
pub(crate) struct Route {
    /// The template, such as `/api/cycles/cycles/{id}`.
    pub(crate) template: Arc<str>,
    /// The value of `Allow`.
    pub(crate) allow: HeaderValue,
    /// What a token needs, of the methods that ask for one.
    scopes: Vec<(Method, Scope)>,
}

impl Routes {
    /// The paths of the API document, and the pages.
    pub(crate) fn new(document: &Value) -> Self {
        let paths = document.get("paths").and_then(Value::as_object);
        let operations = paths.into_iter().flatten().map(|(template, methods)| {
            let methods = methods.as_object();
            let names = methods.into_iter().flatten().map(|(name, _)| name.to_uppercase());
            Route { scopes: scopes_of(methods), ..Route::new(template, names.collect()) }
        });
        let pages = PAGES.into_iter().map(|page| Route::new(page, vec!["GET".to_owned()]));
        Self(operations.chain(pages).collect())
    }

    /// The template that a path has.
    pub(crate) fn find(&self, path: &str) -> Option<&Route> {
        self.0.iter().find(|route| route.matches(path))
    }
}

impl Route {
    fn new(template: &str, mut methods: Vec<String>) -> Self {
        if methods.iter().any(|method| method == "GET") {
            methods.push("HEAD".to_owned());
        }
        methods.push("OPTIONS".to_owned());
        methods.sort();
        let allow = HeaderValue::from_str(&methods.join(", "));
        Self {
            template: Arc::from(template),
            allow: allow.unwrap_or_else(|_| HeaderValue::from_static("OPTIONS")),
            scopes: Vec::new(),
        }
    }

    /// The scope that a token needs for a method here.
    pub(crate) fn scope(&self, method: &Method) -> Option<Scope> {
        let method = if method == Method::HEAD { &Method::GET } else { method };
        self.scopes.iter().find(|(known, _)| known == method).map(|(_, scope)| *scope)
    }

    fn matches(&self, path: &str) -> bool {
        let mut expected = self.template.split('/');
        let mut given = path.split('/');
        loop {
            match (expected.next(), given.next()) {
                (None, None) => return true,
                (Some(part), Some(text))
                    if part == text || (part.starts_with('{') && !text.is_empty()) => {}
                _ => return false,
            }
        }
    }
}

/// The scope of each method that needs one, as the document names it.
fn scopes_of(methods: Option<&Map<String, Value>>) -> Vec<(Method, Scope)> {
    let scope_of = |(name, operation): (&String, &Value)| {
        let method = Method::from_bytes(name.to_uppercase().as_bytes()).ok()?;
        Some((method, Scope::parse(operation.get(SCOPE)?.as_str()?)?))
    };
    methods.into_iter().flatten().filter_map(scope_of).collect()
}
