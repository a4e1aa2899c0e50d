//! The cycles group.

use contracts::{
    Patch,
    cycles::{
        CheckCycles, Cycle, CycleMark, CycleWritten, CyclesMailbox, DeleteCycle, DeleteSymptom,
        Deleted, EditCycle, EditSymptom, GetCycle, GetHistory, History, HistoryCycle, ListCycles,
        ListCyclesChanged, ListSymptoms, LogSymptom, RecordCycle, Symptom, SymptomWritten,
    },
    page::Page,
};
use serde_json::Value;

use super::support::{
    CYCLE, PAGE, SYMPTOM, USER, VERSION, assert_group, changed, date, exchange, health, time,
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

#[test]
fn cycles() {
    let history = History {
        user_id: USER,
        version: VERSION,
        cycles: vec![HistoryCycle {
            id: CYCLE,
            start_date: date("2026-03-01"),
            end_date: None,
            input_version: VERSION,
            input_changed_at: time(),
        }],
    };
    let (since, page) = changed();
    let mut exchanges = cycle_exchanges();
    exchanges.extend(symptom_exchanges());
    exchanges.push(exchange(GetHistory { user_id: USER }, &history));
    exchanges.push(exchange(ListCyclesChanged(since), &page));
    exchanges.push(exchange(CheckCycles {}, &health()));
    assert_group::<CyclesMailbox>(include_str!("cycles.json"), exchanges);
}
