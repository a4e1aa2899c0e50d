//! Which lengths of a log say something about the cycles to come.

use chrono::NaiveDate;

use crate::{
    CyclesInGap, History, Length, LoggedCycle, Obstacle,
    constants::{LENGTH_MAX_DAYS, LENGTH_MIN_DAYS},
    history::days_between,
};

/// A time in which cycles do not follow the model, or are not logged.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Episode {
    /// What it is.
    pub kind: EpisodeKind,
    /// Its first day.
    pub start: NaiveDate,
    /// Its last day, inclusive; none while it lasts. A period that starts on the last day counts as
    /// the first after the episode.
    pub end: Option<NaiveDate>,
}

/// What an [`Episode`] is. All kinds are treated alike: cycles that they touch are left out, and
/// after them the person is predicted as if nothing had been known before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EpisodeKind {
    /// From the last period before it on.
    Pregnancy,
    /// After a birth or a loss, until periods have come back.
    Postpartum,
    /// While it suppresses or lengthens cycles.
    Breastfeeding,
    /// Bleeding then is withdrawal bleeding: it follows the packet.
    HormonalContraception,
    /// The menopausal transition. It is left out, not only widened: by STRAW+10 (Harlow and others,
    /// J Clin Endocrinol Metab 2012;97:1159–68) neighbouring lengths differ by 7 days or more in
    /// the early and reach 60 days in the late transition, and within-person variability is
    /// three times the usual over 50 (Apple Women's Health Study, Li and others, npj Digit Med
    /// 2023;6:100). The data behind this crate end at 42 years, so no range it could state for the
    /// transition has been checked against anything.
    Perimenopause,
    /// Logging was paused.
    Pause,
}

/// What a person said about one cycle.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
pub struct CycleNote {
    /// Leave its length out; what was learned before stays.
    pub excluded: bool,
    /// How many true cycles lie between its start and the next logged one.
    pub answer: Option<CyclesInGap>,
}

/// What becomes of the time from one start to the next.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// The newest cycle: its length is not known.
    Open,
    /// The model learns from this length.
    Learned(Length),
    /// The person left it out.
    Excluded,
    /// It touches an episode.
    InEpisode(EpisodeKind),
    /// Under 15 days: one of the starts is probably spotting.
    TooShort,
    /// Over 120 days: logging was interrupted, or an episode is missing. It would have to hide more
    /// starts than the model reckons with. With an answer it is learned as 120 days.
    TooLong,
    /// Too short for as many cycles as the person said.
    ContradictsAnswer,
}

/// One logged cycle, as the model sees it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SegmentedCycle {
    /// What becomes of its length.
    pub usage: Use,
    /// Position of the first cycle of the segment: nothing before it may be used.
    pub segment_start: usize,
    /// Why the start after this cycle cannot be predicted, if it is the newest one that is known.
    pub obstacle: Option<Obstacle>,
}

/// Takes a log apart, one entry for each cycle of the history. `notes[i]` is about cycle i; missing
/// ones say nothing. The order of the episodes is irrelevant where none overlap; of overlapping
/// ones the first that reaches into a cycle is named.
pub fn segments(
    history: &History,
    notes: &[CycleNote],
    episodes: &[Episode],
) -> Vec<SegmentedCycle> {
    let cycles = history.cycles();
    let mut segmented = Vec::with_capacity(cycles.len());
    let mut segment_start = 0;
    for (position, cycle) in cycles.iter().enumerate() {
        let next = cycles.get(position + 1).copied();
        let touching = episodes.iter().find(|episode| episode.touches(*cycle, next));
        let note = notes.get(position).copied().unwrap_or_default();
        segmented.push(SegmentedCycle {
            usage: usage(*cycle, next, note, touching),
            segment_start,
            obstacle: touching.map(|episode| {
                let Episode { kind, start, end } = *episode;
                Obstacle::Episode { kind, start, end }
            }),
        });
        if touching.is_some() {
            segment_start = position + 1;
        }
    }
    segmented
}

impl Episode {
    /// Whether it reaches into the time from this start to the next.
    fn touches(&self, cycle: LoggedCycle, next: Option<LoggedCycle>) -> bool {
        let ends_later = self.end.is_none_or(|end| end > cycle.start);
        let starts_earlier = next.is_none_or(|next| self.start < next.start);
        ends_later && starts_earlier
    }
}

fn usage(
    cycle: LoggedCycle,
    next: Option<LoggedCycle>,
    note: CycleNote,
    touching: Option<&Episode>,
) -> Use {
    let Some(next) = next else { return Use::Open };
    if let Some(episode) = touching {
        return Use::InEpisode(episode.kind);
    }
    let days = days_between(cycle.start, next.start).unsigned_abs();
    let length = Length { days, answer: note.answer };
    if note.excluded {
        Use::Excluded
    } else if days < LENGTH_MIN_DAYS {
        Use::TooShort
    } else if days > LENGTH_MAX_DAYS && note.answer.is_none() {
        Use::TooLong
    } else if length.is_usable() {
        Use::Learned(length)
    } else {
        Use::ContradictsAnswer
    }
}
