//! JSON: what one user has logged: an export, or a page of cycles, as the API answers them.

use std::{fs::File, io::ErrorKind, path::Path};

use anyhow::{Result, anyhow, bail};
use chrono::NaiveDate;
use prediction::{CycleNote, CyclesInGap, EpisodeKind, History};
use serde::Deserialize;

use super::{Age, CYCLES_MAX, Place, Take, logged, logs, text, unreadable};
use crate::backtest::case::Case;

/// The version of exports that is read.
const VERSION: u32 = 1;

#[derive(Deserialize)]
struct Export {
    cycles: Vec<Cycle>,
    /// How many cycles there are, where the file is one page of them.
    total: Option<usize>,
    #[serde(default)]
    episodes: Vec<Episode>,
    /// Of an export.
    profile: Option<Profile>,
    /// Of an export: its version, and that it was not broken off.
    version: Option<u32>,
    complete: Option<bool>,
}

#[derive(Deserialize)]
struct Profile {
    date_of_birth: Option<NaiveDate>,
}

#[derive(Deserialize)]
struct Cycle {
    start_date: NaiveDate,
    #[serde(default)]
    excluded: bool,
    gap_answer: Option<GapAnswer>,
}

/// What was said about the days to the next start.
#[derive(Deserialize)]
struct GapAnswer {
    /// The start that ended them when it was asked; none: there was none yet.
    next_start: Option<NaiveDate>,
    answer: Answer,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    NoneMissed,
    MissedUnknown,
}

#[derive(Deserialize)]
struct Episode {
    kind: Kind,
    start_date: NaiveDate,
    end_date: Option<NaiveDate>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Kind {
    Pregnancy,
    Postpartum,
    Breastfeeding,
    HormonalContraception,
    Perimenopause,
    Pause,
}

/// The `number`th file.
pub(super) fn each(path: &Path, file: File, number: u32, take: Take<'_>) -> Result<()> {
    let text = text(file).map_err(|error| unreadable(path, &error))?;
    let export: Export = serde_json::from_reader(text).map_err(|error| refused(path, &error))?;
    let Export { mut cycles, total, episodes, profile, version, complete } = export;
    if version.is_some_and(|version| version != VERSION) {
        bail!("{}: an export of a version that is not known here", path.display());
    }
    if version.is_some() && complete != Some(true) {
        bail!("{}: an export that was broken off", path.display());
    }
    if let Some(total) = total.filter(|total| *total != cycles.len()) {
        let shown = path.display();
        bail!("{shown}: a page with {} of {total} cycles; put all of them into one", cycles.len());
    }
    if cycles.len() > CYCLES_MAX {
        bail!("{}: more than {CYCLES_MAX} cycles of one person", path.display());
    }
    cycles.sort_by_key(|cycle| cycle.start_date);
    let starts: Vec<NaiveDate> = cycles.iter().map(|cycle| cycle.start_date).collect();
    let twice = |_| anyhow!("{}: two cycles start on the same day", path.display());
    let history = History::new(logged(&starts)).map_err(twice)?;
    let next_starts = starts.iter().skip(1).copied().map(Some).chain([None]);
    let notes: Vec<CycleNote> = cycles.iter().zip(next_starts).map(Cycle::note).collect();
    let date_of_birth = profile.and_then(|profile| profile.date_of_birth);
    let episodes: Vec<_> = episodes.into_iter().map(prediction::Episode::from).collect();
    let client = format!("export {number}");
    let logs = logs(&client, Age::Born(date_of_birth), &history, &notes, &episodes);
    logs.into_iter().map(Case::Log).try_for_each(take)
}

impl Cycle {
    /// What counts of it besides its start. An answer about another gap does not, as in the product.
    fn note((cycle, next_start): (&Self, Option<NaiveDate>)) -> CycleNote {
        let Self { start_date: _, excluded, gap_answer } = cycle;
        let answer = gap_answer
            .as_ref()
            .filter(|gap| gap.next_start.is_none() || gap.next_start == next_start);
        let answer = answer.map(|gap| match gap.answer {
            Answer::NoneMissed => CyclesInGap::One,
            Answer::MissedUnknown => CyclesInGap::TwoOrThree,
        });
        CycleNote { excluded: *excluded, answer }
    }
}

impl From<Episode> for prediction::Episode {
    fn from(episode: Episode) -> Self {
        let Episode { kind, start_date, end_date } = episode;
        let kind = match kind {
            Kind::Pregnancy => EpisodeKind::Pregnancy,
            Kind::Postpartum => EpisodeKind::Postpartum,
            Kind::Breastfeeding => EpisodeKind::Breastfeeding,
            Kind::HormonalContraception => EpisodeKind::HormonalContraception,
            Kind::Perimenopause => EpisodeKind::Perimenopause,
            Kind::Pause => EpisodeKind::Pause,
        };
        Self { kind, start: start_date, end: end_date }
    }
}

/// Where the file is wrong. The library's messages may hold what is in it.
fn refused(path: &Path, error: &serde_json::Error) -> anyhow::Error {
    let line = u64::try_from(error.line()).unwrap_or(u64::MAX);
    let place = Place { path, line };
    let column = error.column();
    match error.classify() {
        serde_json::error::Category::Io => {
            let kind = error.io_error_kind().unwrap_or(ErrorKind::Other);
            anyhow!("{}: {kind}", path.display())
        }
        serde_json::error::Category::Data => place.error(format_args!(
            "column {column}: not an export, nor what GET /api/cycles/cycles answers"
        )),
        _ => place.error(format_args!("column {column}: not JSON")),
    }
}
