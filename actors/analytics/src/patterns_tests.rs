use chrono::{DateTime, Days, Utc};
use contracts::{
    UserId, Version,
    cycles::{EpisodeKind, HistoryEpisode, HistorySymptom},
};

use super::*;

fn first() -> NaiveDate {
    NaiveDate::from_ymd_opt(2025, 1, 1).unwrap()
}

/// Cycles of 28 days without an end, so that a symptom may be logged on each of their days; one more
/// start ends the last of them.
fn history(cycles: u64) -> History {
    let cycle = |nth: u64| {
        let start_date = first() + Days::new(nth * 28);
        HistoryCycle {
            id: CycleId::new(i64::try_from(nth).unwrap() + 1),
            start_date,
            end_date: None,
            excluded: false,
            gap_answer: None,
            gap_answered_on: None,
            input_version: Version::ZERO,
            input_changed_at: DateTime::<Utc>::UNIX_EPOCH,
        }
    };
    History {
        user_id: UserId::new(1),
        version: Version::new(1),
        erased: false,
        forget_before: None,
        cycles: (0..=cycles).map(cycle).collect(),
        episodes: Vec::new(),
        observations: Vec::new(),
        symptoms: Vec::new(),
    }
}

/// Logs a symptom on these days (1 is the first day of bleeding) of a cycle.
fn log(
    history: &mut History,
    symptom_type: &str,
    cycle: usize,
    days: impl IntoIterator<Item = u64>,
) {
    let start = history.cycles[cycle].start_date;
    for day in days {
        let date = start + Days::new(day - 1);
        history.symptoms.push(HistorySymptom { date, symptom_type: symptom_type.to_owned() });
    }
}

#[test]
fn a_cluster_is_counted() {
    let mut history = history(6);
    for cycle in 0..4 {
        log(&mut history, "cramps", cycle, [1, 2]);
    }
    log(&mut history, "cramps", 4, [20]);
    let found = patterns(&history);
    assert_eq!(found.len(), 1);
    let SymptomPattern { symptom_type, phase, days_in_phase, days_total, cycles, ratio } =
        &found[0];
    assert_eq!((symptom_type.as_str(), *phase), ("cramps", CyclePhase::Menstruation));
    assert_eq!((*days_in_phase, *days_total, *cycles), (8, 9, 4));
    // 8 of 9 days in 5 of 28: 0.889 / 0.179.
    assert!((ratio - 4.98).abs() < 1e-9, "{ratio}");
}

/// Ends the period of a cycle with its fifth day.
fn close(history: &mut History, cycle: usize) {
    let cycle = &mut history.cycles[cycle];
    cycle.end_date = Some(cycle.start_date + Days::new(4));
}

#[test]
fn where_it_could_be_logged_on_days_of_bleeding_only_nothing_clusters() {
    let mut history = history(12);
    for cycle in 0..12 {
        close(&mut history, cycle);
        log(&mut history, "tired", cycle, [1, 2, 3]);
    }
    assert!(patterns(&history).is_empty());
    // Two cycles that could tell are too few to compare with.
    for cycle in [3, 7] {
        history.cycles[cycle].end_date = None;
    }
    assert!(patterns(&history).is_empty());
}

#[test]
fn what_could_have_been_logged_is_what_is_compared_with() {
    // On each day of five cycles, and on those of bleeding of five whose end was said: evenly.
    let mut even = history(10);
    for cycle in 0..5 {
        close(&mut even, cycle);
        log(&mut even, "tired", cycle, 1..=5);
        log(&mut even, "tired", cycle + 5, 1..=28);
    }
    assert!(patterns(&even).is_empty());
    // The same with days of bleeding alone: now it could have been otherwise.
    let mut bleeding = history(10);
    for cycle in 0..5 {
        close(&mut bleeding, cycle);
    }
    for cycle in 0..10 {
        log(&mut bleeding, "cramps", cycle, 1..=2);
    }
    let found = patterns(&bleeding);
    assert_eq!((found.len(), found[0].phase), (1, CyclePhase::Menstruation));
    // 20 of 20 days in 50 of 165: 1 / 0.303.
    assert!((found[0].ratio - 3.3).abs() < 1e-9, "{}", found[0].ratio);
}

#[test]
fn signs_of_ovulation_are_no_symptoms() {
    let mut history = history(6);
    for cycle in 0..6 {
        log(&mut history, "Ovulation_test", cycle, [13, 14]);
        log(&mut history, TEMPERATURE, cycle, [24, 25]);
    }
    assert!(patterns(&history).is_empty());
}

#[test]
fn it_takes_three_cycles_and_five_days() {
    let of = |cycles: usize, days: u64| {
        let mut history = history(6);
        for cycle in 0..cycles {
            log(&mut history, "cramps", cycle, 1..=days);
        }
        patterns(&history).len()
    };
    assert_eq!((of(3, 2), of(2, 4), of(4, 1), of(5, 1)), (1, 0, 0, 1));
}

#[test]
fn what_is_spread_evenly_is_no_pattern() {
    let mut spread = history(6);
    for cycle in 0..6 {
        log(&mut spread, "tired", cycle, (1..=28).step_by(3));
    }
    assert!(patterns(&spread).is_empty());
    // 7 of 10 days in a phase that has 13 of 28: 1.5 times as often, but so does chance.
    let mut chance = history(6);
    for cycle in 0..5 {
        log(&mut chance, "tired", cycle, [20]);
    }
    for (cycle, day) in [(0, 21), (1, 22), (2, 7), (3, 8), (4, 9)] {
        log(&mut chance, "tired", cycle, [day]);
    }
    assert!(patterns(&chance).is_empty());
}

#[test]
fn the_luteal_phase_can_have_one_too() {
    let mut history = history(6);
    for cycle in 0..5 {
        log(&mut history, "Headache", cycle, [24, 26, 27]);
    }
    log(&mut history, "headache ", 5, [25]);
    let found = patterns(&history);
    assert_eq!(found.len(), 1);
    assert_eq!((found[0].phase, found[0].days_in_phase), (CyclePhase::Luteal, 16));
    assert_eq!(found[0].symptom_type, "headache ", "the newest words");
}

#[test]
fn a_day_counts_once_and_only_in_cycles_that_are_over() {
    let mut history = history(3);
    for cycle in 0..4 {
        for _ in 0..3 {
            log(&mut history, "cramps", cycle, [1]);
        }
    }
    assert!(patterns(&history).is_empty(), "three days, and one in the cycle that goes on");
}

#[test]
fn cycles_that_are_none_do_not_count() {
    let clustered = || {
        let mut history = history(3);
        for cycle in 0..3 {
            log(&mut history, "cramps", cycle, [1, 2]);
        }
        history
    };
    assert_eq!(patterns(&clustered()).len(), 1);
    let mut excluded = clustered();
    excluded.cycles[1].excluded = true;
    assert!(patterns(&excluded).is_empty());
    let mut missed = clustered();
    missed.cycles[1].gap_answer = Some(GapAnswer::MissedUnknown);
    assert!(patterns(&missed).is_empty());
    let mut touched = clustered();
    let start_date = touched.cycles[1].start_date;
    let kind = EpisodeKind::Pause;
    touched.episodes.push(HistoryEpisode {
        kind,
        start_date,
        end_date: Some(start_date + Days::new(3)),
    });
    assert!(patterns(&touched).is_empty());
}

#[test]
fn nothing_logged_is_no_pattern() {
    assert!(patterns(&history(0)).is_empty());
    let mut nothing = history(0);
    nothing.cycles.clear();
    assert!(patterns(&nothing).is_empty());
}
