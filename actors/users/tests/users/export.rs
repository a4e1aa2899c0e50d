//! Taking along what is held on one: by whom, how often, and what of the account is in it.

use actor_runtime::clock::Clock;
use chrono::TimeDelta;
use contracts::{
    ErrorKind, Refusal, Scope,
    users::{
        BeginImport, CreateApiToken, DataRequestKind, ExportAccount, LogoutEverywhere, Session,
    },
};

use crate::support::{PASSWORD, Setup, TestUsers, call, login, session_of};

fn verdict<T>(answer: Result<T, Refusal>) -> Option<(ErrorKind, String, Option<u32>)> {
    answer.err().map(|it| (it.kind, it.code.into_owned(), it.retry_after_seconds))
}

fn export(session: &Session) -> ExportAccount {
    ExportAccount { user_id: session.user.id, kind: DataRequestKind::Export }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_is_exported_without_a_secret() {
    let users = TestUsers::start().await;
    let (user, session) = users.somebody("ada").await;
    let id = session_of(&session.access_token);
    let token = CreateApiToken {
        user_id: user.id,
        name: "My calendar".to_owned(),
        scopes: [Scope::ReadCycles].into_iter().collect(),
        expires_in_days: 30,
    };
    let secret = users.ask_in(id, token).await.unwrap().token;
    let exported = users.ask_in(id, export(&session)).await.unwrap();
    assert!(exported.user == user && exported.updated_at == user.created_at);
    assert_eq!((exported.sessions.len(), exported.api_tokens.len()), (1, 1));
    assert!(exported.second_factor.is_none());
    let [request] = &exported.requests[..] else { panic!("this one") };
    assert_eq!(request.kind, DataRequestKind::Export);
    assert_eq!(request.requested_at.timestamp_micros(), exported.exported_at.timestamp_micros());
    let text = serde_json::to_string(&exported).unwrap();
    for secret in [secret.expose(), session.refresh_token.expose(), PASSWORD, "argon2"] {
        assert!(!text.contains(secret));
    }
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_kind_can_be_had_five_times_a_day() {
    let users = TestUsers::start().await;
    let (_, session) = users.somebody("ada").await;
    let (other, of_other) = users.somebody("eve").await;
    let id = session_of(&session.access_token);
    let user_id = session.user.id;
    // All at once: none slips through between look and note.
    let all = (0..12).map(|_| users.ask_in(id, export(&session)));
    let all = futures::future::join_all(all).await;
    assert_eq!(all.iter().filter(|it| it.is_ok()).count(), 5);
    let refused: Vec<_> = all.into_iter().filter_map(verdict).collect();
    for (kind, code, retry_after) in &refused {
        assert_eq!((*kind, code.as_str()), (ErrorKind::Throttled, "too-many-requests"));
        assert!(retry_after.is_some_and(|seconds| (86_000..=86_401).contains(&seconds)));
    }
    for kind in [DataRequestKind::CyclesCsv, DataRequestKind::SymptomsCsv] {
        users.ask_in(id, ExportAccount { user_id, kind }).await.unwrap();
    }
    for _ in 0..5 {
        users.ask_in(id, BeginImport { user_id }).await.unwrap();
    }
    assert!(verdict(users.ask_in(id, BeginImport { user_id }).await).is_some());
    let of_other = session_of(&of_other.access_token);
    users.ask_in(of_other, BeginImport { user_id: other.id }).await.unwrap();
    // A day later it begins anew, and what was noted is forgotten.
    let tomorrow = Clock::Fixed(Clock::System.now() + TimeDelta::hours(25));
    let later = users.another_group_as(Setup { clock: tomorrow, ..Setup::default() }).await;
    let session = later.ask(&call(), login("ada@test.com", PASSWORD)).await.unwrap();
    let mut call = call();
    call.session = Some(session_of(&session.access_token));
    let exported = later.ask(&call, export(&session)).await.unwrap();
    assert_eq!(exported.requests.len(), 1);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_takes_a_sign_in_of_the_last_minutes() {
    let users = TestUsers::start().await;
    let (user, session) = users.somebody("ada").await;
    let id = session_of(&session.access_token);
    let in_time = |minutes| Setup {
        clock: Clock::Fixed(Clock::System.now() + TimeDelta::minutes(minutes)),
        ..Setup::default()
    };
    let soon = users.another_group_as(in_time(14)).await;
    let late = users.another_group_as(in_time(16)).await;
    let mut call = call();
    call.session = Some(id);
    soon.ask(&call, export(&session)).await.unwrap();
    let refused = verdict(late.ask(&call, export(&session)).await).unwrap();
    assert_eq!(refused, (ErrorKind::Unauthenticated, "sign-in-again".to_owned(), None));
    // What is brought back discloses nothing.
    late.ask(&call, BeginImport { user_id: user.id }).await.unwrap();
    // A session that is over opens nothing, nor does none, nor somebody else's.
    let (_, other) = users.somebody("eve").await;
    users.ask_in(id, LogoutEverywhere { user_id: user.id }).await.unwrap();
    let over = verdict(soon.ask(&call, export(&session)).await).unwrap();
    assert_eq!(over.1, "unauthenticated");
    call.session = None;
    assert_eq!(verdict(soon.ask(&call, export(&session)).await).unwrap().1, "unauthenticated");
    call.session = Some(session_of(&other.access_token));
    assert_eq!(verdict(soon.ask(&call, export(&session)).await).unwrap().1, "unauthenticated");
    users.stop().await;
}
