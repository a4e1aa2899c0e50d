//! An anchor: a cycle, and all that is known when it is the newest one. Every forecast is made
//! here, for the rows as well as for reads.

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    CycleId, UserId, Version,
    analytics::{
        DateRange, DayFertility, NoPrediction, Prediction, PredictionInterval, UpcomingStart,
    },
    cycles::{GapAnswer, HistoryEpisode},
};
use prediction::{
    Ahead, Forecast, ForecastOvulation, ForecastStart, Hypothesis, Interval, Luteal, PastOvulation,
    PeriodLength, Situation, State,
    constants::{FERTILE_DAYS_BEFORE_OVULATION, METHOD, SILENCE_DAYS},
};
use serde::{Deserialize, Serialize};

use crate::{ids::prediction_id, obstacles, outlook::Outlook};

/// Days less probably fertile than this are not told.
const FERTILE_TOLD_FROM: f64 = 0.01;
/// Probabilities of days are kept to so many parts of one.
const PROBABILITY_PARTS: f64 = 10_000.0;

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
        let open_days = open_until.and_then(|until| self.days_until(until));
        // After a long silence starts are taken as missed, whatever was said.
        let is_missed = self.says_missed() && !self.is_silent(open_until);
        let luteal = |seen: &SeenOvulation| PastOvulation::new(seen.day, seen.cycle_days);
        let past: Vec<PastOvulation> = self.past_ovulations.iter().filter_map(luteal).collect();
        let period = PeriodLength::from_past(&self.periods_days);
        let situation = Situation {
            state: &self.state.0,
            last_start: self.start_date,
            last_end: self.end_date,
            open_until: open_until.filter(|_| !is_missed),
            ovulation: self.ovulation.filter(|_| !self.says_missed()),
            luteal: Luteal::from_past(&past),
            period,
        };
        let forecast =
            Forecast::new(&situation).map_err(|_beyond_calendar| obstacles::beyond_calendar())?;
        Ok(if is_missed {
            Outlook::after_missed(forecast, self.start_date, open_days, period)
        } else {
            Outlook::of(forecast)
        })
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
            (Some(GapAnswer::NoneMissed), _) | (None, None) => 0.0,
            (Some(GapAnswer::MissedUnknown | GapAnswer::MissedOn(_)), _) => 1.0,
            // That is what the forecast rests on; the model knows no gap of more than three cycles.
            (None, Some(_)) if self.is_silent(open_until) => 1.0,
            (None, Some(days)) => self.state.0.missed_start_probability(days),
        }
    }

    /// The prediction of a cycle that is over: what was said about the start that came.
    pub(crate) fn settled(
        &self,
        user_id: UserId,
        outlook: &Outlook,
        actual_start: NaiveDate,
    ) -> Prediction {
        Prediction {
            is_active: false,
            actual_start_date: Some(actual_start),
            // What was expected of days that are over is of use to nobody.
            upcoming: Vec::new(),
            fertility: Vec::new(),
            ..self.active(user_id, outlook, None)
        }
    }

    /// The prediction of the newest cycle.
    pub(crate) fn active(
        &self,
        user_id: UserId,
        outlook: &Outlook,
        open_until: Option<NaiveDate>,
    ) -> Prediction {
        let next = &outlook.next;
        let ForecastOvulation { date, range: ovulation_range, fertile_window } = next.ovulation;
        Prediction {
            id: prediction_id(user_id, self.cycle_id, self.input.version, METHOD),
            user_id,
            predicted_start_date: next.date,
            predicted_end_date: next.period_end,
            confidence_score: next.within_two_days,
            prediction_method: METHOD.to_owned(),
            based_on_cycles: i32::try_from(self.state.0.lengths()).unwrap_or(i32::MAX),
            notes: Some(self.notes(next, open_until)),
            intervals: intervals(next),
            upcoming: (2..).zip(&outlook.later).map(upcoming).collect(),
            fertility: self.fertility(&outlook.forecast),
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
    fn notes(&self, next: &ForecastStart, open_until: Option<NaiveDate>) -> String {
        let lengths = match self.state.0.lengths() {
            0 => "No cycle length is known yet, so this is what is usual".to_owned(),
            1 => "From the one cycle length that is known".to_owned(),
            count => format!("From the last {count} cycle lengths"),
        };
        let seen = self.ovulation.map_or("", |_| ", and from the ovulation seen in this cycle");
        let percent = next.within_two_days * 100.0;
        let late = match open_until {
            Some(day) if self.is_silent(open_until) => format!(
                " Nothing was logged for so long, up to {day}, that a cycle may begin on any day."
            ),
            Some(day) => format!(" It takes into account that nothing was logged up to {day}."),
            None => String::new(),
        };
        format!(
            "{lengths}{seen}. The start is within 2 days of this date with a probability of \
             {percent:.0} %, which is the confidence_score.{late}"
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
                (sum.clamp(0.0, 1.0) * PROBABILITY_PARTS).round() / PROBABILITY_PARTS
            };
            let fertile = sum(prediction::Ovulation::fertile_probability);
            let ovulation = sum(prediction::Ovulation::probability);
            (fertile >= FERTILE_TOLD_FROM).then_some(DayFertility { date, fertile, ovulation })
        };
        let [current, ..] = ovulations;
        let first = current.table().first_day().saturating_sub(FERTILE_DAYS_BEFORE_OVULATION);
        let days = self.start_date.iter_days().skip(usize::try_from(first).unwrap_or(usize::MAX));
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
        confidence_score: said.within_two_days,
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

fn range(range: prediction::DateRange) -> DateRange {
    DateRange { start: range.start, end: range.end }
}
