//! Passwords after the registration, through the group's handle: hashed anew, changed, reset.

use actor_runtime::clock::Clock;
use chrono::TimeDelta;
use contracts::{
    ErrorKind, Handle, Refusal, Secret, UserId,
    users::{
        ChangePassword, ListSessions, Password, RefreshSession, Register, RequestPasswordReset,
        ResetPassword, UsersMailbox,
    },
};
use futures::future::join_all;
use lunation_users::{Mailer, PasswordPolicy, make_reset_token_for};

use crate::{
    smtp::{MailServer, TakenMail},
    support::{PASSWORD, Setup, TestUsers, call, login, register, session_of, until},
};

const NEW: &str = "gather seven lanterns";

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

fn change(user_id: UserId, current: &str, new: &str) -> ChangePassword {
    ChangePassword {
        user_id,
        current_password: password(current),
        new_password: password(new),
        second_factor: None,
    }
}

fn verdict<T>(answer: Result<T, Refusal>) -> (ErrorKind, String) {
    let refusal = answer.err().expect("a refusal");
    (refusal.kind, refusal.code.into_owned())
}

fn blamed<T>(answer: Result<T, Refusal>) -> Vec<String> {
    let errors = answer.err().expect("a refusal").errors;
    errors.into_iter().map(|error| error.pointer.into_owned()).collect()
}

async fn stored_hash(users: &TestUsers, user_id: UserId) -> String {
    let hash =
        sqlx::query_scalar!("SELECT password_hash FROM account WHERE id = $1", user_id.get());
    hash.fetch_one(&users.pool).await.unwrap()
}

/// Waits until so many mails were taken.
async fn mails(server: &MailServer, count: usize) -> Vec<TakenMail> {
    until("a mail", async || Some(server.taken()).filter(|taken| taken.len() >= count)).await
}

fn mailer(server: &MailServer) -> Mailer {
    let url = server.url().into();
    let from = "Lunation <no-reply@lunation.test>";
    Mailer::new(&url, from, "https://lunation.test".to_owned()).unwrap()
}

async fn reset(handle: &Handle<UsersMailbox>, token: &Secret, new: &str) -> Result<(), Refusal> {
    let request = ResetPassword { token: token.clone(), new_password: password(new) };
    handle.ask(&call(), request).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_in_hashes_anew_what_was_hashed_otherwise() {
    let users = TestUsers::start().await;
    let (ada, _) = users.somebody("ada").await;
    let old = stored_hash(&users, ada.id).await;
    assert!(old.starts_with("$argon2id$v=19$m=64,t=1,p=1$"), "{old}");
    let dearer = users.another_group_as(Setup { argon2: (128, 2, 1), ..Setup::default() }).await;
    // A wrong password shows nothing to be hashed.
    let wrong = dearer.ask(&call(), login("ada@test.com", "pass124")).await;
    assert_eq!(wrong.err().unwrap().kind, ErrorKind::Unauthenticated);
    assert_eq!(stored_hash(&users, ada.id).await, old);
    dearer.ask(&call(), login("ada@test.com", PASSWORD)).await.unwrap();
    let new = stored_hash(&users, ada.id).await;
    assert!(new.starts_with("$argon2id$v=19$m=128,t=2,p=1$"), "{new}");
    // With the parameters that count it stays as it is, and the password is the same.
    dearer.ask(&call(), login("ada@test.com", PASSWORD)).await.unwrap();
    assert_eq!(stored_hash(&users, ada.id).await, new);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_change_ends_every_other_session() {
    let users = TestUsers::start().await;
    let (ada, first) = users.somebody("ada").await;
    let (_, bob) = users.somebody("bob").await;
    let here = users.ask(login("ada@test.com", PASSWORD)).await.unwrap();
    let session = session_of(&here.access_token);

    // Who does not know the password changes nothing, signed in or not.
    let guessed = users.ask_in(session, change(ada.id, "pass124", NEW)).await;
    assert_eq!(verdict(guessed).1, "invalid-credentials");
    let nowhere = users.ask(change(ada.id, PASSWORD, NEW)).await;
    assert_eq!(verdict(nowhere).1, "unauthenticated");
    let of_bob = users.ask_in(session_of(&bob.access_token), change(ada.id, PASSWORD, NEW)).await;
    assert_eq!(verdict(of_bob).1, "unauthenticated");
    let too_short = users.ask_in(session, change(ada.id, PASSWORD, "pass12")).await;
    assert_eq!(blamed(too_short), ["/new_password"]);
    assert!(users.ask(login("ada@test.com", PASSWORD)).await.is_ok());

    users.ask_in(session, change(ada.id, PASSWORD, NEW)).await.unwrap();
    let list = users.ask_in(session, ListSessions { user_id: ada.id }).await.unwrap();
    assert_eq!(list.sessions.len(), 1);
    assert!(list.sessions[0].is_current);
    let refreshed = users.ask(RefreshSession { refresh_token: first.refresh_token }).await;
    assert_eq!(verdict(refreshed).1, "invalid-refresh-token");
    assert!(users.ask(RefreshSession { refresh_token: here.refresh_token }).await.is_ok());
    assert!(users.ask(RefreshSession { refresh_token: bob.refresh_token }).await.is_ok());
    assert_eq!(verdict(users.ask(login("ada@test.com", PASSWORD)).await).1, "invalid-credentials");
    assert!(users.ask(login("ada@test.com", NEW)).await.is_ok());
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_changes_at_the_same_time_one_counts() {
    let users = TestUsers::start().await;
    let (ada, session) = users.somebody("ada").await;
    let session = session_of(&session.access_token);
    let changes = (0..4).map(|number| {
        let new = format!("{NEW} {number}");
        users.ask_in(session, change(ada.id, PASSWORD, &new))
    });
    let answers = join_all(changes).await;
    let done: Vec<bool> = answers.iter().map(Result::is_ok).collect();
    assert_eq!(done.iter().filter(|done| **done).count(), 1, "{answers:?}");
    // The others are told so, and did not wait for each other in vain.
    let mut refusals = answers.iter().filter_map(|answer| answer.as_ref().err());
    assert!(refusals.all(|it| it.kind == ErrorKind::Unauthenticated), "{answers:?}");
    let number = done.iter().position(|done| *done).unwrap();
    let new = format!("{NEW} {number}");
    assert!(users.ask(login("ada@test.com", &new)).await.is_ok());
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_strict_policy_holds_wherever_a_password_is_set() {
    let strict = Setup { password_policy: PasswordPolicy::STRICT, ..Setup::default() };
    let users = TestUsers::start_as(strict).await;
    let with = |text: &str| Register {
        password: password(text),
        ..register("ada.lovelace@test.com", "countess")
    };
    for bad in
        [PASSWORD, "fourteen chars", "passwordpassword", "countesscountess", "aaaaaaaaaaaaaaa"]
    {
        assert_eq!(blamed(users.ask(with(bad)).await), ["/password"], "{bad}");
    }
    assert_eq!(users.accounts().await, 0);
    // Spellings that look alike are one password.
    let ada = users.ask(with("sieben schw\u{e4}ne flogen")).await.unwrap();
    let decomposed = "sieben schwa\u{308}ne flogen";
    let session = users.ask(login("ada.lovelace@test.com", decomposed)).await.unwrap();
    let session = session_of(&session.access_token);
    for bad in ["short", "qwertyuiopasdfgh", "lovelacelovelace"] {
        let answer = users.ask_in(session, change(ada.id, decomposed, bad)).await;
        assert_eq!(blamed(answer), ["/new_password"], "{bad}");
    }
    let token = make_reset_token_for(&users.pool, Clock::System, "Ada.Lovelace@test.com").await;
    let token = token.unwrap().unwrap();
    let answer = reset(&users.handle, &token, "countess countess").await;
    assert_eq!(blamed(answer), ["/new_password"]);
    // The link was not used up by that.
    reset(&users.handle, &token, NEW).await.unwrap();
    assert!(users.ask(login("ada.lovelace@test.com", NEW)).await.is_ok());
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_mailed_and_sets_a_password_once() {
    let server = MailServer::start();
    let setup = Setup { mailer: Some(mailer(&server)), ..Setup::default() };
    let users = TestUsers::start_as(setup).await;
    let (_, session) = users.somebody("ada").await;
    users.somebody("bob").await;
    users.ask(RequestPasswordReset { email: "ADA@test.com".to_owned() }).await.unwrap();
    let mail = mails(&server, 1).await.remove(0);
    assert_eq!(mail.to, ["ada@test.com"]);
    assert!(mail.text.contains("https://lunation.test/reset-password#token="), "{}", mail.text);
    let token = Secret::new(mail.token().unwrap());
    assert!(token.is_well_formed(Secret::RESET_TOKEN));
    // Of the token only a hash is kept.
    let kept = sqlx::query_scalar!(r#"SELECT password_reset::text AS "row!" FROM password_reset"#);
    assert!(!kept.fetch_one(&users.pool).await.unwrap().contains(token.expose()));

    // It is good for nobody else, and for nothing else.
    let refresh = users.ask(RefreshSession { refresh_token: token.clone() }).await;
    assert_eq!(verdict(refresh).1, "invalid-refresh-token");
    let other = Secret::new(token.expose().replacen("lunp_", "lunr_", 1));
    assert_eq!(verdict(reset(&users.handle, &other, NEW).await).1, "reset-token-invalid");

    let racing = (0..3).map(|_| reset(&users.handle, &token, NEW));
    let done = join_all(racing).await.iter().filter(|done| done.is_ok()).count();
    assert_eq!(done, 1, "once");
    let (kind, code) = verdict(reset(&users.handle, &token, "another password").await);
    assert_eq!((kind, code.as_str()), (ErrorKind::Invalid, "reset-token-invalid"));
    let refreshed = users.ask(RefreshSession { refresh_token: session.refresh_token }).await;
    assert_eq!(verdict(refreshed).1, "invalid-refresh-token", "every session ended");
    assert!(users.ask(login("ada@test.com", NEW)).await.is_ok());
    assert!(users.ask(login("ada@test.com", PASSWORD)).await.is_err());
    assert!(users.ask(login("bob@test.com", PASSWORD)).await.is_ok());

    // The owner is told that it was done.
    let told = mails(&server, 2).await.remove(1);
    assert_eq!(told.to, ["ada@test.com"]);
    assert!(told.text.contains("Your password was changed"), "{}", told.text);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_asks_for_a_link_learns_nothing_and_cannot_fill_a_mailbox() {
    let server = MailServer::start();
    let setup = Setup { mailer: Some(mailer(&server)), ..Setup::default() };
    let users = TestUsers::start_as(setup).await;
    let (gone, _) = users.somebody("gone").await;
    sqlx::query!("UPDATE account SET is_active = false WHERE id = $1", gone.id.get())
        .execute(&users.pool)
        .await
        .unwrap();
    users.somebody("ada").await;
    for email in ["nobody@test.com", "gone@test.com", "no address", "", "nul\0@test.com"] {
        let answer = users.ask(RequestPasswordReset { email: email.to_owned() }).await;
        assert_eq!(answer, Ok(()), "{email}");
    }
    for _ in 0..5 {
        users.ask(RequestPasswordReset { email: "ada@test.com".to_owned() }).await.unwrap();
    }
    let taken = mails(&server, 3).await;
    // Somebody else's mail comes after all that were asked for before.
    users.somebody("last").await;
    users.ask(RequestPasswordReset { email: "last@test.com".to_owned() }).await.unwrap();
    let all = mails(&server, 4).await;
    assert!(taken.iter().all(|mail| mail.to == ["ada@test.com"]), "{taken:?}");
    let to_ada = all.iter().filter(|mail| mail.to == ["ada@test.com"]).count();
    assert_eq!(to_ada, 3, "three in an hour");
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_runs_out_and_counts_only_for_its_own_account() {
    let users = TestUsers::start().await;
    let (ada, _) = users.somebody("ada").await;
    let make = |clock: Clock| make_reset_token_for(&users.pool, clock, "ada@test.com");
    assert!(
        make_reset_token_for(&users.pool, Clock::System, "nobody@test.com")
            .await
            .unwrap()
            .is_none()
    );
    let now = Clock::System.now();
    let token = make(Clock::Fixed(now)).await.unwrap().unwrap();
    let later = |minutes: i64, seconds: i64| {
        let moment = now + TimeDelta::minutes(minutes) + TimeDelta::seconds(seconds);
        users.another_group_as(Setup { clock: Clock::Fixed(moment), ..Setup::default() })
    };
    reset(&later(9, 59).await, &token, NEW).await.unwrap();
    assert!(users.ask(login("ada@test.com", NEW)).await.is_ok());
    let token = make(Clock::Fixed(now)).await.unwrap().unwrap();
    let answer = reset(&later(10, 0).await, &token, PASSWORD).await;
    assert_eq!(verdict(answer).1, "reset-token-invalid");

    // A change of the password takes back links that are about.
    let token = make(Clock::System).await.unwrap().unwrap();
    let session = users.ask(login("ada@test.com", NEW)).await.unwrap();
    let session = session_of(&session.access_token);
    users.ask_in(session, change(ada.id, NEW, "another one of mine")).await.unwrap();
    let answer = reset(&users.handle, &token, PASSWORD).await;
    assert_eq!(verdict(answer).1, "reset-token-invalid");
    users.stop().await;
}
