//! What is known of a user: all that reads and the forecasts of later days need, without asking
//! anybody. Kept as JSON in `subject.known`, under the number of the model that wrote it.

use chrono::{Days, NaiveDate};
use contracts::{
    CycleId, QuestionId, UserId,
    analytics::{NoPrediction, Prediction, SymptomPattern},
    cycles::{GapAnswer, HistoryEpisode},
};
use serde::{Deserialize, Serialize};

use crate::{anchor::Anchor, ids::question_id, obstacles, outlook::Outlook};

/// Numbers the derivation: the model, its constants, and what is stored of it. Whoever changes any
/// of them raises it, so that every stored state is computed again; a process with a lower number
/// then leaves the state alone.
pub(crate) const MODEL_NUMBER: i32 = 3;

/// So many days after the newest start the stored prediction is made again for the last time. Whoever
/// has logged nothing for a year may never again, and would cost a write a day for ever. Reads make
/// it as of their day all the same; the one reminder that it still has comes once.
const FOLLOWED_DAYS: Days = Days::new(365);

/// From this probability on the user is asked whether a start was missed.
pub(crate) const ASKED_FROM: f64 = 0.5;

/// What is known of a user.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Known {
    /// Whose.
    pub(crate) user_id: UserId,
    /// The newest cycle; none if nothing was logged.
    pub(crate) newest: Option<Newest>,
    /// All episodes, oldest start first.
    pub(crate) episodes: Vec<HistoryEpisode>,
    /// Ovulations that were seen, by the cycle that they are in, oldest first.
    pub(crate) ovulations: Vec<CycleOvulation>,
    /// Gaps between logged starts about which the user is asked, oldest first. The gap since the
    /// newest start is asked about by [`Known::open_question`].
    pub(crate) questions: Vec<KnownQuestion>,
    /// What was said about gaps, by the cycle that begins each, oldest first.
    pub(crate) answers: Vec<(CycleId, GapAnswer)>,
    /// The newest cycles whose forecast counts for the user's record, oldest first: it was made,
    /// and the length that came was learned. At most [`Known::COUNTED_MAX`].
    pub(crate) counted: Vec<CycleId>,
    /// How many lengths are none of a cycle, and count in the averages all the same: under 15 days, or
    /// over 120 and not explained.
    pub(crate) odd_lengths: usize,
    /// Which symptoms cluster in which phase.
    pub(crate) symptom_patterns: Vec<SymptomPattern>,
}

/// The newest cycle and what its rows depend on.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Newest {
    pub(crate) anchor: Anchor,
    /// The first day that says something by passing without a start: the first of the 95 % range.
    /// None where nothing is predicted.
    pub(crate) open_from: Option<NaiveDate>,
    /// Fingerprint of all that its forecast depends on, the day aside.
    pub(crate) forecast_base: i64,
    /// Fingerprint of what else its rows hold.
    pub(crate) rest: i64,
}

/// An ovulation that tests or temperatures showed.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct CycleOvulation {
    pub(crate) cycle_id: CycleId,
    pub(crate) date: NaiveDate,
}

/// A gap in which a start probably went unlogged, and nobody has said yet.
#[derive(Clone, Copy, PartialEq, Serialize, Deserialize)]
pub(crate) struct KnownQuestion {
    pub(crate) id: QuestionId,
    /// The cycle whose start begins the gap.
    pub(crate) cycle_id: CycleId,
    /// That start.
    pub(crate) gap_start: NaiveDate,
    /// The start that ends it; none while nothing was logged since.
    pub(crate) gap_end: Option<NaiveDate>,
    /// The probability that a start went unlogged, from this gap and what came before it.
    pub(crate) probability: f64,
}

impl Known {
    /// So many are kept. The record itself is of the newest 6; the trend looks at all of them.
    pub(crate) const COUNTED_MAX: usize = 12;

    /// What is known of somebody of whom nothing is stored.
    pub(crate) fn nothing(user_id: UserId) -> Self {
        Self {
            user_id,
            newest: None,
            episodes: Vec::new(),
            ovulations: Vec::new(),
            questions: Vec::new(),
            answers: Vec::new(),
            counted: Vec::new(),
            odd_lengths: 0,
            symptom_patterns: Vec::new(),
        }
    }

    /// What is stored, if this program's model wrote it. Another one's is no use: it is computed
    /// again before long.
    pub(crate) fn read(model_number: i32, stored: Option<serde_json::Value>) -> Option<Self> {
        let stored = stored.filter(|_| model_number == MODEL_NUMBER)?;
        let known = serde_json::from_value(stored);
        // The error would quote what it could not read.
        known.inspect_err(|_| tracing::error!("what is known of a user cannot be read")).ok()
    }

    /// The starts to come as they are on a day. The days up to the one before it passed without a
    /// start; if the user says that a start was missed, the forecast is made without them.
    ///
    /// # Errors
    ///
    /// There is none, and this is why.
    pub(crate) fn outlook(&self, today: NaiveDate) -> Result<Outlook, NoPrediction> {
        self.anchor(today)?.outlook(self.open_until(today), today)
    }

    /// The active prediction as it is on a day: its start is never before it.
    ///
    /// # Errors
    ///
    /// There is none, and this is why.
    pub(crate) fn prediction(&self, today: NaiveDate) -> Result<Prediction, NoPrediction> {
        let (anchor, open_until) = (self.anchor(today)?, self.open_until(today));
        let outlook = anchor.outlook(open_until, today)?;
        Ok(anchor.active(self.user_id, &outlook, open_until))
    }

    /// Yesterday, once the days without a start say something. The day is that of UTC: where it is
    /// already tomorrow a start may be logged for it, and where it is still yesterday too.
    pub(crate) fn open_until(&self, today: NaiveDate) -> Option<NaiveDate> {
        let open_from = self.newest.as_ref()?.open_from?;
        today.pred_opt().filter(|yesterday| *yesterday >= open_from)
    }

    /// The day from which on the stored prediction, made on `day`, has to be made again; none while
    /// nothing will be predicted however many days pass, and after a year without a start.
    pub(crate) fn due_after(&self, day: NaiveDate) -> Option<NaiveDate> {
        let Newest { anchor, open_from, .. } = self.newest.as_ref()?;
        let first = (*open_from)?.succ_opt()?;
        let due = day.succ_opt().map_or(first, |next_day| first.max(next_day));
        let last = anchor.start_date.checked_add_days(FOLLOWED_DAYS)?;
        (due <= last).then_some(due)
    }

    /// The question about the time since the newest start, if there is one on that day.
    pub(crate) fn open_question(&self, today: NaiveDate) -> Option<KnownQuestion> {
        let Newest { anchor, .. } = self.newest.as_ref()?;
        let open_until = self.open_until(today)?;
        let probability = anchor.missed_probability(Some(open_until));
        let asked = !anchor.says_missed() && probability > ASKED_FROM;
        asked.then(|| KnownQuestion {
            id: question_id(self.user_id, anchor.cycle_id, None),
            cycle_id: anchor.cycle_id,
            gap_start: anchor.start_date,
            gap_end: None,
            probability,
        })
    }

    fn anchor(&self, today: NaiveDate) -> Result<&Anchor, NoPrediction> {
        let lasts = |episode: &&HistoryEpisode| episode.end_date.is_none_or(|end| end >= today);
        let Some(newest) = &self.newest else {
            let episode = self.episodes.iter().rev().find(lasts);
            return Err(episode.map_or_else(obstacles::nothing_logged, |episode| {
                obstacles::episode(episode, today)
            }));
        };
        Ok(&newest.anchor)
    }
}
