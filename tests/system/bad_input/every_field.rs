//! Every member of every body and every parameter that the API document has, with values that its schema
//! does not allow: from the document alone, so that a new member is tried by being there.

use reqwest::Method;
use serde_json::{Map, Value, json};

use super::{Case, MARK};
use crate::harness::document::DOCUMENT;

/// Where the documents' own limits are none, a text has to be bounded by a format of its own.
const BOUNDED_FORMATS: [&str; 3] = ["date", "date-time", "uuid"];
/// In the place of any value: no JSON, or none that is taken.
const NO_JSON: [&[u8]; 20] = [
    b"NaN",
    b"-Infinity",
    b"1e400",
    b"01",
    b"0x10",
    b"'a'",
    b"\"\\ud800\"",
    b"\"\\udc00\\ud800\"",
    b"\"\\ud800\\u0041\"",
    b"\"a\x00b\"",
    b"\"a\x1fb\"",
    b"\"\xc0\x80\"",
    b"\"\xc1\xbf\"",
    b"\"\xe0\x80\xaf\"",
    b"\"\xed\xa0\x80\"",
    b"\"\xf4\x90\x80\x80\"",
    b"\"\xff\"",
    b"\xef\xbb\xbf1",
    b"{\"a\":1,\"a\":2}",
    b"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
];

/// A value in a sound body, by its place.
struct Field {
    path: Vec<String>,
    schema: Value,
    is_required: bool,
}

/// Every case.
pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (template, methods) in members(&DOCUMENT["paths"]) {
        for (method, operation) in members(methods) {
            let method: Method = method.to_uppercase().parse().unwrap();
            let path = path_of(template, operation, None);
            if let Some(body) = operation.pointer("/requestBody/content/application~1json") {
                cases.extend(of_body(&method, &path, body));
            }
            cases.extend(of_query(&method, &path, operation));
            cases.extend(of_path(&method, template, operation));
        }
    }
    cases
}

fn of_body(method: &Method, path: &str, body: &Value) -> Vec<Case> {
    let sound = sound(body);
    let case = |body: Vec<u8>, status: u16, blames: Option<String>| Case {
        method: method.clone(),
        path: path.to_owned(),
        body: Some(body),
        headers: Vec::new(),
        status,
        blames,
        secret: None,
    };
    let mut fields = Vec::new();
    collect(&body["schema"], &mut Vec::new(), true, &mut fields);
    let mut cases = Vec::new();
    for field in &fields {
        let pointer = field.path.iter().map(|part| format!("/{part}")).collect::<Vec<_>>().concat();
        for value in violations(&field.schema) {
            let mut changed = sound.clone();
            *place(&mut changed, &field.path) = value;
            cases.push(case(changed.to_string().into_bytes(), 422, Some(pointer.clone())));
        }
        if field.is_required && !field.path.is_empty() {
            let mut changed = sound.clone();
            remove(&mut changed, &field.path);
            cases.push(case(changed.to_string().into_bytes(), 422, Some(pointer.clone())));
        }
        if field.schema["type"] == "object" {
            let mut changed = sound.clone();
            place(&mut changed, &field.path)["user_ids"] = json!(1);
            let unknown = format!("{pointer}/user_ids");
            cases.push(case(changed.to_string().into_bytes(), 422, Some(unknown)));
        }
        for text in NO_JSON {
            cases.push(case(with_text(&sound, &field.path, text), 400, None));
        }
    }
    let many: Map<String, Value> = (0..2_000).map(|n| (format!("m{n}"), json!(n))).collect();
    cases.push(case(json!(many).to_string().into_bytes(), 422, Some("/m0".to_owned())));
    cases
}

fn of_query(method: &Method, path: &str, operation: &Value) -> Vec<Case> {
    let mut cases = Vec::new();
    for parameter in parameters(operation, "query") {
        let name = parameter["name"].as_str().unwrap();
        let sound: Vec<String> = parameters(operation, "query")
            .filter(|it| it["required"] == true && it["name"] != name)
            .map(|it| {
                format!("{}={}", it["name"].as_str().unwrap(), text_of(&resolved(&it["schema"])))
            })
            .collect();
        let mut values: Vec<String> =
            ["%00", "%0a", "%ff", "%c0%80", "%ed%a0%80", MARK].map(str::to_owned).into();
        let schema = resolved(&parameter["schema"]);
        if schema["type"] == "string" && schema.get("enum").is_none() && schema["format"] != "date"
        {
            values.retain(|value| value != MARK);
        }
        values.extend(violations(&schema).iter().filter_map(|value| as_parameter(&schema, value)));
        let good = text_of(&schema);
        values.push(format!("{good}&{name}={good}"));
        for value in values {
            let query = sound.iter().cloned().chain([format!("{name}={value}")]);
            let path = format!("{path}?{}", query.collect::<Vec<_>>().join("&"));
            cases.push(refused(method, path, 422, Some(name.to_owned())));
        }
    }
    cases
}

fn of_path(method: &Method, template: &str, operation: &Value) -> Vec<Case> {
    let mut cases = Vec::new();
    for parameter in parameters(operation, "path") {
        let name = parameter["name"].as_str().unwrap();
        for value in [
            "0",
            "-1",
            "1.0",
            "+1",
            "9223372036854775808",
            "%00",
            "%ff",
            "%c0%af",
            "%2e%2e",
            MARK,
            "00000000-0000-0000-0000-00000000000G",
            "%D9%A1",
        ] {
            let path = path_of(template, operation, Some((name, value)));
            let mut case = refused(method, path, 404, None);
            // An id that names nothing is found to do so before or after the body was looked at.
            case.body = operation
                .get("requestBody")
                .map(|body| sound(&body["content"]["application/json"]).to_string().into_bytes());
            cases.push(case);
        }
    }
    cases
}

fn refused(method: &Method, path: String, status: u16, blames: Option<String>) -> Case {
    let method = method.clone();
    Case { method, path, body: None, headers: Vec::new(), status, blames, secret: None }
}

/// Values that a schema does not allow.
fn violations(schema: &Value) -> Vec<Value> {
    let mut values = match schema["type"].as_str() {
        Some("string") => of_text(schema),
        Some("integer") => of_integer(schema),
        Some("boolean") => {
            json_list(&["true", "", MARK], &[0.into(), 1.into(), json!([true]), json!({})])
        }
        Some("array") => of_list(schema),
        Some("object") => json_list(&[MARK], &[1.into(), true.into(), json!([]), json!([{}])]),
        // Whatever stands there is not looked at.
        None => return Vec::new(),
        Some(other) => panic!("no values for {other}"),
    };
    if schema["nullable"] != true {
        values.push(Value::Null);
    }
    values
}

fn of_text(schema: &Value) -> Vec<Value> {
    let length = |name: &str| schema[name].as_u64().map(|length| usize::try_from(length).unwrap());
    let (shortest, longest) = (length("minLength").unwrap_or(0), length("maxLength"));
    let format = schema["format"].as_str().unwrap_or_default();
    let is_bounded = longest.is_some() || schema.get("enum").is_some();
    assert!(is_bounded || BOUNDED_FORMATS.contains(&format), "a text without an end: {schema}");
    let mut values = json_list(&[], &[0.into(), 1.5.into(), true.into(), json!([MARK]), json!({})]);
    if schema.get("enum").is_some() || !is_bounded {
        values.extend(json_list(&["", " ", MARK, "null", "2024-02-30", "infinity", "\u{0}"], &[]));
        values.push(json!("9".repeat(60_000 / 8)));
    }
    if format == "date" {
        let dates = [
            "0000-00-00",
            "1899-12-31",
            "10000-01-01",
            "2023-02-29",
            "2024-1-1",
            "+2024-01-01",
            "2024-01-01T00:00:00Z",
            "2024-01-01\n",
            "٢٠٢٤-٠١-٠١",
        ];
        values.extend(dates.map(Value::from));
    }
    if let Some(longest) = longest {
        for unit in ["9", "é", "😖", "e\u{301}"] {
            let times = longest / unit.chars().count() + 1;
            values.push(json!(unit.repeat(times)));
        }
        // Unpaired ones are no JSON; as text of its own each of these is refused by its pattern.
        for control in ["\u{0}", "\u{1}", "\u{b}", "\u{1b}", "\u{7f}", "\u{85}"] {
            values.push(json!(format!("{control}{}", "9".repeat(shortest.max(4) - 1))));
        }
    }
    if shortest > 0 {
        values.push(json!("9".repeat(shortest - 1)));
    }
    values
}

fn of_integer(schema: &Value) -> Vec<Value> {
    let mut values = json_list(&["1", "", MARK], &[true.into(), json!([1]), json!({})]);
    for text in
        ["1.5", "1e-1", "1e19", "-1e300", "9223372036854775808", "-9223372036854775809", "1e308"]
    {
        values.push(serde_json::from_str(text).unwrap());
    }
    values.extend(schema["minimum"].as_i64().map(|least| json!(least - 1)));
    values.extend(schema["maximum"].as_i64().map(|most| json!(most + 1)));
    values
}

fn of_list(schema: &Value) -> Vec<Value> {
    let mut values = json_list(&["", MARK], &[1.into(), true.into(), json!({}), json!({"0": 1})]);
    let item = example(&resolved(&schema["items"]));
    let length = |name: &str| schema[name].as_u64().map(|length| usize::try_from(length).unwrap());
    values.extend(length("minItems").map(|least| json!(vec![item.clone(); least - 1])));
    values.extend(length("maxItems").map(|most| json!(vec![item.clone(); most + 1])));
    if schema["uniqueItems"] == true {
        values.push(json!([item, item]));
    }
    values
}

fn json_list(texts: &[&str], others: &[Value]) -> Vec<Value> {
    texts.iter().map(|text| json!(text)).chain(others.iter().cloned()).collect()
}

/// Everything in a body that has a schema of its own; of a list the first item.
fn collect(schema: &Value, path: &mut Vec<String>, is_required: bool, fields: &mut Vec<Field>) {
    let schema = resolved(schema);
    fields.push(Field { path: path.clone(), schema: schema.clone(), is_required });
    for (name, member) in members(&schema["properties"]) {
        let required = schema["required"].as_array();
        let is_required = required.is_some_and(|names| names.contains(&json!(name)));
        path.push(name.clone());
        collect(member, path, is_required, fields);
        path.pop();
    }
    if schema.get("items").is_some() {
        path.push("0".to_owned());
        collect(&schema["items"], path, false, fields);
        path.pop();
    }
}

/// The schema behind references; what stands beside a reference counts too.
fn resolved(schema: &Value) -> Value {
    let reference = schema["$ref"].as_str().or_else(|| schema["allOf"][0]["$ref"].as_str());
    let Some(reference) = reference else { return schema.clone() };
    let mut schema = schema.as_object().unwrap().clone();
    schema.retain(|name, _| name != "$ref" && name != "allOf");
    let mut behind = resolved(DOCUMENT.pointer(reference.trim_start_matches('#')).unwrap());
    behind.as_object_mut().unwrap().extend(schema);
    behind
}

fn sound(body: &Value) -> Value {
    let first = || members(&body["examples"]).next().map(|(_, example)| example["value"].clone());
    body.get("example").cloned().or_else(first).expect("every body has an example")
}

fn place<'a>(body: &'a mut Value, path: &[String]) -> &'a mut Value {
    path.iter().fold(body, |value, part| match value {
        Value::Array(items) => &mut items[part.parse::<usize>().unwrap()],
        other => &mut other[part.as_str()],
    })
}

fn remove(body: &mut Value, path: &[String]) {
    let (last, parents) = path.split_last().unwrap();
    place(body, parents).as_object_mut().unwrap().remove(last);
}

/// The sound body with a text in the place of one value, whatever the text is.
fn with_text(sound: &Value, path: &[String], text: &[u8]) -> Vec<u8> {
    const PLACEHOLDER: &str = "put-it-here";
    let mut changed = sound.clone();
    *place(&mut changed, path) = json!(PLACEHOLDER);
    let written = changed.to_string();
    let (before, after) = written.split_once(&format!("\"{PLACEHOLDER}\"")).unwrap();
    [before.as_bytes(), text, after.as_bytes()].concat()
}

fn parameters<'a>(operation: &'a Value, place: &'a str) -> impl Iterator<Item = &'a Value> {
    let all = operation["parameters"].as_array().into_iter().flatten();
    all.filter(move |parameter| parameter["in"] == place)
}

/// The template with ids that name nothing, one of them otherwise.
fn path_of(template: &str, operation: &Value, other: Option<(&str, &str)>) -> String {
    parameters(operation, "path").fold(template.to_owned(), |path, parameter| {
        let name = parameter["name"].as_str().unwrap();
        let usual = match resolved(&parameter["schema"])["type"].as_str() {
            Some("integer") => "987654321",
            _ => "00000000-0000-4000-8000-000000000000",
        };
        let value = other.filter(|(it, _)| *it == name).map_or(usual, |(_, value)| value);
        path.replace(&format!("{{{name}}}"), value)
    })
}

/// Something that a schema allows.
fn example(schema: &Value) -> Value {
    let given = schema.get("example").or_else(|| schema["enum"].get(0)).cloned();
    given.unwrap_or_else(|| match schema["type"].as_str() {
        Some("integer") => schema["minimum"].clone(),
        Some("boolean") => json!(true),
        _ if schema["format"] == "date" => json!("2024-01-15"),
        _ => json!({}),
    })
}

fn text_of(schema: &Value) -> String {
    let example = example(schema);
    example.as_str().map_or_else(|| example.to_string(), str::to_owned)
}

/// A value as it would stand in a query, if it is wrong there too: everything in a query is text, and an
/// empty one counts as left out.
fn as_parameter(schema: &Value, value: &Value) -> Option<String> {
    let text = match value {
        Value::String(text) if schema["type"] == "string" => text.clone(),
        Value::Number(number) if schema["type"] == "integer" => number.to_string(),
        _ => return None,
    };
    let encoded = text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
    (!text.is_empty() && encoded.len() < 3_000).then_some(encoded)
}

fn members(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flatten()
}
