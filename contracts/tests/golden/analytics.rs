//! The analytics group.

use contracts::analytics::{
    ActivePrediction, AnalyticsMailbox, CheckAnalytics, CycleAnalytics, CycleAnalyticsList,
    DateRange, GeneratePrediction, GeneratedPrediction, GetActivePrediction, GetInsights, Insight,
    InsightKind, Insights, ListCycleAnalytics, ListPredictions, ListPredictionsChanged,
    PredictedStart, Prediction, PredictionInterval, PredictionList, Regularity, Statistics,
};

use super::support::{
    CYCLE, MIN_VERSION, PAGE, PREDICTION, USER, VERSION, assert_group, changed, date, exchange,
    health, time,
};

fn prediction() -> Prediction {
    let range = DateRange { start: date("2026-03-10"), end: date("2026-03-15") };
    Prediction {
        id: PREDICTION,
        user_id: USER,
        predicted_start_date: date("2026-03-29"),
        predicted_end_date: date("2026-04-02"),
        confidence_score: 0.75,
        prediction_method: "bayes-1".to_owned(),
        based_on_cycles: 6,
        notes: Some("From six cycles.".to_owned()),
        intervals: vec![PredictionInterval {
            level: 0.5,
            start: date("2026-03-28"),
            end: date("2026-03-30"),
        }],
        fertile_window: range,
        ovulation_date: date("2026-03-15"),
        ovulation_range: range,
        is_active: true,
        actual_start_date: None,
        created_at: time(),
    }
}

fn insights() -> Insights {
    let message = "Your cycles are regular.".to_owned();
    Insights {
        insights: vec![Insight { kind: InsightKind::Positive, message }],
        statistics: Statistics {
            total_cycles_tracked: 7,
            average_cycle_length: Some(28.5),
            average_period_length: None,
            cycle_regularity: Regularity::VeryRegular,
        },
        as_of_version: VERSION,
    }
}

fn cycle_analytics() -> CycleAnalyticsList {
    let analytics = CycleAnalytics {
        id: CYCLE,
        user_id: USER,
        cycle_id: CYCLE,
        start_date: date("2026-03-01"),
        end_date: None,
        cycle_length: Some(28),
        period_length: None,
        is_regular: Some(true),
        average_cycle_length: Some(28.5),
        cycle_variance: Some(1.25),
        created_at: time(),
    };
    CycleAnalyticsList { analytics: vec![analytics], total: 1, as_of_version: VERSION }
}

#[test]
fn analytics() {
    let (user_id, min_version, as_of_version, page) = (USER, MIN_VERSION, VERSION, PAGE);
    let list = ListPredictions { user_id, active: Some(true), min_version, page };
    let predictions = PredictionList { predictions: vec![prediction()], total: 1, as_of_version };
    let generated = GeneratedPrediction { prediction: prediction(), as_of_version };
    let active = ActivePrediction {
        user_id,
        version: VERSION,
        as_of_version,
        active: Some(PredictedStart {
            prediction_id: PREDICTION,
            anchor_cycle_id: CYCLE,
            predicted_start_date: date("2026-03-29"),
        }),
    };
    let (since, changed) = changed();
    let exchanges = vec![
        exchange(list, &predictions),
        exchange(GeneratePrediction { user_id }, &generated),
        exchange(GetInsights { user_id, min_version }, &insights()),
        exchange(ListCycleAnalytics { user_id, min_version, page }, &cycle_analytics()),
        exchange(GetActivePrediction { user_id }, &active),
        exchange(ListPredictionsChanged(since), &changed),
        exchange(CheckAnalytics {}, &health()),
    ];
    assert_group::<AnalyticsMailbox>(include_str!("analytics.json"), exchanges);
}
