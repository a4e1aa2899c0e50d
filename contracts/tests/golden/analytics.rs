//! The analytics group.

use contracts::{
    QuestionId,
    analytics::{
        ActivePrediction, AnalyticsMailbox, AnswerQuestion, Calendar, CalendarDay, CheckAnalytics,
        CycleAnalytics, CycleAnalyticsList, CyclePhase, DateRange, DayFertility, DaysToStart,
        ForecastRecord, GeneratePrediction, GeneratedPrediction, GetActivePrediction, GetCalendar,
        GetInsights, Insight, InsightKind, Insights, ListCycleAnalytics, ListPredictions,
        ListPredictionsChanged, ListQuestions, LoggedDay, NoPrediction, NoPredictionReason,
        PredictedStart, Prediction, PredictionInterval, PredictionList, Quantile, Question,
        QuestionAnswered, QuestionList, Regularity, Statistics, SymptomPattern, UpcomingStart,
    },
    cycles::GapAnswer,
};
use serde_json::{Value, json};

use super::support::{
    CYCLE, MIN_VERSION, PAGE, PREDICTION, USER, VERSION, assert_group, changed, date, exchange,
    health, time,
};

const QUESTION: QuestionId = QuestionId::new(8);

fn prediction() -> Prediction {
    let range = DateRange { start: date("2026-03-10"), end: date("2026-03-15") };
    Prediction {
        id: PREDICTION,
        user_id: USER,
        from_start_date: Some(date("2026-03-01")),
        predicted_start_date: date("2026-03-29"),
        predicted_end_date: date("2026-04-02"),
        confidence_score: 0.75,
        prediction_method: "bayes-1".to_owned(),
        based_on_cycles: 6,
        notes: Some("From six cycles.".to_owned()),
        intervals: vec![interval()],
        days_to_start: Some(DaysToStart {
            mean: 28.5,
            quantiles: vec![Quantile { level: 0.5, days: 28.25 }],
        }),
        upcoming: vec![UpcomingStart {
            cycles_ahead: 2,
            predicted_start_date: date("2026-04-26"),
            predicted_end_date: date("2026-04-30"),
            confidence_score: 0.625,
            intervals: vec![interval()],
        }],
        fertility: vec![DayFertility { date: date("2026-03-12"), fertile: 0.75, ovulation: 0.25 }],
        missed_log_probability: 0.125,
        open_until: Some(date("2026-03-27")),
        fertile_window: range,
        ovulation_date: date("2026-03-15"),
        ovulation_range: range,
        is_active: true,
        actual_start_date: None,
        created_at: time(),
    }
}

fn interval() -> PredictionInterval {
    PredictionInterval { level: 0.5, start: date("2026-03-28"), end: date("2026-03-30") }
}

fn insights() -> Insights {
    let message = "Your cycles are regular.".to_owned();
    Insights {
        insights: vec![Insight {
            kind: InsightKind::Positive,
            message,
            rule: "variability".to_owned(),
            source: Some("A source".to_owned()),
        }],
        statistics: Statistics {
            total_cycles_tracked: 7,
            average_cycle_length: Some(28.5),
            average_period_length: None,
            cycle_regularity: Regularity::VeryRegular,
        },
        forecast_record: Some(ForecastRecord {
            forecasts: 6,
            mean_absolute_error_days: 1.25,
            inside_80: 5,
            left_out: 1,
        }),
        symptom_patterns: vec![SymptomPattern {
            symptom_type: "cramps".to_owned(),
            phase: CyclePhase::Menstruation,
            days_in_phase: 8,
            days_total: 9,
            cycles: 4,
            ratio: 4.5,
        }],
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

fn calendar() -> Calendar {
    let logged = LoggedDay { cycle_id: CYCLE, cycle_day: 12, bleeding: Some(false) };
    let day = CalendarDay {
        date: date("2026-03-12"),
        phase: CyclePhase::Ovulation,
        bleeding: Some(0.0),
        fertile: Some(0.75),
        ovulation: Some(0.25),
        logged: Some(logged),
    };
    Calendar { days: vec![day, CalendarDay { logged: None, ..day }], as_of_version: VERSION }
}

fn questions() -> Vec<Value> {
    let user_id = USER;
    let question = Question {
        id: QUESTION,
        cycle_id: CYCLE,
        gap_start: date("2026-01-01"),
        gap_end: Some(date("2026-03-01")),
        probability: 0.875,
        message: "Did a period in between go unlogged?".to_owned(),
    };
    let questions = vec![question.clone(), Question { gap_end: None, ..question }];
    let list = QuestionList { questions, as_of_version: VERSION };
    let answer = GapAnswer::MissedOn(date("2026-01-29"));
    let answer = AnswerQuestion { user_id, question_id: QUESTION, answer };
    let (question_id, cycle_id) = (QUESTION, Some(CYCLE));
    let answered = QuestionAnswered { question_id, cycle_id, version: VERSION };
    let list_questions = ListQuestions { user_id, min_version: MIN_VERSION };
    vec![exchange(list_questions, &list), exchange(answer, &answered)]
}

/// What an older process sends has none of the newer members.
#[test]
fn what_is_newer_may_be_missing() {
    let strip = |mut value: Value, names: &[&str]| {
        for name in names {
            value.as_object_mut().unwrap().remove(*name).unwrap();
        }
        value
    };
    let newer = ["upcoming", "fertility", "missed_log_probability", "open_until"];
    let old = strip(json!(prediction()), &newer);
    let read: Prediction = serde_json::from_value(old).unwrap();
    assert!(read.upcoming.is_empty() && read.open_until.is_none());
    let mut old = strip(json!(insights()), &["forecast_record", "symptom_patterns"]);
    old["insights"][0] = strip(old["insights"][0].clone(), &["rule", "source"]);
    let read: Insights = serde_json::from_value(old).unwrap();
    assert!(read.forecast_record.is_none() && read.insights[0].rule.is_empty());
}

#[test]
fn analytics() {
    let (user_id, min_version, as_of_version, page) = (USER, MIN_VERSION, VERSION, PAGE);
    let list = ListPredictions { user_id, active: Some(true), min_version, page };
    let no_prediction = Some(NoPrediction {
        reason: NoPredictionReason::HormonalContraception,
        message: "No prediction, because of the method.".to_owned(),
        since: Some(date("2026-03-01")),
    });
    let predictions = vec![prediction()];
    let predictions = PredictionList { predictions, total: 1, no_prediction, as_of_version };
    let (from, to) = (date("2026-03-12"), date("2026-03-13"));
    let generated = GeneratedPrediction { prediction: prediction(), as_of_version };
    let active = ActivePrediction {
        user_id,
        version: VERSION,
        as_of_version,
        erased: false,
        forget_before: Some(date("2024-03-02")),
        active: Some(PredictedStart {
            prediction_id: PREDICTION,
            anchor_cycle_id: CYCLE,
            predicted_start_date: date("2026-03-29"),
        }),
    };
    let (since, changed) = changed();
    let mut exchanges = vec![
        exchange(list, &predictions),
        exchange(GeneratePrediction { user_id }, &generated),
        exchange(GetInsights { user_id, min_version }, &insights()),
        exchange(ListCycleAnalytics { user_id, min_version, page }, &cycle_analytics()),
        exchange(GetCalendar { user_id, from, to, min_version }, &calendar()),
    ];
    exchanges.extend(questions());
    exchanges.extend([
        exchange(GetActivePrediction { user_id }, &active),
        exchange(ListPredictionsChanged(since), &changed),
        exchange(CheckAnalytics {}, &health()),
    ]);
    assert_group::<AnalyticsMailbox>(include_str!("analytics.json"), exchanges);
}
