//! Marks that differ in shape, so that nobody has to tell colours apart.

use std::fmt::{Result, Write as _};

/// Half the size of a mark, in the picture's units.
const HALF: f64 = 4.5;

/// A shape.
#[derive(Clone, Copy)]
pub(super) enum Mark {
    Circle,
    Square,
    Diamond,
    Triangle,
}

impl Mark {
    /// Draws it around a place.
    pub(super) fn draw(self, svg: &mut String, (x, y): (f64, f64), class: &str) -> Result {
        let (left, right, top, bottom) = (x - HALF, x + HALF, y - HALF, y + HALF);
        let corners = match self {
            Self::Circle => {
                return writeln!(
                    svg,
                    "<circle class=\"{class}\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{HALF}\"/>"
                );
            }
            Self::Square => vec![(left, top), (right, top), (right, bottom), (left, bottom)],
            Self::Diamond => vec![(x, top), (right, y), (x, bottom), (left, y)],
            Self::Triangle => vec![(x, top), (right, bottom), (left, bottom)],
        };
        write!(svg, "<polygon class=\"{class}\" points=\"")?;
        for (x, y) in corners {
            write!(svg, "{x:.1},{y:.1} ")?;
        }
        writeln!(svg, "\"/>")
    }
}
