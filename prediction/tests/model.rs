//! What holds for the model on every history.

use chrono::{Days, NaiveDate};
use lunation_prediction::{
    Ahead, CycleNote, CyclesInGap, Episode, EpisodeKind, Forecast, ForecastStart, History, Length,
    LoggedCycle, Luteal, Obstacle, Ovulation, PastOvulation, PeriodLength, Situation, State, Table,
    UpdateError, Window, record, student_t::StudentT, timeline,
};
use proptest::prelude::*;

fn answer() -> impl Strategy<Value = Option<CyclesInGap>> {
    prop_oneof![
        8 => Just(None),
        1 => Just(Some(CyclesInGap::One)),
        1 => Just(Some(CyclesInGap::Two)),
        1 => Just(Some(CyclesInGap::Three)),
        1 => Just(Some(CyclesInGap::TwoOrThree)),
    ]
}

/// Mostly plausible lengths, sometimes absurd ones: what the contract lets through.
fn lengths() -> impl Strategy<Value = Vec<Length>> {
    let days = prop_oneof![8 => 20u32..60, 1 => 1u32..20, 1 => 60u32..100_000];
    let length = (days, answer()).prop_map(|(days, answer)| Length { days, answer });
    prop::collection::vec(length, 0..50)
}

fn age() -> impl Strategy<Value = Option<f64>> {
    prop_oneof![
        Just(None),
        (-1e9..1e9f64).prop_map(Some),
        Just(Some(f64::NAN)),
        (12.0..60.0f64).prop_map(Some)
    ]
}

fn state() -> impl Strategy<Value = State> {
    (age(), lengths()).prop_map(|(age, lengths)| State::replay(age, &lengths))
}

fn ahead() -> impl Strategy<Value = Ahead> {
    prop::sample::select(Ahead::ALL.to_vec())
}

/// Everything a table promises.
fn check(table: &Table) -> Result<(), TestCaseError> {
    let total: f64 = table.probabilities().map(|(_, p)| p).sum();
    prop_assert!((total - 1.0).abs() < 1e-9, "sum {}", total);
    let mut later = 1.0;
    for (day, probability) in table.probabilities() {
        prop_assert!((0.0..=1.0).contains(&probability));
        prop_assert!(table.later_than(day) <= later);
        later = table.later_than(day);
    }
    let (first, last) = (f64::from(table.first_day()) - 0.5, f64::from(table.last_day()) + 0.5);
    let quantiles: Vec<f64> =
        (0..=100).map(|n| table.quantile_days(f64::from(n) / 100.0)).collect();
    prop_assert!(quantiles.windows(2).all(|pair| pair[0] <= pair[1]));
    prop_assert!(quantiles.iter().all(|day| (first..=last).contains(day)));
    prop_assert!((first..=last).contains(&table.mean_days()));
    let mut inner = (table.date_days(), table.date_days());
    let most = table.probabilities().map(|(_, p)| p).fold(0.0, f64::max);
    for level in [0.5, 0.8, 0.95] {
        let outer = table.whole_days(level);
        prop_assert!(outer.0 <= inner.0 && inner.1 <= outer.1);
        let held = table.probability_between(outer.0, outer.1);
        // Days have their probability whole: one can always be within half of the greatest.
        prop_assert!(held >= level - most / 2.0 - 1e-9, "{} for {}", held, level);
        let alone = outer == (table.date_days(), table.date_days());
        prop_assert!(alone || held <= level + most / 2.0 + 1e-9, "{} for {}", held, level);
        inner = outer;
    }
    prop_assert!((0.0..=1.0).contains(&table.probability_within(2)));
    Ok(())
}

proptest! {
    #[test]
    fn tables_are_distributions(state in state(), ahead in ahead(), open in 0u32..149) {
        let table = state.table(ahead);
        check(&table)?;
        let open = table.given_open_until(open).unwrap();
        check(&open)?;
    }

    #[test]
    fn a_later_truncation_never_moves_the_date_earlier(state in state(), ahead in ahead()) {
        let table = state.table(ahead);
        let mut before = table.clone();
        for day in 0..table.last_day() {
            let after = table.given_open_until(day).unwrap();
            prop_assert!(after.date_days() >= before.date_days() && after.date_days() > day);
            for level in [0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975] {
                prop_assert!(after.quantile_days(level) >= before.quantile_days(level) - 1e-6);
            }
            before = after;
        }
        prop_assert!(table.given_open_until(table.last_day()).is_none());
        prop_assert!(table.given_open_until(u32::MAX).is_none());
    }

    #[test]
    fn every_state_is_sound(age in age(), lengths in lengths(), day in any::<u32>()) {
        let mut window = Window::new(age);
        for length in &lengths {
            match window.push(*length) {
                Ok(update) => {
                    prop_assert!((0.0..=1.0).contains(&update.missed_probability));
                    if length.answer.is_some_and(CyclesInGap::hides_a_start) {
                        prop_assert!(update.missed_probability > 1.0 - 1e-9);
                    }
                }
                Err(error) => {
                    prop_assert!(!length.is_usable() && error != UpdateError::Full);
                }
            }
        }
        let state = window.state();
        prop_assert!(*state == State::replay(age, &lengths));
        prop_assert!((1..=4).contains(&state.hypotheses().len()) && state.lengths() <= 36);
        prop_assert!((0.0..=1.0).contains(&state.skip_probability()));
        let missed = state.missed_start_probability(day);
        let stated = state.missed_start_probability_up_to(day);
        prop_assert!((0.0..=1.0).contains(&missed) && stated >= missed && stated <= 1.0);
        let (count, parts) = state.to_parts();
        prop_assert!(State::from_parts(count, &parts) == Some(state.clone()));
        prop_assert!(State::from_parts(count, &[]).is_none());
        let mut broken = parts;
        broken[0].mean_ln = f64::NAN;
        prop_assert!(State::from_parts(count, &broken).is_none());
    }

    /// With one component for each length the posterior is the textbook's, whose sufficient
    /// statistics do not know an order. (A mixture is pruned as it goes, so elsewhere the order
    /// makes a difference, by design a small one.)
    #[test]
    fn the_order_is_irrelevant_where_the_number_of_cycles_is_certain(
        (ordered, shuffled) in prop::collection::vec(40u32..120, 1..30)
            .prop_flat_map(|days| (Just(days.clone()), Just(days).prop_shuffle())),
    ) {
        let replay = |days: &[u32]| {
            let lengths: Vec<Length> = days.iter()
                .map(|days| Length { days: *days, answer: Some(CyclesInGap::Two) })
                .collect();
            State::replay(None, &lengths)
        };
        let (first, second) = (replay(&ordered), replay(&shuffled));
        prop_assert_eq!((first.hypotheses().len(), second.hypotheses().len()), (1, 1));
        let (one, other) = (first.hypotheses()[0], second.hypotheses()[0]);
        prop_assert!((one.mean_ln - other.mean_ln).abs() < 1e-9);
        prop_assert!((one.rate - other.rate).abs() < 1e-9 * one.rate);
        prop_assert!((one.kappa - other.kappa).abs() < 1e-9 && one.skips == other.skips);
    }

    #[test]
    fn ovulation_is_a_distribution(
        state in state(),
        open in 0u32..149,
        past in prop::collection::vec((0u32..200, 1u32..200), 0..12),
        day in 0u32..200,
    ) {
        let past: Vec<PastOvulation> =
            past.into_iter().filter_map(|(day, length)| PastOvulation::new(day, length)).collect();
        let luteal = Luteal::from_past(&past);
        let reversed: Vec<PastOvulation> = past.iter().rev().copied().collect();
        prop_assert!(luteal == Luteal::from_past(&reversed));
        let table = state.table(Ahead::Next);
        for table in [table.given_open_until(open).unwrap(), table] {
            let ovulation = Ovulation::before(&table, &luteal);
            check(ovulation.table())?;
            let (first, last) = ovulation.fertile_days();
            prop_assert!(first <= last);
            for day in 0..160 {
                prop_assert!((0.0..=1.0).contains(&ovulation.fertile_probability(day)));
            }
        }
        check(&luteal.next_start_after(day))?;
    }

    #[test]
    fn forecasts_hold_for_every_situation(
        state in state(),
        open in prop::option::of(0u64..120),
        ovulation in prop::option::of(0u64..160),
        missed_start in any::<bool>(),
        end in prop::option::of(0u64..31),
        periods in prop::collection::vec(any::<u32>(), 0..50),
    ) {
        let last_start = NaiveDate::from_ymd_opt(2024, 2, 3).unwrap();
        let date = |days: u64| last_start + Days::new(days);
        let situation = Situation {
            state: &state,
            last_start,
            last_end: end.map(date),
            open_until: open.map(date),
            missed_start,
            ovulation: ovulation.map(date),
            luteal: Luteal::from_past(&[]),
            period: PeriodLength::from_past(&periods),
        };
        let forecast = Forecast::new(&situation).unwrap();
        prop_assert!(ForecastStart::next(&situation) == Ok(forecast.start(Ahead::Next)));
        let mut earlier = open.map_or(last_start, date);
        for ahead in Ahead::ALL {
            check(forecast.table(ahead))?;
            let said = forecast.start(ahead);
            prop_assert!(said.date > earlier);
            prop_assert!((1..=31).contains(&((said.period_end - said.date).num_days() + 1)));
            prop_assert!(said.ovulation.range.contains(said.ovulation.date));
            prop_assert!(said.intervals.iter().all(|interval| interval.range.contains(said.date)));
            earlier = said.date;
        }
        for day in last_start.iter_days().take_while(|day| *day <= forecast.last_day()) {
            let said = forecast.day(day).unwrap();
            for probability in [said.bleeding, said.fertile, said.ovulation] {
                prop_assert!((0.0..=1.0).contains(&probability));
            }
            prop_assert!(said.ovulation <= said.fertile + 1e-9);
        }
        prop_assert!(forecast.day(last_start).unwrap().bleeding >= 1.0);
        prop_assert!(forecast.day(last_start.pred_opt().unwrap()).is_none());
        prop_assert!(forecast.day(forecast.last_day().succ_opt().unwrap()).is_none());
    }
}

proptest! {
    // Each case walks through some hundred days.
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// For any silence up to 120 years, whatever ovulation was seen in it.
    #[test]
    fn after_a_long_silence_a_cycle_may_begin_on_any_day(
        state in state(),
        open in prop_oneof![120u32..400, 120u32..43_830],
        seen in prop::option::of(0u32..44_000),
    ) {
        let last_start = NaiveDate::from_ymd_opt(1900, 2, 3).unwrap();
        let date = |days: u32| last_start + Days::new(days.into());
        let situation = Situation {
            state: &state,
            last_start,
            last_end: None,
            open_until: Some(date(open)),
            missed_start: false,
            ovulation: None,
            luteal: Luteal::from_past(&[]),
            period: PeriodLength::from_past(&[]),
        };
        let forecast = Forecast::new(&situation).unwrap();
        let cycle = state.table(Ahead::Next);
        let next = forecast.table(Ahead::Next);
        for (days, later) in (open..).zip(0..cycle.last_day()) {
            // P(length ≥ j)/E[length], j = days + 1 − open.
            let expected = cycle.later_than(later) / cycle.mean_days();
            prop_assert!((next.probability(days + 1) - expected).abs() < 1e-9);
        }
        // What is left of cycles of E[length] days, of which longer ones are met more often.
        prop_assert!(next.mean_days() - f64::from(open) >= 0.5 * cycle.mean_days());
        prop_assert!(next.probability_within(2) <= 5.0 / cycle.mean_days() + 1e-9);
        let mut situation = situation;
        situation.ovulation = seen.map(date);
        let seen = Forecast::new(&situation).unwrap();
        for forecast in [forecast, seen] {
            let mut earlier = date(open);
            for ahead in Ahead::ALL {
                check(forecast.table(ahead))?;
                check(forecast.ovulation(ahead).table())?;
                let said = forecast.start(ahead);
                prop_assert!(forecast.table(ahead).first_day() > open && said.date > earlier);
                prop_assert!(said.ovulation.date < said.date);
                prop_assert!(said.intervals.iter().all(|one| one.range.contains(said.date)));
                earlier = said.date;
            }
            for day in date(open).iter_days().take_while(|day| *day <= forecast.last_day()) {
                let said = forecast.day(day).unwrap();
                for probability in [said.bleeding, said.fertile, said.ovulation] {
                    prop_assert!((0.0..=1.0).contains(&probability));
                }
            }
        }
    }
}

proptest! {
    #[test]
    fn no_history_panics_and_no_future_leaks(
        starts in prop::collection::btree_set(prop_oneof![9 => 730_000i32..733_000, 1 => -95_746_000i32..=95_746_000], 1..40),
        episodes in prop::collection::vec((730_000i32..733_000, prop::option::of(0i32..400)), 0..4),
        notes in prop::collection::vec((any::<bool>(), answer()), 0..40),
        born in prop::option::of(-95_746_000i32..=95_746_000),
        cut in any::<prop::sample::Index>(),
    ) {
        let date = |day: i32| NaiveDate::from_num_days_from_ce_opt(day).unwrap_or(NaiveDate::MAX);
        let starts: std::collections::BTreeSet<NaiveDate> = starts.into_iter().map(date).collect();
        let cycles: Vec<LoggedCycle> =
            starts.into_iter().map(|start| LoggedCycle { start, end: None }).collect();
        let episodes: Vec<Episode> = episodes.into_iter().map(|(start, days)| Episode {
            kind: EpisodeKind::Pause,
            start: date(start),
            end: days.map(|days| date(start + days)),
        }).collect();
        let notes: Vec<CycleNote> =
            notes.into_iter().map(|(excluded, answer)| CycleNote { excluded, answer }).collect();
        let follow = |cycles: &[LoggedCycle]| {
            timeline(&History::new(cycles.to_vec()).unwrap(), &notes, &episodes, born.map(date))
        };
        let whole = follow(&cycles);
        let kept = cut.index(cycles.len()) + 1;
        let part = follow(&cycles[..kept]);
        for (later, earlier) in whole.iter().zip(&part) {
            prop_assert!(later.state == earlier.state && later.start == earlier.start);
            prop_assert_eq!(later.known_lengths, earlier.known_lengths);
        }
        let (all, before) = (record(&whole, usize::MAX), record(&part, usize::MAX));
        prop_assert!(all.entries.len() >= before.entries.len());
        prop_assert!(all.entries[..before.entries.len()] == before.entries[..]);
        let newest = whole.last().unwrap();
        let forecast = Forecast::new(&Situation {
            state: &newest.state,
            last_start: newest.start,
            last_end: Some(NaiveDate::MAX),
            open_until: None,
            missed_start: false,
            ovulation: None,
            luteal: Luteal::from_past(&[]),
            period: PeriodLength::from_past(&[]),
        });
        prop_assert!(forecast.is_ok() || forecast == Err(Obstacle::BeyondCalendar));
    }

    #[test]
    fn student_tails_fall_and_mirror(degrees in 1u32..=42, z in 0.0..300.0f64, step in 0.0..1.0f64) {
        let student = StudentT::new(degrees);
        prop_assert!(student.upper_tail(z) > 0.0);
        prop_assert!(student.upper_tail(z + step) <= student.upper_tail(z) + 1e-15);
        prop_assert!((student.cdf(-z) - student.upper_tail(z)).abs() < 1e-15);
        prop_assert!((student.cdf(z) + student.upper_tail(z) - 1.0).abs() < 1e-12);
    }
}

/// Closed forms: one degree of freedom is Cauchy, two are algebraic.
#[test]
fn student_matches_closed_forms() {
    for z in [0.0, 0.3, 0.9, 1.0, 1.1, 3.0, 40.0, 1e5_f64] {
        let cauchy = (1.0 / z).atan() / std::f64::consts::PI;
        assert!((StudentT::new(1).upper_tail(z) / cauchy - 1.0).abs() < 1e-9, "{z}");
        let root = (2.0 + z * z).sqrt();
        let two = 1.0 / (root * (root + z));
        assert!((StudentT::new(2).upper_tail(z) / two - 1.0).abs() < 1e-9, "{z}");
    }
}
