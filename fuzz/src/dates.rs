//! Dates, in a body and in a query.

use chrono::NaiveDate;
use poem::{Request, http::Method};
use serde_json::json;

use super::system;

/// A date is taken if and only if it is one, in either place, and then as it was written.
pub fn run(input: &[u8]) {
    let Ok(text) = str::from_utf8(input) else { return };
    let expected = is_date(text);
    let body = json!({ "start_date": text }).to_string();
    let request = Request::builder()
        .method(Method::POST)
        .uri_str("/api/cycles/cycles")
        .header("authorization", system::authorization())
        .header("content-type", "application/json")
        .body(body.into_bytes());
    let reached = system::send(request).reached;
    let recorded = reached.iter().find(|it| it.op == "record_cycle");
    assert_eq!(recorded.map(|it| it.request["start_date"] == text), expected.then_some(true));

    let query = input.iter().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    // Longer than any date, and than an address may be.
    if input.len() > 200 || input.is_empty() {
        return;
    }
    let request = Request::builder()
        .method(Method::GET)
        .uri_str(format!("/api/cycles/cycles?from={query}"))
        .header("authorization", system::authorization())
        .finish();
    let reached = system::send(request).reached;
    assert_eq!(reached.iter().any(|it| it.op == "list_cycles"), expected, "{text:?}");
}

/// Said once more in other words than the API's.
fn is_date(text: &str) -> bool {
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '9' } else { c }).collect();
    let day = NaiveDate::parse_from_str(text, "%Y-%m-%d");
    shape == "9999-99-99" && text >= "1900" && day.is_ok()
}
