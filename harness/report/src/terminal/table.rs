//! A table whose columns line up.

use super::Style;
use super::paint::{Paint, width};

/// Where a column's text stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// Names.
    Left,
    /// Numbers.
    Right,
}

/// A table in the making.
#[derive(Debug)]
pub(super) struct Table {
    sides: Vec<Side>,
    rows: Vec<Line>,
}

#[derive(Debug)]
enum Line {
    Cells(Vec<(String, Paint)>),
    Words(String, Paint),
}

impl Table {
    /// A table with these columns.
    pub(super) fn new(columns: &[(&str, Side)]) -> Table {
        let head = columns.iter().map(|(name, _)| ((*name).to_owned(), Paint::Faint)).collect();
        Table { sides: columns.iter().map(|(_, side)| *side).collect(), rows: vec![Line::Cells(head)] }
    }

    /// Adds a row of cells.
    pub(super) fn row(&mut self, cells: impl IntoIterator<Item = (String, Paint)>) {
        self.rows.push(Line::Cells(cells.into_iter().collect()));
    }

    /// Adds a line of words below the last row, which no column has to make room for.
    pub(super) fn words(&mut self, text: String, paint: Paint) {
        self.rows.push(Line::Words(text, paint));
    }

    /// The table, each line ended, indented by one column. The first column gives way when the whole is too wide.
    pub(super) fn show(&self, style: Style) -> String {
        let mut widths: Vec<usize> = vec![0; self.sides.len()];
        for line in &self.rows {
            if let Line::Cells(cells) = line {
                cells.iter().zip(&mut widths).for_each(|((text, _), w)| *w = (*w).max(width(text)));
            }
        }
        let total = 1 + widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1);
        if let Some(first) = widths.first_mut() {
            *first = first.saturating_sub(total.saturating_sub(style.width)).max(8.min(*first));
        }
        self.rows.iter().map(|line| self.line(line, &widths, style)).collect()
    }

    fn line(&self, line: &Line, widths: &[usize], style: Style) -> String {
        let cells = match line {
            Line::Cells(cells) => cells,
            Line::Words(text, paint) => return style.paragraph("   ", *paint, text),
        };
        let last = cells.iter().rposition(|(text, _)| !text.is_empty()).unwrap_or(0);
        let mut out = String::from(" ");
        for (i, (((text, paint), room), side)) in cells.iter().zip(widths).zip(&self.sides).enumerate().take(last + 1) {
            let text = cut(text, *room);
            let gap = " ".repeat(room.saturating_sub(width(&text)));
            let painted = style.paint(*paint, &text);
            out += if i == 0 { "" } else { "  " };
            out += &match side {
                Side::Left if i == last => painted,
                Side::Left => painted + &gap,
                Side::Right => gap + &painted,
            };
        }
        out + "\n"
    }
}

fn cut(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut out = String::new();
    for c in text.chars() {
        if width(&out) + unicode_width::UnicodeWidthChar::width(c).unwrap_or(0) + 1 > room {
            break;
        }
        out.push(c);
    }
    out + "…"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_line_up_whatever_the_script() {
        let mut table = Table::new(&[("name", Side::Left), ("n", Side::Right)]);
        table.row([("日本".to_owned(), Paint::Plain), ("1".to_owned(), Paint::Good)]);
        table.row([("abcdef".to_owned(), Paint::Plain), ("100".to_owned(), Paint::Plain)]);
        assert_eq!(table.show(Style::PLAIN), " name      n\n 日本      1\n abcdef  100\n");
        assert!(table.show(Style { colour: true, width: 80 }).contains("\u{1b}[32m1\u{1b}[0m"));
    }

    #[test]
    fn the_first_column_gives_way() {
        let mut table = Table::new(&[("name", Side::Left), ("n", Side::Right)]);
        table.row([("x".repeat(200), Paint::Plain), ("1234567".to_owned(), Paint::Plain)]);
        let style = Style { colour: false, width: 40 };
        assert!(table.show(style).lines().all(|line| width(line) <= 40), "{}", table.show(style));
    }
}
