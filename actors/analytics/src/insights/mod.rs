//! What a user's numbers mean, in sentences: each by a rule that is named, with its source.

mod figo;
mod trend;

use contracts::{
    UserId,
    analytics::{
        CyclePhase, ForecastRecord, Insight, InsightKind, Insights, Regularity, Statistics,
        SymptomPattern,
    },
};

use self::{
    figo::{duration, frequency, regularity},
    trend::trend,
};
use crate::{known::Known, record, store::readings::InsightsReading};

/// Where the classes of variability come from.
const CLASSES: &str =
    "The earlier system's classes: population variance under 2, under 5, and from 5 days squared";
/// Where the rule for clusters comes from.
const CLUSTERS: &str = "At least 3 cycles, 5 days and 1.5 times the even spread over the days on \
    which it could be logged, by chance less than once in 20 times (Chernoff, Ann Math Stat \
    1952;23:493–507)";
/// Forecasts that were off by so many days on average were accurate: that is how far the
/// `confidence_score` looks to both sides.
const ACCURATE_DAYS: f64 = 2.0;
/// So many clusters are put into words.
const CLUSTERS_TOLD_MAX: usize = 3;

/// What sentences are made of.
struct Facts<'a> {
    statistics: &'a Statistics,
    /// The newest lengths of single cycles since the last episode, oldest first, in days.
    lengths_days: Vec<i32>,
    /// The newest known inclusive days of bleeding, oldest first.
    periods_days: Vec<i32>,
    /// How many lengths are none of a cycle (under 15 days, or over 120), and count in
    /// the average all the same.
    odd_lengths: usize,
    /// The age at the newest start, in whole years.
    age_years: Option<i32>,
    record: Option<ForecastRecord>,
    patterns: &'a [SymptomPattern],
}

/// What is told of a user.
pub(crate) fn told(user_id: UserId, reading: InsightsReading) -> Insights {
    let InsightsReading { as_of_version, statistics, date_of_birth, known, cycles } = reading;
    let known = known.unwrap_or_else(|| Known::nothing(user_id));
    let record = record::record(&known, &cycles);
    let newest_start = cycles.last().map(|cycle| cycle.start_date);
    let age = newest_start.and_then(|start| start.years_since(date_of_birth?));
    let facts = Facts {
        statistics: &statistics,
        lengths_days: record::plain_lengths(&known, &cycles),
        periods_days: record::plain_periods(&known, &cycles),
        odd_lengths: known.odd_lengths,
        age_years: age.and_then(|years| i32::try_from(years).ok()),
        record,
        patterns: &known.symptom_patterns,
    };
    Insights {
        insights: insights(&facts),
        statistics,
        forecast_record: record,
        symptom_patterns: known.symptom_patterns,
        as_of_version,
    }
}

/// Sentences on a user's numbers, most important first.
fn insights(facts: &Facts<'_>) -> Vec<Insight> {
    let Some(average_days) = facts.statistics.average_cycle_length else {
        let mut insights = vec![insight(
            InsightKind::Info,
            "more_data",
            None,
            "Log at least two cycles to see your average cycle length.".to_owned(),
        )];
        insights.extend(duration(&facts.periods_days));
        return insights;
    };
    let mut insights = vec![frequency(average_days, facts.odd_lengths)];
    let regular = regularity(&facts.lengths_days, facts.age_years);
    insights.extend(variability(facts, regular.as_ref()));
    insights.extend(regular);
    insights.extend(duration(&facts.periods_days));
    insights.extend(trend(&facts.lengths_days));
    insights.extend(facts.record.as_ref().map(record_told));
    insights.extend(facts.patterns.iter().take(CLUSTERS_TOLD_MAX).map(cluster));
    // Warnings come first; otherwise the order above stays.
    insights.sort_by_key(|insight| insight.kind != InsightKind::Warning);
    insights
}

/// The class of variability in the words of the earlier system. Whether cycles are regular is for
/// FIGO's rule to say where it says something: then the class is put into words only if it says the
/// same. What it means for predictions is said only as long as the record does not say otherwise.
fn variability(facts: &Facts<'_>, figo: Option<&Insight>) -> Option<Insight> {
    let class = facts.statistics.cycle_regularity;
    let is_warned = figo.map(|insight| insight.kind == InsightKind::Warning);
    let was_off = facts.record.map(|record| record.mean_absolute_error_days > ACCURATE_DAYS);
    let (kind, message, meaning) = match class {
        Regularity::VeryRegular if is_warned != Some(true) => (
            InsightKind::Positive,
            "Your cycles are very regular",
            (was_off != Some(true)).then_some(", making predictions more accurate"),
        ),
        Regularity::Regular if is_warned != Some(true) => {
            (InsightKind::Positive, "Your cycles are regular", None)
        }
        Regularity::Irregular if is_warned != Some(false) => (
            InsightKind::Warning,
            "Your cycles are irregular",
            (was_off != Some(false)).then_some(", so predictions are less accurate"),
        ),
        Regularity::VeryRegular | Regularity::Regular | Regularity::Irregular => return None,
        Regularity::Unknown => {
            (InsightKind::Info, "Log one more cycle to see how regular your cycles are", None)
        }
    };
    let message = format!("{message}{}.", meaning.unwrap_or_default());
    Some(insight(kind, "variability", Some(CLASSES), message))
}

/// 'The last 6 forecasts were off by 1.2 days on average': a count of what was said, and of what
/// came.
fn record_told(record: &ForecastRecord) -> Insight {
    let ForecastRecord { forecasts, mean_absolute_error_days, inside_80, left_out } = *record;
    let mut message = if forecasts == 1 {
        let inside = if inside_80 == 1 { "inside" } else { "outside" };
        format!(
            "The last forecast was off by {mean_absolute_error_days:.0} {}; the start was {inside} \
             the 80 % range.",
            plural(mean_absolute_error_days, "day")
        )
    } else {
        format!(
            "The last {forecasts} forecasts were off by {mean_absolute_error_days:.1} days on \
             average; {inside_80} of {forecasts} inside the 80 % range."
        )
    };
    if left_out > 0 {
        let gaps =
            if left_out == 1 { "One gap is".to_owned() } else { format!("{left_out} gaps are") };
        message = format!(
            "{message} {gaps} left out: a start may not have been logged, and you are asked about it."
        );
    }
    insight(InsightKind::Info, "forecast_record", None, message)
}

fn cluster(pattern: &SymptomPattern) -> Insight {
    let SymptomPattern { symptom_type, phase, days_in_phase, days_total, cycles, ratio } = pattern;
    let phase = match phase {
        CyclePhase::Menstruation => "during bleeding",
        CyclePhase::Follicular => "between bleeding and ovulation",
        CyclePhase::Ovulation => "around ovulation",
        CyclePhase::Luteal => "between ovulation and bleeding",
        CyclePhase::Unknown => "on days of no known phase",
    };
    let message = format!(
        "You logged “{symptom_type}” on {days_total} days, {days_in_phase} of them {phase}, in \
         {cycles} cycles: {ratio:.1} times as often as if spread evenly."
    );
    insight(InsightKind::Info, "symptom_cluster", Some(CLUSTERS), message)
}

fn plural(number: f64, noun: &str) -> String {
    if (number - 1.0).abs() < 0.5 { noun.to_owned() } else { format!("{noun}s") }
}

fn insight(
    kind: InsightKind,
    rule: &str,
    source: Option<&'static str>,
    message: String,
) -> Insight {
    Insight { kind, message, rule: rule.to_owned(), source: source.map(str::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statistics(average_days: Option<f64>, cycle_regularity: Regularity) -> Statistics {
        Statistics {
            total_cycles_tracked: 6,
            average_cycle_length: average_days,
            average_period_length: Some(5.2),
            cycle_regularity,
        }
    }

    fn facts(statistics: &Statistics) -> Facts<'_> {
        Facts {
            statistics,
            lengths_days: Vec::new(),
            periods_days: Vec::new(),
            odd_lengths: 0,
            age_years: None,
            record: None,
            patterns: &[],
        }
    }

    fn of(average_days: Option<f64>, cycle_regularity: Regularity) -> Vec<(InsightKind, String)> {
        let statistics = statistics(average_days, cycle_regularity);
        insights(&facts(&statistics)).into_iter().map(|said| (said.kind, said.message)).collect()
    }

    #[test]
    fn the_earlier_systems_example_is_answered_to_the_letter() {
        let expected = [
            "Your average cycle length is 28.5 days, within normal range.",
            "Your cycles are very regular, making predictions more accurate.",
        ];
        let said = of(Some(28.5), Regularity::VeryRegular);
        assert_eq!(said, expected.map(|text| (InsightKind::Positive, text.to_owned())));
    }

    #[test]
    fn the_normal_range_holds_both_its_ends() {
        let kinds = [23.9, 24.0, 38.0, 38.1]
            .map(|days| of(Some(days), Regularity::Regular).first().unwrap().0);
        let (positive, warning) = (InsightKind::Positive, InsightKind::Warning);
        assert_eq!(kinds, [warning, positive, positive, warning]);
    }

    #[test]
    fn warnings_come_first() {
        let kinds: Vec<_> =
            of(Some(28.0), Regularity::Irregular).into_iter().map(|said| said.0).collect();
        assert_eq!(kinds, [InsightKind::Warning, InsightKind::Positive]);
    }

    #[test]
    fn without_a_length_there_is_one_hint() {
        let said = of(None, Regularity::Unknown);
        assert_eq!(said.len(), 1);
        assert_eq!(said.first().unwrap().0, InsightKind::Info);
    }

    #[test]
    fn everything_is_said_by_a_rule() {
        let statistics = statistics(Some(28.5), Regularity::VeryRegular);
        let pattern = |symptom_type: &str| SymptomPattern {
            symptom_type: symptom_type.to_owned(),
            phase: CyclePhase::Menstruation,
            days_in_phase: 8,
            days_total: 9,
            cycles: 4,
            ratio: 4.98,
        };
        let patterns = ["a", "b", "c", "d"].map(pattern);
        let said = insights(&Facts {
            lengths_days: vec![28, 29, 28, 29, 28, 29],
            periods_days: vec![5, 5],
            record: Some(ForecastRecord {
                forecasts: 6,
                mean_absolute_error_days: 1.17,
                inside_80: 5,
                left_out: 0,
            }),
            patterns: &patterns,
            ..facts(&statistics)
        });
        let rules: Vec<&str> = said.iter().map(|insight| insight.rule.as_str()).collect();
        let clusters = ["symptom_cluster"; 3];
        let others =
            ["frequency", "variability", "regularity", "duration", "trend", "forecast_record"];
        assert_eq!(rules, [&others[..], &clusters].concat());
        let sourced = |rule: &str| said.iter().find(|it| it.rule == rule).unwrap().source.is_some();
        assert!(others[..5].iter().all(|rule| sourced(rule)) && !sourced("forecast_record"));
        let message = |rule: &str| &said.iter().find(|it| it.rule == rule).unwrap().message;
        assert_eq!(
            message("forecast_record"),
            "The last 6 forecasts were off by 1.2 days on average; 5 of 6 inside the 80 % range."
        );
        assert_eq!(
            message("symptom_cluster"),
            "You logged “a” on 9 days, 8 of them during bleeding, in 4 cycles: 5.0 times as often \
             as if spread evenly."
        );
    }

    fn variability_of(
        class: Regularity,
        lengths_days: &[i32],
        error: Option<f64>,
    ) -> Vec<(InsightKind, String)> {
        let statistics = statistics(Some(30.0), class);
        let record = error.map(|mean_absolute_error_days| ForecastRecord {
            forecasts: 6,
            mean_absolute_error_days,
            inside_80: 5,
            left_out: 0,
        });
        let facts = Facts { lengths_days: lengths_days.to_vec(), record, ..facts(&statistics) };
        let said = insights(&facts).into_iter();
        let said = said.filter(|it| ["variability", "regularity"].contains(&it.rule.as_str()));
        said.map(|it| (it.kind, it.message)).collect()
    }

    #[test]
    fn no_two_sentences_contradict_each_other() {
        let (positive, warning) = (InsightKind::Positive, InsightKind::Warning);
        // Variance over 5, and still what FIGO calls normal: FIGO's rule says it, and it alone.
        let within = variability_of(Regularity::Irregular, &[28, 33, 29, 28, 33, 28], None);
        assert_eq!(within.len(), 1);
        assert!(within[0].0 == positive && within[0].1.contains("differ by 5 days"), "{within:?}");
        let beyond = variability_of(Regularity::Irregular, &[24, 36, 28], None);
        assert!(beyond.len() == 2 && beyond.iter().all(|it| it.0 == warning), "{beyond:?}");
        // One long cycle among many, and the class is still a good one.
        let long = variability_of(Regularity::Regular, &[28, 28, 38], None);
        assert!(long.len() == 1 && long[0].0 == warning, "{long:?}");
        // What the class means for predictions is said unless the record says otherwise.
        let said = |class, error| variability_of(class, &[], error)[0].1.clone();
        assert_eq!(
            said(Regularity::VeryRegular, Some(1.0)),
            "Your cycles are very regular, making predictions more accurate."
        );
        assert_eq!(said(Regularity::VeryRegular, Some(7.7)), "Your cycles are very regular.");
        assert_eq!(
            said(Regularity::Irregular, Some(4.0)),
            "Your cycles are irregular, so predictions are less accurate."
        );
        assert_eq!(said(Regularity::Irregular, Some(0.5)), "Your cycles are irregular.");
    }

    #[test]
    fn what_is_left_out_is_said() {
        let said = |left_out| {
            record_told(&ForecastRecord {
                forecasts: 2,
                mean_absolute_error_days: 1.5,
                inside_80: 2,
                left_out,
            })
            .message
        };
        assert!(said(0).ends_with("2 of 2 inside the 80 % range."));
        assert!(said(1).contains("range. One gap is left out: a start may not"));
        assert!(said(2).contains("range. 2 gaps are left out: "));
    }

    #[test]
    fn lengths_that_are_no_cycles_are_named_where_they_count() {
        let statistics = statistics(Some(22.0), Regularity::Irregular);
        let said =
            |odd_lengths| insights(&Facts { odd_lengths, ..facts(&statistics) })[0].message.clone();
        assert!(!said(0).contains("counts"));
        assert!(said(1).ends_with(
            "It counts a length under 15 or over 120 days, which predictions leave out."
        ));
        assert!(said(2).ends_with(
            "It counts 2 lengths under 15 or over 120 days, which predictions leave out."
        ));
    }

    #[test]
    fn one_forecast_is_no_average() {
        let said = |error: f64, inside_80| {
            let forecast = ForecastRecord {
                forecasts: 1,
                mean_absolute_error_days: error,
                inside_80,
                left_out: 0,
            };
            record_told(&forecast).message
        };
        assert_eq!(
            said(1.0, 1),
            "The last forecast was off by 1 day; the start was inside the 80 % range."
        );
        assert_eq!(
            said(9.0, 0),
            "The last forecast was off by 9 days; the start was outside the 80 % range."
        );
        assert!(said(0.0, 1).contains("0 days"));
    }
}
