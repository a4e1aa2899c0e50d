//! Tables for people: columns as wide as their widest cell.

use std::io::{self, Write};

/// A table with a head.
pub(crate) struct Table {
    /// Each with whether it is a column of numbers, which stand right.
    columns: Vec<(&'static str, bool)>,
    rows: Vec<Vec<String>>,
}

impl Table {
    /// A table with these columns; a head that begins with `#` is one of numbers.
    pub(crate) fn new(heads: &[&'static str]) -> Self {
        let column = |head: &&'static str| match head.strip_prefix('#') {
            Some(head) => (head, true),
            None => (*head, false),
        };
        Self { columns: heads.iter().map(column).collect(), rows: Vec::new() }
    }

    /// Adds a row with a cell for each column.
    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.rows.push(cells.into_iter().collect());
    }

    /// Whether it has no row.
    pub(crate) fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Prints it.
    pub(crate) fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let heads: Vec<String> = self.columns.iter().map(|(head, _)| (*head).to_owned()).collect();
        for cells in std::iter::once(&heads).chain(&self.rows) {
            let mut line = String::new();
            for (index, (cell, (_, number))) in cells.iter().zip(&self.columns).enumerate() {
                let width = self.width(index);
                let padded =
                    if *number { format!("{cell:>width$}") } else { format!("{cell:<width$}") };
                line.push_str(if index == 0 { "" } else { "  " });
                line.push_str(&padded);
            }
            writeln!(out, "{}", line.trim_end())?;
        }
        Ok(())
    }

    fn width(&self, index: usize) -> usize {
        let head = self.columns.get(index).map_or(0, |(head, _)| head.chars().count());
        let cells = self.rows.iter().filter_map(|row| row.get(index));
        cells.map(|cell| cell.chars().count()).max().unwrap_or_default().max(head)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stand_right_and_words_left() {
        let mut table = Table::new(&["#ID", "GROUP", "WHY"]);
        table.row(["1", "analytics", "failed"].map(str::to_owned));
        table.row(["1234", "x", "y"].map(str::to_owned));
        let mut out = Vec::new();
        table.print(&mut out).unwrap();
        let expected = "  ID  GROUP      WHY\n   1  analytics  failed\n1234  x          y\n";
        assert_eq!(String::from_utf8(out).unwrap(), expected);
    }
}
