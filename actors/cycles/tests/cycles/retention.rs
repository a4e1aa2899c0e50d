//! What is older than a user wants it kept is forgotten, and nothing else.

use actor_runtime::clock::Clock;
use chrono::{Days, Months, NaiveDate};
use contracts::{
    ErrorKind, UserId,
    cycles::{
        AnswerGap, EpisodeKind, GapAnswer, GetRetention, ListEpisodes, ListSymptoms, RecordEpisode,
        SetRetention,
    },
};

use crate::harness::{ALL, Group, TestApp, refused, symptom};

const USER: UserId = UserId::new(7);

fn today() -> NaiveDate {
    Clock::System.now().date_naive()
}

fn days_ago(days: u64) -> String {
    (today() - Days::new(days)).to_string()
}

async fn starts(group: &Group) -> Vec<String> {
    starts_of(group, USER).await
}

async fn starts_of(group: &Group, user_id: UserId) -> Vec<String> {
    group.list(user_id).await.into_iter().map(|cycle| cycle.start_date.to_string()).collect()
}

async fn set(group: &Group, months: Option<i16>) -> (Option<NaiveDate>, i64) {
    let set = group.ask(USER, SetRetention { user_id: USER, months }).await.unwrap();
    assert_eq!(set.retention.months, months);
    let read = group.ask(USER, GetRetention { user_id: USER }).await.unwrap();
    assert!(read == set.retention);
    (set.retention.forget_before, set.version.get())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_old_is_forgotten_at_once_with_all_that_hangs_on_it() {
    let app = TestApp::start().await;
    let group = &app.group;
    let before = today().checked_sub_months(Months::new(12)).unwrap();
    let age = u64::try_from((today() - before).num_days()).unwrap();
    // Two that began before the day, one of them with a symptom after it, and one after it.
    let mut ids = Vec::new();
    for start in [age + 60, age + 20, age - 10] {
        ids.push(group.record(USER, &days_ago(start), None).await.unwrap().cycle.id);
    }
    for (cycle, days) in [(0, age + 50), (1, age + 15), (1, age - 1), (2, age - 12)] {
        group.ask(USER, symptom(USER, ids[cycle], &days_ago(days))).await.unwrap();
    }
    for (from, to) in [(age + 500, Some(age + 1)), (age + 300, Some(age)), (age + 100, None)] {
        let episode = RecordEpisode {
            user_id: USER,
            kind: match to {
                None => EpisodeKind::Perimenopause,
                Some(to) if to == age => EpisodeKind::Breastfeeding,
                Some(_) => EpisodeKind::HormonalContraception,
            },
            start_date: today() - Days::new(from),
            end_date: to.map(|to| today() - Days::new(to)),
        };
        group.ask(USER, episode).await.unwrap();
    }
    let version = group.history(USER).await.version.get();
    assert_eq!(set(group, Some(12)).await, (Some(before), version + 1));
    assert_eq!(starts(group).await, [days_ago(age - 10), days_ago(age + 20)]);
    let list = ListSymptoms {
        user_id: USER,
        cycle_id: None,
        symptom_type: None,
        from: None,
        to: None,
        page: ALL,
    };
    let symptoms = group.ask(USER, list).await.unwrap().rows;
    let dates: Vec<String> = symptoms.iter().map(|symptom| symptom.date.to_string()).collect();
    assert_eq!(dates, [days_ago(age - 12), days_ago(age - 1)]);
    let episodes = group.ask(USER, ListEpisodes { user_id: USER, page: ALL }).await.unwrap();
    assert_eq!(episodes.total, 2);
    // Everything that is left is predicted from something else.
    let history = group.history(USER).await;
    assert_eq!(history.forget_before, Some(before));
    assert_eq!(history.cycles[0].input_version, history.version);

    // From now on everything is kept; what was forgotten stays so.
    assert_eq!(set(group, None).await, (None, version + 2));
    assert_eq!(starts(group).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cycle_goes_only_when_all_of_it_is_old() {
    let app = TestApp::start().await;
    let group = &app.group;
    let cycle = group.record(USER, &days_ago(400), None).await.unwrap().cycle.id;
    group.ask(USER, symptom(USER, cycle, &days_ago(20))).await.unwrap();
    set(group, Some(12)).await;
    assert_eq!(starts(group).await, [days_ago(400)], "something of it is not old yet");
    sqlx::query!("DELETE FROM symptom").execute(&app.pool).await.unwrap();
    set(group, Some(12)).await;
    assert!(starts(group).await.is_empty());
}

/// Time makes things old: the job finds them when it looks, whoever has nothing old is left alone.
#[tokio::test(flavor = "multi_thread")]
async fn the_job_forgets_what_has_become_too_old() {
    let app = TestApp::start().await;
    let other = UserId::new(8);
    for user in [USER, other] {
        let set = SetRetention { user_id: user, months: Some(12) };
        app.group.ask(user, set).await.unwrap();
    }
    // Logged late, about a time that is too old already.
    app.group.record(USER, &days_ago(800), None).await.unwrap();
    app.group.record(USER, &days_ago(5), None).await.unwrap();
    app.group.record(other, &days_ago(5), None).await.unwrap();
    let untouched = app.group.history(other).await.version;
    let version = app.group.history(USER).await.version.get();
    sqlx::query!("UPDATE retention SET forget_before = forget_before - 30")
        .execute(&app.pool)
        .await
        .unwrap();
    let _looks_at_its_start = app.another_group().await;
    app.until("it is forgotten", async || starts(&app.group).await == [days_ago(5)]).await;
    assert_eq!(
        app.group.history(USER).await.version.get(),
        version + 1,
        "one write like any other"
    );
    assert_eq!(app.group.history(other).await.version, untouched);
}

/// One whose rows cannot be deleted keeps nobody else's.
#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::disallowed_methods, reason = "a test may do what no domain does")]
async fn one_who_cannot_be_served_holds_nobody_up() {
    let app = TestApp::start().await;
    let later = UserId::new(8);
    for user_id in [USER, later] {
        let set = SetRetention { user_id, months: Some(12) };
        app.group.ask(user_id, set).await.unwrap();
        for days in [800, 5] {
            app.group.record(user_id, &days_ago(days), None).await.unwrap();
        }
    }
    sqlx::query!("UPDATE retention SET forget_before = forget_before - 30")
        .execute(&app.pool)
        .await
        .unwrap();
    // As if it took too long, each time.
    let too_long = "CREATE FUNCTION too_long() RETURNS trigger LANGUAGE plpgsql AS $$
                        BEGIN RAISE EXCEPTION USING ERRCODE = '57014'; END $$;
                    CREATE TRIGGER too_long BEFORE DELETE ON cycle FOR EACH ROW
                        WHEN (OLD.user_id = 7) EXECUTE FUNCTION too_long()";
    sqlx::raw_sql(too_long).execute(&app.pool).await.unwrap();
    let _looks_at_its_start = app.another_group().await;
    app.until("the other's is forgotten", async || {
        starts_of(&app.group, later).await == [days_ago(5)]
    })
    .await;
    assert_eq!(starts(&app.group).await, [days_ago(5), days_ago(800)]);
}

/// A cycle that stays because of a symptom loses its next start, and what was said about that gap.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_said_about_a_gap_goes_with_its_end() {
    let app = TestApp::start().await;
    let group = &app.group;
    let before = today().checked_sub_months(Months::new(12)).unwrap();
    let age = u64::try_from((today() - before).num_days()).unwrap();
    let cycle_id = group.record(USER, &days_ago(age + 60), None).await.unwrap().cycle.id;
    group.ask(USER, symptom(USER, cycle_id, &days_ago(age - 1))).await.unwrap();
    for days in [age + 20, age - 10] {
        group.record(USER, &days_ago(days), None).await.unwrap();
    }
    let next_start = Some(today() - Days::new(age + 20));
    let answer = GapAnswer::NoneMissed;
    group.ask(USER, AnswerGap { user_id: USER, cycle_id, next_start, answer }).await.unwrap();
    set(group, Some(12)).await;
    assert_eq!(starts(group).await, [days_ago(age - 10), days_ago(age + 60)]);
    let kept = sqlx::query_scalar!(r#"SELECT count(*) AS "count!" FROM gap_answer"#);
    assert_eq!(kept.fetch_one(&app.pool).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn months_are_bounded() {
    let app = TestApp::start().await;
    for months in [i16::MIN, -1, 0, 2, 601, i16::MAX] {
        let set = SetRetention { user_id: USER, months: Some(months) };
        let refusal = refused(app.group.ask(USER, set).await);
        assert_eq!(refusal.kind, ErrorKind::Invalid, "{months}");
        assert_eq!(refusal.errors[0].pointer, "/months");
    }
}
