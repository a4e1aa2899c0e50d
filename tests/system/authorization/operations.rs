//! The operations of the API document, each with a request that it takes: an operation that is added
//! later is tried like all others, without a word here.

use contracts::Scope;
use reqwest::{Method, header};
use serde_json::{Value, json};

use crate::harness::{Client, Person, client::Answer, document::DOCUMENT};

/// The request id of every request here, so that answers can be compared whole.
const REQUEST_ID: &str = "authorization";

/// One operation.
pub(super) struct Operation {
    pub(super) method: Method,
    pub(super) template: &'static str,
    described: &'static Value,
}

/// A place of a request that names something which belongs to somebody.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reference {
    place: Place,
    /// The name of the parameter or member.
    name: &'static str,
    /// The path at which its owner has these things listed.
    pub(super) collection: &'static str,
    is_uuid: bool,
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum Place {
    Path,
    Query,
    Body,
}

impl Reference {
    /// An id of nothing.
    pub(super) fn missing(&self) -> Value {
        if self.is_uuid {
            json!("00000000-0000-4000-8000-000000000000")
        } else {
            json!(987_654_321)
        }
    }
}

/// All operations of the document.
pub(super) fn all() -> impl Iterator<Item = Operation> {
    DOCUMENT["paths"].as_object().unwrap().iter().flat_map(|(template, item)| {
        item.as_object().unwrap().iter().map(move |(method, described)| Operation {
            method: Method::from_bytes(method.to_uppercase().as_bytes()).unwrap(),
            template,
            described,
        })
    })
}

/// Those that ask for a token.
pub(super) fn secured() -> impl Iterator<Item = Operation> {
    all().filter(Operation::is_secured)
}

impl Operation {
    /// How the operation is called here.
    pub(super) fn name(&self) -> String {
        format!("{} {}", self.method, self.template)
    }

    /// Whether the document says that it asks for a token.
    pub(super) fn is_secured(&self) -> bool {
        self.described["security"].as_array().is_some_and(|schemes| !schemes.is_empty())
    }

    /// What a token needs for it.
    pub(super) fn scope(&self) -> Scope {
        let named = self.described["x-required-scope"].as_str();
        let scope = named.and_then(Scope::parse);
        scope.unwrap_or_else(|| panic!("{} names no scope that there is: {named:?}", self.name()))
    }

    /// Whether an answer of this status is documented.
    pub(super) fn documents(&self, status: u16) -> bool {
        self.described["responses"].get(status.to_string()).is_some()
    }

    /// Whether it only reads.
    pub(super) fn is_read(&self) -> bool {
        self.method == Method::GET
    }

    /// What it takes ids of: in the path whatever it is called, elsewhere what ends in `_id`.
    pub(super) fn references(&self) -> Vec<Reference> {
        let mut found = Vec::new();
        for parameter in self.parameters() {
            let name = parameter["name"].as_str().unwrap();
            let is_uuid = parameter["schema"]["format"] == "uuid";
            if parameter["in"] == "path" {
                let collection = self.template.split("/{").next().unwrap();
                found.push(Reference { place: Place::Path, name, collection, is_uuid });
            } else if let Some(noun) = name.strip_suffix("_id") {
                let collection = self.collection_of(noun);
                found.push(Reference { place: Place::Query, name, collection, is_uuid });
            }
        }
        for (name, example) in self.example().and_then(Value::as_object).into_iter().flatten() {
            if let Some(noun) = name.strip_suffix("_id") {
                let (collection, is_uuid) = (self.collection_of(noun), example.is_string());
                found.push(Reference { place: Place::Body, name, collection, is_uuid });
            }
        }
        found
    }

    /// Sends the request of the document's examples, with ids of nothing.
    pub(super) async fn send(&self, client: &Client, authorization: Option<&str>) -> Answer {
        self.send_about(client, authorization, &[]).await
    }

    /// The same in somebody's name.
    pub(super) async fn send_as(&self, person: &Person) -> Answer {
        self.send_about(&person.client, Some(&bearer(person)), &[]).await
    }

    /// The same with this id in one place.
    pub(super) async fn send_with(
        &self,
        person: &Person,
        reference: Reference,
        id: &Value,
    ) -> Answer {
        self.send_about(&person.client, Some(&bearer(person)), &[(reference, id)]).await
    }

    /// The path of the request with this id in one place.
    pub(super) fn path_with(&self, reference: Reference, id: &Value) -> String {
        self.path(&[(reference, id)])
    }

    async fn send_about(
        &self,
        client: &Client,
        authorization: Option<&str>,
        ids: &[(Reference, &Value)],
    ) -> Answer {
        let path = format!("{}{}", self.path(ids), self.query(ids));
        let mut request = client.request(self.method.clone(), &path);
        request = request.header("X-Request-Id", REQUEST_ID);
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        if let Some(body) = self.body(ids) {
            request = request.json(&body);
        }
        Answer::of(request).await
    }

    fn path(&self, ids: &[(Reference, &Value)]) -> String {
        let parameters = self.parameters().filter(|parameter| parameter["in"] == "path");
        parameters.fold(self.template.to_owned(), |path, parameter| {
            let name = parameter["name"].as_str().unwrap();
            let reference = self.references().into_iter();
            let reference = reference
                .filter(|it| it.place == Place::Path)
                .find(|reference| reference.name == name)
                .unwrap();
            let schema = &parameter["schema"];
            let is_id = reference.is_uuid || schema["type"] == "integer";
            let missing = if is_id { reference.missing() } else { schema["example"].clone() };
            let value = given(ids, Place::Path, name).unwrap_or(missing);
            path.replace(&format!("{{{name}}}"), &plain(&value))
        })
    }

    /// What is required, as its example says, and the ids.
    fn query(&self, ids: &[(Reference, &Value)]) -> String {
        let mut query = String::new();
        for parameter in self.parameters().filter(|parameter| parameter["in"] == "query") {
            let name = parameter["name"].as_str().unwrap();
            let example = || {
                let example = &parameter["schema"]["example"];
                assert!(!example.is_null(), "{}: {name} has no example", self.name());
                example.clone()
            };
            let required = (parameter["required"] == true).then(example);
            if let Some(value) = given(ids, Place::Query, name).or(required) {
                let separator = if query.is_empty() { "?" } else { "&" };
                query.extend([separator, name, "=", &plain(&value)]);
            }
        }
        query
    }

    fn body(&self, ids: &[(Reference, &Value)]) -> Option<Value> {
        let mut body = self.example()?.clone();
        for reference in self.references().iter().filter(|it| it.place == Place::Body) {
            let id = given(ids, Place::Body, reference.name);
            body[reference.name] = id.unwrap_or_else(|| reference.missing());
        }
        Some(body)
    }

    fn parameters(&self) -> impl Iterator<Item = &'static Value> {
        self.described["parameters"].as_array().into_iter().flatten()
    }

    /// The example of the body, if the operation takes one.
    fn example(&self) -> Option<&'static Value> {
        if self.described["requestBody"].is_null() {
            return None;
        }
        let body = self.described.pointer("/requestBody/content/application~1json/example");
        Some(body.unwrap_or_else(|| {
            panic!(
                "{}: its body has no example in the document, so it cannot be tried",
                self.name()
            )
        }))
    }

    /// Where things of a kind are listed: `cycle` at `/api/cycles/cycles`.
    fn collection_of(&self, noun: &str) -> &'static str {
        let end = format!("/{noun}s");
        let mut paths = DOCUMENT["paths"].as_object().unwrap().iter();
        let found = paths.find(|(path, item)| path.ends_with(&end) && !item["get"].is_null());
        found.map_or_else(
            || panic!("{}: nothing lists the {noun}s that it takes ids of", self.name()),
            |(path, _)| path.as_str(),
        )
    }
}

/// The `Authorization` of somebody.
pub(super) fn bearer(person: &Person) -> String {
    format!("Bearer {}", person.token)
}

fn given(ids: &[(Reference, &Value)], place: Place, name: &str) -> Option<Value> {
    let found = ids.iter().find(|(it, _)| it.place == place && it.name == name);
    found.map(|(_, id)| (*id).clone())
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// Everything in an answer: the status, all headers but the date, the text. The path that the
/// request had stands as `{path}`, wherever it does; `Content-Length` follows from the text.
pub(super) fn whole(answer: &Answer, path: &str) -> (u16, Vec<(String, String)>, String) {
    let headers = answer
        .headers
        .iter()
        .filter(|(name, _)| ![header::DATE, header::CONTENT_LENGTH].contains(name));
    let shown =
        |value: &header::HeaderValue| String::from_utf8_lossy(value.as_bytes()).into_owned();
    let mut headers: Vec<(String, String)> =
        headers.map(|(name, value)| (name.to_string(), shown(value))).collect();
    headers.sort();
    let text = answer.text.replace(&format!("\"{path}\""), "\"{path}\"");
    (answer.status.as_u16(), headers, text)
}
