//! The lists of a prediction as they are stored, in JSON.

use chrono::NaiveDate;
use contracts::analytics::{
    DayFertility, DaysToStart, PredictionInterval, Quantile, UpcomingStart,
};
use serde::{Deserialize, Serialize};

/// A range of start dates.
#[derive(Serialize, Deserialize)]
pub(super) struct IntervalRow {
    level: f64,
    start: NaiveDate,
    end: NaiveDate,
}

/// A mean and, each with its level, the quantiles: twice seven numbers, so they have no names.
#[derive(Serialize, Deserialize)]
pub(super) struct DaysRow(f64, Vec<(f64, f64)>);

/// A start further ahead.
#[derive(Serialize, Deserialize)]
pub(super) struct UpcomingRow {
    cycles_ahead: i32,
    start: NaiveDate,
    end: NaiveDate,
    confidence: f64,
    intervals: Vec<IntervalRow>,
}

/// A day, the probability that it is fertile, and that ovulation falls on it: there are some sixty
/// of them, so they have no names.
#[derive(Serialize, Deserialize)]
pub(super) struct FertilityRow(NaiveDate, f64, f64);

impl From<&PredictionInterval> for IntervalRow {
    fn from(interval: &PredictionInterval) -> Self {
        let PredictionInterval { level, start, end } = *interval;
        Self { level, start, end }
    }
}

impl From<IntervalRow> for PredictionInterval {
    fn from(IntervalRow { level, start, end }: IntervalRow) -> Self {
        Self { level, start, end }
    }
}

impl From<&DaysToStart> for DaysRow {
    fn from(DaysToStart { mean, quantiles }: &DaysToStart) -> Self {
        Self(*mean, quantiles.iter().map(|Quantile { level, days }| (*level, *days)).collect())
    }
}

impl From<DaysRow> for DaysToStart {
    fn from(DaysRow(mean, quantiles): DaysRow) -> Self {
        let quantile = |(level, days)| Quantile { level, days };
        Self { mean, quantiles: quantiles.into_iter().map(quantile).collect() }
    }
}

impl From<&UpcomingStart> for UpcomingRow {
    fn from(start: &UpcomingStart) -> Self {
        let UpcomingStart {
            cycles_ahead,
            predicted_start_date,
            predicted_end_date,
            confidence_score,
            intervals,
        } = start;
        Self {
            cycles_ahead: *cycles_ahead,
            start: *predicted_start_date,
            end: *predicted_end_date,
            confidence: *confidence_score,
            intervals: intervals.iter().map(Into::into).collect(),
        }
    }
}

impl From<UpcomingRow> for UpcomingStart {
    fn from(row: UpcomingRow) -> Self {
        let UpcomingRow { cycles_ahead, start, end, confidence, intervals } = row;
        Self {
            cycles_ahead,
            predicted_start_date: start,
            predicted_end_date: end,
            confidence_score: confidence,
            intervals: intervals.into_iter().map(Into::into).collect(),
        }
    }
}

impl From<&DayFertility> for FertilityRow {
    fn from(day: &DayFertility) -> Self {
        let DayFertility { date, fertile, ovulation } = *day;
        Self(date, fertile, ovulation)
    }
}

impl From<FertilityRow> for DayFertility {
    fn from(FertilityRow(date, fertile, ovulation): FertilityRow) -> Self {
        Self { date, fertile, ovulation }
    }
}
