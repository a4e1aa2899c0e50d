//! Those who belong nowhere, each with what they would come with.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use super::operations::bearer;
use crate::harness::{
    App, Person,
    client::{Answer, PASSWORD},
    wait,
};

/// Somebody who has no business here.
pub(super) struct Outsider {
    pub(super) who: &'static str,
    /// What they send as `Authorization`.
    pub(super) authorization: Option<String>,
}

/// Nobody, and whoever has a token that is good no more, or never was for this. Each but the first
/// could do everything if the one thing that is wrong with it were not looked at.
pub(super) async fn all(app: &App, victim: &Person) -> Vec<Outsider> {
    let now = jsonwebtoken::get_current_timestamp();
    let past = |claims: &mut Value| {
        claims["iat"] = json!(now - 700);
        claims["nbf"] = json!(now - 700);
        claims["exp"] = json!(now - 100);
    };
    let unchanged = bearer(&resigned(app, victim, |_| {}));
    let let_in = app.client().request(Method::GET, "/api/users/profile");
    let let_in = Answer::of(let_in.header("Authorization", unchanged)).await;
    let_in.expect(StatusCode::OK);
    let mut outsiders = vec![
        Outsider { who: "nobody", authorization: None },
        with("expired", &resigned(app, victim, past)),
        with("for others", &resigned(app, victim, |claims| claims["aud"] = json!("elsewhere"))),
        with("of others", &resigned(app, victim, |claims| claims["iss"] = json!("elsewhere"))),
    ];
    outsiders.extend(turned_out(app).await);
    outsiders
}

/// Those whose tokens were good, and were taken back.
async fn turned_out(app: &App) -> Vec<Outsider> {
    let client = app.client();
    let (left, gone, owner) =
        (client.somebody().await, client.somebody().await, client.somebody().await);
    let (revoked, id) = program(&owner).await;
    let (of_gone, _) = program(&gone).await;
    for person in [&left, &gone, &revoked, &of_gone] {
        person.get("/api/cycles/cycles").await.expect(StatusCode::OK);
    }
    left.post("/api/users/logout", &json!({})).await.expect(StatusCode::OK);
    owner.delete(&format!("/api/users/tokens/{id}")).await.expect(StatusCode::OK);
    erase(&gone).await;
    let mut outsiders = Vec::new();
    for (who, person) in [
        ("signed out", left),
        ("erased", gone),
        ("revoked token", revoked),
        ("token of somebody erased", of_gone),
    ] {
        wait::until(who, || async {
            let status = person.get("/api/cycles/cycles").await.status;
            (status == StatusCode::UNAUTHORIZED).then_some(())
        })
        .await;
        outsiders.push(with(who, &person));
    }
    outsiders
}

/// A program with every scope that one can have, and the id of its token.
async fn program(owner: &Person) -> (Person, String) {
    let scopes = contracts::Scope::DELEGABLE.map(contracts::Scope::name);
    let body = json!({"name": "a program", "scopes": scopes});
    let made = owner.post("/api/users/tokens", &body).await.expect(StatusCode::CREATED);
    let token = made["token"].as_str().unwrap().to_owned();
    let id = made["api_token"]["id"].as_str().unwrap().to_owned();
    (Person { token, ..owner.clone() }, id)
}

/// A machine that is busy may say 503: not carried out.
async fn erase(person: &Person) {
    let body = json!({"password": PASSWORD});
    let answer = wait::until("somebody to have the time to erase", || async {
        let request = person.request(Method::DELETE, "/api/users/account").json(&body);
        let answer = Answer::of(request).await;
        (answer.status != StatusCode::SERVICE_UNAVAILABLE).then_some(answer)
    })
    .await;
    answer.expect(StatusCode::ACCEPTED);
}

/// Somebody's token with other claims, signed as it should be.
fn resigned(app: &App, person: &Person, change: impl FnOnce(&mut Value)) -> Person {
    let decoded = jsonwebtoken::dangerous::insecure_decode::<Value>(&person.token);
    let mut claims = decoded.unwrap().claims;
    change(&mut claims);
    Person { token: app.signed(&claims), ..person.clone() }
}

fn with(who: &'static str, person: &Person) -> Outsider {
    Outsider { who, authorization: Some(bearer(person)) }
}
