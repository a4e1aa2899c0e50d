//! Worked examples: answers, exclusions, episodes, ovulation signs, periods, the record.
#![expect(clippy::unwrap_used, reason = "a test that cannot build its input has failed")]

use chrono::{Days, NaiveDate};
use lunation_prediction::{
    Ahead, Anchor, Basis, CycleNote, CyclesInGap, Episode, EpisodeKind, Forecast, History, Length,
    LoggedCycle, Luteal, Obstacle, Ovulation, PeriodLength, Situation, State, UpdateError, Use,
    age_years,
    ovulation::{LhTest, Temperature, from_signs, from_temperatures, from_tests},
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
        missed_start: false,
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
        let said = Forecast::new(&open).unwrap().start(Ahead::Next);
        assert!(said.date > open.last_start + Days::new(days));
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
    assert_eq!((after(&open, silent.date), ranges), (15, [(8, 21), (4, 26), (2, 29)]));
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
fn a_sign_is_believed_less_with_each_day_without_the_start_that_it_says() {
    let state = State::replay(None, &[Length::new(28), Length::new(29), Length::new(28)]);
    let mut known = situation(&state);
    let mut calendar = known;
    known.ovulation = Some(known.last_start + Days::new(14));
    let (mut believed, mut before) = (Vec::new(), known.last_start);
    for days in 14..60 {
        known.open_until = Some(known.last_start + Days::new(days));
        calendar.open_until = known.open_until;
        let forecast = Forecast::new(&known).unwrap();
        let said = forecast.start(Ahead::Next);
        assert!(said.date > known.open_until.unwrap() && said.date >= before, "{days}");
        before = said.date;
        if forecast.basis() == Basis::Ovulation {
            believed.push(days);
        }
        // It is never all but certain that the start is on one of the next days, on each day anew.
        assert!(days <= 14 + 19 || said.within_two_days < 0.85, "{days}: {}", said.within_two_days);
        // Twelve days after the expected start the sign says nothing of any day.
        assert!(days < 14 + 26 || forecast == Forecast::new(&calendar).unwrap(), "{days}");
    }
    assert!(
        believed.first() == Some(&14) && believed.windows(2).all(|pair| pair[1] == pair[0] + 1)
    );
    let last = *believed.last().unwrap();
    assert!((14 + 14 + 2..=14 + 14 + 5).contains(&last), "{last}");
}

#[test]
fn the_day_of_a_sign_is_not_certain() {
    let state = State::replay(None, &[Length::new(28); 6]);
    let mut known = situation(&state);
    known.ovulation = Some(known.last_start + Days::new(14));
    let forecast = Forecast::new(&known).unwrap();
    let on = |days| forecast.day(known.last_start + Days::new(days)).unwrap();
    assert!((0.5..0.75).contains(&on(14).ovulation), "{}", on(14).ovulation);
    assert!(on(13).ovulation > 0.05 && on(15).ovulation > 0.15 && on(16).ovulation > 0.05);
    // Two days that follow may be fertile too; and so may others, if the sign was wrong.
    assert!(on(15).fertile > 0.2 && on(16).fertile > 0.05 && on(17).fertile > 0.0);
    assert!(on(9).fertile > 0.6 && on(14).fertile > 0.8);
    let seen = Ovulation::seen(0);
    let shares: Vec<f64> = (0..4).map(|day| seen.probability(day)).collect();
    assert!(
        (shares.iter().sum::<f64>() - 1.0).abs() < 1e-12 && shares[0] > 0.69 && shares[3] == 0.0
    );
}

#[test]
fn a_later_rise_of_temperature_is_believed_more_than_an_earlier_test() {
    let positive = [LhTest { date: day("2025-01-11"), positive: true }];
    let chart = |first: &str| -> Vec<Temperature> {
        let values = [36.4, 36.45, 36.4, 36.5, 36.45, 36.4, 36.7, 36.75, 36.8];
        let days = day(first).iter_days();
        days.zip(values).map(|(date, celsius)| Temperature { date, celsius }).collect()
    };
    let tested = Some(day("2025-01-12"));
    assert_eq!(from_signs(&positive, &[]), tested);
    // Risen up to two days later, or earlier: the test is the more exact.
    assert_eq!(from_signs(&positive, &chart("2025-01-09")), tested);
    assert_eq!(from_signs(&positive, &chart("2025-01-04")), tested);
    assert_eq!(from_signs(&positive, &chart("2025-01-10")), Some(day("2025-01-15")));
    assert_eq!(from_signs(&[], &chart("2025-01-10")), Some(day("2025-01-15")));
    assert_eq!(from_signs(&[], &[]), None);
}

#[test]
fn after_a_missed_start_the_next_is_the_one_after_it() {
    let state = State::replay(None, &[Length::new(28); 6]);
    let mut missed = situation(&state);
    missed.missed_start = true;
    missed.ovulation = Some(missed.last_start + Days::new(14));
    let expected = missed.last_start + Days::new(56);
    let said = Forecast::new(&missed).unwrap();
    assert_eq!(said.basis(), Basis::MissedStart);
    let dates = Ahead::ALL.map(|ahead| said.start(ahead).date);
    assert_eq!(dates, [0, 28, 56].map(|days| expected + Days::new(days)));
    // Its ovulation stays before it, however late it is.
    for days in 40..120 {
        missed.open_until = Some(missed.last_start + Days::new(days));
        let forecast = Forecast::new(&missed).unwrap();
        let next = forecast.start(Ahead::Next);
        assert!(next.date > missed.open_until.unwrap() && next.date >= expected);
        let before = (next.date - next.ovulation.date).num_days();
        assert!((12..=17).contains(&before), "{days}: {before}");
        assert!(forecast.start(Ahead::Second).date > next.date);
        let tomorrow = forecast.day(missed.open_until.unwrap() + Days::new(1)).unwrap();
        assert!(days < 70 || tomorrow.bleeding > 0.02, "{days}: {}", tomorrow.bleeding);
    }
    missed.open_until = Some(missed.last_start + Days::new(120));
    assert_eq!(Forecast::new(&missed).unwrap().basis(), Basis::Silence);
}

#[test]
fn a_start_that_was_probably_missed_stays_so() {
    let of = |lengths: &[u32]| {
        let lengths: Vec<Length> = lengths.iter().map(|days| Length::new(*days)).collect();
        State::replay(None, &lengths)
    };
    for state in [of(&[]), of(&[28, 29, 28]), of(&[35, 33, 41, 38, 36])] {
        let each: Vec<f64> = (0..130).map(|day| state.missed_start_probability(day)).collect();
        let stated: Vec<f64> =
            (0..130).map(|day| state.missed_start_probability_up_to(day)).collect();
        // The model's own probability comes and goes again.
        assert!(each[60] > each[119] + 0.3, "{} {}", each[60], each[119]);
        let mut greatest = 0.0;
        for (said, own) in stated.iter().zip(&each) {
            greatest = f64::max(greatest, *own);
            assert!((said - greatest).abs() < 1e-12);
        }
    }
}

#[test]
fn after_a_no_a_start_is_missed_again_only_by_the_days_that_follow() {
    let state = State::replay(None, &[Length::new(28), Length::new(29), Length::new(28)]);
    for answered in [38, 60, 119, 120, 149, 400] {
        let since = |day| state.missed_start_probability_since(answered, day);
        assert!(since(answered) == 0.0 && since(answered - 10) == 0.0);
        assert!(since(answered + 1) < 0.1, "{answered}: {}", since(answered + 1));
        let each: Vec<f64> = (0..=130).map(|days| since(answered + days)).collect();
        assert!(each.windows(2).all(|pair| pair[0] <= pair[1]));
        assert!(each[60] > 0.5 && each[119] <= 1.0 && each[120] >= 1.0, "{answered}: {each:?}");
    }
    // As nobody had been asked, if the answer speaks of no day that says anything.
    for day in 20..60 {
        let asked = state.missed_start_probability_since(5, day);
        let never = state.missed_start_probability_up_to(day);
        assert!((asked - never).abs() < 0.1, "{day}: {asked} {never}");
    }
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
