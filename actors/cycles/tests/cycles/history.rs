//! What prediction is told of a user.

use contracts::{
    CycleId, ErrorKind, Patch, UserId, Version,
    cycles::{
        DeleteSymptom, EditCycle, EditSymptom, EpisodeKind, GetCycle, LogSymptom, OVULATION_TEST,
        ObservationKind, RecordEpisode, Symptom, TEMPERATURE,
    },
};

use crate::harness::{Group, TestApp, day, refused, symptom};

const USER: UserId = UserId::new(7);

fn sign(cycle_id: CycleId, date: &str, kind: &str, value: &str) -> LogSymptom {
    LogSymptom {
        symptom_type: kind.to_owned(),
        value: value.to_owned(),
        severity: None,
        ..symptom(USER, cycle_id, date)
    }
}

async fn logged(group: &Group, request: LogSymptom) -> Symptom {
    group.ask(USER, request).await.unwrap().symptom
}

fn unchanged(symptom: &Symptom) -> EditSymptom {
    EditSymptom {
        user_id: USER,
        symptom_id: symptom.id,
        date: None,
        symptom_type: None,
        value: None,
        severity: Patch::Keep,
        notes: Patch::Keep,
    }
}

async fn input_versions(group: &Group) -> Vec<i64> {
    let history = group.history(USER).await;
    history.cycles.iter().map(|cycle| cycle.input_version.get()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_without_anything_has_an_empty_history() {
    let app = TestApp::start().await;
    let history = app.group.history(USER).await;
    assert_eq!(history.version, Version::ZERO);
    assert!(history.cycles.is_empty() && history.episodes.is_empty());
    assert!(history.observations.is_empty() && history.symptoms.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn episodes_observations_and_symptoms_are_told_oldest_first() {
    let app = TestApp::start().await;
    let group = &app.group;
    let one = group.record(USER, "2025-01-10", Some("2025-01-15")).await.unwrap().cycle.id;
    let two = group.record(USER, "2025-02-07", Some("2025-02-12")).await.unwrap().cycle.id;
    logged(group, symptom(USER, two, "2025-02-08")).await;
    logged(group, sign(two, "2025-02-20", TEMPERATURE, "36.55")).await;
    logged(group, sign(one, "2025-01-23", OVULATION_TEST, "negative")).await;
    logged(group, sign(one, "2025-01-24", OVULATION_TEST, "positive")).await;
    logged(group, symptom(USER, one, "2025-01-10")).await;
    for (kind, start, end) in [
        (EpisodeKind::Pause, "2025-03-01", None),
        (EpisodeKind::HormonalContraception, "2020-01-01", Some("2022-01-01")),
    ] {
        let (start_date, end_date) = (day(start), end.map(day));
        let request = RecordEpisode { user_id: USER, kind, start_date, end_date };
        group.ask(USER, request).await.unwrap();
    }
    let history = group.history(USER).await;
    let episodes: Vec<_> =
        history.episodes.iter().map(|it| (it.kind, it.start_date, it.end_date)).collect();
    assert_eq!(
        episodes,
        [
            (EpisodeKind::HormonalContraception, day("2020-01-01"), Some(day("2022-01-01"))),
            (EpisodeKind::Pause, day("2025-03-01"), None),
        ]
    );
    let seen: Vec<_> = history.observations.iter().map(|it| (it.date, it.kind)).collect();
    assert!(
        seen == [
            (day("2025-01-23"), ObservationKind::OvulationTestNegative),
            (day("2025-01-24"), ObservationKind::OvulationTestPositive),
            (day("2025-02-20"), ObservationKind::BasalBodyTemperature(36.55)),
        ]
    );
    let symptoms: Vec<_> =
        history.symptoms.iter().map(|it| (it.date, it.symptom_type.as_str())).collect();
    assert_eq!(symptoms, [(day("2025-01-10"), "mood"), (day("2025-02-08"), "mood")]);
    assert!(group.history(UserId::new(8)).await.symptoms.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_observed_before_the_last_36_cycles_is_not_told() {
    let app = TestApp::start().await;
    let group = &app.group;
    let mut ids = Vec::new();
    for month in 0..37 {
        let start = format!("{}-{:02}-01", 2020 + month / 12, 1 + month % 12);
        ids.push(group.record(USER, &start, None).await.unwrap().cycle.id);
    }
    let [first, second] = ids[..2] else { panic!("37 cycles") };
    logged(group, sign(first, "2020-01-14", OVULATION_TEST, "positive")).await;
    logged(group, symptom(USER, first, "2020-01-31")).await;
    logged(group, sign(second, "2020-02-14", OVULATION_TEST, "positive")).await;
    logged(group, symptom(USER, second, "2020-02-01")).await;
    // A value that was logged before values were checked says nothing.
    let old = logged(group, sign(second, "2020-02-15", OVULATION_TEST, "negative")).await;
    sqlx::query!(
        "UPDATE symptom SET value = 'faint line', value_sealed = NULL WHERE id = $1",
        old.id.get(),
    )
    .execute(&app.pool)
    .await
    .unwrap();
    let history = group.history(USER).await;
    assert_eq!(history.cycles.len(), 37);
    let seen: Vec<_> = history.observations.iter().map(|it| it.date).collect();
    let symptoms: Vec<_> = history.symptoms.iter().map(|it| it.date).collect();
    assert_eq!((seen, symptoms), (vec![day("2020-02-14")], vec![day("2020-02-01")]));
    // Its note can still be corrected, its value only to one that says something.
    let note = EditSymptom { notes: Patch::Set("hm".to_owned()), ..unchanged(&old) };
    group.ask(USER, note).await.unwrap();
    let vague = EditSymptom { value: Some("hm".to_owned()), ..unchanged(&old) };
    assert_eq!(refused(group.ask(USER, vague).await).errors.first().unwrap().pointer, "/value");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_newest_symptoms_are_told_and_no_more_than_2000() {
    let app = TestApp::start().await;
    let group = &app.group;
    let cycle_id = group.record(USER, "2020-01-01", None).await.unwrap().cycle.id;
    for symptom_type in ["mood", OVULATION_TEST] {
        sqlx::query!(
            r#"INSERT INTO symptom (user_id, cycle_id, date, symptom_type, value, created_at)
               SELECT $1, $2, date '2020-01-01' + day, $3, 'positive', now()
               FROM generate_series(0, 2000) day"#,
            USER.get(),
            cycle_id.get(),
            symptom_type,
        )
        .execute(&app.pool)
        .await
        .unwrap();
    }
    let history = group.history(USER).await;
    let days = |first: Option<chrono::NaiveDate>, count| (first.unwrap(), count);
    let symptoms = days(history.symptoms.first().map(|it| it.date), history.symptoms.len());
    let seen = days(history.observations.first().map(|it| it.date), history.observations.len());
    assert_eq!(symptoms, (day("2020-01-02"), 2_000));
    assert_eq!(seen, symptoms);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sign_of_ovulation_may_come_after_the_bleeding() {
    let app = TestApp::start().await;
    let group = &app.group;
    let cycle_id = group.record(USER, "2025-01-10", Some("2025-01-15")).await.unwrap().cycle.id;
    group.record(USER, "2025-02-07", None).await.unwrap();
    for (date, kind, value, pointer) in [
        ("2025-02-07", OVULATION_TEST, "positive", "/date"),
        ("2025-01-09", TEMPERATURE, "36.5", "/date"),
        ("2025-01-16", "mood", "36.5", "/date"),
        ("2025-01-24", OVULATION_TEST, "maybe", "/value"),
        ("2025-01-24", TEMPERATURE, "98.2", "/value"),
    ] {
        let refusal = refused(group.ask(USER, sign(cycle_id, date, kind, value)).await);
        assert_eq!(refusal.kind, ErrorKind::Invalid);
        assert_eq!(refusal.errors.first().unwrap().pointer, pointer, "{date} {kind} {value}");
    }
    let test = logged(group, sign(cycle_id, "2025-01-24", OVULATION_TEST, "positive")).await;
    // It keeps no end from being corrected, and no start from coming earlier.
    let edit = |start: Option<&str>, end: &str| EditCycle {
        user_id: USER,
        cycle_id,
        start_date: start.map(day),
        end_date: Patch::Set(day(end)),
        excluded: None,
    };
    group.ask(USER, edit(Some("2025-01-09"), "2025-01-14")).await.unwrap();
    let losing = refused(group.ask(USER, edit(Some("2025-01-25"), "2025-01-26")).await);
    assert_eq!(&*losing.code, "symptoms-outside-cycle");
    assert_eq!(losing.conflicting_id, Some(test.id.get()));
    // It cannot become a symptom of a day on which there can be none.
    let mood = EditSymptom { symptom_type: Some("mood".to_owned()), ..unchanged(&test) };
    assert_eq!(
        refused(group.ask(USER, mood.clone()).await).errors.first().unwrap().pointer,
        "/date"
    );
    let mood = EditSymptom { date: Some(day("2025-01-14")), ..mood };
    assert_eq!(group.ask(USER, mood).await.unwrap().symptom.symptom_type, "mood");
    // What is no sign by its value cannot become one by its type.
    let kind = EditSymptom { symptom_type: Some(TEMPERATURE.to_owned()), ..unchanged(&test) };
    let refusal = refused(group.ask(USER, kind).await);
    assert_eq!(refusal.errors.first().unwrap().pointer, "/symptom_type");
}

#[tokio::test(flavor = "multi_thread")]
async fn signs_and_exclusions_change_what_predictions_are_made_from() {
    let app = TestApp::start().await;
    let group = &app.group;
    let one = group.record(USER, "2025-01-10", Some("2025-01-15")).await.unwrap().cycle.id;
    group.record(USER, "2025-02-07", None).await.unwrap();
    let test = logged(group, sign(one, "2025-01-23", OVULATION_TEST, "positive")).await;
    assert_eq!(input_versions(group).await, [3, 2]);
    let note = EditSymptom { notes: Patch::Set("faint".to_owned()), ..unchanged(&test) };
    group.ask(USER, note).await.unwrap();
    assert_eq!(input_versions(group).await, [3, 2]);
    let value = EditSymptom { value: Some("negative".to_owned()), ..unchanged(&test) };
    group.ask(USER, value).await.unwrap();
    assert_eq!(input_versions(group).await, [5, 2]);
    // What becomes another symptom is a sign no more, and that symptom is of no interest.
    let mood = EditSymptom {
        symptom_type: Some("mood".to_owned()),
        date: Some(day("2025-01-12")),
        ..unchanged(&test)
    };
    group.ask(USER, mood).await.unwrap();
    assert_eq!(input_versions(group).await, [6, 2]);
    group.ask(USER, DeleteSymptom { user_id: USER, symptom_id: test.id }).await.unwrap();
    assert_eq!(input_versions(group).await, [6, 2]);
    let test = logged(group, sign(one, "2025-01-23", OVULATION_TEST, "positive")).await;
    group.ask(USER, DeleteSymptom { user_id: USER, symptom_id: test.id }).await.unwrap();
    assert_eq!(input_versions(group).await, [9, 2]);

    let exclude = |excluded| EditCycle {
        user_id: USER,
        cycle_id: one,
        start_date: None,
        end_date: Patch::Keep,
        excluded,
    };
    let edited = group.ask(USER, exclude(Some(true))).await.unwrap().cycle;
    assert!(edited.excluded);
    assert!(group.ask(USER, GetCycle { user_id: USER, cycle_id: one }).await.unwrap() == edited);
    assert!(group.history(USER).await.cycles.first().unwrap().excluded);
    assert_eq!(input_versions(group).await, [10, 2]);
    // Once more, and left out: it stays excluded, and nothing changed.
    assert!(group.ask(USER, exclude(Some(true))).await.unwrap().cycle.excluded);
    assert!(group.ask(USER, exclude(None)).await.unwrap().cycle.excluded);
    assert_eq!(input_versions(group).await, [10, 2]);
    assert!(!group.ask(USER, exclude(Some(false))).await.unwrap().cycle.excluded);
    assert_eq!(input_versions(group).await, [13, 2]);
}
