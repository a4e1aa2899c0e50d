use chrono::{DateTime, Utc};
use contracts::{
    UserId, Version,
    cycles::{EpisodeKind, History, HistoryCycle, Observation, ObservationKind},
};

use super::*;
use crate::derive::{Person, derive};

fn date(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

/// Starts so many days apart from 2025-01-01 on, each with five days of bleeding.
fn history(lengths: &[u64]) -> History {
    let mut starts = vec![date("2025-01-01")];
    for days in lengths {
        starts.push(*starts.last().unwrap() + Days::new(*days));
    }
    let cycle = |(id, start_date): (i64, NaiveDate)| HistoryCycle {
        id: CycleId::new(id),
        start_date,
        end_date: Some(start_date + Days::new(4)),
        excluded: false,
        gap_answer: None,
        input_version: Version::new(1),
        input_changed_at: DateTime::<Utc>::UNIX_EPOCH,
    };
    History {
        user_id: UserId::new(1),
        version: Version::new(1),
        cycles: (1..).zip(starts).map(cycle).collect(),
        episodes: Vec::new(),
        observations: Vec::new(),
        symptoms: Vec::new(),
    }
}

fn of(history: &History, range: (&str, &str), today: &str) -> Vec<CalendarDay> {
    let person = Person { version: None, date_of_birth: None };
    let derived = derive(history, person, date(today), None).unwrap();
    let cycles: Vec<CalendarCycle> = derived
        .cycles
        .iter()
        .map(|cycle| CalendarCycle {
            cycle_id: cycle.id,
            start_date: cycle.start_date,
            end_date: cycle.end_date,
            length_days: cycle.cycle_length.map(|days| u32::try_from(days).unwrap()),
        })
        .collect();
    let days = calendar((date(range.0), date(range.1)), date(today), &cycles, Some(&derived.known));
    for day in &days {
        for probability in [day.bleeding, day.fertile, day.ovulation] {
            assert!((0.0..=1.0).contains(&probability), "{}", day.date);
        }
        let says_nothing = day.fertile == 0.0 && day.ovulation == 0.0;
        assert!(day.phase != CyclePhase::Unknown || says_nothing, "{}", day.date);
    }
    days
}

fn at(days: &[CalendarDay], text: &str) -> CalendarDay {
    *days.iter().find(|day| day.date == date(text)).unwrap()
}

fn phase(days: &[CalendarDay], text: &str) -> CyclePhase {
    at(days, text).phase
}

#[test]
fn a_range_has_each_of_its_days_once() {
    let days = of(&history(&[28, 28]), ("2024-12-30", "2025-12-30"), "2025-03-01");
    assert_eq!(days.len(), 366);
    assert!(days.windows(2).all(|pair| pair[0].date.succ_opt() == Some(pair[1].date)));
    assert_eq!(of(&history(&[]), ("2025-01-01", "2025-01-01"), "2025-01-01").len(), 1);
}

#[test]
fn what_was_logged_is_told_as_it_is() {
    let days = of(&history(&[28, 28]), ("2024-12-31", "2025-03-10"), "2025-03-03");
    assert!(at(&days, "2024-12-31") == nothing(date("2024-12-31")));
    let first = at(&days, "2025-01-01");
    assert_eq!((first.phase, first.bleeding), (CyclePhase::Menstruation, 1.0));
    let logged = first.logged.unwrap();
    assert_eq!((logged.cycle_id.get(), logged.cycle_day, logged.bleeding), (1, 1, true));
    let last = at(&days, "2025-01-28");
    assert_eq!((last.phase, last.bleeding), (CyclePhase::Luteal, 0.0));
    let logged = last.logged.unwrap();
    assert_eq!((logged.cycle_id.get(), logged.cycle_day, logged.bleeding), (1, 28, false));
    assert_eq!(at(&days, "2025-01-29").logged.unwrap().cycle_day, 1);
    // Of the newest cycle up to today; what is to come was not logged.
    assert_eq!(at(&days, "2025-03-03").logged.unwrap().cycle_day, 6);
    assert!(at(&days, "2025-03-04").logged.is_none());
}

#[test]
fn past_phases_follow_from_the_next_start() {
    let days = of(&history(&[28, 28]), ("2025-01-01", "2025-02-25"), "2025-03-01");
    assert_eq!(phase(&days, "2025-01-06"), CyclePhase::Follicular);
    assert_eq!(phase(&days, "2025-01-15"), CyclePhase::Ovulation);
    assert_eq!(phase(&days, "2025-01-17"), CyclePhase::Luteal);
    assert!(at(&days, "2025-01-12").fertile > 0.6 && at(&days, "2025-01-15").ovulation > 0.1);
}

#[test]
fn an_ovulation_that_was_seen_counts() {
    let mut history = history(&[28, 28]);
    let seen =
        Observation { date: date("2025-01-17"), kind: ObservationKind::OvulationTestPositive };
    history.observations.push(seen);
    let days = of(&history, ("2025-01-01", "2025-02-25"), "2025-03-01");
    let ovulation = at(&days, "2025-01-18");
    assert_eq!((ovulation.phase, ovulation.ovulation), (CyclePhase::Ovulation, 1.0));
    assert_eq!(phase(&days, "2025-01-12"), CyclePhase::Follicular);
    assert_eq!(phase(&days, "2025-01-19"), CyclePhase::Luteal);
}

#[test]
fn days_to_come_follow_the_forecast() {
    let history = history(&[28; 8]);
    // The newest start is 2025-08-13; the next ones are expected on 09-10, 10-08 and 11-05.
    let days = of(&history, ("2025-08-13", "2025-12-01"), "2025-08-20");
    assert_eq!(phase(&days, "2025-08-27"), CyclePhase::Ovulation);
    assert_eq!(phase(&days, "2025-09-05"), CyclePhase::Luteal);
    for start in ["2025-09-10", "2025-10-08", "2025-11-05"] {
        assert_eq!(phase(&days, start), CyclePhase::Menstruation, "{start}");
    }
    assert_eq!(phase(&days, "2025-09-16"), CyclePhase::Follicular);
    let start = at(&days, "2025-09-11");
    assert!(start.bleeding > 0.5 && start.bleeding < 1.0, "{}", start.bleeding);
    assert!(at(&days, "2025-11-06") == nothing(date("2025-11-06")), "after the third next start");
}

#[test]
fn a_late_start_is_expected_from_today_on() {
    let days = of(&history(&[28; 8]), ("2025-08-13", "2025-10-01"), "2025-09-15");
    for passed in ["2025-09-10", "2025-09-14"] {
        let day = at(&days, passed);
        assert_eq!((day.phase, day.bleeding), (CyclePhase::Luteal, 0.0), "{passed}");
    }
    assert!(at(&days, "2025-09-15").bleeding > 0.1);
    assert!(days.iter().any(|day| day.phase == CyclePhase::Menstruation && day.logged.is_none()));
}

#[test]
fn an_open_period_goes_on_as_long_as_periods_do() {
    let mut history = history(&[28; 4]);
    history.cycles.last_mut().unwrap().end_date = None;
    let days = of(&history, ("2025-04-23", "2025-05-05"), "2025-04-25");
    let second = at(&days, "2025-04-24");
    assert!(second.bleeding > 0.9 && second.phase == CyclePhase::Menstruation);
    assert!(!second.logged.unwrap().bleeding, "it was not logged");
    assert!(at(&days, "2025-04-26").bleeding > 0.5 && at(&days, "2025-05-01").bleeding < 0.1);
}

#[test]
fn where_a_start_is_probably_missing_nothing_is_said() {
    let mut history = history(&[28, 28, 28, 28, 56, 28]);
    let range = ("2025-04-23", "2025-06-20");
    for answer in [None, Some(GapAnswer::MissedUnknown)] {
        history.cycles[4].gap_answer = answer;
        let days = of(&history, range, "2025-07-20");
        assert_eq!(phase(&days, "2025-04-23"), CyclePhase::Menstruation);
        let unknown = at(&days, "2025-05-20");
        assert_eq!((unknown.phase, unknown.bleeding), (CyclePhase::Unknown, 0.0), "{answer:?}");
        assert_eq!(unknown.logged.unwrap().cycle_day, 28);
        assert_eq!(phase(&days, "2025-06-19"), CyclePhase::Menstruation);
    }
    history.cycles[4].gap_answer = Some(GapAnswer::NoneMissed);
    let days = of(&history, range, "2025-07-20");
    assert_eq!(phase(&days, "2025-05-31"), CyclePhase::Ovulation, "one long cycle");
}

#[test]
fn in_an_episode_nothing_is_said_but_what_was_logged() {
    let mut history = history(&[28, 28]);
    let pregnant = |end_date| HistoryEpisode {
        kind: EpisodeKind::Pregnancy,
        start_date: date("2025-02-28"),
        end_date,
    };
    history.episodes.push(pregnant(None));
    let days = of(&history, ("2025-01-01", "2025-06-01"), "2025-05-01");
    assert_eq!(phase(&days, "2025-01-15"), CyclePhase::Ovulation, "before it");
    let start = at(&days, "2025-02-26");
    assert_eq!((start.phase, start.bleeding), (CyclePhase::Menstruation, 1.0));
    assert!(at(&days, "2025-03-02").logged.unwrap().bleeding, "bleeding is a fact");
    assert!(at(&days, "2025-03-15") == nothing(date("2025-03-15")));
    assert!(at(&days, "2025-05-30") == nothing(date("2025-05-30")));
    history.episodes[0] = pregnant(Some(date("2025-03-31")));
    let days = of(&history, ("2025-03-01", "2025-06-01"), "2025-05-01");
    assert!(at(&days, "2025-03-15").logged.is_none());
    assert_eq!(phase(&days, "2025-05-15"), CyclePhase::Unknown, "no start was logged since");
}

#[test]
fn after_a_missed_start_only_days_to_come_have_phases() {
    let mut history = history(&[28; 8]);
    history.cycles.last_mut().unwrap().gap_answer = Some(GapAnswer::MissedUnknown);
    let days = of(&history, ("2025-08-13", "2025-11-30"), "2025-09-25");
    assert_eq!(phase(&days, "2025-08-14"), CyclePhase::Menstruation);
    assert_eq!(phase(&days, "2025-09-10"), CyclePhase::Unknown);
    assert_eq!(phase(&days, "2025-10-08"), CyclePhase::Menstruation, "the start after it");
    assert_eq!(phase(&days, "2025-10-01"), CyclePhase::Luteal);
}

#[test]
fn while_it_is_computed_again_only_facts_are_told() {
    let cycle = CalendarCycle {
        cycle_id: CycleId::new(1),
        start_date: date("2025-01-01"),
        end_date: None,
        length_days: Some(28),
    };
    let range = (date("2025-01-01"), date("2025-01-03"));
    let days = calendar(range, date("2025-03-01"), &[cycle], None);
    let told: Vec<_> = days.iter().map(|day| (day.phase, day.bleeding)).collect();
    let unknown = (CyclePhase::Unknown, 0.0);
    assert_eq!(told, [(CyclePhase::Menstruation, 1.0), unknown, unknown]);
    assert_eq!(days[2].logged.unwrap().cycle_day, 3);
}

#[test]
fn after_a_long_silence_the_days_that_passed_are_unknown() {
    let days = of(&history(&[28, 28]), ("2025-02-26", "2026-02-26"), "2026-01-01");
    let entry = |text: &str| days.iter().find(|day| day.date == date(text)).unwrap();
    assert_eq!(entry("2025-03-01").phase, CyclePhase::Menstruation);
    let passed =
        |day: &&CalendarDay| day.date > date("2025-03-02") && day.date < date("2026-01-01");
    assert!(days.iter().filter(passed).all(|day| day.phase == CyclePhase::Unknown));
    let (today, soon) = (entry("2026-01-01"), entry("2026-01-20"));
    assert!(today.phase != CyclePhase::Unknown && soon.phase != CyclePhase::Unknown);
    assert!(today.bleeding > 0.02 && today.bleeding < 0.2, "{}", today.bleeding);
}
