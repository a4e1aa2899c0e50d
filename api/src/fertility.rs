//! Probabilities of fertility, and the sentence that stands beside all of them.

use contracts::analytics as domain;
use poem_openapi::{Object, registry::MetaSchema};
use serde_json::json;

use crate::scalar::{Date, Probability, Rule, Scalar};

/// What has to be shown beside probabilities of fertility.
const NOTICE: &str = "Fertile days and ovulation are estimates from what was logged. They are \
    information and no contraception: they neither prevent nor rule out a pregnancy.";

/// The rule of the sentence: it is always the same.
pub(crate) struct FertilityNoticeRule;

/// The sentence that stands beside probabilities of fertility.
pub(crate) type FertilityNotice = Scalar<FertilityNoticeRule>;

impl Rule for FertilityNoticeRule {
    type Value = String;

    fn schema() -> MetaSchema {
        MetaSchema { enum_items: vec![json!(NOTICE)], ..MetaSchema::new("string") }
    }
}

/// The sentence.
pub(crate) fn fertility_notice() -> FertilityNotice {
    Scalar(NOTICE.to_owned())
}

/// How likely a day is fertile. Information, no contraception.
#[derive(Object)]
pub(crate) struct DayFertility {
    /// The day.
    date: Date,
    /// The probability, from 0 to 1, that it is one of the six days that end with ovulation.
    fertile: Probability,
    /// The probability, from 0 to 1, that ovulation falls on it.
    ovulation: Probability,
}

impl From<domain::DayFertility> for DayFertility {
    fn from(day: domain::DayFertility) -> Self {
        let domain::DayFertility { date, fertile, ovulation } = day;
        Self { date: Scalar(date), fertile: Scalar(fertile), ovulation: Scalar(ovulation) }
    }
}
