//! The user's own forecast record, and which of the newest cycles say something about the user:
//! from the rows as they are stored, so what was said is what is counted.

use chrono::NaiveDate;
use contracts::{
    CycleId,
    analytics::{ForecastRecord, PredictionInterval},
};

use prediction::{Said, Step, metrics::summary};

use crate::{known::Known, phases::days_between};

/// So many of the newest settled forecasts are counted.
const FORECASTS_MAX: usize = 6;
/// The range that is looked at.
const LEVEL: f64 = 0.8;

/// One of the newest cycles.
pub(crate) struct NewestCycle {
    pub(crate) cycle_id: CycleId,
    pub(crate) start_date: NaiveDate,
    /// Days to the next start.
    pub(crate) length_days: Option<i32>,
    /// Inclusive days of bleeding.
    pub(crate) period_days: Option<i32>,
    /// The forecast that was made from it and the cycles before it, and what came.
    pub(crate) settled: Option<Settled>,
}

/// A forecast and what came.
pub(crate) struct Settled {
    pub(crate) predicted_start: NaiveDate,
    pub(crate) actual_start: NaiveDate,
    pub(crate) intervals: Vec<PredictionInterval>,
}

/// The record of the newest forecasts that count, out of these cycles, oldest first; none before the
/// first one was settled. Each was made from what came before it alone, and counts by the rule of
/// `prediction::record`: the length that came was learned, and the user does not say that it hides
/// a start. While the user is still asked about a gap it is left out, and it is said that it is: a
/// start that was not logged is no error of the forecast. The error is that of
/// `prediction::metrics`, which the backtest counts by too, to a hundredth of a day.
pub(crate) fn record(known: &Known, cycles: &[NewestCycle]) -> Option<ForecastRecord> {
    let counted = |cycle: &&NewestCycle| known.counted.contains(&cycle.cycle_id);
    let settled = |cycle: &NewestCycle| {
        let settled = cycle.settled.as_ref()?;
        Some((settled.step(cycle.start_date)?, settled.is_inside()))
    };
    let is_asked =
        |cycle: &NewestCycle| known.questions.iter().any(|asked| asked.cycle_id == cycle.cycle_id);
    let (mut steps, mut inside, mut left_out) = (Vec::new(), Vec::new(), 0);
    for cycle in cycles.iter().rev().filter(counted) {
        let Some((step, is_inside)) = settled(cycle) else { continue };
        if is_asked(cycle) {
            left_out += 1;
            continue;
        }
        steps.push(step);
        inside.push(is_inside);
        if steps.len() == FORECASTS_MAX {
            break;
        }
    }
    let summary = summary(&steps)?;
    Some(ForecastRecord {
        forecasts: i32::try_from(summary.count).ok()?,
        mean_absolute_error_days: (summary.mae_days * 100.0).round() / 100.0,
        inside_80: i32::try_from(inside.into_iter().filter(|inside| *inside).count()).ok()?,
        left_out,
    })
}

/// The newest lengths of single cycles since the last episode, oldest first, in days: none that was
/// left out, that a start is probably missing in, or that touches an episode. None at all while an
/// episode goes on.
pub(crate) fn plain_lengths(known: &Known, cycles: &[NewestCycle]) -> Vec<i32> {
    if known.newest.as_ref().is_none_or(|newest| newest.anchor.episode.is_some()) {
        return Vec::new();
    }
    let last_episode_end = known.episodes.iter().filter_map(|episode| episode.end_date).max();
    let is_plain = |cycle: &&NewestCycle| {
        let is_asked = known.questions.iter().any(|asked| asked.cycle_id == cycle.cycle_id);
        let is_before = last_episode_end.is_some_and(|end| cycle.start_date < end);
        known.counted.contains(&cycle.cycle_id) && !is_asked && !is_before
    };
    cycles.iter().filter(is_plain).filter_map(|cycle| cycle.length_days).collect()
}

/// The newest known periods, oldest first, in inclusive days of bleeding: none that began in an
/// episode, for that bleeding is of another kind.
pub(crate) fn plain_periods(known: &Known, cycles: &[NewestCycle]) -> Vec<i32> {
    let in_episode = |date: NaiveDate| {
        known.episodes.iter().any(|episode| {
            episode.start_date <= date && episode.end_date.is_none_or(|end| date < end)
        })
    };
    let plain = cycles.iter().filter(|cycle| !in_episode(cycle.start_date));
    plain.filter_map(|cycle| cycle.period_days).collect()
}

impl Settled {
    /// What was said, and what came, in days after the start that it was said at.
    fn step(&self, start: NaiveDate) -> Option<Step> {
        let date_days = days_between(start, self.predicted_start)?;
        let mean_days = f64::from(date_days);
        let said = Said { mean_days, date_days, quantiles_days: None, table: None };
        Some(Step { n_known: 0, said, actual_days: days_between(start, self.actual_start)? })
    }

    fn is_inside(&self) -> bool {
        let range = self.intervals.iter().find(|range| (range.level - LEVEL).abs() < 1e-9);
        range.is_some_and(|range| (range.start..=range.end).contains(&self.actual_start))
    }
}

#[cfg(test)]
mod tests {
    use contracts::{
        QuestionId, UserId,
        cycles::{EpisodeKind, HistoryEpisode},
    };

    use super::*;
    use crate::known::KnownQuestion;

    fn date(text: &str) -> NaiveDate {
        text.parse().unwrap()
    }

    /// A forecast that was so many days too late, with an 80 % range of 2 days to both sides.
    fn cycle(id: i64, late: i64) -> NewestCycle {
        let actual_start = date("2025-01-01") + chrono::TimeDelta::days(28 * id);
        let predicted_start = actual_start + chrono::TimeDelta::days(late);
        let around = |days: i64| predicted_start + chrono::TimeDelta::days(days);
        let interval = |level, days: i64| PredictionInterval {
            level,
            start: around(-days),
            end: around(days),
        };
        NewestCycle {
            cycle_id: CycleId::new(id),
            start_date: actual_start - chrono::TimeDelta::days(28),
            length_days: Some(28),
            period_days: Some(5),
            settled: Some(Settled {
                predicted_start,
                actual_start,
                intervals: vec![interval(0.5, 1), interval(0.8, 2), interval(0.95, 9)],
            }),
        }
    }

    fn counting(ids: impl IntoIterator<Item = i64>) -> Known {
        let mut known = Known::nothing(UserId::new(1));
        known.counted = ids.into_iter().map(CycleId::new).collect();
        known
    }

    #[test]
    fn the_newest_six_that_count_are_the_record() {
        let mut cycles: Vec<NewestCycle> = [9, 1, 0, -2, 2, 3, -1]
            .into_iter()
            .zip(1..)
            .map(|(late, id)| cycle(id, late))
            .collect();
        let of =
            |ids: &[i64], cycles: &[NewestCycle]| record(&counting(ids.iter().copied()), cycles);
        let six = of(&[1, 2, 3, 4, 5, 6, 7], &cycles).unwrap();
        assert_eq!((six.forecasts, six.inside_80), (6, 5));
        assert!((six.mean_absolute_error_days - 1.5).abs() < 1e-12);
        let two = of(&[1, 5], &cycles).unwrap();
        assert_eq!((two.forecasts, two.inside_80), (2, 1));
        assert!((two.mean_absolute_error_days - 5.5).abs() < 1e-12);
        assert!(of(&[], &cycles).is_none());
        for cycle in &mut cycles {
            cycle.settled = None;
        }
        assert!(of(&[1, 2], &cycles).is_none());
    }

    #[test]
    fn a_gap_that_is_asked_about_is_left_out_and_counted() {
        let cycles: Vec<NewestCycle> =
            [1, 2, 2, 0, 0, 0, 28].into_iter().zip(1..).map(|(late, id)| cycle(id, late)).collect();
        let mut known = counting(1..=7);
        known.questions = vec![KnownQuestion {
            id: QuestionId::new(1),
            cycle_id: CycleId::new(7),
            gap_start: cycles[6].start_date,
            gap_end: Some(cycles[6].start_date + chrono::TimeDelta::days(28)),
            probability: 0.99,
        }];
        let told = record(&known, &cycles).unwrap();
        assert_eq!((told.forecasts, told.inside_80, told.left_out), (6, 6, 1));
        // 5 days in 6, to a hundredth.
        assert_eq!(told.mean_absolute_error_days.to_bits(), 0.83_f64.to_bits());
        known.questions[0].cycle_id = CycleId::new(1);
        let told = record(&known, &cycles).unwrap();
        assert_eq!((told.forecasts, told.left_out), (6, 0), "it is older than those that count");
        assert!(record(&counting([]), &cycles).is_none());
    }

    #[test]
    fn bleeding_in_an_episode_is_no_period() {
        let cycles = [cycle(1, 0), cycle(2, 0), cycle(3, 0)];
        let mut known = counting([]);
        assert_eq!(plain_periods(&known, &cycles), [5, 5, 5]);
        known.episodes = vec![HistoryEpisode {
            kind: EpisodeKind::HormonalContraception,
            start_date: cycles[1].start_date,
            end_date: Some(cycles[2].start_date),
        }];
        assert_eq!(plain_periods(&known, &cycles), [5, 5], "the one on its last day is one");
    }

    #[test]
    fn without_a_newest_cycle_there_are_no_lengths() {
        let cycles = [cycle(1, 0)];
        let mut known = counting([1]);
        known.questions = vec![KnownQuestion {
            id: QuestionId::new(1),
            cycle_id: CycleId::new(1),
            gap_start: cycles[0].start_date,
            gap_end: None,
            probability: 0.9,
        }];
        known.episodes = vec![HistoryEpisode {
            kind: EpisodeKind::Pause,
            start_date: date("2025-01-01"),
            end_date: None,
        }];
        assert!(plain_lengths(&known, &cycles).is_empty());
    }
}
