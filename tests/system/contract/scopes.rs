//! Every operation that needs a token needs the scope that the document names, and no other.

use contracts::Scope;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::harness::{App, Person, client::Answer, document::DOCUMENT};

pub(super) async fn all(app: &App) {
    let person = app.client().somebody().await;
    for scope in Scope::ALL {
        let others: Vec<&str> =
            Scope::DELEGABLE.into_iter().filter(|it| *it != scope).map(Scope::name).collect();
        let without = program(&person, &others).await;
        let with = match scope {
            Scope::Account => None,
            scope => Some(program(&person, &[scope.name()]).await),
        };
        let mut operations = 0;
        for (method, template, operation) in operations_of(scope) {
            operations += 1;
            let refused = send(&without, &method, template, operation).await;
            let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
            let what = format!("{method} {template} {}", refused.text);
            assert_eq!(refused.header("www-authenticate"), Some(&*challenge), "{what}");
            refused.problem_of(403, "insufficient-scope");
            if let Some(with) = &with {
                let answer = send(with, &method, template, operation).await;
                let turned_away = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
                assert!(
                    !turned_away.contains(&answer.status),
                    "{method} {template} {}",
                    answer.text
                );
            }
        }
        assert!(operations > 0, "{scope} opens nothing");
    }
}

/// The operations of the document that need a scope.
fn operations_of(scope: Scope) -> impl Iterator<Item = (Method, &'static str, &'static Value)> {
    let paths = DOCUMENT["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(template, item)| {
        let operations = item.as_object().unwrap().iter();
        operations.map(move |(method, operation)| (method, template.as_str(), operation))
    });
    let secured = all.filter(|(_, _, operation)| operation.get("security").is_some());
    secured
        .filter(move |(_, template, operation)| {
            let named =
                operation["x-required-scope"].as_str().unwrap_or_else(|| panic!("{template}"));
            named == scope.name()
        })
        .map(|(method, template, operation)| {
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            (method, template, operation)
        })
}

/// A program that somebody gave a token of these scopes.
async fn program(person: &Person, scopes: &[&str]) -> Person {
    let body = json!({"name": "a program", "scopes": scopes});
    let made = person.post("/api/users/tokens", &body).await.expect(StatusCode::CREATED);
    Person { token: made["token"].as_str().unwrap().to_owned(), ..person.clone() }
}

/// Sends an operation as its example says, on something that is not there.
async fn send(person: &Person, method: &Method, template: &str, operation: &Value) -> Answer {
    let is_uuid = template.contains("/sessions/") || template.contains("/tokens/");
    let id = if is_uuid { "00000000-0000-4000-8000-000000000000" } else { "987654321" };
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let required = parameters.filter(|it| it["in"] == "query" && it["required"] == true);
    let query = required.map(|parameter| {
        let is_number = parameter["schema"]["type"] == "integer";
        let value = if is_number { "1" } else { "2024-01-15" };
        format!("{}={value}", parameter["name"].as_str().unwrap())
    });
    let query = query.collect::<Vec<_>>().join("&");
    let path = format!("{}?{query}", template.replace("{id}", id));
    let mut request = person.request(method.clone(), path.trim_end_matches('?'));
    if let Some(example) = operation.pointer("/requestBody/content/application~1json/example") {
        request = request.json(example);
    }
    Answer::of(request).await
}
