//! Worked examples: answers, exclusions, episodes, ovulation signs, periods, the record.
#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use chrono::{Days, NaiveDate};
use lunation_prediction::{
    Ahead, Anchor, CycleNote, CyclesInGap, Episode, EpisodeKind, Forecast, History, Length,
    LoggedCycle, Luteal, Obstacle, PeriodLength, Situation, State, UpdateError, Use, age_years,
    constants::METHOD,
    ovulation::{LhTest, Temperature, from_temperatures, from_tests},
    record, timeline,
};

fn day(text: &str) -> NaiveDate {
    text.parse().unwrap()
}

fn history(lengths: &[u64]) -> History {
    let mut start = day("2024-01-01");
    let mut cycles = vec![LoggedCycle { start, end: None }];
    for length in lengths {
        start = start + Days::new(*length);
        cycles.push(LoggedCycle { start, end: None });
    }
    History::new(cycles).unwrap()
}

fn follow(lengths: &[u64], notes: &[CycleNote], episodes: &[Episode]) -> Vec<Anchor> {
    timeline(&history(lengths), notes, episodes, None)
}

fn situation(state: &State) -> Situation<'_> {
    Situation {
        state,
        last_start: day("2025-01-01"),
        last_end: None,
        open_until: None,
        ovulation: None,
        luteal: Luteal::from_past(&[]),
        period: PeriodLength::from_past(&[]),
    }
}

fn learned(anchors: &[Anchor]) -> Vec<Option<u32>> {
    let days = |anchor: &Anchor| match anchor.usage {
        Use::Learned(length) => Some(length.days),
        _ => None,
    };
    anchors.iter().map(days).collect()
}

#[test]
fn a_pregnancy_is_left_out_and_starts_afresh() {
    let pregnancy = Episode {
        kind: EpisodeKind::Pregnancy,
        start: day("2024-03-05"),
        end: Some(day("2024-11-30")),
    };
    // Starts: 01-01, 01-29, 02-26, 2024-12-02, 12-30; the pregnancy lies in the third cycle.
    let anchors = follow(&[28, 28, 280, 28], &[], &[pregnancy]);
    assert_eq!(learned(&anchors), [Some(28), Some(28), None, Some(28), None]);
    let known: Vec<u32> = anchors.iter().map(|anchor| anchor.known_lengths).collect();
    assert_eq!(known, [0, 1, 2, 0, 1]);
    assert!(anchors[3].state == State::new(None));
    let named = |anchor: &Anchor| matches!(anchor.obstacle, Some(Obstacle::Episode { .. }));
    assert_eq!(anchors.iter().map(named).collect::<Vec<_>>(), [false, false, true, false, false]);
    // While it lasts, and after it until a start is logged, there is a reason and no date.
    for end in [None, pregnancy.end] {
        let open = follow(&[28, 28], &[], &[Episode { end, ..pregnancy }]);
        let said = open[2].obstacle;
        assert!(
            said == Some(Obstacle::Episode {
                kind: EpisodeKind::Pregnancy,
                start: pregnancy.start,
                end
            })
        );
    }
}

#[test]
fn a_start_on_the_last_day_of_an_episode_is_the_first_after_it() {
    let pause = Episode {
        kind: EpisodeKind::Pause,
        start: day("2023-11-01"),
        end: Some(day("2024-01-29")),
    };
    let anchors = follow(&[28, 28], &[], &[pause]);
    assert_eq!(learned(&anchors), [None, Some(28), None]);
    assert!(anchors[1].obstacle.is_none());
}

#[test]
fn exclusions_leave_out_one_length_and_forget_nothing() {
    let excluded = CycleNote { excluded: true, answer: None };
    let anchors = follow(&[28, 55, 28], &[CycleNote::default(), excluded], &[]);
    assert_eq!(learned(&anchors), [Some(28), None, Some(28), None]);
    assert_eq!(anchors[3].known_lengths, 2);
    assert!(anchors[3].state == State::replay(None, &[Length::new(28), Length::new(28)]));
}

#[test]
fn what_is_no_cycle_is_not_learned() {
    let two = CycleNote { excluded: false, answer: Some(CyclesInGap::Two) };
    let anchors = follow(&[10, 14, 15, 120, 121, 20, 300], &[CycleNote::default(); 5], &[]);
    assert_eq!(learned(&anchors), [None, None, Some(15), Some(120), None, Some(20), None, None]);
    assert!(anchors[0].usage == Use::TooShort && anchors[6].usage == Use::TooLong);
    let contradicted = follow(&[20], &[two], &[]);
    assert!(contradicted[0].usage == Use::ContradictsAnswer);
    let mut state = State::new(None);
    let short = Length { days: 20, answer: Some(CyclesInGap::TwoOrThree) };
    assert_eq!(state.update(short).unwrap_err(), UpdateError::ContradictsAnswer);
    assert_eq!(state.update(Length::new(14)).unwrap_err(), UpdateError::TooShort);
    assert!(state == State::new(None));
}

#[test]
fn an_answer_forces_the_hypothesis() {
    let dates = |answer| {
        let notes = [CycleNote { excluded: false, answer }];
        let anchors = follow(&[56], &notes, &[]);
        anchors[1].state.table(Ahead::Next).date_days()
    };
    let (no, yes, unasked) =
        (dates(Some(CyclesInGap::One)), dates(Some(CyclesInGap::TwoOrThree)), dates(None));
    assert!(no >= 35 && yes <= 30, "{no} {yes}");
    assert!(yes <= unasked && unasked < no);
}

#[test]
fn somebody_late_is_told_a_day_to_come() {
    let state = State::replay(None, &[Length::new(28), Length::new(29), Length::new(28)]);
    let mut open = situation(&state);
    for days in (1..240).chain([3_000, 43_830]) {
        open.open_until = Some(open.last_start + Days::new(days));
        let prediction = Forecast::new(&open).unwrap().prediction();
        assert!(prediction.predicted_start > open.last_start + Days::new(days));
        assert_eq!(prediction.method, METHOD);
    }
}

#[test]
fn who_was_silent_for_long_may_start_on_any_day_of_a_cycle() {
    let state = State::replay(None, &[Length::new(28), Length::new(29), Length::new(28)]);
    let mut open = situation(&state);
    let after = |open: &Situation<'_>, day: NaiveDate| (day - open.open_until.unwrap()).num_days();
    open.open_until = Some(open.last_start + Days::new(119));
    let late = Forecast::new(&open).unwrap().start(Ahead::Next);
    open.open_until = Some(open.last_start + Days::new(120));
    let silent = Forecast::new(&open).unwrap().start(Ahead::Next);
    // No jump: the last conditional forecast was about as vague. Both are counted from day 120.
    let days_ahead = [late, silent].map(|said| after(&open, said.date));
    assert_eq!(days_ahead, [10, 15]);
    assert!(late.within_two_days < 0.2 && late.within_two_days > silent.within_two_days);
    let ranges = silent
        .intervals
        .map(|interval| (after(&open, interval.range.start), after(&open, interval.range.end)));
    assert_eq!((after(&open, silent.date), ranges), (15, [(8, 22), (3, 26), (1, 29)]));
    assert!((silent.within_two_days - 5.0 / 29.0).abs() < 0.01, "{}", silent.within_two_days);
    // The same whenever it is asked, and ovulation with it.
    open.open_until = Some(open.last_start + Days::new(1_120));
    let later = Forecast::new(&open).unwrap().start(Ahead::Next);
    assert!(later.date == silent.date + Days::new(1_000));
    assert!(later.ovulation.date == silent.ovulation.date + Days::new(1_000));
    // Signs of ovulation say more, while a start may follow from them.
    open.ovulation = Some(open.last_start + Days::new(1_115));
    let seen = Forecast::new(&open).unwrap().start(Ahead::Next);
    assert_eq!(seen.date, open.last_start + Days::new(1_129));
    open.ovulation = Some(open.last_start + Days::new(14));
    assert!(Forecast::new(&open).unwrap().start(Ahead::Next) == later);
}

#[test]
fn a_known_ovulation_dates_the_next_start() {
    let state = State::new(None);
    let mut known = situation(&state);
    known.ovulation = Some(day("2025-01-20"));
    let forecast = Forecast::new(&known).unwrap();
    let said = forecast.start(Ahead::Next);
    assert_eq!(said.date, day("2025-02-03"));
    assert_eq!(said.ovulation.date, day("2025-01-20"));
    assert_eq!(said.ovulation.fertile_window.start, day("2025-01-15"));
    let calendar = Forecast::new(&situation(&state)).unwrap().start(Ahead::Next);
    assert!(said.within_two_days > calendar.within_two_days);
}

#[test]
fn tests_and_temperatures_date_ovulation() {
    let test = |date, positive| LhTest { date: day(date), positive };
    let tests = [test("2025-01-15", true), test("2025-01-13", false), test("2025-01-14", true)];
    assert_eq!(from_tests(&tests), Some(day("2025-01-15")));
    assert_eq!(from_tests(&tests[1..2]), None);

    let chart = |values: &[f64]| -> Vec<Temperature> {
        let days = day("2025-01-08").iter_days();
        days.zip(values).map(|(date, celsius)| Temperature { date, celsius: *celsius }).collect()
    };
    let low = [36.4, 36.45, 36.4, 36.5, 36.45, 36.4];
    let mut values = [&low[..], &[36.55, 36.6, 36.7]].concat();
    let mut shuffled = chart(&values);
    shuffled.reverse();
    assert_eq!(from_temperatures(&shuffled), Some(day("2025-01-13")));
    // The third must lie 0.2 °C over the highest of the six; a day must not be missing.
    values[8] = 36.69;
    assert_eq!(from_temperatures(&chart(&values)), None);
    let mut gap = shuffled.clone();
    gap.remove(3);
    assert_eq!(from_temperatures(&gap), None);
    assert_eq!(from_temperatures(&chart(&[f64::NAN; 20])), None);
}

#[test]
fn periods_are_shrunk_to_five_days() {
    let none = PeriodLength::from_past(&[]);
    assert_eq!((none.days(), PeriodLength::from_past(&[6, 6, 6]).days()), (5, 6));
    assert_eq!(PeriodLength::from_past(&[u32::MAX; 40]).days(), 30);
    let lasts: Vec<f64> = (1..=32).map(|days| none.lasts_probability(days)).collect();
    assert!(lasts[0] >= 1.0 && lasts[31] <= 0.0 && lasts.windows(2).all(|p| p[0] >= p[1]));
    assert!(none.lasts_probability_given(5, 4) > none.lasts_probability(5));
}

#[test]
fn the_record_says_what_was_forecast() {
    let yes = CycleNote { excluded: false, answer: Some(CyclesInGap::Two) };
    let notes = [CycleNote::default(), CycleNote::default(), yes];
    let anchors = follow(&[28, 29, 57, 28, 40], &notes, &[]);
    let record_all = record(&anchors, usize::MAX);
    // The gap with a missed start is no forecast cycle.
    assert_eq!(record_all.entries.len(), 4);
    let last = record_all.entries[3];
    assert_eq!(last.actual_start - last.last_start, chrono::TimeDelta::days(40));
    assert!(last.error_days <= -10 && !last.inside[1]);
    let summary = record(&anchors, 3).summary.unwrap();
    assert_eq!(summary.count, 3);
    assert!(record(&anchors[..1], 6).summary.is_some() && record(&[], 6).summary.is_none());
}

#[test]
fn ages_are_in_years() {
    let age = |born: &str| age_years(Some(day(born)), day("2024-06-01"));
    assert!((age("1994-06-01").unwrap() - 30.0).abs() < 0.01);
    assert!(age("2025-01-01").is_none() && age_years(None, day("2024-06-01")).is_none());
}
