//! What is somebody else's is not there: the same answer, byte for byte, as for what does not exist.

use contracts::Scope;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    operations::{self, Operation, whole},
    planted::Planted,
};
use crate::harness::{App, client::Answer};

/// Somebody who is signed in tries every operation, with each id of the victim in each place.
pub(super) async fn find_nothing(app: &App, victim: &Planted) {
    let mut stranger = app.client().somebody().await;
    let mut tried = 0;
    for operation in operations::secured() {
        for reference in operation.references() {
            let missing = reference.missing();
            let none = operation.send_with(&stranger, reference, &missing).await;
            holds_nothing_of(victim, &operation, &none);
            let expected = whole(&none, &operation.path_with(reference, &missing));
            let in_path = operation.template.contains('{');
            assert!(!in_path || none.status == 404, "{}: {}", operation.name(), none.text);
            for id in victim.ids(reference).await {
                let theirs = operation.send_with(&stranger, reference, &id).await;
                holds_nothing_of(victim, &operation, &theirs);
                let found = whole(&theirs, &operation.path_with(reference, &id));
                assert_eq!(found, expected, "{} with {id} in {reference:?}", operation.name());
                tried += 1;
            }
        }
        let answer = operation.send_as(&stranger).await;
        holds_nothing_of(victim, &operation, &answer);
        let refused = ["/problems/unauthenticated", "/problems/insufficient-scope"];
        let is_refused = refused.iter().any(|kind| answer.body["type"] == *kind);
        assert!(!is_refused, "{}: {}", operation.name(), answer.text);
        let is_done = answer.status.is_success() && !operation.is_read();
        if is_done && operation.scope() == Scope::Account {
            // That may have ended the session.
            stranger = app.client().somebody().await;
        }
    }
    assert!(tried >= 50, "{tried} ids were tried");
}

/// With the same requests the owner gets somewhere: the ids are good ones. What deletes comes last.
pub(super) async fn the_owner_finds_it(victim: &Planted) {
    let (deleting, others): (Vec<Operation>, Vec<Operation>) =
        operations::secured().partition(|operation| operation.method == Method::DELETE);
    for operation in others.into_iter().chain(deleting) {
        for reference in operation.references() {
            let id = victim.ids(reference).await.remove(0);
            let answer = operation.send_with(&victim.person, reference, &id).await;
            let status = answer.status.as_u16();
            let what = format!("{} with {id} in {reference:?}", operation.name());
            assert!(![401, 403, 404].contains(&status), "{what}: {}", answer.text);
        }
    }
}

/// No text, date or id of the victim is in an answer to somebody else.
fn holds_nothing_of(victim: &Planted, operation: &Operation, answer: &Answer) {
    let shown = format!("{:?} {}", answer.headers, answer.text);
    assert!(!shown.contains(&victim.mark), "{}: {shown}", operation.name());
    // The year alone may stand in an id.
    let dated = ["1955-03-", "1955-06-"].iter().any(|date| shown.contains(date));
    assert!(!dated, "{}: {shown}", operation.name());
    let owners = owners(&answer.body);
    assert!(!owners.contains(&victim.person.id), "{}: {shown}", operation.name());
}

/// Whose an answer says that things are.
pub(super) fn owners(value: &Value) -> Vec<i64> {
    match value {
        Value::Array(items) => items.iter().flat_map(owners).collect(),
        Value::Object(members) => {
            let own = members.get("user_id").and_then(Value::as_i64);
            own.into_iter().chain(members.values().flat_map(owners)).collect()
        }
        _ => Vec::new(),
    }
}

#[test]
fn owners_are_found_wherever_they_stand() {
    let nested = json!({"a": [{"user_id": 3, "b": {"user_id": 4}}], "user_id": 5});
    let mut found = owners(&nested);
    found.sort_unstable();
    assert_eq!(found, [3, 4, 5]);
}
