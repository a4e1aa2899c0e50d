//! Which scope each operation needs, in the API document. What is enforced is what `mailbox!` says of
//! the request behind it; a test tries every operation with a token that has all scopes but this one.

use contracts::Scope;
use serde_json::{Map, Value, json};

/// The member of an operation that names its scope.
pub(crate) const SCOPE: &str = "x-required-scope";

/// Names the scope of every operation that needs a token.
pub(crate) fn add(document: &mut Value) {
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    for (path, item) in paths.into_iter().flatten() {
        let operations = item.as_object_mut().into_iter().flatten();
        for (method, operation) in operations.filter(|(_, it)| it.get("security").is_some()) {
            let scope = scope_of(path, method);
            if let Some(operation) = operation.as_object_mut() {
                name(operation, scope);
            }
        }
    }
}

fn name(operation: &mut Map<String, Value>, scope: Scope) {
    let said = operation.get("description").and_then(Value::as_str).unwrap_or_default();
    let needs = match scope {
        Scope::Account => "For who signed in: no API token is enough.".to_owned(),
        scope => format!("An API token needs the scope `{scope}`."),
    };
    let description = if said.is_empty() { needs } else { format!("{said}\n\n{needs}") };
    operation.insert("description".to_owned(), json!(description));
    operation.insert(SCOPE.to_owned(), json!(scope.name()));
}

/// The chapter says what about, and the method whether it is read or changed.
fn scope_of(path: &str, method: &str) -> Scope {
    let reads = method == "get";
    let chapter = path.trim_start_matches("/api/");
    let either = |read, write| if reads { read } else { write };
    if chapter == "users/profile" {
        either(Scope::ReadProfile, Scope::WriteProfile)
    } else if chapter.starts_with("cycles/") {
        either(Scope::ReadCycles, Scope::WriteCycles)
    } else if chapter.starts_with("analytics/") && chapter.ends_with("/answer") {
        // The answer to a question is a fact.
        Scope::WriteCycles
    } else if chapter.starts_with("analytics/") {
        either(Scope::ReadAnalytics, Scope::WriteAnalytics)
    } else if chapter.starts_with("notifications/") {
        either(Scope::ReadNotifications, Scope::WriteNotifications)
    } else {
        Scope::Account
    }
}
