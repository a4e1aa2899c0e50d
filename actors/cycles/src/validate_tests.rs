//! Tests of what is refused before any SQL.

use chrono::DateTime;
use contracts::{
    CycleId, EpisodeId, SymptomId, UserId,
    cycles::{EpisodeKind, OVULATION_TEST, TEMPERATURE},
};

use super::*;

const USER: UserId = UserId::new(1);
const TODAY: &str = "2025-06-15";

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn pointers(verdict: Result<(), CyclesError>) -> Vec<String> {
    match verdict {
        Ok(()) => Vec::new(),
        Err(CyclesError::Invalid(errors)) => {
            errors.into_iter().map(|error| error.pointer.into_owned()).collect()
        }
        Err(other) => panic!("{other}"),
    }
}

fn record(start: &str, end: Option<&str>) -> Vec<String> {
    let request = RecordCycle { user_id: USER, start_date: day(start), end_date: end.map(day) };
    pointers(record_cycle(&request, day(TODAY)))
}

fn edit(start: Option<&str>, end: Patch<&str>) -> EditCycle {
    let end_date = match end {
        Patch::Keep => Patch::Keep,
        Patch::Clear => Patch::Clear,
        Patch::Set(end) => Patch::Set(day(end)),
    };
    let start_date = start.map(day);
    EditCycle { user_id: USER, cycle_id: CycleId::new(1), start_date, end_date, excluded: None }
}

fn symptom() -> LogSymptom {
    LogSymptom {
        user_id: USER,
        cycle_id: CycleId::new(1),
        date: day(TODAY),
        symptom_type: "mood".to_owned(),
        value: "happy".to_owned(),
        severity: Some(2),
        notes: Some(String::new()),
    }
}

fn log(change: impl FnOnce(&mut LogSymptom)) -> Vec<String> {
    let mut request = symptom();
    change(&mut request);
    pointers(log_symptom(&request, day(TODAY)))
}

#[test]
fn a_period_has_1_to_31_days() {
    assert!(record("2025-01-01", None).is_empty());
    assert!(record("2025-01-01", Some("2025-01-01")).is_empty());
    assert!(record("2025-01-01", Some("2025-01-31")).is_empty());
    assert_eq!(record("2025-01-01", Some("2025-02-01")), ["/end_date"]);
    assert_eq!(record("2025-01-02", Some("2025-01-01")), ["/end_date"]);
}

#[test]
fn dates_lie_between_1900_and_today() {
    assert!(record("1900-01-01", None).is_empty());
    assert_eq!(record("1899-12-31", None), ["/start_date"]);
    assert!(record(TODAY, Some(TODAY)).is_empty());
    assert_eq!(record("2025-06-16", None), ["/start_date"]);
    assert_eq!(record(TODAY, Some("2025-06-16")), ["/end_date"]);
    assert_eq!(record("2025-06-16", Some("2025-06-17")), ["/start_date", "/end_date"]);
    assert_eq!(record("-262143-01-01", Some("+262142-12-31")).len(), 3);
}

#[test]
fn an_edit_is_checked_alone_and_merged() {
    let alone = |request: &EditCycle| pointers(edit_cycle(request, day(TODAY)));
    assert!(alone(&edit(None, Patch::Keep)).is_empty());
    assert!(alone(&edit(None, Patch::Clear)).is_empty());
    assert_eq!(alone(&edit(Some("2025-06-16"), Patch::Clear)), ["/start_date"]);
    assert_eq!(alone(&edit(None, Patch::Set("1899-12-31"))), ["/end_date"]);
    assert_eq!(alone(&edit(Some("2025-01-02"), Patch::Set("2025-01-01"))), ["/end_date"]);

    let merged = |request: &EditCycle, start, end| pointers(period(request, day(start), end));
    let (start, end) = ("2025-01-10", Some(day("2025-01-05")));
    assert_eq!(merged(&edit(Some(start), Patch::Keep), start, end), ["/start_date"]);
    assert_eq!(merged(&edit(None, Patch::Set("2025-01-05")), start, end), ["/end_date"]);
    assert!(merged(&edit(Some(start), Patch::Clear), start, None).is_empty());
}

#[test]
fn texts_have_their_lengths_in_characters_and_no_nul() {
    assert!(log(|_| ()).is_empty());
    assert!(log(|request| request.symptom_type = "ü".repeat(50)).is_empty());
    assert_eq!(log(|request| request.symptom_type = "ü".repeat(51)), ["/symptom_type"]);
    assert_eq!(log(|request| request.symptom_type.clear()), ["/symptom_type"]);
    assert!(log(|request| request.value = "v".repeat(100)).is_empty());
    assert_eq!(log(|request| request.value = "v".repeat(101)), ["/value"]);
    assert_eq!(log(|request| request.value = "a\0b".to_owned()), ["/value"]);
    assert!(log(|request| request.notes = Some("n".repeat(4_000))).is_empty());
    assert_eq!(log(|request| request.notes = Some("n".repeat(4_001))), ["/notes"]);
    assert_eq!(log(|request| request.notes = Some("\0".to_owned())), ["/notes"]);
}

#[test]
fn severity_is_1_to_10_and_everything_wrong_is_told_at_once() {
    for (severity, fine) in [(0, false), (1, true), (10, true), (11, false), (i16::MIN, false)] {
        let found = log(|request| request.severity = Some(severity));
        assert_eq!(found.is_empty(), fine, "severity {severity}");
    }
    let found = log(|request| {
        request.date = day("2025-06-16");
        request.severity = Some(0);
        request.value.clear();
    });
    assert_eq!(found, ["/date", "/value", "/severity"]);
}

#[test]
fn an_edited_symptom_obeys_the_same_rules() {
    let request = EditSymptom {
        user_id: USER,
        symptom_id: SymptomId::new(1),
        date: Some(day("1899-12-31")),
        symptom_type: Some(String::new()),
        value: Some("\0".to_owned()),
        severity: Patch::Set(11),
        notes: Patch::Set("n".repeat(4_001)),
    };
    let expected = ["/date", "/symptom_type", "/value", "/severity", "/notes"];
    assert_eq!(pointers(edit_symptom(&request, day(TODAY))), expected);
}

#[test]
fn a_symptom_belongs_to_the_days_of_its_cycle() {
    let found_of = |kind: &str, date: &str, end: Option<&str>, next: Option<&str>| {
        let span = Span { start: day("2025-01-15"), end: end.map(day), next_start: next.map(day) };
        symptom_day(day(date), kind, &span).is_err()
    };
    let found = |date, end, next| found_of("mood", date, end, next);
    let (end, next) = (Some("2025-01-20"), Some("2025-02-12"));
    assert!(found("2025-01-14", None, None));
    assert!(!found("2025-01-15", end, next));
    assert!(!found("2025-01-20", end, next));
    assert!(found("2025-01-21", end, next));
    assert!(!found("2025-02-11", None, next));
    assert!(found("2025-02-12", None, next));
    assert!(!found("2025-06-01", None, None));
    // Ovulation comes after the bleeding.
    for kind in [OVULATION_TEST, TEMPERATURE] {
        assert!(found_of(kind, "2025-01-14", end, next));
        assert!(!found_of(kind, "2025-02-11", end, next));
        assert!(found_of(kind, "2025-02-12", end, next));
        assert!(!found_of(kind, "2025-06-01", end, None));
    }
}

#[test]
fn a_sign_of_ovulation_has_a_value_that_says_something() {
    let sign = |kind: &str, value: &str| {
        log(|request| {
            request.symptom_type = kind.to_owned();
            request.value = value.to_owned();
        })
    };
    assert!(sign(OVULATION_TEST, "positive").is_empty());
    assert_eq!(sign(OVULATION_TEST, "yes"), ["/value"]);
    assert!(sign(TEMPERATURE, "36.55").is_empty());
    assert_eq!(sign(TEMPERATURE, "97.8"), ["/value"]);

    let stored = |kind: &str, value: &str| Symptom {
        id: SymptomId::new(1),
        cycle_id: CycleId::new(1),
        user_id: USER,
        date: day(TODAY),
        symptom_type: kind.to_owned(),
        value: value.to_owned(),
        severity: None,
        notes: None,
        created_at: DateTime::UNIX_EPOCH,
    };
    let merged = |value: Option<&str>, symptom: &Symptom| {
        let request = EditSymptom {
            user_id: USER,
            symptom_id: SymptomId::new(1),
            date: None,
            symptom_type: None,
            value: value.map(str::to_owned),
            severity: Patch::Keep,
            notes: Patch::Keep,
        };
        pointers(symptom_value(&request, symptom))
    };
    assert_eq!(merged(Some("x"), &stored(TEMPERATURE, "x")), ["/value"]);
    assert_eq!(merged(None, &stored(TEMPERATURE, "x")), ["/symptom_type"]);
    assert!(merged(None, &stored(TEMPERATURE, "36.5")).is_empty());
}

#[test]
fn an_episode_lies_between_1900_and_today_and_may_be_long() {
    let record = |start: &str, end: Option<&str>| {
        let (kind, start_date) = (EpisodeKind::Pause, day(start));
        let request = RecordEpisode { user_id: USER, kind, start_date, end_date: end.map(day) };
        pointers(record_episode(&request, day(TODAY)))
    };
    assert!(record("1900-01-01", None).is_empty());
    assert!(record("1900-01-01", Some(TODAY)).is_empty());
    assert!(record(TODAY, Some(TODAY)).is_empty());
    assert_eq!(record("1899-12-31", None), ["/start_date"]);
    assert_eq!(record("2025-06-16", None), ["/start_date"]);
    assert_eq!(record("2025-06-02", Some("2025-06-01")), ["/end_date"]);
    assert_eq!(record(TODAY, Some("2025-06-16")), ["/end_date"]);

    let edit = |start: Option<&str>, end_date| EditEpisode {
        user_id: USER,
        episode_id: EpisodeId::new(1),
        kind: None,
        start_date: start.map(day),
        end_date,
    };
    let alone = |request: &EditEpisode| pointers(edit_episode(request, day(TODAY)));
    assert!(alone(&edit(None, Patch::Clear)).is_empty());
    assert_eq!(alone(&edit(Some("2025-06-16"), Patch::Keep)), ["/start_date"]);
    assert_eq!(alone(&edit(None, Patch::Set(day("2025-06-16")))), ["/end_date"]);
    let merged = |request: &EditEpisode| {
        pointers(episode_days(request, day("2025-01-10"), Some(day("2025-01-09"))))
    };
    assert_eq!(merged(&edit(Some("2025-01-10"), Patch::Keep)), ["/start_date"]);
    assert_eq!(merged(&edit(None, Patch::Set(day("2025-01-09")))), ["/end_date"]);
}

#[test]
fn a_missed_start_lies_strictly_between_two_that_were_logged() {
    let found = |date: &str, next: Option<&str>| {
        let gap = Span {
            start: day("2025-01-15"),
            end: Some(day("2025-01-20")),
            next_start: next.map(day),
        };
        pointers(missed_day(day(date), &gap))
    };
    let next = Some("2025-03-12");
    assert_eq!(found("2025-01-15", next), ["/date"]);
    assert!(found("2025-01-16", next).is_empty());
    assert!(found("2025-03-11", next).is_empty());
    assert_eq!(found("2025-03-12", next), ["/date"]);
    assert!(found("2025-03-12", None).is_empty());
    let request = AnswerGap {
        user_id: USER,
        cycle_id: CycleId::new(1),
        next_start: None,
        answer: GapAnswer::MissedOn(day("2025-06-16")),
    };
    assert_eq!(pointers(answer_gap(&request, day(TODAY))), ["/date"]);
}

#[test]
fn pages_and_filters_stay_within_what_the_database_takes() {
    let of = |limit, offset| pointers(page(PageRequest { limit, offset }));
    assert!(of(1, 0).is_empty());
    assert!(of(100, i64::MAX).is_empty());
    assert_eq!(of(0, -1), ["limit", "offset"]);
    assert_eq!(of(101, 0), ["limit"]);
    assert_eq!(filter_date(NaiveDate::MIN), day("1899-12-31"));
    assert_eq!(filter_date(NaiveDate::MAX), day("9999-12-31"));
    assert_eq!(filter_date(day(TODAY)), day(TODAY));
    let request = ListSymptoms {
        user_id: USER,
        cycle_id: None,
        symptom_type: Some("a\0".to_owned()),
        from: None,
        to: None,
        page: PageRequest { limit: 20, offset: 0 },
    };
    assert_eq!(pointers(list_symptoms(&request)), ["symptom_type"]);
}
