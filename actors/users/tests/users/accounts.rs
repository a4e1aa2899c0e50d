//! Accounts through the group's handle, over a real Postgres.

use chrono::NaiveDate;
use contracts::{
    ErrorKind, Patch, Refusal, UserId,
    health::{Check, GroupHealth},
    users::{
        CheckUsers, GetProfile, GetSigningKeys, Password, Register, SigningKeys, UpdateProfile,
        User,
    },
};
use futures::future::join_all;
use jsonwebtoken::{Algorithm, DecodingKey, Validation, decode, decode_header, jwk::JwkSet};
use serde_json::{Map, Value, json};

use crate::support::{AUDIENCE, ISSUER, PASSWORD, TestUsers, keep_all, login, register};

fn verdict<T>(answer: Result<T, Refusal>) -> (ErrorKind, String) {
    let refusal = answer.err().expect("a refusal");
    (refusal.kind, refusal.code.into_owned())
}

fn is(kind: ErrorKind, code: &str) -> (ErrorKind, String) {
    (kind, code.to_owned())
}

fn json_of(user: &User) -> Value {
    serde_json::to_value(user).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn register_login_and_profile() {
    let users = TestUsers::start().await;
    let user = users.ask(register("Test@Test.com", "TestUser")).await.unwrap();
    assert_eq!(user.email, "Test@Test.com");
    assert_eq!(user.username, "TestUser");
    assert_eq!(user.first_name.as_deref(), Some("Test"));
    assert_eq!(user.last_name, None);
    assert_eq!(user.date_of_birth, NaiveDate::from_ymd_opt(1990, 2, 28));
    assert!(user.is_active);

    // The address is known in whatever case it is written.
    let session = users.ask(login("tEST@tEST.COM", PASSWORD)).await.unwrap();
    assert_eq!(json_of(&session.user), json_of(&user));
    assert_eq!(session.expires_in_seconds, 600);
    let profile = users.ask(GetProfile { user_id: user.id }).await.unwrap();
    assert_eq!(json_of(&profile), json_of(&user));

    // What is published is all that is needed to know whose token it is.
    let SigningKeys { jwks, issuer, audience } = users.ask(GetSigningKeys {}).await.unwrap();
    assert_eq!((issuer.as_str(), audience.as_str()), (ISSUER, AUDIENCE));
    let jwks: JwkSet = serde_json::from_value(jwks).unwrap();
    let key_id = decode_header(&session.access_token).unwrap().kid.unwrap();
    let key = DecodingKey::from_jwk(jwks.find(&key_id).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::EdDSA);
    validation.set_issuer(&[issuer]);
    validation.set_audience(&[audience]);
    let token = decode::<Map<String, Value>>(&session.access_token, &key, &validation).unwrap();
    assert_eq!(token.claims["sub"], json!(user.id.to_string()));

    let health = users.ask(CheckUsers {}).await.unwrap();
    assert_eq!(
        health,
        GroupHealth { checks: vec![Check { name: "database".into(), healthy: true }] }
    );
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_cannot_prove_it_hears_one_and_the_same() {
    let users = TestUsers::start().await;
    let user = users.ask(register("test@test.com", "testuser")).await.unwrap();
    let wrong = users.ask(login("test@test.com", "pass124")).await.err().unwrap();
    assert_eq!(wrong.kind, ErrorKind::Unauthenticated);
    assert_eq!(wrong.code, "invalid-credentials");
    for email in ["nobody@test.com", "no address", "", "nul\0@test.com"] {
        assert_eq!(users.ask(login(email, PASSWORD)).await.err(), Some(wrong.clone()), "{email:?}");
    }
    let last_changed = users.ask(login("test@test.com", "pass123\u{301}")).await.err();
    assert_eq!(last_changed, Some(wrong.clone()));
    assert!(users.ask(login("test@test.com", PASSWORD)).await.is_ok());

    sqlx::query!("UPDATE account SET is_active = false WHERE id = $1", user.id.get())
        .execute(&users.pool)
        .await
        .unwrap();
    assert_eq!(users.ask(login("test@test.com", PASSWORD)).await.err(), Some(wrong));
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn addresses_and_names_are_taken_once_whatever_their_case() {
    let users = TestUsers::start().await;
    users.ask(register("Test@Test.com", "TestUser")).await.unwrap();
    let email = users.ask(register("tesT@test.COM", "another")).await;
    assert_eq!(verdict(email), is(ErrorKind::Conflict, "email-taken"));
    let username = users.ask(register("another@test.com", "testuser")).await;
    assert_eq!(verdict(username), is(ErrorKind::Conflict, "username-taken"));
    users.ask(register("müller@test.com", "ÄÖÜ")).await.unwrap();
    let unicode = users.ask(register("MÜLLER@test.com", "other")).await;
    assert_eq!(verdict(unicode), is(ErrorKind::Conflict, "email-taken"));
    assert_eq!(users.accounts().await, 2);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_racing_registrations_one_wins() {
    let users = TestUsers::start().await;
    for round in 0..10 {
        let racers = (0..4).map(|racer| {
            users.ask(register(&format!("r{round}@test.com"), &format!("racer-{round}-{racer}")))
        });
        let (won, lost): (Vec<_>, Vec<_>) =
            join_all(racers).await.into_iter().partition(Result::is_ok);
        assert_eq!((won.len(), lost.len()), (1, 3));
        for answer in lost {
            assert_eq!(verdict(answer), is(ErrorKind::Conflict, "email-taken"));
        }
    }
    assert_eq!(users.accounts().await, 10);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn invalid_requests_store_nothing() {
    let users = TestUsers::start().await;
    let request = Register {
        password: Password::new("short".to_owned()),
        date_of_birth: NaiveDate::from_ymd_opt(1899, 12, 31),
        ..register("no address", "nul\0name")
    };
    let refusal = users.ask(request).await.err().unwrap();
    assert_eq!(refusal.kind, ErrorKind::Invalid);
    let pointers: Vec<_> = refusal.errors.iter().map(|error| error.pointer.as_ref()).collect();
    assert_eq!(pointers, ["/email", "/username", "/password", "/date_of_birth"]);
    assert_eq!(users.accounts().await, 0);

    let user = users.ask(register("test@test.com", "testuser")).await.unwrap();
    let update = UpdateProfile { first_name: Patch::Set("nul\0".to_owned()), ..keep_all(user.id) };
    assert_eq!(verdict(users.ask(update).await), is(ErrorKind::Invalid, "invalid-input"));
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_with_a_key_happens_once() {
    let users = TestUsers::start().await;
    let request = || register("test@test.com", "testuser");
    let first = users.ask_with_key("key-1", request()).await.unwrap();
    let again = users.ask_with_key("key-1", request()).await.unwrap();
    assert_eq!(json_of(&again), json_of(&first));

    let reused = is(ErrorKind::Invalid, "idempotency-key-reused");
    let other_body = Register { first_name: None, ..request() };
    assert_eq!(verdict(users.ask_with_key("key-1", other_body).await), reused);
    let other_password = Register { password: Password::new("pass124".to_owned()), ..request() };
    assert_eq!(verdict(users.ask_with_key("key-1", other_password).await), reused);
    let other_key = users.ask_with_key("key-2", request()).await;
    assert_eq!(verdict(other_key), is(ErrorKind::Conflict, "email-taken"));

    // The first answer stays the first answer, whatever happened to the account since.
    let update = UpdateProfile { first_name: Patch::Clear, ..keep_all(first.id) };
    users.ask(update).await.unwrap();
    let later = users.ask_with_key("key-1", request()).await.unwrap();
    assert_eq!(json_of(&later), json_of(&first));
    assert_eq!(users.accounts().await, 1);

    // Nothing of a person or of a password is kept with the key.
    let answers = sqlx::query_scalar!("SELECT answer FROM idempotency").fetch_all(&users.pool);
    let answers = answers.await.unwrap();
    assert_eq!(answers.len(), 1);
    let members: Vec<&String> = answers[0].as_object().unwrap().keys().collect();
    assert_eq!(members, ["created_at", "user_id"]);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn racing_registrations_with_one_key_are_one() {
    let users = TestUsers::start().await;
    for round in 0..10 {
        let key = format!("key-{round}");
        let request = register(&format!("r{round}@test.com"), &format!("racer-{round}"));
        let racers = (0..4).map(|_| users.ask_with_key(&key, request.clone()));
        let answers: Vec<Value> =
            join_all(racers).await.into_iter().map(|answer| json_of(&answer.unwrap())).collect();
        assert!(answers.iter().all(|answer| *answer == answers[0]), "{answers:?}");
    }
    // The same key with different requests: one of them, and nothing of the others.
    let racers = (0..4).map(|racer| {
        users
            .ask_with_key("one", register(&format!("one{racer}@test.com"), &format!("one-{racer}")))
    });
    let (won, lost): (Vec<_>, Vec<_>) = join_all(racers).await.into_iter().partition(Result::is_ok);
    assert_eq!((won.len(), lost.len()), (1, 3));
    for answer in lost {
        assert_eq!(verdict(answer), is(ErrorKind::Invalid, "idempotency-key-reused"));
    }
    assert_eq!(users.accounts().await, 11);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_profile_is_kept_set_and_cleared() {
    let users = TestUsers::start().await;
    let user = users.ask(register("test@test.com", "testuser")).await.unwrap();
    let other = users.ask(register("other@test.com", "otheruser")).await.unwrap();

    let update = UpdateProfile {
        user_id: user.id,
        first_name: Patch::Keep,
        last_name: Patch::Set("Løvgren".to_owned()),
        date_of_birth: Patch::Clear,
    };
    let expected =
        User { last_name: Some("Løvgren".to_owned()), date_of_birth: None, ..user.clone() };
    let updated = users.ask_with_key("key", update.clone()).await.unwrap();
    assert_eq!(json_of(&updated), json_of(&expected));
    let read = users.ask(GetProfile { user_id: user.id }).await.unwrap();
    assert_eq!(json_of(&read), json_of(&expected));

    // The same key gives the first answer, and has no second effect.
    let back = UpdateProfile { last_name: Patch::Clear, ..keep_all(user.id) };
    users.ask(back.clone()).await.unwrap();
    let again = users.ask_with_key("key", update).await.unwrap();
    assert_eq!(json_of(&again), json_of(&expected));
    let read = users.ask(GetProfile { user_id: user.id }).await.unwrap();
    assert_eq!(read.last_name, None);
    let reused = users.ask_with_key("key", back).await;
    assert_eq!(verdict(reused), is(ErrorKind::Invalid, "idempotency-key-reused"));

    let unchanged = users.ask(keep_all(other.id)).await.unwrap();
    assert_eq!(json_of(&unchanged), json_of(&other));
    let missing = UserId::new(i64::MAX);
    assert_eq!(users.ask(keep_all(missing)).await.err(), Some(Refusal::unauthenticated()));
    let missing = users.ask(GetProfile { user_id: missing }).await;
    assert_eq!(missing.err(), Some(Refusal::unauthenticated()));
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storm_of_logins_is_refused_and_breaks_nothing() {
    // As dear as the floor of the configuration, so that the queue fills.
    let users = TestUsers::start_with((19_456, 2, 1)).await;
    users.ask(register("test@test.com", "testuser")).await.unwrap();
    let logins = (0..200).map(|_| users.ask(login("test@test.com", PASSWORD)));
    let (mut done, mut overloaded) = (0, 0);
    for answer in join_all(logins).await {
        match answer {
            Ok(_) => done += 1,
            Err(refusal) if refusal.kind == ErrorKind::Overloaded => overloaded += 1,
            Err(refusal) => panic!("{refusal}"),
        }
    }
    assert!(done > 0 && overloaded > 0, "{done} done, {overloaded} refused");
    assert!(users.ask(login("test@test.com", PASSWORD)).await.is_ok(), "places come back");
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_said_and_not_a_fault() {
    let mut users = TestUsers::start().await;
    let user = users.ask(register("test@test.com", "testuser")).await.unwrap();
    users.stop_database();
    let profile = users.ask(GetProfile { user_id: user.id }).await;
    assert_eq!(profile.err(), Some(Refusal::unavailable()));
    let update = users.ask(keep_all(user.id)).await;
    assert_eq!(update.err(), Some(Refusal::unavailable()));
    let session = users.ask(login("test@test.com", PASSWORD)).await;
    assert_eq!(session.err(), Some(Refusal::unavailable()));
    let another = users.ask(register("another@test.com", "another")).await;
    assert_eq!(another.err(), Some(Refusal::unavailable()));
    let health = users.ask(CheckUsers {}).await.unwrap();
    assert!(!health.is_healthy());
    // The keys are in memory: tokens are verified all the while.
    assert!(users.ask(GetSigningKeys {}).await.is_ok());
    users.stop().await;
}
