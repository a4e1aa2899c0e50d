//! The study's rows.

use std::collections::BTreeMap;

use lunation_prediction::Length;

pub(crate) const CSV: &str = include_str!("../data/development.csv");

/// One cycle of the study.
pub(crate) struct Row {
    pub(crate) length_days: u32,
    /// Days from the start to ovulation, where the row's numbers agree with each other.
    pub(crate) ovulation: Option<u32>,
    pub(crate) age: Option<f64>,
}

/// The cycles of each woman, in order.
pub(crate) fn women() -> BTreeMap<String, Vec<Row>> {
    let mut women: BTreeMap<String, Vec<(u32, Row)>> = BTreeMap::new();
    for line in CSV.lines().skip(1) {
        let [client, number, length, _menses, ovulation, luteal, age] =
            line.split(',').collect::<Vec<_>>().try_into().unwrap();
        let length_days: u32 = length.parse().unwrap();
        let day = ovulation.parse::<u32>().ok().zip(luteal.parse::<u32>().ok());
        let consistent =
            day.filter(|(day, luteal)| day + luteal == length_days && (5..=25).contains(luteal));
        let row = Row {
            length_days,
            ovulation: consistent.map(|(day, _)| day - 1),
            age: age.parse().ok(),
        };
        women.entry(client.to_owned()).or_default().push((number.parse().unwrap(), row));
    }
    let sorted = |mut rows: Vec<(u32, Row)>| {
        rows.sort_by_key(|row| row.0);
        rows.into_iter().map(|row| row.1).collect()
    };
    women.into_iter().map(|(client, rows)| (client, sorted(rows))).collect()
}

pub(crate) fn lengths(rows: &[Row]) -> Vec<Length> {
    rows.iter().map(|row| Length::new(row.length_days)).collect()
}
