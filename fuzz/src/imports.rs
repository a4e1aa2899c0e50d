//! Files for `POST /api/users/import`.

use poem::{Request, http::Method};
use serde_json::Value;

use super::system;

/// A file that is taken is cut into requests that hold all of its rows.
pub fn run(input: &[u8]) {
    let request = Request::builder()
        .method(Method::POST)
        .uri_str("/api/users/import")
        .header("authorization", system::authorization())
        .header("content-type", "application/json")
        .body(input.to_vec());
    let reached = system::send(request).reached;
    if !reached.iter().any(|it| it.op == "begin_import") {
        return;
    }
    // It was looked at as a whole, so each row went its way once to be checked.
    let file: Value = serde_json::from_slice(input).expect("JSON");
    let rows_in_file = |kind: &str| file[kind].as_array().map_or(0, Vec::len);
    let rows_checked = |kind: &str| {
        let parts = reached.iter().filter(|it| it.op == "import_cycles");
        parts.filter_map(|it| it.request["rows"][kind].as_array()).map(Vec::len).sum::<usize>()
    };
    for kind in ["cycles", "symptoms", "episodes"] {
        assert_eq!(rows_checked(kind), rows_in_file(kind), "{kind}");
    }
}
