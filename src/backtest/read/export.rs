//! JSON: what one user has logged, as the API answers it.

use std::{fs::File, io::ErrorKind, path::Path};

use anyhow::{Result, anyhow, bail};
use chrono::NaiveDate;
use prediction::{CycleNote, EpisodeKind, History};
use serde::Deserialize;

use super::{Age, CYCLES_MAX, Place, Take, logged, logs, text, unreadable};
use crate::backtest::case::Case;

#[derive(Deserialize)]
struct Export {
    cycles: Vec<Cycle>,
    /// How many cycles there are, where the file is one page of them.
    total: Option<usize>,
    #[serde(default)]
    episodes: Vec<Episode>,
    date_of_birth: Option<NaiveDate>,
}

#[derive(Deserialize)]
struct Cycle {
    start_date: NaiveDate,
    #[serde(default)]
    excluded: bool,
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
    let Export { mut cycles, total, episodes, date_of_birth } = export;
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
    let notes: Vec<CycleNote> =
        cycles.iter().map(|cycle| CycleNote { excluded: cycle.excluded, answer: None }).collect();
    let episodes: Vec<_> = episodes.into_iter().map(prediction::Episode::from).collect();
    let client = format!("export {number}");
    let logs = logs(&client, Age::Born(date_of_birth), &history, &notes, &episodes);
    logs.into_iter().map(Case::Log).try_for_each(take)
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
        serde_json::error::Category::Data => {
            place.error(format_args!("column {column}: not what GET /api/cycles/cycles answers"))
        }
        _ => place.error(format_args!("column {column}: not JSON")),
    }
}
