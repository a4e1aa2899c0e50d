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
        gap_answered_on: None,
        input_version: Version::new(1),
        input_changed_at: DateTime::<Utc>::UNIX_EPOCH,
    };
    History {
        user_id: UserId::new(1),
        version: Version::new(1),
        erased: false,
        forget_before: None,
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
        for probability in [day.bleeding, day.fertile, day.ovulation].into_iter().flatten() {
            assert!((0.0..=1.0).contains(&probability), "{}", day.date);
        }
        let told = [day.bleeding, day.fertile, day.ovulation].map(|it| it.is_some());
        assert!(day.phase != CyclePhase::Unknown || told == [false; 3], "{}", day.date);
        assert!(day.phase == CyclePhase::Unknown || told[0], "{}", day.date);
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
    assert_eq!((first.phase, first.bleeding), (CyclePhase::Menstruation, Some(1.0)));
    let logged = first.logged.unwrap();
    assert_eq!((logged.cycle_id.get(), logged.cycle_day, logged.bleeding), (1, 1, Some(true)));
    let last = at(&days, "2025-01-28");
    assert_eq!((last.phase, last.bleeding), (CyclePhase::Luteal, Some(0.0)));
    let logged = last.logged.unwrap();
    assert_eq!((logged.cycle_id.get(), logged.cycle_day, logged.bleeding), (1, 28, Some(false)));
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
    assert!(
        at(&days, "2025-01-12").fertile > Some(0.6)
            && at(&days, "2025-01-15").ovulation > Some(0.1)
    );
}

#[test]
fn an_ovulation_that_was_seen_counts() {
    let mut history = history(&[28, 28]);
    let seen =
        Observation { date: date("2025-01-17"), kind: ObservationKind::OvulationTestPositive };
    history.observations.push(seen);
    let days = of(&history, ("2025-01-01", "2025-02-25"), "2025-03-01");
    let ovulation = at(&days, "2025-01-18");
    assert_eq!((ovulation.phase, ovulation.ovulation), (CyclePhase::Ovulation, Some(0.63)));
    assert_eq!(at(&days, "2025-01-19").fertile, Some(0.27), "it is not certain");
    assert_eq!(phase(&days, "2025-01-11"), CyclePhase::Follicular);
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
    assert!(start.bleeding > Some(0.5) && start.bleeding < Some(1.0), "{:?}", start.bleeding);
    assert!(at(&days, "2025-11-06") == nothing(date("2025-11-06")), "after the third next start");
}

#[test]
fn a_late_start_is_expected_from_today_on() {
    let days = of(&history(&[28; 8]), ("2025-08-13", "2025-10-01"), "2025-09-12");
    for passed in ["2025-09-10", "2025-09-11"] {
        let day = at(&days, passed);
        assert_eq!((day.phase, day.bleeding), (CyclePhase::Luteal, Some(0.0)), "{passed}");
    }
    assert!(at(&days, "2025-09-12").bleeding > Some(0.1));
    assert!(days.iter().any(|day| day.phase == CyclePhase::Menstruation && day.logged.is_none()));
}

#[test]
fn an_open_period_goes_on_as_long_as_periods_do() {
    let mut history = history(&[28; 4]);
    history.cycles.last_mut().unwrap().end_date = None;
    let days = of(&history, ("2025-04-23", "2025-05-05"), "2025-04-25");
    let second = at(&days, "2025-04-24");
    assert!(second.bleeding > Some(0.9) && second.phase == CyclePhase::Menstruation);
    assert_eq!(second.logged.unwrap().bleeding, None, "nobody says that it does not bleed");
    assert_eq!(at(&days, "2025-04-23").logged.unwrap().bleeding, Some(true));
    let bleeding = |text: &str| at(&days, text).bleeding.unwrap();
    assert!(bleeding("2025-04-26") > 0.5 && bleeding("2025-05-01") < 0.1);
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
        assert_eq!((unknown.phase, unknown.bleeding), (CyclePhase::Unknown, None), "{answer:?}");
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
    assert_eq!((start.phase, start.bleeding), (CyclePhase::Menstruation, Some(1.0)));
    assert!(at(&days, "2025-03-02").logged.unwrap().bleeding == Some(true), "bleeding is a fact");
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
    let unknown = (CyclePhase::Unknown, None);
    assert_eq!(told, [(CyclePhase::Menstruation, Some(1.0)), unknown, unknown]);
    assert_eq!(days[2].logged.unwrap().cycle_day, 3);
}

/// From the end of the logged period on: nothing but days of which nothing is said.
fn is_all_unknown(days: &[CalendarDay], from: NaiveDate) -> bool {
    days.iter().filter(|day| day.date >= from).all(|day| day.phase == CyclePhase::Unknown)
}

#[test]
fn after_a_long_silence_nothing_is_said() {
    let days = of(&history(&[28, 28]), ("2025-02-26", "2026-02-26"), "2026-01-01");
    assert_eq!(phase(&days, "2025-03-01"), CyclePhase::Menstruation);
    assert!(is_all_unknown(&days, date("2025-03-03")));
}

#[test]
fn while_a_start_is_probably_missing_nothing_is_said_and_phases_never_alternate() {
    let mut history = history(&[28; 8]);
    let newest = date("2025-08-13");
    let told = |history: &History, today: NaiveDate| {
        let until = (today + Days::new(100)).to_string();
        of(history, ("2025-08-13", &until), &today.to_string())
    };
    let mut is_lost = false;
    for passed in 6..150 {
        let days = told(&history, newest + Days::new(passed));
        let now = is_all_unknown(&days, newest + Days::new(5));
        assert!(now || !is_lost, "{passed}: once nothing is known, more silence says no more");
        is_lost = now;
        let rank = |day: &CalendarDay| match day.phase {
            CyclePhase::Follicular => Some(0),
            CyclePhase::Ovulation => Some(1),
            CyclePhase::Luteal => Some(2),
            CyclePhase::Menstruation | CyclePhase::Unknown => None,
        };
        let cycle = days.iter().filter(|day| day.date > newest + Days::new(4));
        let ranks: Vec<i32> = cycle.map_while(rank).collect();
        assert!(ranks.is_sorted(), "{passed}: {ranks:?}");
        assert_eq!(now, passed > 32, "{passed}");
    }
    // Who says that none was missed is believed, until one was probably missed since.
    let newest_cycle = history.cycles.last_mut().unwrap();
    newest_cycle.gap_answer = Some(GapAnswer::NoneMissed);
    newest_cycle.gap_answered_on = Some(newest + Days::new(45));
    let lost = [46, 120].map(|passed| {
        is_all_unknown(&told(&history, newest + Days::new(passed)), newest + Days::new(5))
    });
    assert_eq!(lost, [false, true]);
}

#[test]
fn a_no_holds_for_the_days_until_it_was_said() {
    let mut history = history(&[28; 8]);
    let newest = date("2025-08-13");
    let asked = |history: &History, passed: u64| {
        let person = Person { version: None, date_of_birth: None };
        let today = newest + Days::new(passed);
        let known = derive(history, person, today, None).unwrap().known;
        let question = known.open_question(today);
        let prediction = known.prediction(today).ok().unwrap();
        let probability = prediction.missed_log_probability;
        assert_eq!(question.is_some(), probability > ASKED_FROM, "{passed}: {probability}");
        question.map(|question| question.id)
    };
    let first = asked(&history, 45).unwrap();
    let said = |history: &mut History, passed: u64| {
        let cycle = history.cycles.last_mut().unwrap();
        cycle.gap_answer = Some(GapAnswer::NoneMissed);
        cycle.gap_answered_on = Some(newest + Days::new(passed));
    };
    said(&mut history, 45);
    assert!((45..55).all(|passed| asked(&history, passed).is_none()));
    let again = (55..120).find(|passed| asked(&history, *passed).is_some()).unwrap();
    assert!((65..=85).contains(&again), "about a cycle later: {again}");
    assert_eq!(asked(&history, again), Some(first), "it is the same gap");
    said(&mut history, again);
    assert!(asked(&history, again).is_none() && asked(&history, again + 150).is_some());
    // With the next start 'no' is final.
    let mut closed = history.clone();
    closed.cycles.push(HistoryCycle {
        id: CycleId::new(99),
        start_date: newest + Days::new(again + 10),
        end_date: None,
        gap_answer: None,
        gap_answered_on: None,
        ..history.cycles[0].clone()
    });
    let person = Person { version: None, date_of_birth: None };
    let derived = derive(&closed, person, newest + Days::new(again + 12), None).unwrap();
    assert!(derived.known.questions.is_empty());
}
