//! Bad parameters: of the path, of the query, of the headers.

use reqwest::Method;

use super::{Case, Standing};

/// No whole number of 64 bits, or a negative one. `NAME` stands for the parameter's name.
const NOT_WHOLE: &[&str] = &[
    "-1",
    "1.5",
    "1.0",
    "1e1",
    "abc",
    "zq7mark",
    "%00",
    "%ff",
    "%20",
    "1%20",
    "+1",
    "0x1",
    "9223372036854775808",
    "true",
    "null",
    "10&NAME=20",
    "1'--",
];
/// No date of the calendar since 1900.
const NO_DATE: &[&str] = &[
    "0000-00-00",
    "2024-02-30",
    "10000-01-01",
    "infinity",
    "2024-1-1",
    "2024-01-01T00:00:00Z",
    "%202024-01-01",
    "2024-01-01%20",
    "1899-12-31",
    "today",
    "%00",
    "%ff",
    "1",
    "2024-01-01&NAME=2024-01-02",
    "zq7mark",
];

/// Every case.
pub(super) fn cases(standing: &Standing) -> Vec<Case> {
    let mut cases = path_ids();
    cases.extend(queries());
    cases.extend(headers(standing));
    cases
}

fn case(method: Method, path: String, status: u16) -> Case {
    Case { method, path, body: None, headers: Vec::new(), status, blames: None, secret: None }
}

/// What is no id names nothing.
fn path_ids() -> Vec<Case> {
    let ids = [
        "0",
        "-1",
        "1.5",
        "1e3",
        "abc",
        "zq7mark",
        "9223372036854775807",
        "9223372036854775808",
        "99999999999999999999999999",
        "%00",
        "%ff",
        "1%00",
        "%201",
        "1%20",
        "+1",
        "0x1",
        "1'",
        "1;DROP",
        "null",
        "NaN",
        "%D9%A1",
        "..%2f1",
        "1,2",
        "*",
        "%F0%9F%98%96",
    ];
    let mut cases = Vec::new();
    for id in ids {
        for method in [Method::GET, Method::PUT, Method::DELETE] {
            let body = (method == Method::PUT).then(|| b"{}".to_vec());
            let path = format!("/api/cycles/cycles/{id}");
            cases.push(Case { body, ..case(method, path, 404) });
        }
        let path = format!("/api/cycles/symptoms/{id}");
        cases.push(Case { body: Some(b"{}".to_vec()), ..case(Method::PUT, path.clone(), 404) });
        cases.push(case(Method::DELETE, path, 404));
        cases.push(case(Method::GET, format!("/api/notifications/notifications/{id}"), 404));
    }
    cases
}

fn queries() -> Vec<Case> {
    let paged = [
        "/api/cycles/cycles",
        "/api/cycles/symptoms",
        "/api/analytics/predictions",
        "/api/analytics/analytics",
        "/api/notifications/notifications",
    ];
    let versioned = [
        "/api/analytics/predictions",
        "/api/analytics/insights",
        "/api/analytics/analytics",
        "/api/notifications/preferences",
        "/api/notifications/notifications",
    ];
    let mut cases = Vec::new();
    let mut add = |paths: &[&str], name: &str, values: &[&str]| {
        for path in paths {
            for value in values {
                let path = format!("{path}?{name}={}", value.replace("NAME", name));
                let blames = Some(name.to_owned());
                cases.push(Case { blames, ..case(Method::GET, path, 422) });
            }
        }
    };
    add(&paged, "limit", NOT_WHOLE);
    add(&paged, "limit", &["0", "101", "9223372036854775807"]);
    add(&paged, "offset", NOT_WHOLE);
    add(&paged, "offset", &["1000001", "9223372036854775807"]);
    add(&versioned, "min_version", NOT_WHOLE);
    let dated = ["/api/cycles/cycles", "/api/cycles/symptoms"];
    add(&dated, "from", NO_DATE);
    add(&dated, "to", NO_DATE);
    add(&["/api/cycles/symptoms"], "cycle_id", NOT_WHOLE);
    add(&["/api/cycles/symptoms"], "cycle_id", &["0"]);
    let long = "a".repeat(51);
    add(
        &["/api/cycles/symptoms"],
        "symptom_type",
        &["%00", "a%00b", "a%0ab", "%7f", &long, "a&symptom_type=b"],
    );
    add(
        &["/api/analytics/predictions"],
        "active",
        &["1", "0", "yes", "TRUE", "True", "%20true", "null", "zq7mark", "true&active=false"],
    );
    add(
        &["/api/notifications/notifications"],
        "status",
        &["PENDING", "pending,sent", "none", "zq7mark", "%00", "1", "pending&status=sent"],
    );
    cases
}

/// Content types, encodings and keys on a write that is otherwise sound.
fn headers(standing: &Standing) -> Vec<Case> {
    let path = || "/api/cycles/cycles".to_owned();
    let sound = || Some(br#"{"start_date":"2024-03-01"}"#.to_vec());
    let with = |name: &'static str, value: &[u8], status: u16, blames: Option<&str>| Case {
        body: sound(),
        headers: vec![(name, value.to_vec())],
        blames: blames.map(str::to_owned),
        ..case(Method::POST, path(), status)
    };
    let mut cases = Vec::new();
    for kind in [
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=zq7mark",
        "application/xml",
        "application/jsonp",
        "application/merge-patch+json",
        "json",
        "*/*",
        "application/*",
        "application/json; charset=utf-16",
        "application/json; charset=iso-8859-1",
        "text/json",
        "zq7mark",
    ] {
        cases.push(with("Content-Type", kind.as_bytes(), 415, None));
    }
    cases.push(with("Content-Type", b"application/json\xff", 415, None));
    for encoding in ["gzip", "deflate", "br", "zstd", "zq7mark", "gzip, gzip"] {
        cases.push(with("Content-Encoding", encoding.as_bytes(), 415, None));
    }
    let key = "Idempotency-Key";
    for value in [&b""[..], b"a b", b"\xff", b"\xc3\xa4", b"\t", &[b'k'; 256]] {
        cases.push(with(key, value, 422, Some(key)));
        for (method, path) in [
            (Method::DELETE, format!("/api/cycles/cycles/{}", standing.cycle)),
            (Method::POST, "/api/analytics/predictions/generate".to_owned()),
        ] {
            let headers = vec![(key, value.to_vec())];
            cases.push(Case { headers, blames: Some(key.to_owned()), ..case(method, path, 422) });
        }
    }
    // No body where there has to be one.
    cases.push(case(Method::POST, path(), 415));
    cases.push(case(Method::PUT, "/api/users/profile".to_owned(), 415));
    cases
}
