//! Bodies of every operation that takes one: the operation's id on the first line, then the body.

use std::{collections::BTreeMap, sync::OnceLock};

use poem::{Request, http::Method};
use serde_json::Value;

use super::{first_line, system};

/// Whatever the body says, the answer is one that a stranger may get.
pub fn run(input: &[u8]) {
    let Some((operation, body)) = first_line(input) else { return };
    let Some((method, path)) = operations().get(operation) else { return };
    let request = Request::builder()
        .method(method.clone())
        .uri_str(path)
        .header("authorization", system::authorization())
        .header("content-type", "application/json")
        .body(body.to_vec());
    let outcome = system::send(request);
    // What reached a group was an object in strict UTF-8, and whatever else reads it agrees.
    if !outcome.reached.is_empty() {
        let read: Value = serde_json::from_slice(body).expect("JSON");
        assert!(read.is_object(), "{operation}");
    }
}

/// The method and a path of each operation with a body, by its id.
pub fn operations() -> &'static BTreeMap<String, (Method, String)> {
    static OPERATIONS: OnceLock<BTreeMap<String, (Method, String)>> = OnceLock::new();
    OPERATIONS.get_or_init(|| {
        let document = api::openapi_document();
        let mut operations = BTreeMap::new();
        for (template, methods) in document["paths"].as_object().expect("paths") {
            for (method, operation) in methods.as_object().expect("methods") {
                if operation.get("requestBody").is_some() {
                    let id = operation["operationId"].as_str().expect("an id").to_owned();
                    let method = method.to_uppercase().parse().expect("a method");
                    operations.insert(id, (method, path_of(template, operation)));
                }
            }
        }
        operations
    })
}

/// The template with something for each of its parameters that could be one.
fn path_of(template: &str, operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().map(Vec::as_slice).unwrap_or_default();
    let of_path = parameters.iter().filter(|parameter| parameter["in"] == "path");
    of_path.fold(template.to_owned(), |path, parameter| {
        let is_number = parameter["schema"]["type"] == "integer";
        let value = if is_number { "7" } else { "5f0c2f9e-2a3b-4a52-9d0e-0f6f5a3f7c11" };
        let name = parameter["name"].as_str().expect("a name");
        path.replace(&format!("{{{name}}}"), value)
    })
}
