//! Guessing passwords, through the group's handle and through several at once.

use std::net::IpAddr;

use actor_runtime::clock::Clock;
use chrono::TimeDelta;
use contracts::{
    Call, ErrorKind, Handle, Refusal,
    users::{EraseAccount, RequestPasswordReset, ResetPassword, Session, UsersMailbox},
};
use futures::future::join_all;
use lunation_users::{AddressLimits, make_reset_token_for};

use crate::support::{PASSWORD, Setup, TestUsers, call, login, register, session_of, until};

const HOME: &str = "192.0.2.7";
const ELSEWHERE: &str = "198.51.100.9";

fn from(address: &str) -> Call {
    Call { origin: Some(address.parse::<IpAddr>().unwrap()), ..call() }
}

async fn sign_in(
    handle: &Handle<UsersMailbox>,
    address: &str,
    email: &str,
    password: &str,
) -> Result<Session, Refusal> {
    handle.ask(&from(address), login(email, password)).await
}

/// What came of an attempt: 200, 401 or 429, and the seconds to wait.
fn outcome(answer: &Result<Session, Refusal>) -> (u16, Option<u32>) {
    match answer {
        Ok(_) => (200, None),
        Err(refusal) if refusal.kind == ErrorKind::Unauthenticated => {
            assert_eq!(refusal.code, "invalid-credentials");
            (401, refusal.retry_after_seconds)
        }
        Err(refusal) if refusal.kind == ErrorKind::Throttled => (429, refusal.retry_after_seconds),
        Err(refusal) => panic!("{refusal}"),
    }
}

/// Somebody who registered at home.
async fn ada(users: &TestUsers) {
    users.handle.ask(&from(HOME), register("ada@test.com", "ada")).await.unwrap();
}

async fn waits(users: &TestUsers) -> i64 {
    let count = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM throttle"#);
    count.fetch_one(&users.pool).await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn five_are_free_and_the_right_password_gets_in_after_the_wait() {
    let users = TestUsers::start().await;
    ada(&users).await;
    let other = users.another_group().await;
    // By two processes in turn, for an account that exists and one that does not: the same.
    for email in ["ada@test.com", "nobody@test.com"] {
        for attempt in 0..5 {
            let handle = if attempt % 2 == 0 { &users.handle } else { &other };
            let answer = sign_in(handle, ELSEWHERE, email, "pass124").await;
            assert_eq!(outcome(&answer), (401, None), "{email} {attempt}");
        }
        for handle in [&users.handle, &other] {
            // Right or wrong is not looked at.
            for password in ["pass124", PASSWORD] {
                let answer = sign_in(handle, ELSEWHERE, email, password).await;
                assert_eq!(outcome(&answer), (429, Some(1)), "{email}");
            }
        }
    }
    // From where she signed in to it, nobody keeps its owner waiting.
    assert!(sign_in(&users.handle, HOME, "Ada@test.com", PASSWORD).await.is_ok());
    until("the owner to get in", async || {
        let answer = sign_in(&users.handle, ELSEWHERE, "ada@test.com", PASSWORD).await;
        match outcome(&answer) {
            (200, _) => Some(()),
            (429, Some(seconds)) => {
                assert!(seconds <= 1, "asking makes nothing worse");
                None
            }
            other => panic!("{other:?}"),
        }
    })
    .await;
    // It begins anew.
    for _ in 0..5 {
        let answer = sign_in(&users.handle, ELSEWHERE, "ada@test.com", "pass124").await;
        assert_eq!(outcome(&answer).0, 401);
    }
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hundred_at_once_are_not_a_hundred_guesses() {
    let users = TestUsers::start().await;
    ada(&users).await;
    let other = users.another_group().await;
    let attempts = (0..30).map(|number| {
        let handle = if number % 2 == 0 { &users.handle } else { &other };
        let password = format!("guess {number}");
        async move { sign_in(handle, ELSEWHERE, "ada@test.com", &password).await }
    });
    let outcomes: Vec<u16> = join_all(attempts).await.iter().map(|it| outcome(it).0).collect();
    // Whoever waits for the lock for longer than the first wait of a second may be looked at.
    let guesses = outcomes.iter().filter(|status| **status == 401).count();
    assert!((5..=7).contains(&guesses), "{outcomes:?}");
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_owner_s_own_place_has_a_wait_of_its_own() {
    let users = TestUsers::start().await;
    ada(&users).await;
    for _ in 0..5 {
        assert_eq!(outcome(&sign_in(&users.handle, HOME, "ada@test.com", "x").await).0, 401);
    }
    assert_eq!(outcome(&sign_in(&users.handle, HOME, "ada@test.com", PASSWORD).await).0, 429);
    // Nor does it keep her waiting somewhere else.
    assert!(sign_in(&users.handle, ELSEWHERE, "ada@test.com", PASSWORD).await.is_ok());
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_tries_one_password_on_everybody_is_slowed_down() {
    let limits = AddressLimits { per_minute: 10, per_hour: 12 };
    let users = TestUsers::start_as(Setup { address_limits: limits, ..Setup::default() }).await;
    ada(&users).await;
    let spray = |address: &'static str, numbers: std::ops::Range<u32>| {
        let handle = users.handle.clone();
        async move {
            let mut outcomes = Vec::new();
            for number in numbers {
                let email = format!("somebody{number}@test.com");
                outcomes.push(outcome(&sign_in(&handle, address, &email, "summer").await));
            }
            outcomes
        }
    };
    let outcomes = spray("2001:db8:0:1::1", 0..10).await;
    assert!(outcomes.iter().all(|(status, _)| *status == 401), "{outcomes:?}");
    // Another address of the same network, and another account, whether right or wrong.
    let answer = sign_in(&users.handle, "2001:db8:0:1:ffff::9", "ada@test.com", PASSWORD).await;
    let (status, wait) = outcome(&answer);
    assert!(status == 429 && (1..=60).contains(&wait.unwrap()), "{status} {wait:?}");
    // Everybody else goes on.
    assert_eq!(spray("2001:db8:0:2::1", 10..11).await, [(401, None)]);
    assert!(sign_in(&users.handle, ELSEWHERE, "ada@test.com", PASSWORD).await.is_ok());
    // Links count as well, and who succeeds is not counted.
    for _ in 0..3 {
        assert!(sign_in(&users.handle, ELSEWHERE, "ada@test.com", PASSWORD).await.is_ok());
    }
    let ask = |address: &'static str| {
        let request = RequestPasswordReset { email: "nobody@test.com".to_owned() };
        let handle = users.handle.clone();
        async move { handle.ask(&from(address), request).await }
    };
    for _ in 0..10 {
        assert_eq!(ask(ELSEWHERE).await, Ok(()));
    }
    assert_eq!(ask(ELSEWHERE).await.err().unwrap().kind, ErrorKind::Throttled);
    // A minute later it is the hour that counts.
    let moment = Clock::System.now() + TimeDelta::seconds(61);
    let setup = Setup { address_limits: limits, clock: Clock::Fixed(moment), ..Setup::default() };
    let later = users.another_group_as(setup).await;
    let mut statuses = Vec::new();
    for number in 20..23 {
        let email = format!("somebody{number}@test.com");
        statuses.push(outcome(&sign_in(&later, "2001:db8:0:1::1", &email, "summer").await).0);
    }
    assert_eq!(statuses, [401, 401, 429]);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reset_ends_the_wait() {
    let users = TestUsers::start().await;
    ada(&users).await;
    for _ in 0..5 {
        sign_in(&users.handle, ELSEWHERE, "ada@test.com", "pass124").await.err().unwrap();
    }
    assert_eq!(outcome(&sign_in(&users.handle, ELSEWHERE, "ada@test.com", PASSWORD).await).0, 429);
    let token = make_reset_token_for(&users.pool, Clock::System, "ada@test.com").await;
    let token = token.unwrap().unwrap();
    let new_password = contracts::users::Password::new("another one of mine".to_owned());
    let request = ResetPassword { token, new_password };
    users.handle.ask(&from(ELSEWHERE), request).await.unwrap();
    let answer = sign_in(&users.handle, ELSEWHERE, "ada@test.com", "another one of mine").await;
    assert_eq!(outcome(&answer).0, 200);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_of_an_account_that_is_erased() {
    let users = TestUsers::start().await;
    ada(&users).await;
    let session = sign_in(&users.handle, HOME, "ada@test.com", PASSWORD).await.unwrap();
    let password = contracts::users::Password::new(PASSWORD.to_owned());
    let request =
        EraseAccount { user_id: session.user.id, password: password.clone(), second_factor: None };
    let call = Call { session: Some(session_of(&session.access_token)), ..from(HOME) };
    // The proof, once more, is an attempt like any other.
    let wrong = contracts::users::Password::new("pass124".to_owned());
    let guess = EraseAccount { password: wrong, ..request.clone() };
    assert_eq!(users.handle.ask(&call, guess).await.err().unwrap().code, "invalid-credentials");
    users.handle.ask(&call, request).await.unwrap();
    assert_eq!(waits(&users).await, 0);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_kept_that_names_anybody_and_nothing_for_long() {
    let users = TestUsers::start().await;
    ada(&users).await;
    for email in ["ada@test.com", "nobody@test.com"] {
        sign_in(&users.handle, ELSEWHERE, email, "pass124").await.err().unwrap();
    }
    let rows = sqlx::query_scalar!(r#"SELECT throttle::text AS "row!" FROM throttle"#);
    let rows = rows.fetch_all(&users.pool).await.unwrap();
    // Two accounts, a minute and an hour of one address, and where somebody registered.
    assert_eq!(rows.len(), 5);
    for row in rows {
        for word in ["ada", "nobody", "192.0.2", "198.51"] {
            assert!(!row.contains(word), "{row}");
        }
    }
    let moment = Clock::System.now() + TimeDelta::hours(2);
    let _later =
        users.another_group_as(Setup { clock: Clock::Fixed(moment), ..Setup::default() }).await;
    until("all to be forgotten", async || (waits(&users).await == 0).then_some(())).await;
    users.stop().await;
}
