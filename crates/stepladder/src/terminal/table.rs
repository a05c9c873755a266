//! A plain table: columns two spaces apart, heads in the first line. It can be Markdown or part of a page, too.

use std::fmt;
#[cfg(feature = "pages")]
use stepladder_page::{Markup, element, html};

/// On which side a column's cells are flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alignment {
    Left,
    Right,
}

/// Heads, rows, and how each column is aligned.
pub(crate) struct Table {
    alignments: Vec<Alignment>,
    /// The heads, then the rows.
    lines: Vec<Vec<String>>,
}

impl Table {
    pub fn new<'a>(heads: impl IntoIterator<Item = (&'a str, Alignment)>) -> Table {
        let (heads, alignments) = heads
            .into_iter()
            .map(|(head, side)| (head.to_string(), side))
            .unzip();
        Table {
            alignments,
            lines: vec![heads],
        }
    }

    /// Adds a row; cells beyond the heads are dropped.
    pub fn row(&mut self, cells: impl IntoIterator<Item = String>) {
        self.lines
            .push(cells.into_iter().take(self.alignments.len()).collect());
    }

    /// The table in Markdown, as GitHub reads it.
    pub fn to_markdown(&self) -> String {
        let row = |cells: &[String]| {
            let escaped: Vec<String> = cells.iter().map(|cell| escaped(cell)).collect();
            format!("| {} |\n", escaped.join(" | "))
        };
        let rule = self.alignments.iter().map(|alignment| match alignment {
            Alignment::Left => "---",
            Alignment::Right => "---:",
        });
        let rule: Vec<String> = rule.map(String::from).collect();
        let mut text = String::new();
        for (number, line) in self.lines.iter().enumerate() {
            text += &row(line);
            if number == 0 {
                text += &row(&rule);
            }
        }
        text
    }

    /// The table as part of a page.
    #[cfg(feature = "pages")]
    pub fn to_markup(&self, caption: &str) -> Markup {
        let mut lines = self.lines.iter();
        let heads: Vec<&str> = lines.next().into_iter().flatten().map(String::as_str).collect();
        let numeric: Vec<bool> = self
            .alignments
            .iter()
            .map(|alignment| *alignment == Alignment::Right)
            .collect();
        let rows = lines.map(|line| line.iter().map(|cell| html! { (cell) }).collect());
        element::table(caption, &heads, &numeric, &rows.collect::<Vec<Vec<Markup>>>())
    }

    /// The widest cell of a column, in characters.
    fn width(&self, column: usize) -> usize {
        let cells = self.lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    }
}

/// A text in a cell of Markdown: it ends no cell, and is no markup.
fn escaped(cell: &str) -> String {
    cell.replace('\\', r"\\")
        .replace('|', r"\|")
        .replace('<', "&lt;")
        .replace('\n', " ")
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let widths: Vec<usize> = (0..self.alignments.len())
            .map(|column| self.width(column))
            .collect();
        for line in &self.lines {
            let cells = line.iter().zip(&widths).zip(&self.alignments);
            let padded = cells.map(|((cell, &width), alignment)| match alignment {
                Alignment::Left => format!("{cell:<width$}"),
                Alignment::Right => format!("{cell:>width$}"),
            });
            writeln!(f, "{}", padded.collect::<Vec<_>>().join("  ").trim_end())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_and_lines_have_no_tail() {
        let mut table = Table::new([
            ("class", Alignment::Left),
            ("photos", Alignment::Right),
            ("", Alignment::Left),
        ]);
        table.row(["daisy", "40", "x"].map(String::from));
        table.row(["sunflowers", "9", ""].map(String::from));
        assert_eq!(
            table.to_string(),
            "class       photos\ndaisy           40  x\nsunflowers       9\n"
        );
    }

    #[test]
    fn markdown_escapes_what_would_end_a_cell() {
        let mut table = Table::new([("run", Alignment::Left), ("test", Alignment::Right)]);
        table.row(["a|<b>", "40"].map(String::from));
        assert_eq!(
            table.to_markdown(),
            "| run | test |\n| --- | ---: |\n| a\\|&lt;b> | 40 |\n"
        );
    }

    #[cfg(feature = "pages")]
    #[test]
    fn in_a_page_cells_are_escaped_and_numbers_flush_right() {
        let mut table = Table::new([("run", Alignment::Left), ("test", Alignment::Right)]);
        table.row(["<b>", "40"].map(String::from));
        let markup = table.to_markup("Figures").into_string();
        assert!(markup.contains("<caption>Figures</caption>"), "{markup}");
        assert!(
            markup.contains("<th scope=\"row\">&lt;b&gt;</th><td class=\"number\">40</td>"),
            "{markup}"
        );
    }
}
