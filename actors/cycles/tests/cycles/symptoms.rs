//! Symptoms and the cycles that they belong to.

use contracts::{
    CycleId, ErrorKind, Patch, Refusal, SymptomId, UserId,
    cycles::{
        DeleteCycle, DeleteSymptom, EditCycle, EditSymptom, GetCycle, ListSymptoms, LogSymptom,
    },
    page::PageRequest,
};

use crate::harness::{ALL, TestApp, day, refused, symptom};

const USER: UserId = UserId::new(7);
const OTHER: UserId = UserId::new(8);

fn unchanged(user_id: UserId, symptom_id: SymptomId) -> EditSymptom {
    EditSymptom {
        user_id,
        symptom_id,
        date: None,
        symptom_type: None,
        value: None,
        severity: Patch::Keep,
        notes: Patch::Keep,
    }
}

fn list(user_id: UserId) -> ListSymptoms {
    ListSymptoms { user_id, cycle_id: None, symptom_type: None, from: None, to: None, page: ALL }
}

fn is_bad_date(refusal: &Refusal) -> bool {
    refusal.kind == ErrorKind::Invalid && refusal.errors.iter().any(|e| e.pointer == "/date")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_symptom_is_logged_corrected_and_deleted() {
    let app = TestApp::start().await;
    let group = &app.group;
    let cycle_id = group.record(USER, "2025-01-15", Some("2025-01-20")).await.unwrap().cycle.id;
    let request = symptom(USER, cycle_id, "2025-01-16");
    let early = group.ask(USER, request).await.unwrap();
    assert_eq!(early.version.get(), 2);
    let late = group.ask(USER, symptom(USER, cycle_id, "2025-01-20")).await.unwrap().symptom;
    let cycle = group.ask(USER, GetCycle { user_id: USER, cycle_id }).await.unwrap();
    assert!(cycle.symptoms == [late.clone(), early.symptom.clone()]);
    assert!(group.ask(USER, list(USER)).await.unwrap().rows == cycle.symptoms);
    assert!(group.list(USER).await == [cycle]);

    let edit = EditSymptom {
        date: Some(day("2025-01-17")),
        value: Some("sad".to_owned()),
        severity: Patch::Clear,
        notes: Patch::Set("better later".to_owned()),
        ..unchanged(USER, early.symptom.id)
    };
    let edited = group.ask(USER, edit).await.unwrap();
    assert_eq!(edited.version.get(), 4);
    assert!(group.ask(USER, list(USER)).await.unwrap().rows == [late, edited.symptom.clone()]);
    assert_eq!((edited.symptom.value.as_str(), edited.symptom.severity), ("sad", None));
    assert_eq!(edited.symptom.date, day("2025-01-17"));

    let gone = DeleteSymptom { user_id: USER, symptom_id: edited.symptom.id };
    assert_eq!(group.ask(USER, gone.clone()).await.unwrap().version.get(), 5);
    assert_eq!(refused(group.ask(USER, gone).await), Refusal::not_found());
    // Symptoms change the version and no prediction's input.
    let history = group.history(USER).await;
    assert_eq!(history.version.get(), 5);
    assert_eq!(history.cycles.first().unwrap().input_version.get(), 1);
    app.settle().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_symptom_lies_within_its_cycle() {
    let app = TestApp::start().await;
    let group = &app.group;
    let closed = group.record(USER, "2025-01-15", Some("2025-01-20")).await.unwrap().cycle.id;
    let open = group.record(USER, "2025-02-12", None).await.unwrap().cycle.id;
    group.record(USER, "2025-03-12", None).await.unwrap();
    for (cycle_id, date) in
        [(closed, "2025-01-14"), (closed, "2025-01-21"), (open, "2025-02-11"), (open, "2025-03-12")]
    {
        let refusal = refused(group.ask(USER, symptom(USER, cycle_id, date)).await);
        assert!(is_bad_date(&refusal), "{date}");
    }
    let future = symptom(USER, open, "2999-01-01");
    assert!(is_bad_date(&refused(group.ask(USER, future).await)));
    let fine = group.ask(USER, symptom(USER, open, "2025-03-11")).await.unwrap().symptom;
    let moved = EditSymptom { date: Some(day("2025-03-12")), ..unchanged(USER, fine.id) };
    assert!(is_bad_date(&refused(group.ask(USER, moved).await)));
    assert_eq!(group.ask(USER, list(USER)).await.unwrap().total, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_edit_of_a_cycle_loses_a_symptom() {
    let app = TestApp::start().await;
    let group = &app.group;
    let cycle_id = group.record(USER, "2025-01-15", None).await.unwrap().cycle.id;
    let logged = group.ask(USER, symptom(USER, cycle_id, "2025-01-18")).await.unwrap().symptom.id;
    let edit = |start: Option<&str>, end_date| EditCycle {
        user_id: USER,
        cycle_id,
        start_date: start.map(day),
        end_date,
        excluded: None,
    };
    for losing in [
        edit(None, Patch::Set(day("2025-01-17"))),
        edit(Some("2025-01-19"), Patch::Keep),
        edit(Some("2025-01-19"), Patch::Set(day("2025-01-22"))),
    ] {
        let refusal = refused(group.ask(USER, losing).await);
        assert_eq!((refusal.kind, &*refusal.code), (ErrorKind::Conflict, "symptoms-outside-cycle"));
        assert_eq!(refusal.conflicting_id, Some(logged.get()));
    }
    let keeping = edit(Some("2025-01-18"), Patch::Set(day("2025-01-18")));
    let cycle = group.ask(USER, keeping).await.unwrap().cycle;
    assert_eq!(cycle.symptoms.len(), 1);
    // A cycle takes its symptoms along when it goes, and nobody else's.
    let rest = group.record(USER, "2025-02-15", None).await.unwrap().cycle.id;
    group.ask(USER, symptom(USER, rest, "2025-02-15")).await.unwrap();
    group.ask(USER, DeleteCycle { user_id: USER, cycle_id }).await.unwrap();
    let symptoms = group.ask(USER, list(USER)).await.unwrap();
    assert_eq!((symptoms.total, symptoms.rows.first().unwrap().cycle_id), (1, rest));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_start_logged_later_leaves_earlier_symptoms_where_they_are() {
    let app = TestApp::start().await;
    let group = &app.group;
    let open = group.record(USER, "2025-01-15", None).await.unwrap().cycle.id;
    let logged = group.ask(USER, symptom(USER, open, "2025-02-12")).await.unwrap().symptom;
    group.record(USER, "2025-02-12", None).await.unwrap();
    let cycle = group.ask(USER, GetCycle { user_id: USER, cycle_id: open }).await.unwrap();
    assert!(cycle.symptoms == std::slice::from_ref(&logged));
    // Its words can still be corrected.
    let edit = EditSymptom { value: Some("sad".to_owned()), ..unchanged(USER, logged.id) };
    assert_eq!(group.ask(USER, edit).await.unwrap().symptom.date, logged.date);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_users_symptom_answers_as_one_that_does_not_exist() {
    let app = TestApp::start().await;
    let group = &app.group;
    let cycle_id = group.record(OTHER, "2025-01-15", None).await.unwrap().cycle.id;
    let foreign = group.ask(OTHER, symptom(OTHER, cycle_id, "2025-01-18")).await.unwrap().symptom;
    for symptom_id in [foreign.id, SymptomId::new(i64::MAX)] {
        let edited = group.ask(USER, unchanged(USER, symptom_id)).await;
        assert_eq!(refused(edited), Refusal::not_found());
        let deleted = group.ask(USER, DeleteSymptom { user_id: USER, symptom_id }).await;
        assert_eq!(refused(deleted), Refusal::not_found());
    }
    let filtered = ListSymptoms { cycle_id: Some(cycle_id), ..list(USER) };
    assert_eq!(group.ask(USER, filtered).await.unwrap().total, 0);
    assert!(group.ask(OTHER, list(OTHER)).await.unwrap().rows == [foreign]);
}

#[tokio::test(flavor = "multi_thread")]
async fn symptoms_are_filtered_and_paged() {
    let app = TestApp::start().await;
    let group = &app.group;
    let first = group.record(USER, "2025-01-15", None).await.unwrap().cycle.id;
    let second = group.record(USER, "2025-02-12", None).await.unwrap().cycle.id;
    for (cycle_id, date, kind) in [
        (first, "2025-01-15", "mood"),
        (first, "2025-01-16", "pain"),
        (first, "2025-01-16", "mood"),
        (second, "2025-02-13", "pain"),
    ] {
        let request = symptom(USER, cycle_id, date);
        let request = LogSymptom { symptom_type: kind.to_owned(), ..request };
        group.ask(USER, request).await.unwrap();
    }
    let found = async |request: ListSymptoms| {
        let page = group.ask(USER, request).await.unwrap();
        let rows: Vec<(CycleId, String)> =
            page.rows.into_iter().map(|row| (row.cycle_id, row.symptom_type)).collect();
        (rows, page.total)
    };
    let pair = |cycle_id, kind: &str| (cycle_id, kind.to_owned());
    let of_first = ListSymptoms { cycle_id: Some(first), ..list(USER) };
    let all = vec![pair(first, "mood"), pair(first, "pain"), pair(first, "mood")];
    assert_eq!(found(of_first).await, (all, 3));
    let of_type = ListSymptoms { symptom_type: Some("pain".to_owned()), ..list(USER) };
    assert_eq!(found(of_type).await, (vec![pair(second, "pain"), pair(first, "pain")], 2));
    let (from, to) = (Some(day("2025-01-16")), Some(day("2025-01-31")));
    let range = ListSymptoms { from, to, ..list(USER) };
    assert_eq!(found(range).await.1, 2);
    let page = ListSymptoms { page: PageRequest { limit: 1, offset: 3 }, ..list(USER) };
    assert_eq!(found(page).await, (vec![pair(first, "mood")], 4));
    let beyond = ListSymptoms { page: PageRequest { limit: 1, offset: 4 }, ..list(USER) };
    assert_eq!(found(beyond).await, (vec![], 4));
}
