//! What is printed.

use std::io::Write;

use anyhow::Result;
use prediction::{
    Method,
    metrics::{Known, Summary},
};

use super::{
    gaps::Gaps,
    score::{FORECASTS_MIN, Score},
};
use crate::table::Table;

const HEADS: [&str; 14] = [
    "KNOWN",
    "METHOD",
    "#N",
    "#MAE",
    "#RMSE",
    "#BIAS",
    "#±2 DAYS",
    "#CRPS",
    "#IN 50 %",
    "#WIDTH",
    "#IN 80 %",
    "#WIDTH",
    "#IN 95 %",
    "#WIDTH",
];
/// What a rule says about ranges.
const NOTHING: &str = "-";

pub(super) fn print(score: &Score, out: &mut impl Write) -> Result<()> {
    let Score { people, forecasts, .. } = *score;
    writeln!(
        out,
        "{} of {}, each forecast from the ones before it alone. Errors and widths in days.\n",
        counted(forecasts, "length", "lengths"),
        counted(people, "person", "people")
    )?;
    let mut table = Table::new(&HEADS);
    for known in Known::ALL {
        for method in Method::ALL {
            if let Some(summary) = score.summary(method, known) {
                table.row(row(known, method, &summary));
            }
        }
    }
    if table.is_empty() {
        writeln!(out, "Fewer than {FORECASTS_MIN} of them say nothing.")?;
    } else {
        table.print(out)?;
    }
    writeln!(out)?;
    if let Some(all) = score.summary(Method::Model, Known::Any) {
        let [_, hit, _] = all.within;
        writeln!(
            out,
            "Within 2 days of the shown one: stated {}, came {} (all n>=1).",
            percent(score.stated.confidence()),
            percent(hit)
        )?;
    }
    print_gaps(&score.gaps, out)?;
    let fertile = &score.fertile;
    if fertile.cycles as usize >= FORECASTS_MIN
        && let Some(calendar) = fertile.calendar.score()
        && let Some(informed) = fertile.with_ovulations.score()
    {
        writeln!(
            out,
            "Fertile days of {} with a known ovulation: Brier score {calendar:.4}, {informed:.4} with her earlier ovulations.",
            counted(fertile.cycles, "cycle", "cycles")
        )?;
    }
    if score.left_out > 0 {
        writeln!(
            out,
            "{} left out: excluded, in an episode, under 15 or over 120 days.",
            counted(score.left_out, "length", "lengths")
        )?;
    }
    Ok(())
}

fn row(known: Known, method: Method, summary: &Summary) -> Vec<String> {
    let mut cells = vec![
        known.name().to_owned(),
        method.name().to_owned(),
        summary.count.to_string(),
        format!("{:.3}", summary.mae_days),
        format!("{:.3}", summary.rmse_days),
        format!("{:+.3}", summary.bias_days),
        percent(summary.within[1]),
        format!("{:.3}", summary.crps_days),
    ];
    for level in 0..3 {
        let said = summary.ranges.map(|it| (it.coverage[level], it.width_days[level]));
        cells.extend(match said {
            Some((coverage, width)) => [percent(coverage), format!("{width:.2}")],
            None => [NOTHING; 2].map(str::to_owned),
        });
    }
    cells
}

fn print_gaps(gaps: &Gaps, out: &mut impl Write) -> Result<()> {
    writeln!(
        out,
        "Lengths suspected to hide a start that was not logged (P > 0.5): {} of {}.",
        gaps.suspected, gaps.judged
    )?;
    if gaps.known > 0 {
        let share =
            |it: Option<f64>| it.map_or_else(|| NOTHING.to_owned(), |it| format!("{it:.3}"));
        writeln!(
            out,
            "{} of {} do: precision {}, recall {}.",
            gaps.known_to_hide,
            gaps.known,
            share(gaps.precision()),
            share(gaps.recall())
        )?;
    }
    Ok(())
}

fn percent(share: f64) -> String {
    format!("{:.1} %", 100.0 * share)
}

fn counted(count: impl Into<u64>, one: &str, many: &str) -> String {
    let count = count.into();
    format!("{count} {}", if count == 1 { one } else { many })
}
