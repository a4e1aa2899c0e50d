//! An anchor: a cycle, and all that is known when it is the newest one. Every forecast is made
//! here, for the rows as well as for reads.

use chrono::{DateTime, Days, NaiveDate, Utc};
use contracts::{
    CycleId, UserId, Version,
    analytics::{
        DateRange, DayFertility, DaysToStart, NoPrediction, Prediction, PredictionInterval,
        Quantile, UpcomingStart,
    },
    cycles::{GapAnswer, HistoryEpisode},
};
use prediction::{
    Ahead, Basis, Forecast, ForecastOvulation, ForecastStart, Hypothesis, Interval, Luteal,
    PastOvulation, PeriodLength, Situation, State,
    constants::{FERTILE_DAYS_BEFORE_OVULATION, METHOD, QUANTILE_LEVELS, SILENCE_DAYS},
};
use serde::{Deserialize, Serialize};

use crate::{ids::prediction_id, obstacles, outlook::Outlook};

/// Days less probably fertile than this are not told.
const FERTILE_TOLD_FROM: f64 = 0.01;
/// Probabilities, and days of a distribution, are kept to so many parts of one.
const PARTS: f64 = 10_000.0;

/// A cycle, and all that is known when it is the newest one.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Anchor {
    /// The cycle.
    pub(crate) cycle_id: CycleId,
    /// Its first day of bleeding.
    pub(crate) start_date: NaiveDate,
    /// Its last one, if it is known.
    pub(crate) end_date: Option<NaiveDate>,
    /// The last change of any cycle up to this one.
    pub(crate) input: Input,
    /// What the model has learned from the lengths before it.
    pub(crate) state: KnownState,
    /// Known inclusive days of bleeding since the last episode, this cycle's too, oldest first.
    pub(crate) periods_days: Vec<u32>,
    /// Ovulations that were seen in earlier cycles since the last episode.
    pub(crate) past_ovulations: Vec<SeenOvulation>,
    /// The ovulation that was seen in this one.
    pub(crate) ovulation: Option<NaiveDate>,
    /// The episode that keeps anything from being predicted from here.
    pub(crate) episode: Option<HistoryEpisode>,
    /// What was said about the time since this start, while it is open.
    pub(crate) answer: Option<GapAnswer>,
    /// The day, in UTC, on which it was said.
    pub(crate) answered_on: Option<NaiveDate>,
}

/// What a prediction was computed from: the last change of any cycle up to its anchor.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Input {
    pub(crate) version: Version,
    pub(crate) changed_at: DateTime<Utc>,
}

/// An ovulation of a cycle that is over.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct SeenOvulation {
    /// Days after the start of its cycle.
    pub(crate) day: u32,
    /// How long that cycle was, in days.
    pub(crate) cycle_days: u32,
}

/// What the model has learned, stored in its parts.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StateParts", into = "StateParts")]
pub(crate) struct KnownState(pub(crate) State);

/// Lengths, and for each hypothesis (ln weight, mean, kappa, rate, skips).
#[derive(Serialize, Deserialize)]
struct StateParts(u32, Vec<(f64, f64, f64, f64, u32)>);

/// Stored parts that are those of no state.
#[derive(Debug, thiserror::Error)]
#[error("these are not the parts of a state")]
pub(crate) struct NoState;

impl Anchor {
    /// The starts to come, given that nothing was logged up to `open_until`.
    ///
    /// # Errors
    ///
    /// There is no prediction, and this is why, as it is today.
    pub(crate) fn outlook(
        &self,
        open_until: Option<NaiveDate>,
        today: NaiveDate,
    ) -> Result<Outlook, NoPrediction> {
        if let Some(episode) = &self.episode {
            return Err(obstacles::episode(episode, today));
        }
        let forecast = Forecast::new(&self.situation(open_until));
        forecast.map(Outlook::from).map_err(|_beyond_calendar| obstacles::beyond_calendar())
    }

    /// The prediction of a cycle that is over: what was said about the start that came. None where
    /// nothing can be predicted.
    pub(crate) fn settled(&self, user_id: UserId, actual_start: NaiveDate) -> Option<Prediction> {
        let next = ForecastStart::next(&self.situation(None)).ok();
        let next = next.filter(|_| self.episode.is_none())?;
        Some(Prediction {
            is_active: false,
            actual_start_date: Some(actual_start),
            ..self.said(user_id, &next, Basis::Lengths, None)
        })
    }

    /// The prediction of the newest cycle.
    pub(crate) fn active(
        &self,
        user_id: UserId,
        outlook: &Outlook,
        open_until: Option<NaiveDate>,
    ) -> Prediction {
        let Outlook { forecast, next, later } = outlook;
        Prediction {
            upcoming: (2..).zip(later).map(upcoming).collect(),
            fertility: self.fertility(forecast),
            ..self.said(user_id, next, forecast.basis(), open_until)
        }
    }

    /// Whether nothing was logged for so long that a cycle may begin on any day.
    pub(crate) fn is_silent(&self, open_until: Option<NaiveDate>) -> bool {
        let open_days = open_until.and_then(|until| self.days_until(until));
        open_days.is_some_and(|days| days >= SILENCE_DAYS)
    }

    /// Whether the user says that a start since this one was missed.
    pub(crate) fn says_missed(&self) -> bool {
        matches!(self.answer, Some(GapAnswer::MissedUnknown | GapAnswer::MissedOn(_)))
    }

    /// The probability that a start since this one went unlogged, given that nothing was logged up
    /// to `open_until`.
    pub(crate) fn missed_probability(&self, open_until: Option<NaiveDate>) -> f64 {
        match (self.answer, open_until.and_then(|until| self.days_until(until))) {
            (Some(GapAnswer::NoneMissed) | None, None) => 0.0,
            // 'No' speaks of the days until it was said, and of none after it.
            (Some(GapAnswer::NoneMissed), Some(days)) => {
                let answered = self.answered_on.and_then(|day| self.days_until(day));
                let since = |answered| self.state.0.missed_start_probability_since(answered, days);
                answered.map_or(0.0, since)
            }
            (Some(GapAnswer::MissedUnknown | GapAnswer::MissedOn(_)), _) => 1.0,
            // That is what the forecast rests on; the model knows no gap of more than three cycles.
            (None, Some(_)) if self.is_silent(open_until) => 1.0,
            (None, Some(days)) => self.state.0.missed_start_probability_up_to(days),
        }
    }

    /// What the forecast is made from.
    fn situation(&self, open_until: Option<NaiveDate>) -> Situation<'_> {
        let luteal = |seen: &SeenOvulation| PastOvulation::new(seen.day, seen.cycle_days);
        let past: Vec<PastOvulation> = self.past_ovulations.iter().filter_map(luteal).collect();
        Situation {
            state: &self.state.0,
            last_start: self.start_date,
            last_end: self.end_date,
            open_until,
            missed_start: self.says_missed(),
            ovulation: self.ovulation,
            luteal: Luteal::from_past(&past),
            period: PeriodLength::from_past(&self.periods_days),
        }
    }

    /// What is said of the next start. What was expected of days that are over is of use to nobody,
    /// so the days and the starts after it are told of the active prediction only.
    fn said(
        &self,
        user_id: UserId,
        next: &ForecastStart,
        basis: Basis,
        open_until: Option<NaiveDate>,
    ) -> Prediction {
        let ForecastOvulation { date, range: ovulation_range, fertile_window } = next.ovulation;
        Prediction {
            id: prediction_id(user_id, self.cycle_id, self.input.version, METHOD),
            user_id,
            from_start_date: Some(self.start_date),
            predicted_start_date: next.date,
            predicted_end_date: next.period_end,
            confidence_score: in_parts(next.within_two_days),
            prediction_method: METHOD.to_owned(),
            based_on_cycles: i32::try_from(self.state.0.lengths()).unwrap_or(i32::MAX),
            notes: Some(self.notes(next, basis, open_until)),
            intervals: intervals(next),
            days_to_start: Some(days_to_start(&next.days)),
            upcoming: Vec::new(),
            fertility: Vec::new(),
            missed_log_probability: self.missed_probability(open_until),
            open_until,
            fertile_window: range(fertile_window),
            ovulation_date: date,
            ovulation_range: range(ovulation_range),
            is_active: true,
            actual_start_date: None,
            created_at: self.input.changed_at,
        }
    }

    /// How the date came about, and what its confidence means.
    fn notes(&self, next: &ForecastStart, basis: Basis, open_until: Option<NaiveDate>) -> String {
        let from = match (basis, self.state.0.lengths()) {
            (Basis::Ovulation, _) => "From the ovulation seen in this cycle".to_owned(),
            (_, 0) => "There is no cycle length to go by yet, so this is what is usual".to_owned(),
            (_, 1) => "From the one cycle length that counts".to_owned(),
            (_, count) => format!("From the last {count} cycle lengths that count"),
        };
        let passed = match (basis, open_until) {
            (Basis::Silence, Some(day)) => format!(
                " Nothing was logged for so long, up to {day}, that a cycle may begin on any day."
            ),
            (Basis::MissedStart, Some(day)) => format!(
                " It takes into account that a start was missed, and that nothing was logged up to \
                 {day}."
            ),
            (Basis::MissedStart, None) => {
                " It takes into account that a start was missed.".to_owned()
            }
            (_, Some(day)) => {
                format!(" It takes into account that nothing was logged up to {day}.")
            }
            (_, None) => String::new(),
        };
        let percent = next.within_two_days * 100.0;
        format!(
            "{from}. The start is within 2 days of this date with a probability of {percent:.0} %, \
             which is the confidence_score.{passed}"
        )
    }

    fn days_until(&self, day: NaiveDate) -> Option<u32> {
        u32::try_from((day - self.start_date).num_days()).ok()
    }

    /// The days up to the third start to come that are fertile with a probability worth telling.
    fn fertility(&self, forecast: &Forecast) -> Vec<DayFertility> {
        let ovulations = Ahead::ALL.map(|ahead| forecast.ovulation(ahead));
        let told = |(day, date): (u32, NaiveDate)| {
            let sum = |of: fn(&prediction::Ovulation, u32) -> f64| {
                let sum: f64 = ovulations.iter().map(|ovulation| of(ovulation, day)).sum();
                in_parts(sum.clamp(0.0, 1.0))
            };
            let fertile = sum(prediction::Ovulation::fertile_probability);
            let ovulation = sum(prediction::Ovulation::probability);
            (fertile >= FERTILE_TOLD_FROM).then_some(DayFertility { date, fertile, ovulation })
        };
        let [current, ..] = ovulations;
        let first = current.table().first_day().saturating_sub(FERTILE_DAYS_BEFORE_OVULATION);
        let from = self.start_date.checked_add_days(Days::new(first.into()));
        let days = from.into_iter().flat_map(|from| from.iter_days());
        let days = days.take_while(|date| *date <= forecast.last_day());
        (first..).zip(days).filter_map(told).collect()
    }
}

impl TryFrom<StateParts> for KnownState {
    type Error = NoState;

    fn try_from(StateParts(lengths, hypotheses): StateParts) -> Result<Self, NoState> {
        let hypotheses: Vec<Hypothesis> = hypotheses
            .into_iter()
            .map(|(ln_weight, mean_ln, kappa, rate, skips)| Hypothesis {
                ln_weight,
                mean_ln,
                kappa,
                rate,
                skips,
            })
            .collect();
        State::from_parts(lengths, &hypotheses).map(Self).ok_or(NoState)
    }
}

impl From<KnownState> for StateParts {
    fn from(KnownState(state): KnownState) -> Self {
        let (lengths, hypotheses) = state.to_parts();
        let parts = hypotheses.into_iter().map(|hypothesis| {
            let Hypothesis { ln_weight, mean_ln, kappa, rate, skips } = hypothesis;
            (ln_weight, mean_ln, kappa, rate, skips)
        });
        Self(lengths, parts.collect())
    }
}

fn upcoming((cycles_ahead, said): (i32, &ForecastStart)) -> UpcomingStart {
    UpcomingStart {
        cycles_ahead,
        predicted_start_date: said.date,
        predicted_end_date: said.period_end,
        confidence_score: in_parts(said.within_two_days),
        intervals: intervals(said),
    }
}

fn intervals(said: &ForecastStart) -> Vec<PredictionInterval> {
    let interval = |Interval { level, range }: &Interval| PredictionInterval {
        level: *level,
        start: range.start,
        end: range.end,
    };
    said.intervals.iter().map(interval).collect()
}

fn in_parts(number: f64) -> f64 {
    (number * PARTS).round() / PARTS
}

fn days_to_start(said: &prediction::DaysToStart) -> DaysToStart {
    let quantiles = QUANTILE_LEVELS.into_iter().zip(said.quantiles);
    let quantile = |(level, days)| Quantile { level, days: in_parts(days) };
    DaysToStart { mean: in_parts(said.mean), quantiles: quantiles.map(quantile).collect() }
}

fn range(range: prediction::DateRange) -> DateRange {
    DateRange { start: range.start, end: range.end }
}
