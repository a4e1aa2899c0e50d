//! The second factor, through the group's handle.

use actor_runtime::clock::Clock;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::{
    Call, ErrorKind, Handle, Refusal, SessionId, UserId,
    users::{
        ChangePassword, ConfirmSecondFactor, EnrolSecondFactor, GetSecondFactor, Login, Password,
        RecoveryCodes, RemoveSecondFactor, RenewRecoveryCodes, SecondFactor, SecondFactorCode,
        Session, UsersMailbox,
    },
};
use lunation_users::{PasswordPolicy, reset_second_factor_for};
use totp_rs::{Builder, Totp};

use crate::support::{PASSWORD, Setup, TestUsers, call, login, register, session_of};

fn password(text: &str) -> Password {
    Password::new(text.to_owned())
}

#[expect(clippy::unnecessary_wraps, reason = "as requests take it")]
fn totp(code: &str) -> Option<SecondFactorCode> {
    Some(SecondFactorCode::Totp(password(code)))
}

#[expect(clippy::unnecessary_wraps, reason = "as requests take it")]
fn recovery(code: &Password) -> Option<SecondFactorCode> {
    Some(SecondFactorCode::RecoveryCode(code.clone()))
}

fn code_of<T>(answer: Result<T, Refusal>) -> String {
    answer.err().expect("a refusal").code.into_owned()
}

/// Somebody's authenticator app.
struct App(Totp);

impl App {
    fn new(secret: &Password) -> Self {
        let secret = totp_rs::Secret::try_from_base32(secret.expose()).unwrap();
        Self(Builder::new().with_secret(secret).build_noncompliant())
    }

    fn code(&self, at: DateTime<Utc>) -> String {
        self.0.generate(at.timestamp().try_into().unwrap()).to_string()
    }
}

/// The group at a moment.
async fn at(users: &TestUsers, moment: DateTime<Utc>) -> Handle<UsersMailbox> {
    users.another_group_as(Setup { clock: Clock::Fixed(moment), ..Setup::default() }).await
}

async fn sign_in(
    handle: &Handle<UsersMailbox>,
    second_factor: Option<SecondFactorCode>,
) -> Result<Session, Refusal> {
    let request = Login { second_factor, ..login("ada@test.com", PASSWORD) };
    handle.ask(&call(), request).await
}

async fn enrol(users: &TestUsers, session: SessionId, user_id: UserId) -> App {
    let request = EnrolSecondFactor { user_id, password: password(PASSWORD) };
    App::new(&users.ask_in(session, request).await.unwrap().secret)
}

async fn confirm(
    handle: &Handle<UsersMailbox>,
    session: SessionId,
    user_id: UserId,
    code: &str,
) -> Result<RecoveryCodes, Refusal> {
    let call = Call { session: Some(session), ..call() };
    handle.ask(&call, ConfirmSecondFactor { user_id, totp: password(code) }).await
}

async fn state(users: &TestUsers, user_id: UserId) -> SecondFactor {
    users.ask(GetSecondFactor { user_id }).await.unwrap()
}

/// Somebody with a second factor since `moment`, and the codes that were given out.
async fn with_factor(
    users: &TestUsers,
    moment: DateTime<Utc>,
) -> (UserId, SessionId, App, RecoveryCodes) {
    let (ada, session) = users.somebody("ada").await;
    let session = session_of(&session.access_token);
    let app = enrol(users, session, ada.id).await;
    let then = at(users, moment).await;
    let codes = confirm(&then, session, ada.id, &app.code(moment)).await.unwrap();
    (ada.id, session, app, codes)
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_asked_for_once_it_is_confirmed() {
    let users = TestUsers::start().await;
    let (ada, session) = users.somebody("ada").await;
    let session = session_of(&session.access_token);
    let wrong = EnrolSecondFactor { user_id: ada.id, password: password("pass124") };
    assert_eq!(code_of(users.ask_in(session, wrong).await), "invalid-credentials");
    let nowhere = EnrolSecondFactor { user_id: ada.id, password: password(PASSWORD) };
    assert_eq!(code_of(users.ask(nowhere).await), "unauthenticated");
    assert_eq!(
        code_of(confirm(&users.handle, session, ada.id, "000000").await),
        "second-factor-absent"
    );

    let forgotten = enrol(&users, session, ada.id).await;
    let app = enrol(&users, session, ada.id).await;
    assert!(sign_in(&users.handle, None).await.is_ok(), "it does not count yet");
    assert!(!state(&users, ada.id).await.enabled);
    let now = Clock::System.now();
    let then = at(&users, now).await;
    let early = confirm(&then, session, ada.id, &forgotten.code(now)).await.err().unwrap();
    assert_eq!((early.kind, early.errors[0].pointer.as_ref()), (ErrorKind::Invalid, "/totp"));
    let codes = confirm(&then, session, ada.id, &app.code(now)).await.unwrap().codes;
    assert_eq!(codes.len(), 10);
    let expected = SecondFactor { enabled: true, recovery_codes_left: 10 };
    assert_eq!(state(&users, ada.id).await, expected);
    assert_eq!(
        code_of(confirm(&then, session, ada.id, &app.code(now)).await),
        "second-factor-absent"
    );
    let again = EnrolSecondFactor { user_id: ada.id, password: password(PASSWORD) };
    assert_eq!(code_of(users.ask_in(session, again).await), "second-factor-enabled");

    // The password alone is not enough any more, and a wrong one is told nothing new.
    assert_eq!(code_of(sign_in(&users.handle, None).await), "second-factor-required");
    let wrong = Login { second_factor: totp("000000"), ..login("ada@test.com", "pass124") };
    assert_eq!(code_of(users.ask(wrong).await), "invalid-credentials");
    // Nothing of what is secret lies in the database in clear.
    let kept = sqlx::query!(
        r#"SELECT secret_sealed AS sealed, second_factor::text AS "row!" FROM second_factor"#
    );
    let kept = kept.fetch_one(&users.pool).await.unwrap();
    let secret = app.0.secret();
    assert!(!kept.sealed.windows(secret.len()).any(|part| part == secret.as_bytes()));
    assert!(!kept.row.contains(&secret.to_base32()));
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_code_counts_once_and_a_clock_may_be_off_by_a_step() {
    let users = TestUsers::start().await;
    // From here on time goes forwards, whatever the machine takes.
    let begun = Clock::System.now() + TimeDelta::hours(2);
    let (_, _, app, _) = with_factor(&users, begun).await;
    let step = |steps: i64| begun + TimeDelta::seconds(30 * steps);
    // The code that confirmed it was used.
    let then = at(&users, begun).await;
    assert_eq!(code_of(sign_in(&then, totp(&app.code(begun))).await), "second-factor-required");
    // A phone that is fast by a step, and the same code again by another process.
    let fast = app.code(step(1));
    assert!(sign_in(&then, totp(&fast)).await.is_ok());
    let other = at(&users, step(1)).await;
    for handle in [&then, &other] {
        assert_eq!(code_of(sign_in(handle, totp(&fast)).await), "second-factor-required");
    }
    // Two steps are too many, either way.
    assert_eq!(code_of(sign_in(&other, totp(&app.code(step(3)))).await), "second-factor-required");
    let late = at(&users, step(4)).await;
    assert_eq!(code_of(sign_in(&late, totp(&app.code(step(2)))).await), "second-factor-required");
    // A phone that is slow by a step.
    assert!(sign_in(&late, totp(&app.code(step(3)))).await.is_ok());
    // What was before the newest that was taken does not count.
    assert_eq!(code_of(sign_in(&late, totp(&app.code(step(3)))).await), "second-factor-required");
    assert!(sign_in(&late, totp(&app.code(step(4)))).await.is_ok());
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn recovery_codes_count_once_and_are_renewed() {
    let users = TestUsers::start().await;
    let now = Clock::System.now();
    let (ada, session, app, RecoveryCodes { codes }) = with_factor(&users, now).await;
    assert!(sign_in(&users.handle, recovery(&codes[0])).await.is_ok());
    assert_eq!(
        code_of(sign_in(&users.handle, recovery(&codes[0])).await),
        "second-factor-required"
    );
    // However it is typed.
    let typed = password(&codes[1].expose().to_uppercase().replace('-', " "));
    assert!(sign_in(&users.handle, recovery(&typed)).await.is_ok());
    assert_eq!(state(&users, ada).await.recovery_codes_left, 8);
    assert_eq!(
        code_of(sign_in(&users.handle, totp(codes[2].expose())).await),
        "second-factor-required"
    );

    let renew = |second_factor| RenewRecoveryCodes {
        user_id: ada,
        password: password(PASSWORD),
        second_factor,
    };
    assert_eq!(code_of(users.ask_in(session, renew(None)).await), "second-factor-required");
    let renewed = users.ask_in(session, renew(recovery(&codes[3]))).await.unwrap().codes;
    assert_eq!(state(&users, ada).await.recovery_codes_left, 10);
    assert_eq!(
        code_of(sign_in(&users.handle, recovery(&codes[4])).await),
        "second-factor-required"
    );
    assert!(sign_in(&users.handle, recovery(&renewed[0])).await.is_ok());

    let remove = |second_factor| RemoveSecondFactor {
        user_id: ada,
        password: password(PASSWORD),
        second_factor,
    };
    assert_eq!(code_of(users.ask_in(session, remove(None)).await), "second-factor-required");
    let later = now + TimeDelta::minutes(5);
    let then = at(&users, later).await;
    let call = Call { session: Some(session), ..call() };
    then.ask(&call, remove(totp(&app.code(later)))).await.unwrap();
    assert!(sign_in(&users.handle, None).await.is_ok());
    let expected = SecondFactor { enabled: false, recovery_codes_left: 0 };
    assert_eq!(state(&users, ada).await, expected);
    assert_eq!(code_of(users.ask_in(session, remove(None)).await), "second-factor-absent");
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_cannot_be_guessed_by_who_has_the_password() {
    let users = TestUsers::start().await;
    let now = Clock::System.now();
    let (_, _, app, _) = with_factor(&users, now).await;
    let evil = Call { origin: Some("198.51.100.9".parse().unwrap()), ..call() };
    let right: Vec<String> =
        (-1..=20).map(|steps| app.code(now + TimeDelta::seconds(30 * steps))).collect();
    let wrong = ["000000", "111111", "222222", "333333", "444444", "555555", "666666"];
    let mut wrong = wrong.into_iter().filter(|code| !right.iter().any(|right| right == code));
    let guess = async |second_factor| {
        let request = Login { second_factor, ..login("ada@test.com", PASSWORD) };
        code_of(users.handle.ask(&evil, request).await)
    };
    for attempt in 0..5 {
        // A request without a code costs nothing, and forgives nothing either.
        assert_eq!(guess(None).await, "second-factor-required", "{attempt}");
        assert_eq!(guess(totp(wrong.next().unwrap())).await, "second-factor-required");
    }
    assert_eq!(guess(None).await, "throttled");
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_a_shorter_password_is_enough_and_without_one_it_is_not() {
    let strict = Setup { password_policy: PasswordPolicy::STRICT, ..Setup::default() };
    let users = TestUsers::start_as(strict.clone()).await;
    let long = "gather seven lanterns";
    let request =
        contracts::users::Register { password: password(long), ..register("ada@test.com", "ada") };
    let ada = users.ask(request).await.unwrap();
    let session = users.ask(login("ada@test.com", long)).await.unwrap();
    let session = session_of(&session.access_token);
    let call = Call { session: Some(session), ..call() };
    let change = |current: &str, new: &str, second_factor| ChangePassword {
        user_id: ada.id,
        current_password: password(current),
        new_password: password(new),
        second_factor,
    };
    let short = "kR7#vaQ2";
    let refused = users.ask_in(session, change(long, short, None)).await.err().unwrap();
    assert_eq!(refused.errors[0].pointer, "/new_password");

    let enrolled = EnrolSecondFactor { user_id: ada.id, password: password(long) };
    let app = App::new(&users.ask_in(session, enrolled).await.unwrap().secret);
    let now = Clock::System.now();
    let at = |steps: i64| {
        let moment = now + TimeDelta::seconds(30 * steps);
        let setup = Setup { clock: Clock::Fixed(moment), ..strict.clone() };
        let (users, app) = (&users, &app);
        async move { (users.another_group_as(setup).await, app.code(moment)) }
    };
    let (then, code) = at(0).await;
    confirm(&then, session, ada.id, &code).await.unwrap();
    let (then, code) = at(1).await;
    then.ask(&call, change(long, short, totp(&code))).await.unwrap();
    // It stays: the password would not be enough by itself.
    let remove = |current: &str, second_factor| RemoveSecondFactor {
        user_id: ada.id,
        password: password(current),
        second_factor,
    };
    let not_enough = |answer: Result<(), Refusal>| {
        let refused = answer.err().unwrap();
        assert_eq!(
            (refused.kind, refused.errors[0].pointer.as_ref()),
            (ErrorKind::Invalid, "/password")
        );
    };
    let (then, code) = at(2).await;
    not_enough(then.ask(&call, remove(short, totp(&code))).await);
    // Nor would one that is long, and guessed before a year is over.
    let guessable = "sunshine flower";
    let (then, code) = at(3).await;
    then.ask(&call, change(short, guessable, totp(&code))).await.unwrap();
    let (then, code) = at(4).await;
    not_enough(then.ask(&call, remove(guessable, totp(&code))).await);
    let (then, code) = at(5).await;
    then.ask(&call, change(guessable, long, totp(&code))).await.unwrap();
    let (then, code) = at(6).await;
    then.ask(&call, remove(long, totp(&code))).await.unwrap();
    assert!(users.ask(login("ada@test.com", long)).await.is_ok());
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operator_takes_a_lost_one_away() {
    let users = TestUsers::start().await;
    let (ada, _session, app, _codes) = with_factor(&users, Clock::System.now()).await;
    assert_eq!(code_of(sign_in(&users.handle, None).await), "second-factor-required");
    let reset = async |email| {
        reset_second_factor_for(&users.pool, Clock::System, None, email).await.unwrap()
    };
    for email in ["nobody@test.com", "no address", "nul\0@test.com"] {
        assert_eq!(reset(email).await, None, "{email}");
    }
    assert_eq!(reset("Ada@test.com").await, Some(true));
    assert_eq!(reset("ada@test.com").await, Some(false), "there is none any more");
    assert_eq!(state(&users, ada).await, SecondFactor { enabled: false, recovery_codes_left: 0 });
    let session = session_of(&sign_in(&users.handle, None).await.unwrap().access_token);
    let noted = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM audit WHERE user_id = $1
           AND kind = 'second_factor_disabled' AND session_id IS NULL"#,
        ada.get(),
    );
    assert_eq!(noted.fetch_one(&users.pool).await.unwrap(), 1, "the owner sees it");
    // Another one can be set up, and the lost one is none of it.
    let anew = enrol(&users, session, ada).await;
    assert_ne!(anew.0.secret(), app.0.secret());
    users.stop().await;
}
