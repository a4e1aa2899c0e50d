//! Every number of the golden vectors, within 1e-5.

use lunation_prediction::{
    Ahead, Length, Luteal, Ovulation, State, Table, constants::QUANTILE_LEVELS,
};
use serde_json::Value;

const GOLDEN: &str = include_str!("../data/golden.json");
const TOLERANCE: f64 = 1e-5;

fn close(found: f64, expected: &Value, what: &str) {
    let expected = expected.as_f64().unwrap();
    assert!((found - expected).abs() <= TOLERANCE, "{what}: {found} instead of {expected}");
}

fn keyed(value: &Value) -> impl Iterator<Item = (u32, &Value)> {
    value.as_object().unwrap().iter().map(|(key, value)| (key.parse().unwrap(), value))
}

/// Mean, date and quantiles of a table.
fn said(table: &Table, golden: &Value) {
    close(table.mean_days(), &golden["mean"], "mean");
    assert_eq!(u64::from(table.date_days()), golden["date"].as_u64().unwrap());
    assert_eq!(golden["quantiles"].as_object().unwrap().len(), QUANTILE_LEVELS.len());
    for level in QUANTILE_LEVELS {
        let expected = &golden["quantiles"][level.to_string()];
        close(table.quantile_days(level), expected, &format!("quantile {level}"));
    }
}

#[test]
fn every_golden_number_is_reached() {
    let golden: Vec<Value> = serde_json::from_str(GOLDEN).unwrap();
    assert_eq!(golden.len(), 12);
    for vector in &golden {
        let mut state = State::new(vector["age"].as_f64());
        let lengths = vector["history"].as_array().unwrap();
        let skips = vector["skip_prob_each"].as_array().unwrap();
        assert_eq!(lengths.len(), skips.len());
        for (length, skip) in lengths.iter().zip(skips) {
            let days = length.as_u64().unwrap().try_into().unwrap();
            let update = state.update(Length::new(days)).unwrap();
            close(update.missed_probability, skip, "probability of a skip");
        }
        let table = state.table(Ahead::Next);
        said(&table, vector);
        keyed(&vector["pmf"]).for_each(|(day, p)| close(table.probability(day), p, "pmf"));
        let ovulation = Ovulation::before(&table, &Luteal::from_past(&[]));
        for (cycle_day, probability) in keyed(&vector["fertile"]) {
            close(ovulation.fertile_probability(cycle_day - 1), probability, "fertile");
        }
        for (day, conditional) in keyed(&vector["conditional"]) {
            said(&table.given_open_until(day).unwrap(), conditional);
            let missed = state.missed_start_probability(day);
            close(missed, &conditional["p_missed"], "missed start");
        }
    }
}
