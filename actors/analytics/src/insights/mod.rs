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
const CLUSTERS: &str = "At least 3 cycles, 5 days and 1.5 times the even spread, by chance less \
    than once in 20 times (Chernoff, Ann Math Stat 1952;23:493–507)";
/// So many clusters are put into words.
const CLUSTERS_TOLD_MAX: usize = 3;

/// What sentences are made of.
struct Facts<'a> {
    statistics: &'a Statistics,
    /// The newest lengths of single cycles since the last episode, oldest first, in days.
    lengths_days: Vec<i32>,
    /// The newest known inclusive days of bleeding, oldest first.
    periods_days: Vec<i32>,
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
    let mut insights =
        vec![frequency(average_days), variability(facts.statistics.cycle_regularity)];
    insights.extend(regularity(&facts.lengths_days, facts.age_years));
    insights.extend(duration(&facts.periods_days));
    insights.extend(trend(&facts.lengths_days));
    insights.extend(facts.record.as_ref().map(record_told));
    insights.extend(facts.patterns.iter().take(CLUSTERS_TOLD_MAX).map(cluster));
    // Warnings come first; otherwise the order above stays.
    insights.sort_by_key(|insight| insight.kind != InsightKind::Warning);
    insights
}

fn variability(regularity: Regularity) -> Insight {
    let (kind, message) = match regularity {
        Regularity::VeryRegular => (
            InsightKind::Positive,
            "Your cycles are very regular, making predictions more accurate.",
        ),
        Regularity::Regular => (InsightKind::Positive, "Your cycles are regular."),
        Regularity::Irregular => {
            (InsightKind::Warning, "Your cycles are irregular, so predictions are less accurate.")
        }
        Regularity::Unknown => {
            (InsightKind::Info, "Log one more cycle to see how regular your cycles are.")
        }
    };
    insight(kind, "variability", Some(CLASSES), message.to_owned())
}

/// 'The last 6 forecasts were off by 1.2 days on average': a count of what was said, and of what
/// came.
fn record_told(record: &ForecastRecord) -> Insight {
    let ForecastRecord { forecasts, mean_absolute_error_days, inside_80 } = *record;
    let message = if forecasts == 1 {
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
                mean_absolute_error_days: 1.166_666,
                inside_80: 5,
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

    #[test]
    fn one_forecast_is_no_average() {
        let said = |error: f64, inside_80| {
            let forecast =
                ForecastRecord { forecasts: 1, mean_absolute_error_days: error, inside_80 };
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
