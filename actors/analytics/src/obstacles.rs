//! Why there is no prediction, in words: said instead of a date that would be wrong.

use chrono::NaiveDate;
use contracts::{
    analytics::{NoPrediction, NoPredictionReason},
    cycles::{EpisodeKind, HistoryEpisode},
};

/// No cycle was logged.
pub(crate) fn nothing_logged() -> NoPrediction {
    NoPrediction {
        reason: NoPredictionReason::NothingLogged,
        message: "No prediction, because no cycle was logged yet.".to_owned(),
        since: None,
    }
}

/// The calendar ends before the starts to come.
pub(crate) fn beyond_calendar() -> NoPrediction {
    NoPrediction {
        reason: NoPredictionReason::BeyondCalendar,
        message: "No prediction, because the calendar ends before it.".to_owned(),
        since: None,
    }
}

/// An episode goes on, or is over and nothing was logged since.
pub(crate) fn episode(episode: &HistoryEpisode, today: NaiveDate) -> NoPrediction {
    let HistoryEpisode { kind, start_date, end_date } = *episode;
    let (reason, what) = in_words(kind);
    match end_date.filter(|end| *end < today) {
        None => NoPrediction {
            reason,
            message: format!("No prediction, because {what}."),
            since: Some(start_date),
        },
        Some(end) => NoPrediction {
            reason: NoPredictionReason::NoStartSinceEpisode,
            message: "No prediction, because no start was logged since the last episode ended."
                .to_owned(),
            since: end.succ_opt(),
        },
    }
}

const fn in_words(kind: EpisodeKind) -> (NoPredictionReason, &'static str) {
    match kind {
        EpisodeKind::Pregnancy => (NoPredictionReason::Pregnancy, "a pregnancy goes on"),
        EpisodeKind::Postpartum => {
            (NoPredictionReason::Postpartum, "the time after a birth goes on")
        }
        EpisodeKind::Breastfeeding => {
            (NoPredictionReason::Breastfeeding, "breastfeeding changes the cycle")
        }
        EpisodeKind::HormonalContraception => (
            NoPredictionReason::HormonalContraception,
            "under hormonal contraception bleeding follows the method",
        ),
        EpisodeKind::Perimenopause => (
            NoPredictionReason::Perimenopause,
            "in the menopausal transition cycles vary too much for a date",
        ),
        EpisodeKind::Pause => (NoPredictionReason::Pause, "predictions are paused"),
    }
}
