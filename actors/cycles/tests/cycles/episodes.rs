//! Recording, reading, correcting and deleting episodes.

use contracts::{
    EpisodeId, ErrorKind, Patch, Refusal, UserId,
    cycles::{
        DeleteEpisode, EditEpisode, Episode, EpisodeKind, EpisodeWritten, GetEpisode, ListEpisodes,
        RecordEpisode,
    },
    limits::EPISODES_MAX,
    page::PageRequest,
};
use futures::future::join;

use crate::harness::{ALL, Group, TestApp, day, refused};

const USER: UserId = UserId::new(7);
const OTHER: UserId = UserId::new(8);

const KINDS: [EpisodeKind; 6] = [
    EpisodeKind::Pregnancy,
    EpisodeKind::Postpartum,
    EpisodeKind::Breastfeeding,
    EpisodeKind::HormonalContraception,
    EpisodeKind::Perimenopause,
    EpisodeKind::Pause,
];

fn record(kind: EpisodeKind, start: &str, end: Option<&str>) -> RecordEpisode {
    RecordEpisode { user_id: USER, kind, start_date: day(start), end_date: end.map(day) }
}

fn edit(episode_id: EpisodeId) -> EditEpisode {
    EditEpisode { user_id: USER, episode_id, kind: None, start_date: None, end_date: Patch::Keep }
}

async fn recorded(group: &Group, kind: EpisodeKind, start: &str, end: Option<&str>) -> Episode {
    group.ask(USER, record(kind, start, end)).await.unwrap().episode
}

async fn listed(group: &Group, user_id: UserId) -> Vec<Episode> {
    group.ask(user_id, ListEpisodes { user_id, page: ALL }).await.unwrap().rows
}

fn overlaps(refusal: &Refusal, other: EpisodeId) {
    assert_eq!((refusal.kind, &*refusal.code), (ErrorKind::Conflict, "overlapping-episode"));
    assert_eq!(refusal.conflicting_id, Some(other.get()));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_length_that_an_episode_explains_is_no_missed_log() {
    let app = TestApp::start().await;
    let group = &app.group;
    for start in ["2024-01-01", "2024-01-29", "2024-02-26", "2024-12-02", "2025-03-02"] {
        group.record(USER, start, None).await.unwrap();
    }
    let marked = async || -> Vec<bool> {
        let cycles = group.list(USER).await.into_iter().rev();
        cycles.map(|cycle| !cycle.marks.is_empty()).collect()
    };
    assert_eq!(marked().await, [false, false, true, true, false]);
    recorded(group, EpisodeKind::Pregnancy, "2024-03-10", Some("2024-11-30")).await;
    assert_eq!(marked().await, [false, false, false, true, false]);
    // A start on its last day is the first after it.
    recorded(group, EpisodeKind::Pause, "2024-11-01", Some("2024-12-02")).await;
    assert_eq!(marked().await, [false, false, false, true, false]);
    recorded(group, EpisodeKind::Breastfeeding, "2025-01-05", None).await;
    assert_eq!(marked().await, [false; 5]);
    app.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_episode_of_every_kind_is_recorded_read_corrected_and_deleted() {
    let app = TestApp::start().await;
    let group = &app.group;
    for (version, kind) in (1..).zip(KINDS) {
        let written = group.ask(USER, record(kind, "2024-05-01", None)).await.unwrap();
        assert_eq!((written.version.get(), written.episode.kind), (version, kind));
        let get = GetEpisode { user_id: USER, episode_id: written.episode.id };
        assert!(group.ask(USER, get).await.unwrap() == written.episode);
    }
    let pages = group.ask(USER, ListEpisodes { user_id: USER, page: ALL }).await.unwrap();
    assert_eq!(pages.total, 6);
    let of_one = PageRequest { limit: 1, offset: 5 };
    let page = group.ask(USER, ListEpisodes { user_id: USER, page: of_one }).await.unwrap();
    assert_eq!((page.rows.first().unwrap().kind, page.total), (EpisodeKind::Pregnancy, 6));
    let beyond = PageRequest { limit: 1, offset: 6 };
    let page = group.ask(USER, ListEpisodes { user_id: USER, page: beyond }).await.unwrap();
    assert_eq!((page.rows.len(), page.total), (0, 6));

    let first = page_first(group).await;
    let change = EditEpisode {
        start_date: Some(day("2024-04-01")),
        end_date: Patch::Set(day("2025-01-05")),
        ..edit(first.id)
    };
    let EpisodeWritten { episode, version } = group.ask(USER, change).await.unwrap();
    assert_eq!(
        (episode.start_date, episode.end_date),
        (day("2024-04-01"), Some(day("2025-01-05")))
    );
    assert_eq!(
        (episode.kind, episode.created_at, version.get()),
        (first.kind, first.created_at, 7)
    );
    assert!(episode.updated_at >= first.updated_at);
    let get = GetEpisode { user_id: USER, episode_id: first.id };
    assert!(group.ask(USER, get.clone()).await.unwrap() == episode);
    let reopened = EditEpisode { end_date: Patch::Clear, ..edit(first.id) };
    assert_eq!(group.ask(USER, reopened).await.unwrap().episode.end_date, None);

    let delete = DeleteEpisode { user_id: USER, episode_id: first.id };
    assert_eq!(group.ask(USER, delete.clone()).await.unwrap().version.get(), 9);
    assert_eq!(refused(group.ask(USER, delete).await), Refusal::not_found());
    assert_eq!(refused(group.ask(USER, get).await), Refusal::not_found());
    assert_eq!(group.history(USER).await.episodes.len(), 5);
    app.settle().await;
}

async fn page_first(group: &Group) -> Episode {
    listed(group, USER).await.into_iter().next().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn one_kind_is_there_once_on_a_day_and_kinds_may_meet() {
    let app = TestApp::start().await;
    let group = &app.group;
    let birth = recorded(group, EpisodeKind::Postpartum, "2024-05-01", Some("2024-08-01")).await;
    let open = recorded(group, EpisodeKind::Breastfeeding, "2024-05-01", None).await;
    for (start, end) in [
        ("2024-08-01", None),
        ("2024-04-01", Some("2024-05-01")),
        ("2024-04-01", None),
        ("2024-06-01", Some("2024-06-02")),
    ] {
        let again = group.ask(USER, record(EpisodeKind::Postpartum, start, end)).await;
        overlaps(&refused(again), birth.id);
    }
    // What goes on claims every day to come.
    let later = record(EpisodeKind::Breastfeeding, "2025-08-01", Some("2025-08-02"));
    overlaps(&refused(group.ask(USER, later.clone()).await), open.id);
    let weaned = EditEpisode { end_date: Patch::Set(day("2025-07-31")), ..edit(open.id) };
    group.ask(USER, weaned).await.unwrap();
    let later = group.ask(USER, later).await.unwrap().episode;
    let reopened = EditEpisode { end_date: Patch::Clear, ..edit(open.id) };
    overlaps(&refused(group.ask(USER, reopened).await), later.id);
    let renamed = EditEpisode { kind: Some(EpisodeKind::Breastfeeding), ..edit(birth.id) };
    overlaps(&refused(group.ask(USER, renamed).await), open.id);
    // Another user's episode is nobody's obstacle; refused writes took no version.
    let foreign = RecordEpisode {
        user_id: OTHER,
        ..record(EpisodeKind::Postpartum, "2024-05-01", Some("2024-08-01"))
    };
    group.ask(OTHER, foreign).await.unwrap();
    assert_eq!(group.history(USER).await.version.get(), 4);
    app.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_two_episodes_that_race_exactly_one_is_recorded() {
    let app = TestApp::start().await;
    let other = app.another_group().await;
    for year in 1950..1970 {
        let (start, later) = (format!("{year}-02-01"), format!("{year}-03-01"));
        let end = format!("{year}-04-01");
        let one = record(EpisodeKind::Pause, &start, Some(&end));
        let two = record(EpisodeKind::Pause, &later, Some(&end));
        let answers = join(app.group.ask(USER, one), other.ask(USER, two)).await;
        let (won, lost) = match answers {
            (Ok(won), lost) | (lost, Ok(won)) => (won, refused(lost)),
            (Err(one), Err(_)) => panic!("one of them wins: {one:?}"),
        };
        overlaps(&lost, won.episode.id);
    }
    assert_eq!(listed(&app.group, USER).await.len(), 20);
    app.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn impossible_days_are_refused_with_pointers() {
    let app = TestApp::start().await;
    let group = &app.group;
    let episode = recorded(group, EpisodeKind::Pause, "2024-05-01", Some("2024-08-01")).await;
    let pointer = |refusal: Refusal| {
        assert_eq!((refusal.kind, &*refusal.code), (ErrorKind::Invalid, "invalid-input"));
        refusal.errors.first().unwrap().pointer.clone()
    };
    let future = record(EpisodeKind::Pause, "2999-01-01", None);
    assert_eq!(pointer(refused(group.ask(USER, future).await)), "/start_date");
    let backwards = record(EpisodeKind::Pause, "2025-01-02", Some("2025-01-01"));
    assert_eq!(pointer(refused(group.ask(USER, backwards).await)), "/end_date");
    let late = EditEpisode { start_date: Some(day("2024-08-02")), ..edit(episode.id) };
    assert_eq!(pointer(refused(group.ask(USER, late).await)), "/start_date");
    let early = EditEpisode { end_date: Patch::Set(day("2024-04-30")), ..edit(episode.id) };
    assert_eq!(pointer(refused(group.ask(USER, early).await)), "/end_date");
    let page = PageRequest { limit: 0, offset: 0 };
    let list = group.ask(USER, ListEpisodes { user_id: USER, page }).await;
    assert_eq!(pointer(refused(list)), "limit");
    assert!(listed(group, USER).await == [episode]);
}

/// A history, which has no pages, has to fit into one message.
#[tokio::test(flavor = "multi_thread")]
async fn episodes_are_bounded_by_user() {
    let app = TestApp::start().await;
    let group = &app.group;
    sqlx::query!(
        r#"INSERT INTO episode (user_id, kind, start_date, end_date, created_at, updated_at)
           SELECT $1, 'pause', day, day, now(), now()
           FROM (SELECT '1990-01-01'::date + 2 * n AS day FROM generate_series(1, $2::int) n) days"#,
        USER.get(),
        i32::try_from(EPISODES_MAX).unwrap() - 1,
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let last = recorded(group, EpisodeKind::Pause, "2024-05-01", None).await;
    let more = record(EpisodeKind::Postpartum, "2024-05-01", None);
    let refusal = refused(group.ask(USER, more.clone()).await);
    assert_eq!((refusal.kind, &*refusal.code), (ErrorKind::Invalid, "invalid-input"));
    assert_eq!(refusal.errors.first().unwrap().pointer, "", "it is about no single member");
    group.ask(OTHER, RecordEpisode { user_id: OTHER, ..more.clone() }).await.unwrap();
    group.ask(USER, DeleteEpisode { user_id: USER, episode_id: last.id }).await.unwrap();
    group.ask(USER, more).await.unwrap();
    let history = group.history(USER).await;
    assert_eq!(i64::try_from(history.episodes.len()), Ok(EPISODES_MAX));
    assert_eq!(history.version.get(), 3, "what was refused took no version");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_users_episode_answers_as_one_that_does_not_exist() {
    let app = TestApp::start().await;
    let group = &app.group;
    let foreign = recorded(group, EpisodeKind::Pause, "2024-05-01", None).await;
    for episode_id in [foreign.id, EpisodeId::new(i64::MAX), EpisodeId::new(-1)] {
        let user_id = OTHER;
        let got = group.ask(OTHER, GetEpisode { user_id, episode_id }).await;
        assert_eq!(refused(got), Refusal::not_found());
        let edited = group.ask(OTHER, EditEpisode { user_id, ..edit(episode_id) }).await;
        assert_eq!(refused(edited), Refusal::not_found());
        let deleted = group.ask(OTHER, DeleteEpisode { user_id, episode_id }).await;
        assert_eq!(refused(deleted), Refusal::not_found());
    }
    assert!(listed(group, OTHER).await.is_empty());
    assert!(listed(group, USER).await == [foreign]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retry_with_the_same_key_is_one_episode() {
    let app = TestApp::start().await;
    let other = app.another_group().await;
    let request = record(EpisodeKind::Pause, "2024-05-01", None);
    let (one, two) = join(
        app.group.ask_with_key(USER, "key", request.clone()),
        other.ask_with_key(USER, "key", request.clone()),
    )
    .await;
    let later = app.group.ask_with_key(USER, "key", request).await.unwrap();
    for again in [one.unwrap(), two.unwrap()] {
        assert!(again.episode == later.episode);
        assert_eq!(again.version.get(), 1);
    }
    let another = record(EpisodeKind::Pause, "2024-06-01", None);
    let refusal = refused(app.group.ask_with_key(USER, "key", another).await);
    assert_eq!(refusal.code, "idempotency-key-reused");
}
