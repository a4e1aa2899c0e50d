//! Every operation that needs a token needs the scope that the document names, and no other.

use contracts::Scope;
use reqwest::StatusCode;
use serde_json::json;

use super::operations;
use crate::harness::{App, Person};

/// With all scopes but its own an operation is refused; with its own alone it is not. What concerns the
/// account itself no program may; who signed in may it all, as the strangers of these tests do.
pub(super) async fn are_each_needed_and_enough(app: &App) {
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
        for operation in operations::secured().filter(|operation| operation.scope() == scope) {
            operations += 1;
            let refused = operation.send_as(&without).await;
            let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{scope}\"");
            let what = format!("{} {}", operation.name(), refused.text);
            assert_eq!(refused.header("www-authenticate"), Some(&*challenge), "{what}");
            refused.problem_of(403, "insufficient-scope");
            if let Some(with) = &with {
                let answer = operation.send_as(with).await;
                let turned_away = [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN];
                assert!(!turned_away.contains(&answer.status), "{what}: {}", answer.text);
            }
        }
        assert!(operations > 0, "{scope} opens nothing");
    }
}

/// A program that somebody gave a token of these scopes.
async fn program(person: &Person, scopes: &[&str]) -> Person {
    let body = json!({"name": "a program", "scopes": scopes});
    let made = person.post("/api/users/tokens", &body).await.expect(StatusCode::CREATED);
    Person { token: made["token"].as_str().unwrap().to_owned(), ..person.clone() }
}
