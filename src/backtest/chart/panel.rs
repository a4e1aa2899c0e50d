//! One diagram: where its values lie, and its axes.

use std::fmt::{Display, Result, Write as _};

use super::marks::Mark;

/// Size of the ground that values are drawn on, and where it begins, in the picture's units.
const WIDTH: f64 = 290.0;
const HEIGHT: f64 = 230.0;
const TOP: f64 = 96.0;
/// Distance of the rows of text under the ground.
const ROW: f64 = 16.0;

/// A diagram. Values are 0 to 1 along, and 0 to `top` upwards.
pub(super) struct Panel {
    pub(super) left: u32,
    pub(super) title: &'static str,
    pub(super) about: &'static str,
    pub(super) top: f64,
}

impl Panel {
    /// Where a value is in the picture.
    pub(super) fn place(&self, (along, up): (f64, f64)) -> (f64, f64) {
        (f64::from(self.left) + WIDTH * along, TOP + HEIGHT * (1.0 - up / self.top))
    }

    /// Title and horizontal lines, one each `step`.
    pub(super) fn frame(&self, svg: &mut String, step: f64, label: fn(f64) -> String) -> Result {
        let Self { left, title, about, top } = self;
        text(svg, (f64::from(*left), 32.0), "t", title)?;
        text(svg, (f64::from(*left), 50.0), "s", about)?;
        let mut value = 0.0;
        // A little more than the top: steps such as 0.2 do not add up exactly.
        while value <= top + step / 10.0 {
            let (from, to) = (self.place((0.0, value)), self.place((1.0, value)));
            straight(svg, from, to, "g")?;
            text(svg, (from.0 - 8.0, from.1 + 4.0), "s r", &label(value))?;
            value += step;
        }
        Ok(())
    }

    /// Text under the axis, in a row from 0.
    pub(super) fn below(&self, svg: &mut String, along: f64, what: &str, row: u32) -> Result {
        let (x, y) = self.place((along, 0.0));
        let class = if row == 0 { "m" } else { "s m" };
        text(svg, (x, y + ROW * f64::from(row + 1) + 2.0), class, what)
    }

    /// A sentence at the foot.
    pub(super) fn note(&self, svg: &mut String, what: &str) -> Result {
        let (x, y) = self.place((0.0, 0.0));
        text(svg, (x, y + 4.0 * ROW), "s", what)
    }

    /// An entry of the legend; two stand in a row.
    pub(super) fn legend(
        &self,
        svg: &mut String,
        entry: u32,
        name: &str,
        mark: Mark,
        class: &str,
    ) -> Result {
        let (x, y) = self.place((0.0, 0.0));
        let x = x + 8.0 + 140.0 * f64::from(entry % 2);
        let y = y + ROW * f64::from(entry / 2 + 4);
        mark.draw(svg, (x, y - 4.0), class)?;
        text(svg, (x + 12.0, y), "", name)
    }

    /// A line through points.
    pub(super) fn line(&self, svg: &mut String, points: &[(f64, f64)], class: &str) -> Result {
        write!(svg, "<polyline class=\"l {class}\" points=\"")?;
        for point in points {
            let (x, y) = self.place(*point);
            write!(svg, "{x:.1},{y:.1} ")?;
        }
        writeln!(svg, "\"/>")
    }

    /// A vertical bar from one value to another.
    pub(super) fn bar(
        &self,
        svg: &mut String,
        along: f64,
        (low, high): (f64, f64),
        class: &str,
    ) -> Result {
        let (from, to) = (self.place((along, low)), self.place((along, high)));
        straight(svg, from, to, &format!("l {class}"))
    }

    /// A dashed line at a value, with its name.
    pub(super) fn level(&self, svg: &mut String, value: f64, name: &str) -> Result {
        let (from, to) = (self.place((0.0, value)), self.place((1.0, value)));
        straight(svg, from, to, "n")?;
        text(svg, (to.0 + 6.0, to.1 + 4.0), "s", name)
    }

    /// The dashed line on which both axes have the same value.
    pub(super) fn diagonal(&self, svg: &mut String) -> Result {
        straight(svg, self.place((0.0, 0.0)), self.place((1.0, 1.0)), "n")
    }
}

fn straight(svg: &mut String, from: (f64, f64), to: (f64, f64), class: &str) -> Result {
    let ((x1, y1), (x2, y2)) = (from, to);
    writeln!(
        svg,
        "<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>"
    )
}

/// Only our own words are written, none of which needs escaping.
fn text(
    svg: &mut String,
    (x, y): (f64, f64),
    class: &str,
    what: &(impl Display + ?Sized),
) -> Result {
    writeln!(svg, "<text class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\">{what}</text>")
}
