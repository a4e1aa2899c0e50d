//! What stands in clear is sealed, and keys are exchanged, while users read and write.

use std::{
    fs,
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use actor_runtime::seal::{KeyRing, KeySource, fresh_key};
use contracts::{UserId, cycles::Symptom};
use futures::future::{join, join_all};
use sqlx::PgPool;

use crate::{
    harness::{Sealing, TestApp, sealing},
    sealed::{NOTES, OTHER, USER, VALUE, a_cycle, canary, dump, edit, holds, list},
};

/// Often enough that a test need not wait.
const OFTEN: Duration = Duration::from_millis(20);

/// Puts a fresh key before the others in the file.
fn put_before(app: &TestApp) {
    let former = fs::read_to_string(&app.key_file).unwrap();
    fs::write(&app.key_file, format!("{}\n{former}", *fresh_key())).unwrap();
}

fn first_key(app: &TestApp) -> Vec<u8> {
    sealing(&app.key_file).keys.ids().first().unwrap().as_bytes().to_vec()
}

async fn data_keys_not_under(pool: &PgPool, key: &[u8]) -> i64 {
    sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM data_key WHERE kek_id <> $1"#, key)
        .fetch_one(pool)
        .await
        .unwrap()
}

/// Puts a symptom as an earlier version wrote it.
async fn put_in_clear(pool: &PgPool, symptom: &Symptom) {
    sqlx::query!(
        r#"UPDATE symptom SET value = $2, value_sealed = NULL, notes = $3, notes_sealed = NULL
           WHERE id = $1"#,
        symptom.id.get(),
        symptom.value,
        symptom.notes,
    )
    .execute(pool)
    .await
    .unwrap();
}

async fn in_clear(pool: &PgPool) -> i64 {
    sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM symptom WHERE value IS NOT NULL OR notes IS NOT NULL"#
    )
    .fetch_one(pool)
    .await
    .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_there_before_is_sealed_while_it_is_read_and_written() {
    let app = TestApp::start().await;
    let group = &app.group;
    for user in [USER, OTHER] {
        let cycle_id = a_cycle(group, user).await;
        let logs = (0..100).map(|_| group.ask(user, canary(user, cycle_id, "2025-01-02")));
        assert!(join_all(logs).await.iter().all(Result::is_ok));
    }
    // As an earlier version left it: no keys, everything in clear, some without a note.
    for (index, symptom) in [list(group, USER).await.unwrap(), list(group, OTHER).await.unwrap()]
        .concat()
        .into_iter()
        .enumerate()
    {
        let notes = symptom.notes.clone().filter(|_| index % 3 > 0);
        put_in_clear(&app.pool, &Symptom { notes, ..symptom }).await;
    }
    sqlx::query!("DELETE FROM data_key").execute(&app.pool).await.unwrap();
    assert!(holds(&dump(&app.pool).await, VALUE));
    let before = [list(group, USER).await.unwrap(), list(group, OTHER).await.unwrap()];
    assert_eq!(before.concat().len(), 200);
    let versions = [group.history(USER).await.version, group.history(OTHER).await.version];

    let edited = before[0][7].id;
    let sealed = AtomicBool::new(false);
    let reading = async {
        while !sealed.load(Ordering::Relaxed) {
            assert!(list(group, OTHER).await.unwrap() == before[1]);
        }
    };
    let writing = async {
        let keys = sealing(&app.key_file).keys;
        let (one, other) = join(
            app.group_with(Sealing { keys: keys.clone(), every: OFTEN }),
            app.group_with(Sealing { keys, every: OFTEN }),
        )
        .await;
        one.ask(USER, edit(USER, edited, "written meanwhile")).await.unwrap();
        app.until("everything is sealed", async || in_clear(&app.pool).await == 0).await;
        sealed.store(true, Ordering::Relaxed);
        (one, other)
    };
    let ((), _groups) = join(reading, writing).await;

    let dump = dump(&app.pool).await;
    assert!(!holds(&dump, VALUE) && !holds(&dump, NOTES) && !holds(&dump, "written meanwhile"));
    assert!(list(group, OTHER).await.unwrap() == before[1]);
    let mut mine = before[0].clone();
    mine[7].notes = Some("written meanwhile".to_owned());
    assert!(list(group, USER).await.unwrap() == mine);
    // Nothing is another state than before but by that edit.
    assert_eq!(group.history(USER).await.version.get(), versions[0].get() + 1);
    assert_eq!(group.history(OTHER).await.version, versions[1]);
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_exchanged_while_users_write() {
    let app = TestApp::start().await;
    let keys = sealing(&app.key_file).keys;
    let other = app.group_with(Sealing { keys, every: OFTEN }).await;
    let users: Vec<UserId> = (1..=40).map(UserId::new).collect();
    let done = AtomicBool::new(false);
    // People come and write all the time, to a group that hears of new keys and to one that does not.
    let writing = join_all(users.iter().map(|&user_id| {
        let (app, other, done) = (&app, &other, &done);
        async move {
            let cycle_id = a_cycle(&app.group, user_id).await;
            let mut written = 0;
            while written == 0 || (!done.load(Ordering::Relaxed) && written < 90) {
                let group = if written % 2 == 0 { &app.group } else { other };
                let request = canary(user_id, cycle_id, "2025-01-02");
                group.ask_until_admitted(user_id, request).await.unwrap();
                assert!(list(group, user_id).await.is_ok());
                written += 1;
            }
            written
        }
    }));
    let rotating = async {
        for _ in 0..3 {
            put_before(&app);
            let first = first_key(&app);
            app.until("the data keys are wrapped anew", async || {
                let keys = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM data_key"#);
                keys.fetch_one(&app.pool).await.unwrap() > 0
                    && data_keys_not_under(&app.pool, &first).await == 0
            })
            .await;
        }
        done.store(true, Ordering::Relaxed);
    };
    let (written, ()) = join(writing, rotating).await;
    // The group that looks once an hour has made keys under the former one as long as it knew no
    // other; they are wrapped anew too.
    let first = first_key(&app);
    app.until("late ones are wrapped anew", async || {
        data_keys_not_under(&app.pool, &first).await == 0
    })
    .await;
    // From here on the former keys are needed by nobody.
    let text = fs::read_to_string(&app.key_file).unwrap();
    let ring = KeyRing::load(KeySource::Given(text.lines().next().unwrap().into())).unwrap();
    let fresh = app.group_with(Sealing { keys: ring, every: OFTEN }).await;
    for (user_id, written) in users.into_iter().zip(written) {
        let rows = list(&fresh, user_id).await.unwrap();
        assert_eq!(rows.len(), written);
        assert!(rows.iter().all(|row| row.value == VALUE));
    }
}
