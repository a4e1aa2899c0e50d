//! Tests of what is refused before any SQL.

use contracts::{CycleId, SymptomId, UserId};

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
    EditCycle { user_id: USER, cycle_id: CycleId::new(1), start_date, end_date }
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
    let found = |date: &str, end: Option<&str>, next: Option<&str>| {
        let span = Span { start: day("2025-01-15"), end: end.map(day), next_start: next.map(day) };
        symptom_day(day(date), &span).is_err()
    };
    let (end, next) = (Some("2025-01-20"), Some("2025-02-12"));
    assert!(found("2025-01-14", None, None));
    assert!(!found("2025-01-15", end, next));
    assert!(!found("2025-01-20", end, next));
    assert!(found("2025-01-21", end, next));
    assert!(!found("2025-02-11", None, next));
    assert!(found("2025-02-12", None, next));
    assert!(!found("2025-06-01", None, None));
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
