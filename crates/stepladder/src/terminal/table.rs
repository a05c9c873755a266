//! A plain table: columns two spaces apart, heads in the first line. It can be Markdown or part of a page, too.

use super::fold::cell_lines;
use std::fmt;
use std::ops::Range;
#[cfg(feature = "pages")]
use stepladder_page::{Markup, element, html};

/// On which side a column's cells are flush.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Alignment {
    Left,
    Right,
}

/// Spaces between columns.
const GAP: usize = 2;

/// A column of texts is not folded to less.
const NARROWEST: usize = 10;

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

    /// The table in so many columns of a terminal: long texts go on in the next line of their cell, and where that is not enough, the
    /// columns follow each other in parts that each begin with the first.
    pub fn within(&self, width: Option<usize>) -> String {
        let Some(width) = width.filter(|width| self.total() > *width) else {
            return self.to_string();
        };
        let folded = self.folded(width);
        if folded.total() <= width {
            return folded.to_string();
        }
        let parts = folded.parts(width).into_iter();
        parts.map(|part| part.to_string()).collect::<Vec<_>>().join("\n")
    }

    /// Characters of the longest line.
    fn total(&self) -> usize {
        let widths = (0..self.alignments.len()).map(|column| self.width(column));
        widths.sum::<usize>() + GAP * self.alignments.len().saturating_sub(1)
    }

    /// The same with the widest texts folded, as far as they can be.
    fn folded(&self, width: usize) -> Table {
        let mut widths: Vec<usize> = (0..self.alignments.len())
            .map(|column| self.width(column))
            .collect();
        let gaps = GAP * widths.len().saturating_sub(1);
        while widths.iter().sum::<usize>() + gaps > width {
            let texts = (0..widths.len()).filter(|column| self.alignments[*column] == Alignment::Left);
            let widest = texts
                .max_by_key(|column| widths[*column])
                .filter(|column| widths[*column] > NARROWEST);
            let Some(widest) = widest else { break };
            widths[widest] -= 1;
        }
        let mut lines = Vec::new();
        for line in &self.lines {
            let cells: Vec<Vec<String>> = line
                .iter()
                .zip(&widths)
                .map(|(cell, &width)| match cell.chars().count() > width {
                    true => cell_lines(cell, width),
                    false => vec![cell.clone()],
                })
                .collect();
            let height = cells.iter().map(Vec::len).max().unwrap_or(1);
            let row = |at: usize| {
                cells
                    .iter()
                    .map(|cell| cell.get(at).cloned().unwrap_or_default())
                    .collect()
            };
            lines.extend((0..height).map(row));
        }
        Table {
            alignments: self.alignments.clone(),
            lines,
        }
    }

    /// The first column with as many of the others as fit, part by part.
    fn parts(&self, width: usize) -> Vec<Table> {
        let mut parts = Vec::new();
        let mut from = 1;
        while from < self.alignments.len() {
            let mut to = from + 1;
            while to < self.alignments.len() && self.part(from..to + 1).total() <= width {
                to += 1;
            }
            parts.push(self.part(from..to));
            from = to;
        }
        parts
    }

    fn part(&self, columns: Range<usize>) -> Table {
        let line = |line: &Vec<String>| {
            let others = columns
                .clone()
                .map(|column| line.get(column).cloned().unwrap_or_default());
            line.first().cloned().into_iter().chain(others).collect()
        };
        let alignments = columns.clone().map(|column| self.alignments[column]);
        Table {
            alignments: std::iter::once(self.alignments[0]).chain(alignments).collect(),
            lines: self.lines.iter().map(line).collect(),
        }
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
    fn a_narrow_terminal_folds_texts_at_words() {
        let mut table = Table::new([
            ("rung", Alignment::Left),
            ("test", Alignment::Right),
            ("what changed", Alignment::Left),
        ]);
        table.row(["m3", "40.1", "twice the filters in each block"].map(String::from));
        assert_eq!(table.within(None), table.to_string());
        let folded = table.within(Some(30));
        assert_eq!(
            folded,
            "rung  test  what changed\nm3    40.1  twice the filters\n            in each block\n"
        );
    }

    #[test]
    fn many_columns_follow_in_parts() {
        let names: Vec<String> = (0..8).map(|class| format!("class{class}")).collect();
        let heads = names.iter().map(|name| (name.as_str(), Alignment::Right));
        let mut table = Table::new([("", Alignment::Left)].into_iter().chain(heads));
        for name in &names {
            table.row(std::iter::once(name.clone()).chain((0..8).map(|n| n.to_string())));
        }
        let text = table.within(Some(40));
        assert!(text.lines().all(|line| line.len() <= 40), "{text}");
        assert_eq!(text.matches("class7").count(), 1 + 2, "{text}");
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
