//! A user's log as the model takes it: what it may learn from, and what was seen.

pub(crate) mod fingerprints;

use chrono::{DateTime, NaiveDate, Utc};
use contracts::{
    UserId, Version,
    cycles::{EpisodeKind, GapAnswer, History, HistoryCycle, HistoryEpisode, ObservationKind},
};
use prediction::{
    CycleNote, CyclesInGap, HistoryError, Length, LoggedCycle, Obstacle, SegmentedCycle, State,
    Use, Window, age_years,
    constants::LENGTHS_MAX,
    ovulation::{LhTest, Temperature, from_signs},
};

use crate::{
    anchor::{Anchor, Input, KnownState, SeenOvulation},
    ids::question_id,
    known::{ASKED_FROM, CycleOvulation, Known, KnownQuestion},
};

/// So many of the newest lengths, periods and ovulations are used.
const USED_MAX: usize = LENGTHS_MAX as usize;

/// A user's log as the model takes it.
pub(crate) struct Log {
    pub(crate) user_id: UserId,
    pub(crate) history: prediction::History,
    pub(crate) segmented: Vec<SegmentedCycle>,
    cycles: Vec<HistoryCycle>,
    episodes: Vec<HistoryEpisode>,
    ovulations: Vec<Option<NaiveDate>>,
    inputs: Vec<Input>,
    date_of_birth: Option<NaiveDate>,
}

/// What the model knew at the cycles of a log from one position on.
#[derive(Default)]
pub(crate) struct Walk {
    from: usize,
    states: Vec<State>,
    /// Gaps from that position on in which a start probably went unlogged, and nobody has said.
    pub(crate) questions: Vec<KnownQuestion>,
}

impl Log {
    /// Takes a history in.
    ///
    /// # Errors
    ///
    /// The cycles are not in ascending order, or one ends before it starts.
    pub(crate) fn new(
        history: &History,
        date_of_birth: Option<NaiveDate>,
    ) -> Result<Self, HistoryError> {
        let logged =
            |cycle: &HistoryCycle| LoggedCycle { start: cycle.start_date, end: cycle.end_date };
        let cycles = history.cycles.clone();
        let log = prediction::History::new(cycles.iter().map(logged).collect())?;
        let notes: Vec<CycleNote> = cycles.iter().map(note).collect();
        let episodes: Vec<_> = history.episodes.iter().map(episode).collect();
        let mut input = Input { version: Version::ZERO, changed_at: DateTime::<Utc>::MIN_UTC };
        let inputs = cycles.iter().map(|cycle| {
            input.version = input.version.max(cycle.input_version);
            input.changed_at = input.changed_at.max(cycle.input_changed_at);
            input
        });
        Ok(Self {
            user_id: history.user_id,
            segmented: prediction::segments(&log, &notes, &episodes),
            inputs: inputs.collect(),
            ovulations: ovulations(history),
            episodes: history.episodes.clone(),
            history: log,
            cycles,
            date_of_birth,
        })
    }

    /// Follows the log from a cycle on; before it only what is needed to know the state there.
    pub(crate) fn walk(&self, from: usize) -> Walk {
        let mut walk = Walk { from, states: Vec::new(), questions: Vec::new() };
        let mut window = self.window_at(from);
        for (position, segmented) in self.segmented.iter().enumerate().skip(from) {
            if segmented.segment_start == position {
                window = self.fresh_window(position);
            }
            walk.states.push(window.state().clone());
            let Use::Learned(length) = segmented.usage else { continue };
            // `Learned` lengths are usable, so that each is taken.
            let Ok(update) = window.push(length) else { continue };
            if length.answer.is_none() && update.missed_probability > ASKED_FROM {
                walk.questions.extend(self.question(position, update.missed_probability));
            }
        }
        walk
    }

    /// What is known when the cycle at a position is the newest one, though others came after it:
    /// from what came before it alone. Signs of ovulation are reported for three years only, so they
    /// do not count here: what is settled may not change when they are reported no more.
    pub(crate) fn settled(&self, position: usize, walk: &Walk) -> Option<Anchor> {
        let cycle = self.cycles.get(position)?;
        let segmented = self.segmented.get(position)?;
        let periods = self.history.cycles().get(segmented.segment_start..=position)?;
        let periods_days =
            periods.iter().filter_map(|cycle| u32::try_from(cycle.period_length_days()?).ok());
        Some(Anchor {
            cycle_id: cycle.id,
            start_date: cycle.start_date,
            end_date: cycle.end_date,
            input: *self.inputs.get(position)?,
            state: KnownState(self.state(position, walk)),
            periods_days: newest(periods_days.collect()),
            past_ovulations: Vec::new(),
            ovulation: None,
            episode: obstacle(segmented),
            answer: None,
            answered_on: None,
        })
    }

    /// What is known at the newest cycle.
    pub(crate) fn newest(&self, walk: &Walk) -> Option<Anchor> {
        let position = self.cycles.len().checked_sub(1)?;
        Some(Anchor {
            past_ovulations: self.past_ovulations(position),
            ovulation: self.ovulations.get(position).copied().flatten(),
            answer: self.cycles.get(position)?.gap_answer,
            answered_on: self.cycles.get(position)?.gap_answered_on,
            ..self.settled(position, walk)?
        })
    }

    /// The start that was logged after a cycle.
    pub(crate) fn next_start(&self, position: usize) -> Option<NaiveDate> {
        self.cycles.get(position + 1).map(|next| next.start_date)
    }

    /// What is known beside the newest cycle.
    pub(crate) fn known(&self) -> Known {
        let seen = self.cycles.iter().zip(&self.ovulations).filter_map(|(cycle, seen)| {
            Some(CycleOvulation { cycle_id: cycle.id, date: (*seen)? })
        });
        let answers = self.cycles.iter().filter_map(|cycle| Some((cycle.id, cycle.gap_answer?)));
        let counts = |segmented: &SegmentedCycle| match segmented.usage {
            Use::Learned(length) => {
                segmented.obstacle.is_none()
                    && !length.answer.is_some_and(CyclesInGap::hides_a_start)
            }
            _ => false,
        };
        let rows = self.cycles.iter().zip(&self.segmented).rev();
        let counted = rows.filter(|(_, segmented)| counts(segmented)).map(|(cycle, _)| cycle.id);
        let mut counted: Vec<_> = counted.take(Known::COUNTED_MAX).collect();
        counted.reverse();
        let is_odd =
            |segmented: &&SegmentedCycle| matches!(segmented.usage, Use::TooShort | Use::TooLong);
        Known {
            odd_lengths: self.segmented.iter().filter(is_odd).count(),
            episodes: self.episodes.clone(),
            ovulations: seen.collect(),
            answers: answers.collect(),
            counted,
            ..Known::nothing(self.user_id)
        }
    }

    fn state(&self, position: usize, walk: &Walk) -> State {
        let walked = position.checked_sub(walk.from).and_then(|place| walk.states.get(place));
        walked.cloned().unwrap_or_else(|| self.window_at(position).state().clone())
    }

    /// What the model has learned before a cycle.
    fn window_at(&self, position: usize) -> Window {
        let start = self.segmented.get(position).map_or(position, |cycle| cycle.segment_start);
        let mut window = self.fresh_window(start);
        let before = self.segmented.get(start..position).unwrap_or_default();
        let lengths = before.iter().filter_map(|cycle| match cycle.usage {
            Use::Learned(length) => Some(length),
            _ => None,
        });
        for length in newest(lengths.collect::<Vec<Length>>()) {
            // `Learned` lengths are usable, so that each is taken.
            let _taken = window.push(length);
        }
        window
    }

    fn fresh_window(&self, segment_start: usize) -> Window {
        let start = self.cycles.get(segment_start).map(|cycle| cycle.start_date);
        Window::new(start.and_then(|start| age_years(self.date_of_birth, start)))
    }

    fn question(&self, position: usize, probability: f64) -> Option<KnownQuestion> {
        let (cycle, gap_end) = (self.cycles.get(position)?, self.next_start(position)?);
        Some(KnownQuestion {
            id: question_id(self.user_id, cycle.id, Some(gap_end)),
            cycle_id: cycle.id,
            gap_start: cycle.start_date,
            gap_end: Some(gap_end),
            probability,
        })
    }

    fn past_ovulations(&self, position: usize) -> Vec<SeenOvulation> {
        let start = self.segmented.get(position).map_or(position, |cycle| cycle.segment_start);
        let seen = (start..position).filter_map(|position| {
            let Use::Learned(Length { days: cycle_days, .. }) = self.segmented.get(position)?.usage
            else {
                return None;
            };
            let seen = (*self.ovulations.get(position)?)?;
            let day = (seen - self.cycles.get(position)?.start_date).num_days();
            Some(SeenOvulation { day: u32::try_from(day).ok()?, cycle_days })
        });
        newest(seen.collect())
    }
}

/// The ovulation that was seen in each cycle, by tests and temperatures.
fn ovulations(history: &History) -> Vec<Option<NaiveDate>> {
    let mut observations = history.observations.clone();
    observations.sort_by_key(|observation| observation.date);
    let from = |day: NaiveDate| observations.partition_point(|seen| seen.date < day);
    let starts = history.cycles.iter().map(|cycle| from(cycle.start_date));
    let ends = history.cycles.iter().skip(1).map(|cycle| from(cycle.start_date));
    let ranges = starts.zip(ends.chain([observations.len()]));
    let seen = ranges.map(|(start, end)| {
        let (mut tests, mut temperatures) = (Vec::new(), Vec::new());
        for observation in observations.get(start..end)? {
            let date = observation.date;
            match observation.kind {
                ObservationKind::OvulationTestPositive => {
                    tests.push(LhTest { date, positive: true });
                }
                ObservationKind::OvulationTestNegative => {
                    tests.push(LhTest { date, positive: false });
                }
                ObservationKind::BasalBodyTemperature(celsius) => {
                    temperatures.push(Temperature { date, celsius });
                }
            }
        }
        from_signs(&tests, &temperatures)
    });
    seen.collect()
}

fn note(cycle: &HistoryCycle) -> CycleNote {
    let answer = cycle.gap_answer.map(|answer| match answer {
        GapAnswer::NoneMissed => CyclesInGap::One,
        GapAnswer::MissedUnknown | GapAnswer::MissedOn(_) => CyclesInGap::TwoOrThree,
    });
    CycleNote { excluded: cycle.excluded, answer }
}

fn episode(episode: &HistoryEpisode) -> prediction::Episode {
    let HistoryEpisode { kind, start_date, end_date } = *episode;
    let kind = match kind {
        EpisodeKind::Pregnancy => prediction::EpisodeKind::Pregnancy,
        EpisodeKind::Postpartum => prediction::EpisodeKind::Postpartum,
        EpisodeKind::Breastfeeding => prediction::EpisodeKind::Breastfeeding,
        EpisodeKind::HormonalContraception => prediction::EpisodeKind::HormonalContraception,
        EpisodeKind::Perimenopause => prediction::EpisodeKind::Perimenopause,
        EpisodeKind::Pause => prediction::EpisodeKind::Pause,
    };
    prediction::Episode { kind, start: start_date, end: end_date }
}

/// The episode that keeps anything from being predicted from a cycle.
fn obstacle(segmented: &SegmentedCycle) -> Option<HistoryEpisode> {
    let Some(Obstacle::Episode { kind, start, end }) = segmented.obstacle else { return None };
    let kind = match kind {
        prediction::EpisodeKind::Pregnancy => EpisodeKind::Pregnancy,
        prediction::EpisodeKind::Postpartum => EpisodeKind::Postpartum,
        prediction::EpisodeKind::Breastfeeding => EpisodeKind::Breastfeeding,
        prediction::EpisodeKind::HormonalContraception => EpisodeKind::HormonalContraception,
        prediction::EpisodeKind::Perimenopause => EpisodeKind::Perimenopause,
        prediction::EpisodeKind::Pause => EpisodeKind::Pause,
    };
    Some(HistoryEpisode { kind, start_date: start, end_date: end })
}

/// The newest that are used.
fn newest<T>(mut all: Vec<T>) -> Vec<T> {
    all.drain(..all.len().saturating_sub(USED_MAX));
    all
}
