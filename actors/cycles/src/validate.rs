//! What can be told from a request alone, or from it and what is stored: pure functions, called
//! before any SQL and again inside the transaction where an edit is merged with what it edits.

use std::borrow::Cow;

use chrono::{Days, NaiveDate};
use contracts::{
    FieldError, Patch,
    cycles::{
        AnswerGap, EditCycle, EditEpisode, EditSymptom, GapAnswer, ListSymptoms, LogSymptom,
        RETENTION_MONTHS_MAX, RETENTION_MONTHS_MIN, RecordCycle, RecordEpisode, SetRetention,
        Symptom,
    },
    limits::{
        CYCLES_MAX, DATE_MIN, EPISODES_MAX, NOTES_LENGTH_MAX, PAGE_LIMIT_MAX,
        PERIOD_LENGTH_MAX_DAYS, SYMPTOM_TYPE_LENGTH_MAX, SYMPTOM_VALUE_LENGTH_MAX,
        SYMPTOMS_PER_CYCLE_MAX,
    },
    page::PageRequest,
};

use crate::{error::CyclesError, observation};

/// The latest date that the database takes; filters beyond it mean the same as this one.
const DATE_MAX: NaiveDate = match NaiveDate::from_ymd_opt(9999, 12, 31) {
    Some(date) => date,
    None => NaiveDate::MAX,
};

/// The days of a cycle.
pub(crate) struct Span {
    /// The first day of the cycle.
    pub(crate) start: NaiveDate,
    /// The last day of bleeding.
    pub(crate) end: Option<NaiveDate>,
    /// The first day of the next cycle.
    pub(crate) next_start: Option<NaiveDate>,
}

/// Checks a new cycle.
pub(crate) fn record_cycle(
    request: &RecordCycle,
    latest_today: NaiveDate,
) -> Result<(), CyclesError> {
    let mut findings = Findings::default();
    findings.date("/start_date", request.start_date, latest_today);
    if let Some(end) = request.end_date {
        findings.date("/end_date", end, latest_today);
        findings.period("/end_date", request.start_date, end);
    }
    findings.verdict()
}

/// Checks what an edit says by itself; [`period`] checks what it makes of the stored dates.
pub(crate) fn edit_cycle(request: &EditCycle, latest_today: NaiveDate) -> Result<(), CyclesError> {
    let mut findings = Findings::default();
    if let Some(start) = request.start_date {
        findings.date("/start_date", start, latest_today);
    }
    if let Patch::Set(end) = request.end_date {
        findings.date("/end_date", end, latest_today);
    }
    if let (Some(start), Patch::Set(end)) = (request.start_date, request.end_date) {
        findings.period("/end_date", start, end);
    }
    findings.verdict()
}

/// Checks the dates that an edit leads to. The member that it changed is the one to blame.
pub(crate) fn period(
    request: &EditCycle,
    start: NaiveDate,
    end: Option<NaiveDate>,
) -> Result<(), CyclesError> {
    let mut findings = Findings::default();
    let blamed = if request.end_date.is_keep() { "/start_date" } else { "/end_date" };
    if let Some(end) = end {
        findings.period(blamed, start, end);
    }
    findings.verdict()
}

/// Checks a new symptom; [`symptom_day`] checks that its day belongs to its cycle.
pub(crate) fn log_symptom(
    request: &LogSymptom,
    latest_today: NaiveDate,
) -> Result<(), CyclesError> {
    let mut findings = Findings::default();
    findings.date("/date", request.date, latest_today);
    findings.word("/symptom_type", &request.symptom_type, SYMPTOM_TYPE_LENGTH_MAX);
    findings.word("/value", &request.value, SYMPTOM_VALUE_LENGTH_MAX);
    if let Some(expected) = observation::violation(&request.symptom_type, &request.value) {
        findings.add("/value", expected);
    }
    if let Some(severity) = request.severity {
        findings.severity(severity);
    }
    if let Some(notes) = &request.notes {
        findings.text("/notes", notes, NOTES_LENGTH_MAX);
    }
    findings.verdict()
}

/// Checks what an edit of a symptom says by itself; [`symptom_value`] and [`symptom_day`] check
/// what it makes of the stored symptom.
pub(crate) fn edit_symptom(
    request: &EditSymptom,
    latest_today: NaiveDate,
) -> Result<(), CyclesError> {
    let mut findings = Findings::default();
    if let Some(date) = request.date {
        findings.date("/date", date, latest_today);
    }
    if let Some(symptom_type) = &request.symptom_type {
        findings.word("/symptom_type", symptom_type, SYMPTOM_TYPE_LENGTH_MAX);
    }
    if let Some(value) = &request.value {
        findings.word("/value", value, SYMPTOM_VALUE_LENGTH_MAX);
    }
    if let Patch::Set(severity) = request.severity {
        findings.severity(severity);
    }
    if let Patch::Set(notes) = &request.notes {
        findings.text("/notes", notes, NOTES_LENGTH_MAX);
    }
    findings.verdict()
}

/// Checks the value that an edit leads to. The member that it changed is the one to blame.
pub(crate) fn symptom_value(request: &EditSymptom, symptom: &Symptom) -> Result<(), CyclesError> {
    let mut findings = Findings::default();
    let blamed = if request.value.is_none() { "/symptom_type" } else { "/value" };
    if let Some(expected) = observation::violation(&symptom.symptom_type, &symptom.value) {
        findings.add(blamed, expected);
    }
    findings.verdict()
}

/// Checks that a day belongs to a cycle: from its start to its end or, while no end is known, to
/// the day before the next start. Signs of ovulation come after the bleeding: to them, the end
/// means nothing.
pub(crate) fn symptom_day(
    date: NaiveDate,
    symptom_type: &str,
    span: &Span,
) -> Result<(), CyclesError> {
    let mut findings = Findings::default();
    let end = span.end.filter(|_| !observation::is_type(symptom_type));
    if date < span.start {
        findings.add("/date", "must not be before the start of its cycle");
    }
    if end.is_some_and(|end| date > end) {
        findings.add("/date", "must not be after the end of its cycle");
    } else if end.is_none() && span.next_start.is_some_and(|next| date >= next) {
        findings.add("/date", "must be before the start of the next cycle");
    }
    findings.verdict()
}

/// Checks a new episode.
pub(crate) fn record_episode(
    request: &RecordEpisode,
    latest_today: NaiveDate,
) -> Result<(), CyclesError> {
    let mut findings = Findings::default();
    findings.date("/start_date", request.start_date, latest_today);
    if let Some(end) = request.end_date {
        findings.date("/end_date", end, latest_today);
        findings.order("/end_date", request.start_date, end);
    }
    findings.verdict()
}

/// Checks that there is room for one more cycle. The pointer is that of the whole body.
pub(crate) fn cycle_room(count: i64) -> Result<(), CyclesError> {
    room(count, 1, CYCLES_MAX, "cycles")
}

/// Checks that there is room for so many more symptoms in a cycle.
pub(crate) fn symptom_room(count: i64, more: i64) -> Result<(), CyclesError> {
    room(count, more, SYMPTOMS_PER_CYCLE_MAX, "symptoms in a cycle")
}

/// Checks that there is room for one more episode.
pub(crate) fn episode_room(count: i64) -> Result<(), CyclesError> {
    room(count, 1, EPISODES_MAX, "episodes")
}

fn room(count: i64, more: i64, most: i64, what: &str) -> Result<(), CyclesError> {
    let mut findings = Findings::default();
    if count.saturating_add(more) > most {
        findings.add("", format!("there are at most {most} {what}; remove one first"));
    }
    findings.verdict()
}

/// Checks what an edit of an episode says by itself; [`episode_days`] checks what it makes of the
/// stored dates.
pub(crate) fn edit_episode(
    request: &EditEpisode,
    latest_today: NaiveDate,
) -> Result<(), CyclesError> {
    let mut findings = Findings::default();
    if let Some(start) = request.start_date {
        findings.date("/start_date", start, latest_today);
    }
    if let Patch::Set(end) = request.end_date {
        findings.date("/end_date", end, latest_today);
    }
    findings.verdict()
}

/// Checks the days that an edit leads to. The member that it changed is the one to blame.
pub(crate) fn episode_days(
    request: &EditEpisode,
    start: NaiveDate,
    end: Option<NaiveDate>,
) -> Result<(), CyclesError> {
    let mut findings = Findings::default();
    let blamed = if request.end_date.is_keep() { "/start_date" } else { "/end_date" };
    if let Some(end) = end {
        findings.order(blamed, start, end);
    }
    findings.verdict()
}

/// Checks an answer about a gap; [`missed_day`] checks that the day that it names is in the gap.
pub(crate) fn answer_gap(request: &AnswerGap, latest_today: NaiveDate) -> Result<(), CyclesError> {
    let mut findings = Findings::default();
    if let GapAnswer::MissedOn(date) = request.answer {
        findings.date("/date", date, latest_today);
    }
    findings.verdict()
}

/// Checks how many months are to be kept.
pub(crate) fn set_retention(request: &SetRetention) -> Result<(), CyclesError> {
    let mut findings = Findings::default();
    let range = RETENTION_MONTHS_MIN..=RETENTION_MONTHS_MAX;
    if request.months.is_some_and(|months| !range.contains(&months)) {
        findings.add("/months", "must be from 3 to 600");
    }
    findings.verdict()
}

/// Checks that a start that was not logged lies between the two that were.
pub(crate) fn missed_day(date: NaiveDate, gap: &Span) -> Result<(), CyclesError> {
    let mut findings = Findings::default();
    if date <= gap.start {
        findings.add("/date", "must be after the start that begins the gap");
    }
    if gap.next_start.is_some_and(|next| date >= next) {
        findings.add("/date", "must be before the start that ends the gap");
    }
    findings.verdict()
}

/// Checks a page. The API document has the same bounds; a remote caller is not believed.
pub(crate) fn page(page: PageRequest) -> Result<(), CyclesError> {
    let mut findings = Findings::default();
    findings.page(page);
    findings.verdict()
}

/// Checks the filters of a list of symptoms.
pub(crate) fn list_symptoms(request: &ListSymptoms) -> Result<(), CyclesError> {
    let mut findings = Findings::default();
    findings.page(request.page);
    if let Some(symptom_type) = &request.symptom_type {
        findings.word("symptom_type", symptom_type, SYMPTOM_TYPE_LENGTH_MAX);
    }
    findings.verdict()
}

/// A filter's date, brought into what the database takes. Nothing is stored outside of it, so the
/// filter means the same.
pub(crate) fn filter_date(date: NaiveDate) -> NaiveDate {
    let before_all = DATE_MIN.checked_sub_days(Days::new(1)).unwrap_or(DATE_MIN);
    date.clamp(before_all, DATE_MAX)
}

/// Collects everything that is wrong, so that a client can show all of it at once.
#[derive(Default)]
struct Findings(Vec<FieldError>);

impl Findings {
    fn add(&mut self, pointer: &'static str, detail: impl Into<Cow<'static, str>>) {
        self.0.push(FieldError { pointer: pointer.into(), detail: detail.into() });
    }

    fn date(&mut self, pointer: &'static str, date: NaiveDate, latest_today: NaiveDate) {
        if date < DATE_MIN {
            self.add(pointer, "must not be before 1900-01-01");
        }
        if date > latest_today {
            self.add(pointer, "must not be in the future");
        }
    }

    fn order(&mut self, pointer: &'static str, start: NaiveDate, end: NaiveDate) {
        if end < start {
            self.add(pointer, "the end must not be before the start");
        }
    }

    fn period(&mut self, pointer: &'static str, start: NaiveDate, end: NaiveDate) {
        self.order(pointer, start, end);
        if (end - start).num_days() >= PERIOD_LENGTH_MAX_DAYS {
            self.add(pointer, format!("a period has at most {PERIOD_LENGTH_MAX_DAYS} days"));
        }
    }

    fn severity(&mut self, severity: i16) {
        if !(1..=10).contains(&severity) {
            self.add("/severity", "must be from 1 to 10");
        }
    }

    fn word(&mut self, pointer: &'static str, text: &str, length_max: usize) {
        if text.is_empty() {
            self.add(pointer, "must not be empty");
        }
        self.text(pointer, text, length_max);
    }

    fn text(&mut self, pointer: &'static str, text: &str, length_max: usize) {
        if text.contains('\0') {
            self.add(pointer, "must not contain a NUL character");
        }
        if text.chars().count() > length_max {
            self.add(pointer, format!("must have at most {length_max} characters"));
        }
    }

    fn page(&mut self, page: PageRequest) {
        if !(1..=PAGE_LIMIT_MAX).contains(&page.limit) {
            self.add("limit", format!("must be from 1 to {PAGE_LIMIT_MAX}"));
        }
        if page.offset < 0 {
            self.add("offset", "must not be negative");
        }
    }

    fn verdict(self) -> Result<(), CyclesError> {
        if self.0.is_empty() { Ok(()) } else { Err(CyclesError::Invalid(self.0)) }
    }
}

#[cfg(test)]
#[path = "validate_tests.rs"]
mod tests;
