//! Recording, reading, correcting and deleting cycles.

use contracts::{
    CycleId, ErrorKind, Patch, Refusal, UserId, Version,
    cycles::{
        CheckCycles, CycleMark, DeleteCycle, EditCycle, GetCycle, ListCycles, ListCyclesChanged,
        LogSymptom,
    },
    events::ChangedSince,
    page::PageRequest,
};

use crate::harness::{ALL, TestApp, day, record, refused, symptom};

const USER: UserId = UserId::new(7);
const OTHER: UserId = UserId::new(8);

fn edit(cycle_id: CycleId, start: Option<&str>, end_date: Patch<&str>) -> EditCycle {
    let end_date = match end_date {
        Patch::Keep => Patch::Keep,
        Patch::Clear => Patch::Clear,
        Patch::Set(end) => Patch::Set(day(end)),
    };
    EditCycle { user_id: USER, cycle_id, start_date: start.map(day), end_date, excluded: None }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_recorded_is_what_a_read_gives() {
    let app = TestApp::start().await;
    let group = &app.group;
    // The newest first and an older one after it: with and without a neighbour behind.
    let newest = group.record(USER, "2025-01-10", Some("2025-01-15")).await.unwrap();
    let older = group.record(USER, "2024-12-13", None).await.unwrap();
    assert_eq!((newest.version, older.version), (Version::new(1), Version::new(2)));
    for written in [&newest.cycle, &older.cycle] {
        let request = GetCycle { user_id: USER, cycle_id: written.id };
        assert!(group.ask(USER, request).await.unwrap() == *written);
    }
    assert_eq!(older.cycle.cycle_length, Some(28));
    assert_eq!(older.cycle.period_length, None);
    assert_eq!((newest.cycle.cycle_length, newest.cycle.period_length), (None, Some(6)));
    let listed = group.list(USER).await;
    assert!(listed == [newest.cycle, older.cycle]);
    assert!(group.list(OTHER).await.is_empty());
    app.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_overlap_names_the_other_cycle_and_changes_nothing() {
    let app = TestApp::start().await;
    let group = &app.group;
    let first = group.record(USER, "2025-01-10", Some("2025-01-15")).await.unwrap().cycle;
    let open = group.record(USER, "2025-02-10", None).await.unwrap().cycle;
    let overlaps = |refusal: &Refusal, other: CycleId| {
        assert_eq!(refusal.kind, ErrorKind::Conflict);
        assert_eq!(refusal.code, "overlapping-cycle");
        assert_eq!(refusal.conflicting_id, Some(other.get()));
    };
    for (start, end) in [
        ("2025-01-10", None),
        ("2025-01-15", Some("2025-01-20")),
        ("2025-01-05", Some("2025-01-10")),
        ("2025-01-12", Some("2025-01-13")),
        ("2025-01-09", Some("2025-01-16")),
    ] {
        overlaps(&refused(group.record(USER, start, end).await), first.id);
    }
    // An open period claims its first day alone.
    overlaps(&refused(group.record(USER, "2025-02-05", Some("2025-02-10")).await), open.id);
    let inside = group.record(USER, "2025-02-12", Some("2025-02-14")).await.unwrap().cycle;
    let closing = edit(open.id, None, Patch::Set("2025-02-12"));
    overlaps(&refused(group.ask(USER, closing).await), inside.id);
    let closing = edit(open.id, None, Patch::Set("2025-02-11"));
    assert_eq!(group.ask(USER, closing).await.unwrap().cycle.period_length, Some(2));
    let moving = edit(first.id, Some("2025-02-14"), Patch::Set("2025-02-20"));
    overlaps(&refused(group.ask(USER, moving).await), inside.id);
    // Another user's period is nobody's obstacle; refused writes took no version.
    group.record(OTHER, "2025-01-10", Some("2025-01-15")).await.unwrap();
    assert_eq!(group.history(USER).await.version, Version::new(4));
    app.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn impossible_dates_are_refused_with_pointers() {
    let app = TestApp::start().await;
    let group = &app.group;
    let cycle = group.record(USER, "2025-01-10", Some("2025-01-15")).await.unwrap().cycle;
    let pointer = |refusal: Refusal| {
        assert_eq!((refusal.kind, &*refusal.code), (ErrorKind::Invalid, "invalid-input"));
        refusal.errors.first().unwrap().pointer.clone()
    };
    assert_eq!(pointer(refused(group.record(USER, "2999-01-01", None).await)), "/start_date");
    let backwards = group.record(USER, "2025-03-02", Some("2025-03-01")).await;
    assert_eq!(pointer(refused(backwards)), "/end_date");
    // These are wrong only together with what is stored.
    let late_start = edit(cycle.id, Some("2025-01-16"), Patch::Keep);
    assert_eq!(pointer(refused(group.ask(USER, late_start).await)), "/start_date");
    let early_end = edit(cycle.id, None, Patch::Set("2025-01-09"));
    assert_eq!(pointer(refused(group.ask(USER, early_end).await)), "/end_date");
    let long = edit(cycle.id, None, Patch::Set("2025-02-10"));
    assert_eq!(pointer(refused(group.ask(USER, long).await)), "/end_date");
    let page = PageRequest { limit: 101, offset: 0 };
    let list = ListCycles { user_id: USER, from: None, to: None, page };
    assert_eq!(pointer(refused(group.ask(USER, list).await)), "limit");
    assert!(group.list(USER).await == [cycle]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_users_cycle_answers_as_one_that_does_not_exist() {
    let app = TestApp::start().await;
    let group = &app.group;
    let foreign = group.record(OTHER, "2025-01-10", Some("2025-01-15")).await.unwrap().cycle;
    for cycle_id in [foreign.id, CycleId::new(i64::MAX), CycleId::new(-1)] {
        let get = group.ask(USER, GetCycle { user_id: USER, cycle_id }).await;
        assert_eq!(refused(get), Refusal::not_found());
        let edited = group.ask(USER, edit(cycle_id, None, Patch::Clear)).await;
        assert_eq!(refused(edited), Refusal::not_found());
        let deleted = group.ask(USER, DeleteCycle { user_id: USER, cycle_id }).await;
        assert_eq!(refused(deleted), Refusal::not_found());
        let request = LogSymptom { cycle_id, ..symptom(USER, cycle_id, "2025-01-10") };
        assert_eq!(refused(group.ask(USER, request).await), Refusal::not_found());
    }
    assert_eq!(group.history(USER).await.version, Version::ZERO);
    assert!(group.list(OTHER).await == [foreign]);
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_lengths_are_marked_and_pages_have_a_total() {
    let app = TestApp::start().await;
    let group = &app.group;
    for start in ["2024-01-01", "2024-01-11", "2024-02-08", "2024-03-07", "2024-04-30"] {
        group.record(USER, start, None).await.unwrap();
    }
    // Lengths 10, 28, 28, 54 have the median 28: 54 is over 49, 10 is under 15.
    let marks: Vec<_> = group.list(USER).await.into_iter().map(|cycle| cycle.marks).collect();
    let (short, missed) = (CycleMark::UnusuallyShort, CycleMark::PossibleMissedLog);
    assert_eq!(marks, [vec![], vec![missed], vec![], vec![], vec![short]]);

    let list = |from: Option<&str>, to: Option<&str>, limit, offset| {
        let (from, to) = (from.map(day), to.map(day));
        ListCycles { user_id: USER, from, to, page: PageRequest { limit, offset } }
    };
    let page = group.ask(USER, list(None, None, 2, 1)).await.unwrap();
    let starts: Vec<_> = page.rows.iter().map(|cycle| cycle.start_date).collect();
    assert_eq!((starts, page.total), (vec![day("2024-03-07"), day("2024-02-08")], 5));
    let page = group.ask(USER, list(None, None, 2, i64::MAX)).await.unwrap();
    assert_eq!((page.rows.len(), page.total), (0, 5));
    // A filter leaves the lengths as they are.
    let some = list(Some("2024-01-11"), Some("2024-02-08"), 10, 0);
    let page = group.ask(USER, some).await.unwrap();
    let lengths: Vec<_> = page.rows.iter().map(|cycle| cycle.cycle_length).collect();
    assert_eq!((lengths, page.total), (vec![Some(28), Some(28)], 2));
    let all = ListCycles {
        user_id: USER,
        from: Some(chrono::NaiveDate::MIN),
        to: Some(chrono::NaiveDate::MAX),
        page: ALL,
    };
    assert_eq!(group.ask(USER, all).await.unwrap().total, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn consumers_learn_who_changed_and_the_group_says_that_it_is_well() {
    let app = TestApp::start().await;
    let group = &app.group;
    group.record(USER, "2025-01-10", None).await.unwrap();
    group.record(OTHER, "2025-01-10", None).await.unwrap();
    group.ask(OTHER, record(OTHER, "2025-02-10", None)).await.unwrap();
    let changed = |after| ListCyclesChanged(ChangedSince { since: None, after, limit: 1_000 });
    let page = group.ask(USER, changed(None)).await.unwrap();
    let users: Vec<_> = page.users.iter().map(|user| (user.user_id, user.version.get())).collect();
    assert_eq!(users, [(USER, 1), (OTHER, 2)]);
    let rest = group.ask(USER, changed(Some(USER))).await.unwrap();
    assert_eq!(rest.users.len(), 1);
    assert!(group.ask(USER, CheckCycles {}).await.unwrap().is_healthy());
    app.settle().await;
}
