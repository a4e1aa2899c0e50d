//! What cannot be brought back.

use contracts::{
    ErrorKind, UserId,
    cycles::{
        EpisodeKind, ExportedGapAnswer, GapAnswer, IMPORT_ROWS_MAX, ImportCycles, ImportedCycle,
        ImportedEpisode, ImportedGapAnswer, ImportedRows, ImportedSymptom,
    },
};

use crate::{
    export::{bring_back, held, placed},
    harness::{TestApp, day, refused},
};

const ADA: UserId = UserId::new(1);

#[tokio::test(flavor = "multi_thread")]
#[expect(clippy::too_many_lines, reason = "a table of what cannot be")]
async fn what_cannot_be_is_named_by_its_place_and_nothing_is_stored() {
    let app = TestApp::start().await;
    let group = &app.group;
    let cycle = |start: &str, end: Option<&str>| ImportedCycle {
        start_date: day(start),
        end_date: end.map(day),
        excluded: false,
    };
    let row = |symptom_type: &str, value: &str| ImportedSymptom {
        cycle_start_date: day("2024-01-01"),
        date: day("2024-01-02"),
        symptom_type: symptom_type.to_owned(),
        value: value.to_owned(),
        severity: Some(2),
        notes: None,
        twins_before: 0,
    };
    let answer = |next: &str, answer, answered_at: &str| ImportedGapAnswer {
        start_date: day("2024-01-01"),
        answer: ExportedGapAnswer {
            next_start: Some(day(next)),
            answer,
            answered_at: answered_at.parse().unwrap(),
        },
    };
    let (none, at) = (GapAnswer::NoneMissed, "2024-05-01T00:00:00Z");
    let missed = GapAnswer::MissedOn(day("2024-01-20"));
    let cases = [
        (
            ImportedRows::Cycles(placed([
                cycle("2024-01-01", None),
                cycle("2024-02-01", Some("2024-01-31")),
            ])),
            "/cycles/1/end_date",
        ),
        (ImportedRows::Cycles(placed([cycle("1899-12-31", None)])), "/cycles/0/start_date"),
        (ImportedRows::Cycles(placed([cycle("9999-12-31", None)])), "/cycles/0/start_date"),
        (
            ImportedRows::Cycles(placed([cycle("2024-01-01", Some("2024-02-01"))])),
            "/cycles/0/end_date",
        ),
        (
            ImportedRows::Cycles(placed(vec![cycle("2024-01-01", None); IMPORT_ROWS_MAX + 1])),
            "/cycles",
        ),
        (ImportedRows::Symptoms(placed([row("mood", "a\0b")])), "/symptoms/0/value"),
        (ImportedRows::Symptoms(placed([row("", "x")])), "/symptoms/0/symptom_type"),
        (ImportedRows::Symptoms(placed([row("ovulation_test", "yes")])), "/symptoms/0/value"),
        (
            ImportedRows::Symptoms(placed([ImportedSymptom {
                severity: Some(11),
                ..row("mood", "x")
            }])),
            "/symptoms/0/severity",
        ),
        (
            ImportedRows::Symptoms(placed([ImportedSymptom {
                notes: Some("n".repeat(4_001)),
                ..row("mood", "x")
            }])),
            "/symptoms/0/notes",
        ),
        (
            ImportedRows::Episodes(placed([ImportedEpisode {
                kind: EpisodeKind::Pause,
                start_date: day("2024-02-01"),
                end_date: Some(day("2024-01-01")),
            }])),
            "/episodes/0/end_date",
        ),
        (
            ImportedRows::GapAnswers(placed([answer("2024-01-01", none, at)])),
            "/cycles/0/gap_answer/next_start",
        ),
        (
            ImportedRows::GapAnswers(placed([answer("2024-02-01", missed, at)])),
            "/cycles/0/gap_answer/answer",
        ),
        (
            ImportedRows::GapAnswers(placed([answer("2024-02-01", none, "3024-05-01T00:00:00Z")])),
            "/cycles/0/gap_answer/answered_at",
        ),
    ];
    for (rows, pointer) in cases {
        for check_only in [true, false] {
            let rows = rows.clone();
            let request = ImportCycles { user_id: ADA, check_only, rows };
            let refusal = refused(group.ask(ADA, request).await);
            assert_eq!(refusal.kind, ErrorKind::Invalid);
            assert_eq!(refusal.errors.first().unwrap().pointer, pointer);
        }
    }
    let good = ImportedRows::Cycles(placed([cycle("2024-01-01", None)]));
    let request = ImportCycles { user_id: ADA, check_only: true, rows: good };
    assert_eq!(group.ask(ADA, request).await.unwrap().version, None);
    assert!(held(group, ADA).await.cycles.is_empty());
}

/// A part that contradicts itself or what is there is refused as a whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_part_is_stored_as_a_whole_or_not_at_all() {
    let app = TestApp::start().await;
    let group = &app.group;
    group.record(ADA, "2024-03-01", Some("2024-03-05")).await.unwrap();
    let cycle = |start: &str, end: Option<&str>| ImportedCycle {
        start_date: day(start),
        end_date: end.map(day),
        excluded: false,
    };
    let rows = placed([cycle("2024-01-01", None), cycle("2024-03-04", None)]);
    let refusal = refused(bring_back(group, ADA, ImportedRows::Cycles(rows)).await);
    assert_eq!((refusal.kind, &*refusal.code), (ErrorKind::Conflict, "overlapping-cycle"));
    assert_eq!(refusal.errors.first().unwrap().pointer, "/cycles/1");
    assert_eq!(held(group, ADA).await.cycles.len(), 1);
    let row = |cycle: &str, date: &str| ImportedSymptom {
        cycle_start_date: day(cycle),
        date: day(date),
        symptom_type: "mood".to_owned(),
        value: "x".to_owned(),
        severity: None,
        notes: None,
        twins_before: 0,
    };
    for (rows, pointer) in [
        (
            [row("2024-03-01", "2024-03-02"), row("2024-03-02", "2024-03-02")],
            "/symptoms/1/cycle_id",
        ),
        ([row("2024-03-01", "2024-03-02"), row("2024-03-01", "2024-03-06")], "/symptoms/1/date"),
        ([row("2024-03-01", "2024-02-29"), row("2024-03-01", "2024-03-02")], "/symptoms/0/date"),
    ] {
        let refusal = refused(bring_back(group, ADA, ImportedRows::Symptoms(placed(rows))).await);
        assert_eq!(refusal.kind, ErrorKind::Invalid);
        assert_eq!(refusal.errors.first().unwrap().pointer, pointer);
    }
    assert!(held(group, ADA).await.symptoms.is_empty());
    // An answer about another gap than there is counts no longer.
    let answer = ImportedGapAnswer {
        start_date: day("2024-03-01"),
        answer: ExportedGapAnswer {
            next_start: Some(day("2024-06-01")),
            answer: GapAnswer::NoneMissed,
            answered_at: "2024-06-02T00:00:00Z".parse().unwrap(),
        },
    };
    let imported = bring_back(group, ADA, ImportedRows::GapAnswers(placed([answer]))).await;
    assert_eq!(imported.unwrap().stored, 0);
}
