//! What is taken along, and brought back.

use contracts::{
    AuditEntryId, Scope, SessionId,
    cycles::{
        CyclesExport, CyclesImported, Episode, EpisodeKind, ExportCursor, ExportCycles,
        ExportedCycle, ExportedGapAnswer, ExportedRows, GapAnswer, ImportCycles, Imported,
        ImportedCycle, ImportedEpisode, ImportedGapAnswer, ImportedRows, ImportedSymptom, Symptom,
    },
    users::{
        AccountExport, ApiToken, AuditEntry, AuditKind, AuditPage, BeginImport, DataRequest,
        DataRequestKind, ExportAccount, ExportedSecondFactor, ListAudit, SignedIn, User,
    },
};
use serde_json::Value;

use super::support::{CYCLE, EPISODE, SYMPTOM, USER, VERSION, date, exchange, time};

/// The users group's part.
pub(super) fn account(user: &User) -> Vec<Value> {
    let id = SessionId::parse("5f0c2f9e-2a3b-4a52-9d0e-0f6f5a3f7c11").expect("a session");
    let signed_in = SignedIn {
        id,
        device: Some("curl/8.5.0".to_owned()),
        created_at: time(),
        last_used_at: time(),
        expires_at: time(),
        is_current: true,
    };
    let api_token = ApiToken {
        id,
        name: "My calendar".to_owned(),
        scopes: [Scope::ReadCycles].into_iter().collect(),
        created_at: time(),
        last_used_at: None,
        expires_at: time(),
    };
    let second_factor = ExportedSecondFactor {
        created_at: time(),
        confirmed_at: Some(time()),
        recovery_codes_left: 9,
    };
    let requests = DataRequestKind::ALL.map(|kind| DataRequest { kind, requested_at: time() });
    let export = AccountExport {
        exported_at: time(),
        user: user.clone(),
        updated_at: time(),
        sessions: vec![signed_in],
        api_tokens: vec![api_token],
        second_factor: Some(second_factor),
        requests: requests.into(),
    };
    let request = ExportAccount { user_id: USER, kind: DataRequestKind::SymptomsCsv };
    vec![exchange(request, &export), exchange(BeginImport { user_id: USER }, &()), audit(id)]
}

/// The audit log: an entry of each kind.
fn audit(session: SessionId) -> Value {
    let entry = |kind| AuditEntry {
        id: AuditEntryId::new(41),
        at: time(),
        kind,
        session_id: Some(session),
        target_id: None,
        device: Some("curl/8.5.0".to_owned()),
        network: Some("203.0.113.0/24".to_owned()),
        times: 1,
        last_at: time(),
    };
    let (entries, next) = (AuditKind::ALL.map(entry).into(), Some(AuditEntryId::new(41)));
    let request = ListAudit {
        user_id: USER,
        kind: Some(AuditKind::SignInFailed),
        from: Some(date("2026-03-01")),
        to: Some(date("2026-03-02")),
        after: Some(AuditEntryId::new(42)),
        limit: 20,
    };
    exchange(request, &AuditPage { entries, next })
}

/// The cycles group's part: an exchange of each kind of rows, of which a group shows one.
pub(super) fn cycles() -> (Vec<Value>, Vec<Value>) {
    let pages = [
        (ExportCursor::Cycles(Some(date("2026-01-01"))), ExportedRows::Cycles(vec![cycle()])),
        (ExportCursor::Symptoms(Some(SYMPTOM)), ExportedRows::Symptoms(vec![symptom()])),
        (ExportCursor::Episodes(None), ExportedRows::Episodes(vec![episode()])),
    ];
    let pages = pages.map(|(after, rows)| {
        let page = CyclesExport { version: VERSION, rows, next: Some(after) };
        exchange(ExportCycles { user_id: USER, after }, &page)
    });
    let imports = rows().map(|rows| {
        let imported = CyclesImported { stored: 1, unchanged: 2, version: Some(VERSION) };
        exchange(ImportCycles { user_id: USER, check_only: false, rows }, &imported)
    });
    (pages.into(), imports.into())
}

fn rows() -> [ImportedRows; 4] {
    let start_date = date("2026-03-01");
    let cycle = ImportedCycle { start_date, end_date: None, excluded: true };
    let symptom = ImportedSymptom {
        cycle_start_date: start_date,
        date: date("2026-03-02"),
        symptom_type: "mood".to_owned(),
        value: "good".to_owned(),
        severity: Some(2),
        notes: Some("a note".to_owned()),
        twins_before: 1,
    };
    let kind = EpisodeKind::Pause;
    let episode = ImportedEpisode { kind, start_date, end_date: Some(date("2026-03-09")) };
    let answer = ImportedGapAnswer { start_date, answer: gap_answer(GapAnswer::NoneMissed) };
    [
        ImportedRows::Cycles(vec![Imported { place: 0, row: cycle }]),
        ImportedRows::Symptoms(vec![Imported { place: 1, row: symptom }]),
        ImportedRows::Episodes(vec![Imported { place: 2, row: episode }]),
        ImportedRows::GapAnswers(vec![Imported { place: 3, row: answer }]),
    ]
}

fn gap_answer(answer: GapAnswer) -> ExportedGapAnswer {
    ExportedGapAnswer { next_start: Some(date("2026-05-02")), answer, answered_at: time() }
}

fn cycle() -> ExportedCycle {
    ExportedCycle {
        id: CYCLE,
        start_date: date("2026-03-01"),
        end_date: Some(date("2026-03-05")),
        cycle_length: Some(62),
        period_length: Some(5),
        excluded: true,
        gap_answer: Some(gap_answer(GapAnswer::MissedUnknown)),
        created_at: time(),
        updated_at: time(),
    }
}

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

fn episode() -> Episode {
    Episode {
        id: EPISODE,
        user_id: USER,
        kind: EpisodeKind::Pregnancy,
        start_date: date("2025-01-01"),
        end_date: None,
        created_at: time(),
        updated_at: time(),
    }
}

/// Every kind of rows is understood, not only the one that the committed file shows.
#[test]
fn rows_of_every_kind_travel() {
    let (pages, imports) = cycles();
    assert_eq!((pages.len(), imports.len()), (3, 4));
}
