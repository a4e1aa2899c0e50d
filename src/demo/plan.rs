//! What somebody logs.

use chrono::{Days, NaiveDate};
use rand::{RngExt as _, rngs::StdRng};

use super::{
    episodes::{Episode, Gap},
    signs,
    traits::Traits,
};

/// How many have not logged their newest start: they are late, or have stopped logging.
const LATE_SHARE: f64 = 0.06;
/// How many periods have an end that was logged.
const END_LOGGED_SHARE: f64 = 0.9;

const SYMPTOMS: &[(&str, &[&str])] = &[
    ("mood", &["happy", "calm", "irritable", "sad", "anxious"]),
    ("pain", &["cramps", "back pain", "headache"]),
    ("energy", &["high", "normal", "low"]),
    ("sleep", &["good", "restless"]),
    ("flow", &["light", "medium", "heavy"]),
];

/// What somebody logs, oldest first.
#[derive(PartialEq)]
pub(super) struct Plan {
    pub(super) cycles: Vec<Cycle>,
    pub(super) episodes: Vec<Episode>,
}

/// A cycle to log.
#[derive(PartialEq)]
pub(super) struct Cycle {
    pub(super) start: NaiveDate,
    pub(super) end: Option<NaiveDate>,
    pub(super) symptoms: Vec<Symptom>,
}

/// A symptom to log.
#[derive(PartialEq)]
pub(super) struct Symptom {
    pub(super) date: NaiveDate,
    pub(super) kind: &'static str,
    pub(super) value: String,
    pub(super) severity: Option<u8>,
}

/// A cycle as it was, logged or not.
struct TrueCycle {
    start: NaiveDate,
    length_days: u64,
}

/// Plans somebody who is so old on the last day.
pub(super) fn draw(
    random: &mut StdRng,
    traits: &Traits,
    age_years: Option<f64>,
    until: NaiveDate,
) -> Plan {
    let count = random.random_range(1..=18_usize);
    let gap = Gap::draw(random, age_years, count);
    let (lived, episodes) = live(random, traits, gap.as_ref(), count, until);
    let logged = log(random, traits, lived);
    let chart = signs::Habit::draw(random);
    let charted_from = logged.len().saturating_sub(signs::CYCLES_MAX);
    let cycles = logged.iter().enumerate().map(|(nth, one)| {
        let mut cycle = cycle(random, traits, one, until);
        if nth >= charted_from {
            let ovulation = traits.ovulation_day(random, one.length_days);
            let day = one.start + Days::new(ovulation);
            let signs = chart.signs(random, day).into_iter();
            cycle.symptoms.extend(signs.filter(|sign| one.start < sign.date && sign.date <= until));
        }
        cycle
    });
    Plan { cycles: cycles.collect(), episodes }
}

/// The cycles as they were, oldest first, with a time without cycles among them if there is one.
fn live(
    random: &mut StdRng,
    traits: &Traits,
    gap: Option<&Gap>,
    count: usize,
    until: NaiveDate,
) -> (Vec<TrueCycle>, Vec<Episode>) {
    let mut episodes = Vec::new();
    let mut lived: Vec<TrueCycle> = Vec::new();
    let mut next = None;
    for nth in 0..count {
        let length_days = traits.length_days(random);
        let start = match next {
            // The newest cycle is somewhere in its course.
            None => until - Days::new(random.random_range(0..length_days)),
            Some(next) => next - Days::new(length_days),
        };
        let start = match gap {
            Some(gap) if gap.before == nth => {
                let end = next.unwrap_or(until);
                let (start, of_gap) = gap.fill(random, start, end, next.is_none());
                episodes.extend(of_gap);
                start
            }
            _ => start,
        };
        next = Some(start);
        lived.push(TrueCycle { start, length_days });
    }
    lived.reverse();
    (lived, episodes)
}

/// What of it is logged: the first start always, others mostly.
fn log(random: &mut StdRng, traits: &Traits, lived: Vec<TrueCycle>) -> Vec<TrueCycle> {
    let late = random.random_bool(LATE_SHARE);
    let newest = lived.len().saturating_sub(1);
    let is_logged = |nth: usize, random: &mut StdRng| {
        // Drawn for every start, so that no draw hangs on another.
        let skipped = random.random_bool(traits.skip_probability.clamp(0.0, 1.0));
        nth == 0 || if nth == newest { !late } else { !skipped }
    };
    let logged = lived.into_iter().enumerate();
    logged.filter(|(nth, _)| is_logged(*nth, random)).map(|(_, cycle)| cycle).collect()
}

fn cycle(random: &mut StdRng, traits: &Traits, one: &TrueCycle, until: NaiveDate) -> Cycle {
    let start = one.start;
    let last = start + Days::new(traits.period_days(random) - 1);
    // Somebody who is still bleeding has no end to log.
    let end = (random.random_bool(END_LOGGED_SHARE) && last <= until).then_some(last);
    let days = end.unwrap_or(start).signed_duration_since(start).num_days().unsigned_abs() + 1;
    let symptoms = (0..random.random_range(0..4)).map(|_| symptom(random, start, days)).collect();
    Cycle { start, end, symptoms }
}

fn symptom(random: &mut StdRng, start: NaiveDate, days: u64) -> Symptom {
    let nth = random.random_range(0..SYMPTOMS.len());
    let (kind, values) = SYMPTOMS.get(nth).copied().unwrap_or(("mood", &["calm"]));
    let value = values.get(random.random_range(0..values.len())).copied().unwrap_or("calm");
    let date = start + Days::new(random.random_range(0..days));
    Symptom { date, kind, value: value.to_owned(), severity: Some(random.random_range(1..=10)) }
}

#[cfg(test)]
#[path = "plan_tests.rs"]
mod tests;
