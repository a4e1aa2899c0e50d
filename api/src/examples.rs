//! Examples for the API document, put together from the examples of the single values.

use serde_json::{Map, Value, json};

/// Gives every JSON body of a request or a successful answer its example.
pub(crate) fn add(document: &mut Value) {
    let schemas = document.pointer("/components/schemas").cloned().unwrap_or_default();
    let paths = document.get_mut("paths").and_then(Value::as_object_mut);
    let operations = paths
        .into_iter()
        .flat_map(Map::values_mut)
        .filter_map(Value::as_object_mut)
        .flat_map(Map::values_mut);
    for operation in operations {
        if let Some(media) = operation.pointer_mut("/requestBody/content/application~1json") {
            illustrate(media, &schemas);
        }
        let responses = operation.get_mut("responses").and_then(Value::as_object_mut);
        for response in responses.into_iter().flat_map(Map::values_mut) {
            if let Some(media) = response.pointer_mut("/content/application~1json") {
                illustrate(media, &schemas);
            }
        }
    }
}

fn illustrate(media: &mut Value, schemas: &Value) {
    if let Some(schema) = media.get("schema") {
        let example = of(schema, schemas);
        if let Some(media) = media.as_object_mut() {
            media.insert("example".to_owned(), example);
        }
    }
}

fn of(schema: &Value, schemas: &Value) -> Value {
    let reference = schema.get("$ref").and_then(Value::as_str);
    if let Some(name) = reference.and_then(|path| path.rsplit('/').next()) {
        return schemas.get(name).map_or(Value::Null, |schema| of(schema, schemas));
    }
    if let Some(example) = schema.get("example") {
        return example.clone();
    }
    if let Some(described) = schema.pointer("/allOf/0") {
        return of(described, schemas);
    }
    if let Some(first) = schema.pointer("/enum/0") {
        return first.clone();
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => {
            let properties = schema.get("properties").and_then(Value::as_object);
            let members = properties.into_iter().flatten();
            members.map(|(name, member)| (name.clone(), of(member, schemas))).collect()
        }
        Some("array") => schema.get("items").map_or(json!([]), |item| json!([of(item, schemas)])),
        Some("string") => json!(literal(schema).unwrap_or("…")),
        Some("boolean") => json!(true),
        Some("integer") => json!(404),
        Some("number") => json!(1.5),
        _ => Value::Null,
    }
}

/// The one text that a member always holds, if its description is nothing but that text.
fn literal(schema: &Value) -> Option<&str> {
    let description = schema.get("description")?.as_str()?;
    description.strip_prefix('`')?.strip_suffix("`.").filter(|text| !text.contains('`'))
}
