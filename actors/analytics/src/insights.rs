//! What the statistics mean, in sentences, by rule.

use contracts::analytics::{Insight, InsightKind, Regularity, Statistics};
use prediction::NORMAL_LENGTH_DAYS;

/// Sentences on a user's statistics, most important first.
pub(crate) fn insights(statistics: &Statistics) -> Vec<Insight> {
    let Some(average_days) = statistics.average_cycle_length else {
        return vec![insight(
            InsightKind::Info,
            "Log at least two cycles to see your average cycle length.".to_owned(),
        )];
    };
    let mut insights = vec![average(average_days)];
    insights.push(regularity(statistics.cycle_regularity));
    // Warnings come first; otherwise the order above stays.
    insights.sort_by_key(|insight| insight.kind != InsightKind::Warning);
    insights
}

fn average(average_days: f64) -> Insight {
    let (shortest, longest) = (*NORMAL_LENGTH_DAYS.start(), *NORMAL_LENGTH_DAYS.end());
    if (f64::from(shortest)..=f64::from(longest)).contains(&average_days) {
        let message =
            format!("Your average cycle length is {average_days:.1} days, within normal range.");
        return insight(InsightKind::Positive, message);
    }
    let message = format!(
        "Your average cycle length is {average_days:.1} days, outside the normal range of \
         {shortest} to {longest} days. If that is new to you, consider asking a health \
         professional."
    );
    insight(InsightKind::Warning, message)
}

fn regularity(regularity: Regularity) -> Insight {
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
    insight(kind, message.to_owned())
}

fn insight(kind: InsightKind, message: String) -> Insight {
    Insight { kind, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(average_days: Option<f64>, cycle_regularity: Regularity) -> Vec<(InsightKind, String)> {
        let statistics = Statistics {
            total_cycles_tracked: 6,
            average_cycle_length: average_days,
            average_period_length: Some(5.2),
            cycle_regularity,
        };
        insights(&statistics).into_iter().map(|said| (said.kind, said.message)).collect()
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
}
