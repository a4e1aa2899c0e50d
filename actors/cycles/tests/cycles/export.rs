//! Everything page by page, and the way back.

use std::collections::HashMap;

use chrono::NaiveDate;
use contracts::{
    ErrorKind, Refusal, UserId,
    cycles::{
        AnswerGap, CyclesImported, EditCycle, Episode, EpisodeKind, ExportCursor, ExportCycles,
        ExportedCycle, ExportedRows, GapAnswer, ImportCycles, Imported, ImportedCycle,
        ImportedEpisode, ImportedGapAnswer, ImportedRows, ImportedSymptom, LogSymptom,
        RecordEpisode, SetRetention, Symptom,
    },
};

use crate::harness::{Group, TestApp, day, refused, symptom};

const ADA: UserId = UserId::new(1);
const EVE: UserId = UserId::new(2);

/// What was said about a gap: the start that ended it, the answer, and when.
type Said = (Option<NaiveDate>, GapAnswer, i64);
/// What a symptom says, its cycle's start first.
type Symptomatic = (NaiveDate, NaiveDate, String, String, Option<i16>, Option<String>);

/// What is held on a user, without ids and instants.
#[derive(PartialEq)]
pub(crate) struct Held {
    pub(crate) cycles: Vec<(ImportedCycle, Option<Said>)>,
    pub(crate) symptoms: Vec<Symptomatic>,
    pub(crate) episodes: Vec<(EpisodeKind, NaiveDate, Option<NaiveDate>)>,
}

/// An export, page by page, and how many pages there were.
async fn export(
    group: &Group,
    user_id: UserId,
) -> (Vec<ExportedCycle>, Vec<Symptom>, Vec<Episode>) {
    let (mut cycles, mut symptoms, mut episodes) = (Vec::new(), Vec::new(), Vec::new());
    let begins =
        [ExportCursor::Cycles(None), ExportCursor::Symptoms(None), ExportCursor::Episodes(None)];
    for begin in begins {
        let mut next = Some(begin);
        while let Some(after) = next {
            let page = group.ask(user_id, ExportCycles { user_id, after }).await.unwrap();
            match page.rows {
                ExportedRows::Cycles(rows) => cycles.extend(rows),
                ExportedRows::Symptoms(rows) => {
                    // A page fits into one message between two processes.
                    assert!(rows.len() <= 40);
                    symptoms.extend(rows);
                }
                ExportedRows::Episodes(rows) => episodes.extend(rows),
            }
            next = page.next;
        }
    }
    (cycles, symptoms, episodes)
}

pub(crate) async fn held(group: &Group, user_id: UserId) -> Held {
    let (cycles, symptoms, episodes) = export(group, user_id).await;
    let starts: HashMap<_, _> = cycles.iter().map(|cycle| (cycle.id, cycle.start_date)).collect();
    let mut held = Held {
        cycles: Vec::new(),
        symptoms: symptoms
            .into_iter()
            .map(|it| {
                (starts[&it.cycle_id], it.date, it.symptom_type, it.value, it.severity, it.notes)
            })
            .collect(),
        episodes: episodes.into_iter().map(|it| (it.kind, it.start_date, it.end_date)).collect(),
    };
    for ExportedCycle { start_date, end_date, excluded, gap_answer, .. } in cycles {
        let said =
            gap_answer.map(|it| (it.next_start, it.answer, it.answered_at.timestamp_micros()));
        held.cycles.push((ImportedCycle { start_date, end_date, excluded }, said));
    }
    held
}

pub(crate) fn placed<T>(rows: impl IntoIterator<Item = T>) -> Vec<Imported<T>> {
    (0..).zip(rows).map(|(place, row)| Imported { place, row }).collect()
}

/// All rows of an export, as the gateway brings them back.
async fn rows_of(group: &Group, user_id: UserId) -> [ImportedRows; 4] {
    let (cycles, symptoms, episodes) = export(group, user_id).await;
    let starts: HashMap<_, _> = cycles.iter().map(|cycle| (cycle.id, cycle.start_date)).collect();
    let answers: Vec<_> = cycles
        .iter()
        .filter_map(|cycle| {
            let answer = cycle.gap_answer.clone()?;
            Some(ImportedGapAnswer { start_date: cycle.start_date, answer })
        })
        .collect();
    let mut twins = HashMap::new();
    let symptoms: Vec<_> = symptoms
        .into_iter()
        .map(|it| {
            let mut row = ImportedSymptom {
                cycle_start_date: starts[&it.cycle_id],
                date: it.date,
                symptom_type: it.symptom_type,
                value: it.value,
                severity: it.severity,
                notes: it.notes,
                twins_before: 0,
            };
            let before = twins.entry(row.clone()).or_insert(0);
            row.twins_before = *before;
            *before += 1;
            row
        })
        .collect();
    let cycles = cycles.into_iter().map(|it| ImportedCycle {
        start_date: it.start_date,
        end_date: it.end_date,
        excluded: it.excluded,
    });
    let episodes = episodes.into_iter().map(|it| ImportedEpisode {
        kind: it.kind,
        start_date: it.start_date,
        end_date: it.end_date,
    });
    [
        ImportedRows::Cycles(placed(cycles)),
        ImportedRows::Episodes(placed(episodes)),
        ImportedRows::Symptoms(placed(symptoms)),
        ImportedRows::GapAnswers(placed(answers)),
    ]
}

pub(crate) async fn bring_back(
    group: &Group,
    user_id: UserId,
    rows: ImportedRows,
) -> Result<CyclesImported, Refusal> {
    group.ask(user_id, ImportCycles { user_id, check_only: false, rows }).await
}

/// A life with everything in it.
async fn live(group: &Group, user_id: UserId) {
    let starts = ["2023-01-03", "2023-01-31", "2023-03-30", "2023-04-28", "2023-08-02"];
    let mut cycles = Vec::new();
    for start in starts {
        let written = group.record(user_id, start, None).await.unwrap();
        cycles.push(written.cycle.id);
    }
    let edit = EditCycle {
        user_id,
        cycle_id: cycles[3],
        start_date: None,
        end_date: contracts::Patch::Set(day("2023-05-02")),
        excluded: Some(true),
    };
    group.ask(user_id, edit).await.unwrap();
    for (cycle, next, answer) in
        [(1, Some("2023-03-30"), GapAnswer::MissedUnknown), (4, None, GapAnswer::NoneMissed)]
    {
        let next_start = next.map(day);
        group
            .ask(user_id, AnswerGap { user_id, cycle_id: cycles[cycle], next_start, answer })
            .await
            .unwrap();
    }
    for (kind, start, end) in [
        (EpisodeKind::Pause, "2023-05-10", Some("2023-07-20")),
        (EpisodeKind::HormonalContraception, "2023-08-10", None),
    ] {
        let (start_date, end_date) = (day(start), end.map(day));
        let request = RecordEpisode { user_id, kind, start_date, end_date };
        group.ask(user_id, request).await.unwrap();
    }
    // More than a page, with twins among them, and one that a later start has come to stand before.
    for place in 0..90 {
        let mut request = symptom(user_id, cycles[place % 3], "2023-04-01");
        request.date = day(["2023-01-05", "2023-02-02", "2023-03-31"][place % 3]);
        request.value = format!("value {}", place / 9);
        request.notes = (place % 2 == 0).then(|| "a note\nof two lines".to_owned());
        group.ask(user_id, request).await.unwrap();
    }
    let late = LogSymptom {
        symptom_type: "ovulation_test".to_owned(),
        value: "positive".to_owned(),
        ..symptom(user_id, cycles[4], "2023-09-20")
    };
    group.ask(user_id, late).await.unwrap();
    let newest = group.record(user_id, "2023-09-10", Some("2023-09-14")).await.unwrap().cycle.id;
    let (next_start, answer) = (None, GapAnswer::NoneMissed);
    group.ask(user_id, AnswerGap { user_id, cycle_id: newest, next_start, answer }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_comes_back_and_twice_is_once() {
    let app = TestApp::start().await;
    let group = &app.group;
    live(group, ADA).await;
    let taken = held(group, ADA).await;
    assert_eq!((taken.cycles.len(), taken.symptoms.len(), taken.episodes.len()), (6, 91, 2));
    assert_eq!(taken.cycles.iter().filter(|(_, said)| said.is_some()).count(), 2);
    for turn in 0..2 {
        for rows in rows_of(group, ADA).await {
            let imported = bring_back(group, EVE, rows).await.unwrap();
            assert_eq!(imported.stored == 0, turn == 1, "{imported:?}");
        }
        // Symptoms are in the order of the export, so that of the ids is the same.
        assert!(held(group, EVE).await == taken);
        assert!(held(group, ADA).await == taken, "the one that it was taken from is left alone");
    }
    // Predictions are made from the same.
    let (ada, eve) = (group.history(ADA).await, group.history(EVE).await);
    let facts = |history: &contracts::cycles::History| {
        let cycle = |it: &contracts::cycles::HistoryCycle| {
            (it.start_date, it.end_date, it.excluded, it.gap_answer)
        };
        let seen = |it: &contracts::cycles::Observation| (it.date, it.kind);
        let cycles: Vec<_> = history.cycles.iter().map(cycle).collect();
        let signs: Vec<_> = history.observations.iter().map(seen).collect();
        (cycles, history.episodes.clone(), signs, history.symptoms.clone())
    };
    assert!(facts(&ada) == facts(&eve));
    // What was brought back is sealed like everything else.
    let in_clear = sqlx::query_scalar!(
        r#"SELECT count(*) AS "count!" FROM symptom WHERE value IS NOT NULL OR notes IS NOT NULL"#
    );
    assert_eq!(in_clear.fetch_one(&app.pool).await.unwrap(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_there_stays_and_what_was_deleted_comes_back() {
    let app = TestApp::start().await;
    let group = &app.group;
    live(group, ADA).await;
    let rows = rows_of(group, ADA).await;
    // Another end of a cycle that is in the file, too.
    group.record(EVE, "2023-01-03", Some("2023-01-07")).await.unwrap();
    for rows in rows.clone() {
        bring_back(group, EVE, rows).await.unwrap();
    }
    let back = held(group, EVE).await;
    assert_eq!(back.cycles[0].0.end_date, Some(day("2023-01-07")), "it stays as it was");
    let (cycles, _, _) = export(group, EVE).await;
    let delete = contracts::cycles::DeleteCycle { user_id: EVE, cycle_id: cycles[0].id };
    group.ask(EVE, delete).await.unwrap();
    assert_eq!(held(group, EVE).await.cycles.len(), 5);
    let stored: Vec<u32> = {
        let mut stored = Vec::new();
        for rows in rows {
            stored.push(bring_back(group, EVE, rows).await.unwrap().stored);
        }
        stored
    };
    assert_eq!(stored, [1, 0, 30, 0], "the cycle, and the symptoms that went with it");
    assert_eq!(held(group, EVE).await.symptoms.len(), 91);
}

/// What the new owner wants to be forgotten goes, and nothing comes back to who was erased.
#[tokio::test(flavor = "multi_thread")]
async fn retention_and_erasure_are_respected() {
    let app = TestApp::start().await;
    let group = &app.group;
    live(group, ADA).await;
    for rows in rows_of(group, ADA).await {
        bring_back(group, EVE, rows).await.unwrap();
    }
    group.ask(EVE, SetRetention { user_id: EVE, months: Some(3) }).await.unwrap();
    assert!(held(group, EVE).await.symptoms.is_empty());
    app.users.tell_erased(&group.bus, EVE).await;
    app.until("the user to be erased", async || {
        let request = ExportCycles { user_id: EVE, after: ExportCursor::Cycles(None) };
        group.ask(EVE, request).await.unwrap().version == contracts::Version::ZERO
    })
    .await;
    for rows in rows_of(group, ADA).await {
        let refusal = refused(bring_back(group, EVE, rows).await);
        assert_eq!(refusal.kind, ErrorKind::Unauthenticated);
    }
    assert!(held(group, EVE).await.cycles.is_empty());
}
