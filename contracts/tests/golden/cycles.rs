//! The cycles group.

use contracts::{
    Patch,
    cycles::{
        AnswerGap, CheckCycles, Cycle, CycleMark, CycleWritten, CyclesMailbox, DeleteCycle,
        DeleteEpisode, DeleteSymptom, Deleted, EditCycle, EditEpisode, EditSymptom, Episode,
        EpisodeKind, EpisodeWritten, GapAnswer, GapAnswered, GetCycle, GetEpisode, GetHistory,
        GetRetention, History, HistoryCycle, HistoryEpisode, HistorySymptom, ListCycles,
        ListCyclesChanged, ListEpisodes, ListSymptoms, LogSymptom, Observation, ObservationKind,
        RecordCycle, RecordEpisode, Retention, RetentionSet, SetRetention, Symptom, SymptomWritten,
    },
    page::Page,
};
use serde_json::Value;

use super::exports;
use super::support::{
    CYCLE, EPISODE, PAGE, SYMPTOM, USER, VERSION, assert_group, changed, date, exchange, health,
    time,
};

fn symptom() -> Symptom {
    Symptom {
        id: SYMPTOM,
        cycle_id: CYCLE,
        user_id: USER,
        date: date("2026-03-02"),
        symptom_type: "mood".to_owned(),
        value: "good".to_owned(),
        severity: Some(2),
        notes: None,
        created_at: time(),
    }
}

fn cycle() -> Cycle {
    Cycle {
        id: CYCLE,
        user_id: USER,
        start_date: date("2026-03-01"),
        end_date: Some(date("2026-03-05")),
        cycle_length: Some(62),
        period_length: Some(5),
        marks: vec![CycleMark::UnusuallyShort, CycleMark::PossibleMissedLog],
        excluded: true,
        created_at: time(),
        updated_at: time(),
        symptoms: vec![symptom()],
    }
}

fn cycle_exchanges() -> Vec<Value> {
    let written = CycleWritten { cycle: cycle(), version: VERSION };
    let record = RecordCycle { user_id: USER, start_date: date("2026-03-01"), end_date: None };
    let list = ListCycles { user_id: USER, from: Some(date("2026-01-01")), to: None, page: PAGE };
    let edit = EditCycle {
        user_id: USER,
        cycle_id: CYCLE,
        start_date: Some(date("2026-03-01")),
        end_date: Patch::Set(date("2026-03-05")),
        excluded: Some(true),
    };
    vec![
        exchange(record, &written),
        exchange(list, &Page { rows: vec![cycle()], total: 1 }),
        exchange(GetCycle { user_id: USER, cycle_id: CYCLE }, &cycle()),
        exchange(edit, &written),
        exchange(DeleteCycle { user_id: USER, cycle_id: CYCLE }, &Deleted { version: VERSION }),
    ]
}

fn symptom_exchanges() -> Vec<Value> {
    let written = SymptomWritten { symptom: symptom(), version: VERSION };
    let log = LogSymptom {
        user_id: USER,
        cycle_id: CYCLE,
        date: date("2026-03-02"),
        symptom_type: "mood".to_owned(),
        value: "good".to_owned(),
        severity: Some(2),
        notes: Some("sun".to_owned()),
    };
    let list = ListSymptoms {
        user_id: USER,
        cycle_id: Some(CYCLE),
        symptom_type: Some("mood".to_owned()),
        from: None,
        to: Some(date("2026-03-31")),
        page: PAGE,
    };
    let edit = EditSymptom {
        user_id: USER,
        symptom_id: SYMPTOM,
        date: Some(date("2026-03-03")),
        symptom_type: None,
        value: None,
        severity: Patch::Set(3),
        notes: Patch::Clear,
    };
    let delete = DeleteSymptom { user_id: USER, symptom_id: SYMPTOM };
    vec![
        exchange(log, &written),
        exchange(list, &Page { rows: vec![symptom()], total: 1 }),
        exchange(edit, &written),
        exchange(delete, &Deleted { version: VERSION }),
    ]
}

fn episode(kind: EpisodeKind) -> Episode {
    Episode {
        id: EPISODE,
        user_id: USER,
        kind,
        start_date: date("2025-01-01"),
        end_date: None,
        created_at: time(),
        updated_at: time(),
    }
}

fn episode_exchanges() -> Vec<Value> {
    let of_every_kind = [
        EpisodeKind::Pregnancy,
        EpisodeKind::Postpartum,
        EpisodeKind::Breastfeeding,
        EpisodeKind::HormonalContraception,
        EpisodeKind::Perimenopause,
        EpisodeKind::Pause,
    ];
    let written = EpisodeWritten { episode: episode(EpisodeKind::Pause), version: VERSION };
    let record = RecordEpisode {
        user_id: USER,
        kind: EpisodeKind::HormonalContraception,
        start_date: date("2025-01-01"),
        end_date: Some(date("2025-12-31")),
    };
    let rows: Vec<Episode> = of_every_kind.map(episode).into();
    let edit = EditEpisode {
        user_id: USER,
        episode_id: EPISODE,
        kind: Some(EpisodeKind::Postpartum),
        start_date: Some(date("2025-01-02")),
        end_date: Patch::Clear,
    };
    let delete = DeleteEpisode { user_id: USER, episode_id: EPISODE };
    vec![
        exchange(record, &written),
        exchange(ListEpisodes { user_id: USER, page: PAGE }, &Page { rows, total: 6 }),
        exchange(
            GetEpisode { user_id: USER, episode_id: EPISODE },
            &episode(EpisodeKind::Pregnancy),
        ),
        exchange(edit, &written),
        exchange(delete, &Deleted { version: VERSION }),
    ]
}

fn history() -> History {
    let told = |gap_answer| HistoryCycle {
        id: CYCLE,
        start_date: date("2026-03-01"),
        end_date: None,
        excluded: true,
        gap_answer,
        gap_answered_on: gap_answer.map(|_| date("2026-04-20")),
        input_version: VERSION,
        input_changed_at: time(),
    };
    let answers = [None, Some(GapAnswer::NoneMissed), Some(GapAnswer::MissedUnknown)];
    let seen = [
        ObservationKind::OvulationTestPositive,
        ObservationKind::OvulationTestNegative,
        ObservationKind::BasalBodyTemperature(36.55),
    ];
    let observation = |kind| Observation { date: date("2026-03-14"), kind };
    History {
        user_id: USER,
        version: VERSION,
        erased: false,
        forget_before: Some(date("2024-03-02")),
        cycles: answers.map(told).into(),
        episodes: vec![HistoryEpisode {
            kind: EpisodeKind::Breastfeeding,
            start_date: date("2025-01-01"),
            end_date: Some(date("2025-12-31")),
        }],
        observations: seen.map(observation).into(),
        symptoms: vec![HistorySymptom {
            date: date("2026-03-02"),
            symptom_type: "mood".to_owned(),
        }],
    }
}

#[test]
fn cycles() {
    let (since, page) = changed();
    let mut exchanges = cycle_exchanges();
    exchanges.extend(symptom_exchanges());
    exchanges.extend(episode_exchanges());
    let answer = AnswerGap {
        user_id: USER,
        cycle_id: CYCLE,
        next_start: Some(date("2026-05-02")),
        answer: GapAnswer::MissedOn(date("2026-04-01")),
    };
    let answered = GapAnswered { cycle: Some(cycle()), version: VERSION };
    exchanges.push(exchange(answer, &answered));
    let retention = Retention { months: Some(24), forget_before: Some(date("2024-03-02")) };
    exchanges.push(exchange(GetRetention { user_id: USER }, &retention));
    let set = RetentionSet { retention, version: VERSION };
    exchanges.push(exchange(SetRetention { user_id: USER, months: Some(24) }, &set));
    let (mut pages, mut imports) = exports::cycles();
    exchanges.extend([pages.swap_remove(0), imports.swap_remove(1)]);
    exchanges.push(exchange(GetHistory { user_id: USER }, &history()));
    exchanges.push(exchange(ListCyclesChanged(since), &page));
    exchanges.push(exchange(CheckCycles {}, &health()));
    assert_group::<CyclesMailbox>(include_str!("cycles.json"), exchanges);
}
