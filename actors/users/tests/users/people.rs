//! What the group tells others of a person: that the date of birth changed, and to whom may ask,
//! what it is.

use std::collections::BTreeMap;

use chrono::{Days, NaiveDate};
use contracts::{
    Handle, Patch, UserId, Version,
    events::{ChangedSince, ChangedUser, Topic, Verb},
    users::{GetPerson, ListUsersChanged, Register, UpdateProfile, UsersMailbox},
};
use futures::{future::join_all, join};
use lunation_users::MIGRATOR;
use sqlx::{PgPool, migrate::Migrator};

use crate::{
    postgres::TestDatabase,
    support::{CHEAP, PATIENCE, TestUsers, call, keep_all, options, register},
};

const NOBODY: UserId = UserId::new(i64::MAX);

fn born() -> Option<NaiveDate> {
    NaiveDate::from_ymd_opt(1990, 2, 28)
}

fn set(user_id: UserId, date: NaiveDate) -> UpdateProfile {
    UpdateProfile { date_of_birth: Patch::Set(date), ..keep_all(user_id) }
}

fn clear(user_id: UserId) -> UpdateProfile {
    UpdateProfile { date_of_birth: Patch::Clear, ..keep_all(user_id) }
}

fn unborn(email: &str, username: &str) -> Register {
    Register { date_of_birth: None, ..register(email, username) }
}

/// What a consumer is answered: the version, and the date that it is the state of.
async fn person(group: &Handle<UsersMailbox>, user_id: UserId) -> (i64, Option<NaiveDate>) {
    let person = group.ask(&call(), GetPerson { user_id }).await.unwrap();
    assert_eq!(person.user_id, user_id);
    (person.version.get(), person.date_of_birth)
}

async fn changed(users: &TestUsers, after: Option<UserId>, limit: i64) -> Vec<ChangedUser> {
    let request = ListUsersChanged(ChangedSince { since: None, after, limit });
    users.ask(request).await.unwrap().users
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registration_tells_of_a_date_of_birth_and_never_which() {
    let mut users = TestUsers::start().await;
    let silent = users.ask(unborn("silent@test.com", "silent")).await.unwrap();
    let user = users.ask(register("test@test.com", "testuser")).await.unwrap();
    assert_eq!(person(&users.handle, user.id).await, (1, born()));
    assert_eq!(person(&users.handle, silent.id).await, (0, None));
    assert_eq!(person(&users.handle, NOBODY).await, (0, None));

    let event = users.next_event().await;
    assert_eq!((event.topic, event.wake_up.user_id), (Topic::UserChanged, user.id));
    assert_eq!((event.wake_up.version.get(), event.wake_up.verb), (1, Verb::Recorded));
    assert!(event.request_id.as_str().starts_with("test"), "{}", event.request_id);
    assert_eq!(users.settle().await, 0, "there was nothing to tell of the other");
    let rows = sqlx::query_scalar!(r#"SELECT to_jsonb(outbox)::text AS "row!" FROM outbox"#);
    let rows = rows.fetch_all(&users.pool).await.unwrap();
    let [row] = rows.as_slice() else { panic!("{rows:?}") };
    for word in ["1990-02-28", "test@test.com", "testuser", "Test"] {
        assert!(!row.contains(word) && !format!("{event:?}").contains(word), "{word}");
    }
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_registration_tells_nothing() {
    let mut users = TestUsers::start().await;
    users.ask(unborn("test@test.com", "testuser")).await.unwrap();
    assert!(users.ask(register("test@test.com", "another")).await.is_err());
    assert!(users.ask(register("another@test.com", "testuser")).await.is_err());
    assert_eq!(changed(&users, None, 10).await, []);
    assert_eq!(users.settle().await, 0);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_registration_is_one_version() {
    let mut users = TestUsers::start().await;
    for _attempt in 0..3 {
        let user = users.ask_with_key("key", register("test@test.com", "testuser")).await.unwrap();
        assert_eq!(person(&users.handle, user.id).await, (1, born()));
    }
    assert_eq!(users.settle().await, 1);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_a_change_of_the_date_of_birth_is_a_version() {
    let mut users = TestUsers::start().await;
    let user = users.ask(unborn("test@test.com", "testuser")).await.unwrap();
    let renamed = UpdateProfile { first_name: Patch::Set("Ada".to_owned()), ..keep_all(user.id) };
    let date = NaiveDate::from_ymd_opt(1988, 8, 8).unwrap();
    let steps = [
        (renamed.clone(), 0, None),
        (clear(user.id), 0, None),
        (set(user.id, date), 1, Some(date)),
        (set(user.id, date), 1, Some(date)),
        (UpdateProfile { date_of_birth: Patch::Set(date), ..renamed.clone() }, 1, Some(date)),
        (renamed, 1, Some(date)),
        (set(user.id, born().unwrap()), 2, born()),
        (clear(user.id), 3, None),
        (clear(user.id), 3, None),
        (keep_all(user.id), 3, None),
    ];
    for (step, (update, version, date_of_birth)) in steps.into_iter().enumerate() {
        let profile = users.ask(update).await.unwrap();
        assert_eq!(profile.date_of_birth, date_of_birth, "step {step}");
        assert_eq!(person(&users.handle, user.id).await, (version, date_of_birth), "step {step}");
    }
    // A change and its withdrawal are told of in the same word; the last is certainly told of.
    let mut heard = 0;
    while heard < 3 {
        let event = users.next_event().await;
        assert_eq!(event.wake_up.verb, Verb::Edited);
        heard = event.wake_up.version.get();
    }
    assert_eq!(heard, 3);
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repeated_update_is_one_version() {
    let users = TestUsers::start().await;
    let user = users.ask(register("test@test.com", "testuser")).await.unwrap();
    let first = set(user.id, NaiveDate::from_ymd_opt(1988, 8, 8).unwrap());
    users.ask_with_key("key", first.clone()).await.unwrap();
    users.ask(clear(user.id)).await.unwrap();
    users.ask_with_key("key", first).await.unwrap();
    assert_eq!(person(&users.handle, user.id).await, (3, None));
    assert!(users.ask(set(NOBODY, born().unwrap())).await.is_err());
    assert_eq!(person(&users.handle, NOBODY).await, (0, None), "a refusal leaves no version");
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn who_changed_is_listed_page_by_page() {
    let users = TestUsers::start().await;
    let mut expected = Vec::new();
    for name in ["one", "two", "three"] {
        let email = format!("{name}@test.com");
        let user = users.ask(register(&email, name)).await.unwrap();
        users.ask(unborn(&format!("un{email}"), &format!("un{name}"))).await.unwrap();
        expected.push(ChangedUser { user_id: user.id, version: Version::new(1) });
    }
    users.ask(clear(expected[1].user_id)).await.unwrap();
    expected[1].version = Version::new(2);
    assert_eq!(changed(&users, None, 10).await, expected);
    assert_eq!(changed(&users, None, 2).await, expected[..2]);
    assert_eq!(changed(&users, Some(expected[1].user_id), 2).await, expected[2..]);
    users.stop().await;
}

/// Two processes change one person's date of birth all the time. Versions are dense, and whoever
/// asks meanwhile is answered a version together with the one date that it stands for.
#[tokio::test(flavor = "multi_thread")]
async fn every_version_has_one_date_of_birth() {
    const WRITERS: u64 = 3;
    const ROUNDS: u64 = 12;
    let mut users = TestUsers::start().await;
    let groups = [users.handle.clone(), users.another_group().await];
    let user_id = users.ask(register("test@test.com", "testuser")).await.unwrap().id;
    let first = born().unwrap();
    let last = i64::try_from(2 * WRITERS * ROUNDS).unwrap() + 1;

    let write = async |group: &Handle<UsersMailbox>, writer: u64| {
        for round in 0..ROUNDS {
            let date = first + Days::new(1 + writer * ROUNDS + round);
            group.ask(&call(), set(user_id, date)).await.unwrap();
        }
    };
    let writers =
        (0..2 * WRITERS).map(|writer| write(&groups[usize::from(writer % 2 == 0)], writer));
    let read = async {
        let mut seen = BTreeMap::new();
        while !seen.contains_key(&last) {
            let (version, date) = person(&groups[0], user_id).await;
            assert!(seen.keys().all(|known| *known <= version), "{version} came after {seen:?}");
            let before = seen.insert(version, date);
            assert!(before.is_none_or(|before| before == date), "{version}: {before:?}, {date:?}");
        }
    };
    let read = tokio::time::timeout(PATIENCE, read);
    let (_written, read) = join!(join_all(writers), read);
    read.expect("every change is a version");
    assert_eq!(person(&groups[1], user_id).await.0, last);
    users.settle().await;
    users.stop().await;
}

/// An account, as the program before makes it: it knows no outbox.
async fn account_of_before(pool: &PgPool, name: &str, date_of_birth: Option<NaiveDate>) -> UserId {
    let id = sqlx::query_scalar!(
        r#"INSERT INTO account (email, email_key, username, username_key, password_hash,
                                date_of_birth, created_at, updated_at)
           VALUES ($1, $1, $1, $1, '$argon2id$v=19$', $2, now(), now()) RETURNING id"#,
        name,
        date_of_birth,
    );
    UserId::new(id.fetch_one(pool).await.unwrap())
}

/// During an upgrade a process of the program before may be the one that stores it.
#[tokio::test(flavor = "multi_thread")]
async fn a_date_of_birth_that_the_program_before_stores_is_told_of() {
    let mut users = TestUsers::start().await;
    let silent = account_of_before(&users.pool, "silent", None).await;
    assert_eq!(person(&users.handle, silent).await, (0, None));
    let user_id = account_of_before(&users.pool, "test", born()).await;
    assert_eq!(person(&users.handle, user_id).await, (1, born()));
    let event = users.next_event().await;
    assert_eq!((event.wake_up.user_id, event.wake_up.version.get()), (user_id, 1));
    let id = event.wake_up.event_id.simple().to_string();
    assert_eq!(event.trace.as_str(), format!("00-{id}-{}-01", &id[16..]));

    // Its update names every column, changed or not.
    for (name, date, version) in
        [("Ada", born(), 1), ("Ada", born().and_then(|it| it.succ_opt()), 2), ("Eve", None, 3)]
    {
        sqlx::query!(
            "UPDATE account SET first_name = $2, date_of_birth = $3 WHERE id = $1",
            user_id.get(),
            name,
            date,
        )
        .execute(&users.pool)
        .await
        .unwrap();
        assert_eq!(person(&users.handle, user_id).await, (version, date));
    }
    users.ask(set(user_id, born().unwrap())).await.unwrap();
    assert_eq!(person(&users.handle, user_id).await, (4, born()), "this one tells it once");
    users.settle().await;
    users.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dates_of_birth_of_before_are_told_of() {
    let of_before = MIGRATOR.iter().filter(|migration| migration.version < 3).cloned();
    let database = TestDatabase::start(&Migrator::with_migrations(of_before.collect())).await;
    let pool = actor_runtime::database::open(&options(&database)).unwrap();
    for (name, date_of_birth) in [("silent", None), ("test", born())] {
        account_of_before(&pool, name, date_of_birth).await;
    }
    MIGRATOR.run(&pool).await.unwrap();
    pool.close().await;

    let mut users = TestUsers::start_on(database, CHEAP).await;
    let event = users.next_event().await;
    let user_id = event.wake_up.user_id;
    assert_eq!((event.topic, event.wake_up.version.get()), (Topic::UserChanged, 1));
    assert_eq!(event.request_id.as_str(), "migration-users-0003");
    let id = event.wake_up.event_id.simple().to_string();
    assert_eq!(event.trace.as_str(), format!("00-{id}-{}-01", &id[16..]));
    assert_eq!(person(&users.handle, user_id).await, (1, born()));
    let told = ChangedUser { user_id, version: Version::new(1) };
    assert_eq!(changed(&users, None, 10).await, [told]);
    users.ask(clear(user_id)).await.unwrap();
    assert_eq!(person(&users.handle, user_id).await, (2, None));
    users.stop().await;
}
