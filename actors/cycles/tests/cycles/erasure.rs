//! Who is erased leaves a tombstone and nothing else, and nothing that is late brings anything back.

use std::sync::atomic::{AtomicBool, Ordering};

use contracts::{
    ErrorKind, UserId, Version,
    cycles::{
        AnswerGap, EpisodeKind, GapAnswer, GetRetention, RecordEpisode, Retention, SetRetention,
    },
    users::ErasingGroup,
};
use futures::future::join_all;
use sqlx::PgConnection;
use tokio::time::timeout;

use crate::{
    harness::{Group, PATIENCE, TestApp, day, record, refused, symptom},
    held::held,
    users::publish_erased,
};

const USER: UserId = UserId::new(7);
const OTHER: UserId = UserId::new(8);

/// Something in every table.
async fn fill(group: &Group, user_id: UserId) {
    let cycle = group.record(user_id, "2025-01-10", Some("2025-01-15")).await.unwrap().cycle.id;
    let keyed = record(user_id, "2025-02-07", None);
    group.ask_with_key(user_id, "a-key", keyed).await.unwrap();
    group.ask(user_id, symptom(user_id, cycle, "2025-01-11")).await.unwrap();
    let episode = RecordEpisode {
        user_id,
        kind: EpisodeKind::Pause,
        start_date: day("2024-01-01"),
        end_date: Some(day("2024-02-01")),
    };
    group.ask(user_id, episode).await.unwrap();
    let (next_start, answer) = (Some(day("2025-02-07")), GapAnswer::NoneMissed);
    group.ask(user_id, AnswerGap { user_id, cycle_id: cycle, next_start, answer }).await.unwrap();
    group.ask(user_id, SetRetention { user_id, months: Some(600) }).await.unwrap();
}

/// The rows of one who is no more.
async fn assert_erased(app: &TestApp, user_id: UserId) {
    let held = held(&app.pool, user_id).await;
    assert_eq!(held.counts(), (0, 1), "{user_id}: {held:?}");
}

#[expect(clippy::disallowed_methods, reason = "a test may do what no domain does")]
async fn execute(connection: &mut PgConnection, statements: &'static str) {
    sqlx::raw_sql(statements).execute(connection).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_left_but_a_tombstone_and_others_are_untouched() {
    let app = TestApp::start().await;
    for user in [USER, OTHER] {
        fill(&app.group, user).await;
    }
    let everything = held(&app.pool, OTHER).await;
    assert_eq!(everything.empty_tables(), ["erased"]);
    app.users.tell_erased(&app.group.bus, USER).await;
    assert_erased(&app, USER).await;
    assert_eq!(held(&app.pool, OTHER).await, everything);
    assert_eq!(app.users.reports(), [(USER, ErasingGroup::Cycles)]);

    let history = app.group.history(USER).await;
    assert!(history.erased && history.cycles.is_empty());
    assert_eq!(history.version, Version::ZERO);
    assert!(!app.group.history(OTHER).await.erased);
    // Once more is as good as once, and is reported again.
    app.users.tell_erased(&app.group.bus, USER).await;
    assert_erased(&app, USER).await;
    assert_eq!(app.users.reports().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_write_is_taken_after_the_tombstone() {
    let app = TestApp::start().await;
    fill(&app.group, USER).await;
    app.users.tell_erased(&app.group.bus, USER).await;
    let again = record(USER, "2025-03-07", None);
    for answer in [
        app.group.ask(USER, again.clone()).await,
        app.group.ask_with_key(USER, "a-key", record(USER, "2025-02-07", None)).await,
        app.another_group().await.ask(USER, again).await,
    ] {
        assert_eq!(refused(answer).kind, ErrorKind::Unauthenticated);
    }
    let set = SetRetention { user_id: USER, months: Some(24) };
    assert_eq!(refused(app.group.ask(USER, set).await).kind, ErrorKind::Unauthenticated);
    let kept = app.group.ask(USER, GetRetention { user_id: USER }).await.unwrap();
    assert!(kept == Retention { months: None, forget_before: None });
    assert_erased(&app, USER).await;
}

/// Writes of the user are under way in two processes while the erasure comes, twice.
#[tokio::test(flavor = "multi_thread")]
async fn writes_that_race_with_the_erasure_leave_nothing() {
    let app = TestApp::start().await;
    let other = app.another_group().await;
    for round in 1..=25 {
        let user = UserId::new(1_000 + round);
        let writes = (0..8_u64).map(|nth| {
            let group = if nth % 2 == 0 { &app.group } else { &other };
            let start = (day("2024-01-01") + chrono::Days::new(28 * nth)).to_string();
            async move { group.record(user, &start, None).await.is_ok() }
        });
        let erased = async {
            if round % 3 == 0 {
                app.group.record(user, "2020-01-01", None).await.unwrap();
            }
            futures::join!(
                app.users.tell_erased(&app.group.bus, user),
                app.users.tell_erased(&other.bus, user)
            );
        };
        futures::join!(join_all(writes), erased);
        assert_erased(&app, user).await;
    }
}

/// As after a restore: users knows of erasures that this database does not.
#[tokio::test(flavor = "multi_thread")]
async fn a_restored_database_is_swept_at_the_start() {
    let app = TestApp::start().await;
    fill(&app.group, USER).await;
    fill(&app.group, OTHER).await;
    app.users.erase(USER);
    let _later = app.another_group().await;
    app.users.reported().await;
    assert_erased(&app, USER).await;
    assert!(held(&app.pool, OTHER).await.rows["cycle"] > 0);
}

/// It is settled only when users has heard of it.
#[tokio::test(flavor = "multi_thread")]
async fn an_erasure_is_reported_until_it_is_heard() {
    let app = TestApp::start().await;
    fill(&app.group, USER).await;
    app.users.set_deaf(true);
    let telling = app.users.tell_erased(&app.group.bus, USER);
    let back = async {
        app.until("it is erased all the same", async || {
            held(&app.pool, USER).await.counts() == (0, 1)
        })
        .await;
        assert!(app.users.reports().is_empty());
        app.users.set_deaf(false);
    };
    futures::join!(telling, back);
    assert!(!app.users.reports().is_empty());
}

/// Erasing is for good, so an event alone is not believed: it may be of another database, or anybody's.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_users_does_not_confirm_erases_nobody() {
    let app = TestApp::start().await;
    fill(&app.group, USER).await;
    let before = held(&app.pool, USER).await;
    // The next one was erased indeed.
    app.users.tell_erased(&app.group.bus, OTHER).await;
    publish_erased(&app.group.bus, USER).await;
    assert_eq!(held(&app.pool, USER).await, before);
    assert_eq!(app.users.reports(), [(OTHER, ErasingGroup::Cycles)]);
    app.group.record(USER, "2025-03-07", None).await.unwrap();
}

/// An erasure is done as a whole however much there is: the time limit of other statements is not its.
#[tokio::test(flavor = "multi_thread")]
async fn what_takes_long_to_delete_is_deleted_all_the_same() {
    let app = TestApp::start().await;
    fill(&app.group, USER).await;
    // As if there were so much that it takes half a minute.
    let slow = "CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN
                    IF current_setting('statement_timeout')::interval < '30 s' THEN
                        RAISE EXCEPTION USING ERRCODE = '57014';
                    END IF;
                    RETURN NULL;
                END $$;
                CREATE TRIGGER slow AFTER DELETE ON symptom EXECUTE FUNCTION slow()";
    execute(&mut app.pool.acquire().await.unwrap(), slow).await;
    let telling = app.users.tell_erased(&app.group.bus, USER);
    timeout(PATIENCE, telling).await.expect("it is erased");
    assert_erased(&app, USER).await;
}

/// Who says the same once more changes nothing, but to keep the answer to a key is a write all the same.
#[tokio::test(flavor = "multi_thread")]
async fn an_answer_that_is_kept_waits_for_the_erasure() {
    let app = TestApp::start().await;
    fill(&app.group, USER).await;
    let cycle_id = app.group.list(USER).await.last().unwrap().id;
    let mut erasing = app.pool.begin().await.unwrap();
    let statements = "SET LOCAL idle_in_transaction_session_timeout = 0;
                      DELETE FROM idempotency WHERE user_id = 7;
                      DELETE FROM gap_answer WHERE user_id = 7;
                      DELETE FROM outbox WHERE user_id = 7;
                      INSERT INTO erased VALUES (7, now())";
    execute(&mut erasing, statements).await;
    let (next_start, answer) = (Some(day("2025-02-07")), GapAnswer::NoneMissed);
    let again = AnswerGap { user_id: USER, cycle_id, next_start, answer };
    let is_answered = AtomicBool::new(false);
    let asking = async {
        let answer = app.group.ask_with_key(USER, "another-key", again).await;
        is_answered.store(true, Ordering::Relaxed);
        answer
    };
    let erasure = async {
        app.until("the answer waits, or is there", async || {
            let waits = sqlx::query_scalar!(
                r#"SELECT EXISTS (SELECT FROM pg_stat_activity
                                  WHERE datname = current_database() AND wait_event_type = 'Lock')
                       AS "waits!""#
            );
            is_answered.load(Ordering::Relaxed) || waits.fetch_one(&app.pool).await.unwrap()
        })
        .await;
        erasing.commit().await.unwrap();
    };
    let (answered, ()) = futures::join!(asking, erasure);
    assert!(answered.is_err());
    assert_eq!(held(&app.pool, USER).await.rows["idempotency"], 0);
}
