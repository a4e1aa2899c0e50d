use chrono::{DateTime, Days, TimeDelta, Utc};
use contracts::cycles::GapAnswer;
use proptest::prelude::*;

use super::*;
use crate::known::MODEL_NUMBER;

/// A cycle as drawn: days to the next start, days of bleeding if its end was logged, and the
/// version at which it last changed.
type Drawn = (u32, Option<u32>, i64);

fn drawn() -> impl Strategy<Value = Vec<Drawn>> {
    let length = prop_oneof![8 => 15u32..60, 1 => 1u32..15, 1 => 60u32..900];
    prop::collection::vec((length, prop::option::of(1u32..10), 1i64..40), 1..30)
}

fn history(drawn: &[Drawn]) -> History {
    let mut start = NaiveDate::from_ymd_opt(2019, 3, 1).unwrap();
    let cycles = drawn.iter().zip(1..).map(|((length, period, version), id)| {
        let cycle =
            cycle(id, start, period.map(|days| start + Days::new((days - 1).into())), *version);
        start = start + Days::new((*length).into());
        cycle
    });
    of(40, cycles.collect())
}

fn of(version: i64, cycles: Vec<HistoryCycle>) -> History {
    History {
        user_id: UserId::new(7),
        version: Version::new(version),
        erased: false,
        forget_before: None,
        cycles,
        episodes: Vec::new(),
        observations: Vec::new(),
        symptoms: Vec::new(),
    }
}

/// Before anything was logged, so that nobody is late.
fn derived(history: &History) -> Derived {
    derived_after(history, None)
}

fn derived_after(history: &History, believed: Option<&Believed>) -> Derived {
    let day = NaiveDate::from_ymd_opt(2019, 1, 1).unwrap();
    derive(history, Person::default(), day, believed).unwrap()
}

fn cycle(id: i64, start: NaiveDate, end: Option<NaiveDate>, version: i64) -> HistoryCycle {
    let noon = DateTime::<Utc>::UNIX_EPOCH + TimeDelta::days(20_000);
    HistoryCycle {
        id: CycleId::new(id),
        start_date: start,
        end_date: end,
        excluded: false,
        gap_answer: None,
        gap_answered_on: None,
        input_version: Version::new(version),
        input_changed_at: noon + TimeDelta::minutes(version),
    }
}

fn predictions(derived: &Derived) -> Vec<Prediction> {
    (0..derived.cycles.len()).map(|position| derived.prediction(position).unwrap()).collect()
}

fn ids(derived: &Derived) -> Vec<i64> {
    predictions(derived).iter().map(|prediction| prediction.id.get()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn deriving_again_gives_the_same_rows_whatever_the_version(drawn in drawn(), later in 41i64..99) {
        let first = derived(&history(&drawn));
        let again = derived(&History { version: Version::new(later), ..history(&drawn) });
        prop_assert_eq!(&first.marks, &again.marks);
        prop_assert!(first.statistics == again.statistics);
        prop_assert!(first.cycles == again.cycles && first.known == again.known);
        prop_assert!(predictions(&first) == predictions(&again));
    }

    #[test]
    fn an_append_changes_the_row_before_it_and_no_other(drawn in drawn()) {
        let before = derived(&history(&drawn[..drawn.len() - 1]));
        let after = derived(&history(&drawn));
        let (ids_before, ids_after) = (ids(&before), ids(&after));
        prop_assert_eq!(ids_before.as_slice(), &ids_after[..drawn.len() - 1]);
        let unchanged = drawn.len().saturating_sub(2);
        prop_assert_eq!(&before.marks[..unchanged], &after.marks[..unchanged]);
        for (one, other) in before.marks.iter().zip(after.marks.iter()).skip(unchanged) {
            prop_assert_ne!(one.all, other.all);
            prop_assert_eq!(one.forecast, other.forecast, "it is settled and not made again");
        }
    }

    #[test]
    fn what_is_believed_saves_work_and_changes_nothing(
        drawn in drawn(),
        count in any::<prop::sample::Index>(),
    ) {
        let count = count.index(drawn.len());
        let whole = history(&drawn);
        let scratch = derived(&whole);
        let believed = derived(&history(&drawn[..count])).believed();
        let after = derived_after(&whole, Some(&believed));
        prop_assert_eq!(after.prepared_count(), drawn.len() - count, "one for each new cycle");
        prop_assert_eq!(&scratch.marks, &after.marks);
        prop_assert!(scratch.known == after.known);
        prop_assert!(predictions(&scratch) == predictions(&after));
        // Believing what is stored already, nothing is predicted at all.
        let again = derived_after(&whole, Some(&scratch.believed()));
        prop_assert_eq!(again.prepared_count(), 0);
        prop_assert!(scratch.known == again.known);
    }

    #[test]
    fn what_is_known_survives_being_stored(drawn in drawn()) {
        let known = derived(&history(&drawn)).known;
        let stored = serde_json::to_value(&known).unwrap();
        prop_assert!(Known::read(MODEL_NUMBER, Some(stored.clone())) == Some(known));
        prop_assert!(Known::read(MODEL_NUMBER - 1, Some(stored)).is_none());
    }

    #[test]
    fn the_next_start_is_never_in_the_past(
        drawn in drawn(),
        late in prop_oneof![0u64..200, 200u64..44_000],
        missed in any::<bool>(),
    ) {
        let mut history = history(&drawn);
        history.cycles.last_mut().unwrap().gap_answer =
            missed.then_some(GapAnswer::MissedUnknown);
        let newest = history.cycles.last().unwrap().start_date;
        let known = derived(&history).known;
        let today = newest + Days::new(late);
        let said = known.prediction(today).ok().unwrap();
        prop_assert!(said.predicted_start_date >= today);
        let told = said.fertility.first().map(|day| day.date);
        prop_assert!(told.is_some_and(|first| first > newest || late < 120));
        // Until it has to be made again it stays the same; who is silent for a year is let be.
        let due = known.due_after(today);
        prop_assert_eq!(due.is_some(), late < 365);
        let due = due.unwrap_or(today);
        prop_assert!(late >= 365 || due > today);
        for later in today.iter_days().take_while(|later| *later < due) {
            prop_assert!(known.prediction(later).ok().unwrap() == said);
        }
    }

    #[test]
    fn only_the_newest_is_active_and_the_others_know_what_came(drawn in drawn()) {
        let history = history(&drawn);
        let derived = derived(&history);
        for (index, prediction) in predictions(&derived).into_iter().enumerate() {
            let next = history.cycles.get(index + 1).map(|next| next.start_date);
            prop_assert_eq!(prediction.actual_start_date, next);
            prop_assert_eq!(prediction.is_active, next.is_none());
        }
    }

    #[test]
    fn an_edit_gives_new_ids_from_its_cycle_on(drawn in drawn(), at in any::<prop::sample::Index>()) {
        let before = derived(&history(&drawn));
        let at = at.index(drawn.len());
        let mut edited = history(&drawn);
        edited.cycles[at].input_version = Version::new(41);
        edited.cycles[at].end_date = Some(edited.cycles[at].start_date);
        let (before, after) = (ids(&before), ids(&derived(&edited)));
        prop_assert_eq!(&before[..at], &after[..at]);
        prop_assert!(before[at..].iter().zip(&after[at..]).all(|(one, other)| one != other));
    }

    #[test]
    fn ids_are_distinct_and_fit_a_double(drawn in drawn()) {
        let mut ids = ids(&derived(&history(&drawn)));
        prop_assert!(ids.iter().all(|id| (1..1 << 53).contains(id)));
        ids.sort_unstable();
        ids.dedup();
        prop_assert_eq!(ids.len(), drawn.len());
    }

    #[test]
    fn a_prediction_was_made_when_its_input_last_changed(drawn in drawn()) {
        let history = history(&drawn);
        let derived = derived(&history);
        for (index, prediction) in predictions(&derived).into_iter().enumerate() {
            let inputs = history.cycles[..=index].iter().map(|cycle| cycle.input_changed_at);
            prop_assert_eq!(Some(prediction.created_at), inputs.max());
        }
    }

    /// In floating point and from the start for each row, as one would on paper.
    #[test]
    fn running_statistics_match_an_independent_computation(drawn in drawn()) {
        let derived = derived(&history(&drawn));
        let lengths: Vec<f64> = drawn[..drawn.len() - 1].iter().map(|d| f64::from(d.0)).collect();
        for (index, row) in derived.cycles.iter().enumerate() {
            let known = &lengths[..lengths.len().min(index + 1)];
            let count = f64::from(u32::try_from(known.len()).unwrap());
            let mean = known.iter().sum::<f64>() / count;
            let variance = known.iter().map(|days| (days - mean).powi(2)).sum::<f64>() / count;
            let close = |said: Option<f64>, expected: f64| match said {
                Some(said) => (said - expected).abs() < 1e-6,
                None => known.is_empty(),
            };
            prop_assert!(close(row.average_cycle_length, mean));
            prop_assert!(close(row.cycle_variance, variance));
            let length = lengths.get(index).copied();
            prop_assert_eq!(row.cycle_length.map(f64::from), length);
            prop_assert_eq!(row.is_regular.is_some(), length.is_some());
        }
        let mean = lengths.iter().sum::<f64>() / f64::from(u32::try_from(lengths.len()).unwrap());
        let said = derived.statistics.average_cycle_length;
        prop_assert!(said.map_or(lengths.is_empty(), |said| (said - mean).abs() <= 0.05 + 1e-9));
    }
}

const GOLDEN_ID: i64 = 7_842_823_054_970_982;

/// Computed by another program from the definition: nobody may change it unknowingly, for then
/// every reminder would be sent again.
#[test]
fn a_prediction_id_is_what_it_always_was() {
    let start = NaiveDate::from_ymd_opt(2026, 1, 1).unwrap();
    let cycles = vec![cycle(42, start, None, 3)];
    let history = of(9, cycles);
    assert_eq!(ids(&derived(&history)), [GOLDEN_ID]);
    let other = History { user_id: UserId::new(8), ..history };
    assert_ne!(ids(&derived(&other)), [GOLDEN_ID]);
}

#[test]
fn notes_say_what_the_date_rests_on_and_what_the_confidence_means() {
    let derived = derived(&history(&[(28, None, 1), (30, None, 2), (29, None, 3)]));
    let said = predictions(&derived);
    let notes: Vec<&str> = said.iter().filter_map(|said| said.notes.as_deref()).collect();
    assert!(
        notes[0].starts_with("There is no cycle length to go by yet, so this is what is usual.")
    );
    assert!(notes[1].starts_with("From the one cycle length that counts."));
    assert!(notes[2].starts_with("From the last 2 cycle lengths that count."));
    assert!(
        notes.iter().all(|text| text.contains("within 2 days of this date with a probability"))
    );
}

/// Each text says what the date does rest on.
#[test]
fn notes_of_the_open_cycle_are_true() {
    let mut known = derived(&history(&[(28, None, 1), (30, None, 2), (29, None, 3)])).known;
    let start = known.newest.as_ref().unwrap().anchor.start_date;
    let notes = |known: &Known, days: u64| {
        known.prediction(start + Days::new(days)).ok().unwrap().notes.unwrap()
    };
    let (lengths, ovulation) = ("From the last 2 cycle lengths", "From the ovulation seen");
    let (open, any_day) = ("nothing was logged up to 2019-06-06.", "may begin on any day.");
    assert!(notes(&known, 10).ends_with("confidence_score."));
    assert!(notes(&known, 40).starts_with(lengths) && notes(&known, 40).ends_with(open));
    assert!(notes(&known, 400).starts_with(lengths) && notes(&known, 400).ends_with(any_day));

    known.newest.as_mut().unwrap().anchor.ovulation = Some(start + Days::new(14));
    assert!(notes(&known, 20).starts_with(ovulation));
    // No start can follow from it any more.
    assert!(notes(&known, 40).starts_with(lengths) && notes(&known, 40).ends_with(open));
    assert!(notes(&known, 400).starts_with(lengths));
    // Seen in the silence it says more than that.
    known.newest.as_mut().unwrap().anchor.ovulation = Some(start + Days::new(395));
    assert!(notes(&known, 400).starts_with(ovulation) && !notes(&known, 400).contains("any day"));

    known.newest.as_mut().unwrap().anchor.answer = Some(GapAnswer::MissedUnknown);
    let missed = notes(&known, 40);
    assert!(missed.starts_with(lengths) && missed.contains("that a start was missed, and that"));
    assert!(notes(&known, 10).ends_with("that a start was missed."));
    assert!(notes(&known, 400).ends_with(any_day));
}

/// The question about the days since the newest start, once asked, stays until it is answered or a
/// start is logged.
#[test]
fn a_question_about_the_open_gap_stays() {
    for lengths in [&[28, 28, 28][..], &[26, 31, 29, 27], &[45, 44, 47]] {
        let drawn: Vec<Drawn> = lengths.iter().map(|days| (*days, None, 1)).collect();
        let known = derived(&history(&drawn)).known;
        let start = known.newest.as_ref().unwrap().anchor.start_date;
        let asked = |day: u64| known.open_question(start + Days::new(day));
        let first = (1..500).find(|day| asked(*day).is_some()).unwrap();
        assert!((30..=121).contains(&first), "{first}");
        let mut before = 0.0;
        for day in first..500 {
            let question = asked(day).unwrap();
            assert!(question.probability >= before, "{day}");
            before = question.probability;
        }
    }
}

/// Each cycle is predicted from the 36 lengths before it, however many there are.
#[test]
fn a_log_of_many_years_is_derived_as_its_newest_years_are() {
    let drawn: Vec<Drawn> = (0..200_u32).map(|n| (26 + (n * 7 + n * n) % 6, Some(5), 1)).collect();
    let long = history(&drawn);
    let all = predictions(&derived(&long));
    let newest = History { cycles: long.cycles[160..].to_vec(), ..long };
    let few = predictions(&derived(&newest));
    assert!(all[196..] == few[36..]);
}

#[test]
fn no_cycles_derive_to_nothing() {
    let derived = derived(&history(&[]));
    assert!(derived.cycles.is_empty() && derived.marks.is_empty());
    assert_eq!(derived.statistics.total_cycles_tracked, 0);
}

#[test]
fn cycles_out_of_order_are_refused() {
    let mut history = history(&[(28, None, 1), (28, None, 2)]);
    history.cycles.reverse();
    let refused = derive(&history, Person::default(), NaiveDate::MIN, None).err();
    assert_eq!(refused, Some(HistoryError::NotAscending { index: 1 }));
}
