//! Error and calibration as an SVG that needs nothing but itself: no script, no font, no address.
//! Its colours follow the reader's light or dark setting; no meaning hangs on a colour alone.

mod marks;
mod panel;

use std::fmt::{Result, Write as _};

use prediction::{
    Method,
    constants::INTERVAL_LEVELS,
    metrics::{Known, Summary},
};

use self::{marks::Mark, panel::Panel};
use super::{score::Score, tally::real};

/// Okabe and Ito's colours, which people with any colour vision tell apart ("Color universal
/// design", 2008); lighter ones where the ground is dark.
const STYLE: &str = "\
svg{--paper:#fff;--ink:#1c2128;--soft:#57606a;--line:#d8dee4;--a:#0072b2;--b:#b84c00;--c:#00795a;--d:#a8518a}
@media(prefers-color-scheme:dark){svg{--paper:#14181d;--ink:#e8ecf0;--soft:#9aa4af;--line:#343b44;--a:#56b4e9;--b:#ff9d5c;--c:#3fd6a8;--d:#e79bc9}}
text{font:12px system-ui,-apple-system,'Segoe UI',sans-serif;fill:var(--ink)}
.t{font-size:15px;font-weight:600}.s{fill:var(--soft);font-size:11px}.r{text-anchor:end}.m{text-anchor:middle}
.g{stroke:var(--line);stroke-width:1}.n{stroke:var(--soft);stroke-dasharray:5 4}
.l{fill:none;stroke-width:2}
.a{stroke:var(--a);fill:var(--a)}.b{stroke:var(--b);fill:var(--b)}.c{stroke:var(--c);fill:var(--c)}.d{stroke:var(--d);fill:var(--d)}
.l.a,.l.b,.l.c,.l.d{fill:none}";

const WIDTH: u32 = 1_150;
const HEIGHT: u32 = 420;
/// Groups along the axis of what was known; [`Known::Any`] is no point on it.
const GROUPS: [(Known, &str); 5] = [
    (Known::Nothing, "0"),
    (Known::One, "1"),
    (Known::Two, "2"),
    (Known::ThreeToFive, "3–5"),
    (Known::SixOrMore, "6+"),
];
/// How far what belongs to one group stands apart, along the axis from 0 to 1.
const ASIDE: f64 = 0.025;
const METHODS: [(Method, &str, Mark); 4] = [
    (Method::Model, "this model", Mark::Circle),
    (Method::EarlierRule, "earlier rule", Mark::Square),
    (Method::MeanOfAll, "mean", Mark::Diamond),
    (Method::MedianOfSix, "median of six", Mark::Triangle),
];

/// The whole picture.
pub(super) fn svg(score: &Score) -> String {
    let mut svg = String::new();
    // Writing to a string cannot fail.
    let _infallible = draw(score, &mut svg);
    svg
}

fn draw(score: &Score, svg: &mut String) -> Result {
    let Score { people, forecasts, .. } = *score;
    writeln!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" width=\"{WIDTH}\" height=\"{HEIGHT}\" role=\"img\" aria-labelledby=\"title desc\">"
    )?;
    writeln!(svg, "<title id=\"title\">Backtest of the cycle predictor</title>")?;
    writeln!(
        svg,
        "<desc id=\"desc\">Mean absolute error, coverage of the stated ranges by number of known lengths, and stated against observed shares; people: {people}, forecasts: {forecasts}.</desc>"
    )?;
    writeln!(svg, "<style>{STYLE}</style>")?;
    writeln!(svg, "<rect width=\"{WIDTH}\" height=\"{HEIGHT}\" style=\"fill:var(--paper)\"/>")?;
    errors(score, svg)?;
    coverage(score, svg)?;
    reliability(score, svg)?;
    writeln!(svg, "</svg>")
}

/// Mean absolute error by what was known, for each method.
fn errors(score: &Score, svg: &mut String) -> Result {
    let mut series = METHODS.map(|(method, ..)| points(score, method, |summary| summary.mae_days));
    // Side by side, so that equals do not hide each other.
    for (place, points) in series.iter_mut().enumerate() {
        for (at, _) in points {
            *at += ASIDE * (real(place) - 1.5);
        }
    }
    let greatest = series.iter().flatten().map(|(_, value)| *value).fold(0.0, f64::max);
    let top = greatest.max(1.0).ceil();
    let panel = Panel { left: 60, title: "Error", about: "mean days off, by lengths known", top };
    let step = (top / 5.0).ceil();
    panel.frame(svg, step, |days| format!("{days}"))?;
    groups(&panel, score, svg)?;
    // The model last, over the others.
    for ((points, (_, _, mark)), class) in
        series.iter().zip(METHODS).zip(["a", "b", "c", "d"]).rev()
    {
        panel.line(svg, points, class)?;
        for point in points {
            mark.draw(svg, panel.place(*point), class)?;
        }
    }
    for (row, ((_, name, mark), class)) in (0..).zip(METHODS.into_iter().zip(["a", "b", "c", "d"]))
    {
        panel.legend(svg, row, name, mark, class)?;
    }
    Ok(())
}

/// How often the stated ranges held, by what was known.
fn coverage(score: &Score, svg: &mut String) -> Result {
    let about = "starts inside the stated range, by lengths known";
    let panel = Panel { left: 440, title: "Calibration", about, top: 1.0 };
    panel.frame(svg, 0.2, percent)?;
    groups(&panel, score, svg)?;
    let looks = [("c", Mark::Square), ("a", Mark::Circle), ("b", Mark::Diamond)];
    for ((place, level), (class, mark)) in INTERVAL_LEVELS.into_iter().enumerate().zip(looks) {
        panel.level(svg, level, &percent(level))?;
        let held = |summary: &Summary| summary.ranges.map(|ranges| ranges.coverage[place]);
        for (at, summary) in summaries(score, Method::Model) {
            let at = at + ASIDE * (real(place) - 1.0);
            let Some(share) = held(&summary) else { continue };
            let (low, high) = wilson(share, summary.count);
            panel.bar(svg, at, (low, high), class)?;
            mark.draw(svg, panel.place((at, share)), class)?;
        }
    }
    panel.note(svg, "bars: where the true share lies with 95 %")
}

/// What was stated against what came, over all levels.
fn reliability(score: &Score, svg: &mut String) -> Result {
    let about = "starts inside, against the stated probability";
    let panel = Panel { left: 825, title: "Stated and observed", about, top: 1.0 };
    panel.frame(svg, 0.2, percent)?;
    for tenth in [0, 2, 4, 6, 8, 10] {
        let share = f64::from(tenth) / 10.0;
        panel.below(svg, share, &percent(share), 0)?;
    }
    panel.diagonal(svg)?;
    let points: Vec<(f64, f64)> = score.stated.shares().collect();
    panel.line(svg, &points, "a")?;
    for point in points {
        Mark::Circle.draw(svg, panel.place(point), "a")?;
    }
    panel.note(svg, "on the dashed line they are the same")
}

/// Names of the groups, and how many forecasts each has.
fn groups(panel: &Panel, score: &Score, svg: &mut String) -> Result {
    for (at, (known, name)) in positions().zip(GROUPS) {
        let count = score.summary(Method::Model, known).map_or(0, |summary| summary.count);
        panel.below(svg, at, name, 0)?;
        panel.below(svg, at, &format!("N={count}"), 1)?;
    }
    Ok(())
}

fn points(score: &Score, method: Method, value: fn(&Summary) -> f64) -> Vec<(f64, f64)> {
    summaries(score, method).map(|(at, summary)| (at, value(&summary))).collect()
}

/// The groups that have forecasts, with their position along the axis.
fn summaries(score: &Score, method: Method) -> impl Iterator<Item = (f64, Summary)> {
    let of = move |(at, (known, _))| Some((at, score.summary(method, known)?));
    positions().zip(GROUPS).filter_map(of)
}

/// Positions of the groups, from 0 to 1.
fn positions() -> impl Iterator<Item = f64> {
    (0..GROUPS.len()).map(|place| (real(place) + 0.5) / real(GROUPS.len()))
}

/// The 95 % interval of a share that was seen in so many. Wilson, J Am Stat Assoc 1927;22:209–12.
fn wilson(share: f64, count: usize) -> (f64, f64) {
    let (count, z2) = (real(count), 1.96_f64.powi(2));
    let middle = (share + z2 / (2.0 * count)) / (1.0 + z2 / count);
    let spread = (share * (1.0 - share) / count + z2 / (4.0 * count * count)).sqrt();
    let half = 1.96 * spread / (1.0 + z2 / count);
    (middle - half, middle + half)
}

fn percent(share: f64) -> String {
    format!("{:.0} %", 100.0 * share)
}
