//! A plain table: a line of headings, a line per row, columns two blanks apart. No frame, so that it can be cut and
//! searched by line; and no crate for it, since a table must cost no more than the JSON it stands for.

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Blanks between two columns.
const GAP: usize = 2;
/// Narrowest that a column is cut to.
const WIDTH_MIN: usize = 6;

/// How a cell is painted, where colour is on. Never the only sign: the text says the same.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paint {
    /// As it is.
    #[default]
    Plain,
    /// All is well.
    Good,
    /// In between.
    Doubtful,
    /// Something is wrong.
    Bad,
}

impl Paint {
    /// The escape that starts the colour (ECMA-48 SGR); `None` for plain text.
    const fn start(self) -> Option<&'static str> {
        match self {
            Self::Plain => None,
            Self::Good => Some("\x1b[32m"),
            Self::Doubtful => Some("\x1b[33m"),
            Self::Bad => Some("\x1b[31m"),
        }
    }
}

/// One cell: text that is safe to show (see [`super::escape`]) and its colour.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cell {
    /// What it says.
    pub text: String,
    /// Its colour.
    pub paint: Paint,
}

impl Cell {
    /// A cell without colour.
    pub fn plain(text: impl Into<String>) -> Self {
        Self { text: text.into(), paint: Paint::Plain }
    }
}

/// How a table is to be drawn.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Style {
    /// Columns of the terminal; `None`: as wide as need be.
    pub width: Option<usize>,
    /// Whether cells are painted.
    pub color: bool,
}

/// Draws `rows` under `headings`, fitted to the width by cutting the widest columns. Rows have as many cells as there
/// are headings.
pub fn draw<const N: usize>(headings: [&str; N], rows: &[[Cell; N]], style: Style) -> String {
    let mut widths = headings.map(UnicodeWidthStr::width);
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.text.width());
        }
    }
    if let Some(available) = style.width {
        fit(&mut widths, available.saturating_sub(GAP * N.saturating_sub(1)));
    }
    let mut out = String::new();
    push_row(&mut out, &headings.map(Cell::plain), &widths, false);
    for row in rows {
        push_row(&mut out, row, &widths, style.color);
    }
    out
}

/// Draws `rows` as `key  value` lines, the keys one column wide; values are not cut.
pub fn draw_pairs(rows: &[(&str, Cell)], style: Style) -> String {
    let width = rows.iter().map(|(key, _)| key.width()).max().unwrap_or(0);
    let mut out = String::new();
    for (key, cell) in rows {
        let value_width = cell.text.width();
        push_row(&mut out, &[Cell::plain(*key), cell.clone()], &[width, value_width], style.color);
    }
    out
}

/// Narrows the widest column, one step at a time, until the sum of `widths` is at most `available` or nothing may be
/// narrowed further.
fn fit(widths: &mut [usize], available: usize) {
    while widths.iter().sum::<usize>() > available {
        let Some(widest) = widths.iter_mut().max_by_key(|width| **width).filter(|width| **width > WIDTH_MIN) else {
            return;
        };
        *widest -= 1;
    }
}

fn push_row(out: &mut String, cells: &[Cell], widths: &[usize], color: bool) {
    let mut blanks = 0;
    for (cell, &width) in cells.iter().zip(widths) {
        out.extend(std::iter::repeat_n(' ', blanks));
        let start = cell.paint.start().filter(|_| color);
        out.push_str(start.unwrap_or_default());
        let used = push_cut(out, &cell.text, width);
        out.push_str(if start.is_some() { "\x1b[0m" } else { "" });
        blanks = width - used + GAP;
    }
    out.push('\n');
}

/// Appends `text`, cut with `…` to `width` columns, and returns the columns used.
fn push_cut(out: &mut String, text: &str, width: usize) -> usize {
    let whole = text.width();
    if whole <= width {
        out.push_str(text);
        return whole;
    }
    let mut used = 0;
    for c in text.chars() {
        let columns = c.width().unwrap_or(0);
        if used + columns + 1 > width {
            break;
        }
        out.push(c);
        used += columns;
    }
    out.push('…');
    used + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(texts: &[[&str; 3]]) -> Vec<[Cell; 3]> {
        texts.iter().map(|row| row.map(Cell::plain)).collect()
    }

    #[test]
    fn columns_line_up_also_under_wide_letters_and_lines_have_no_tail() {
        let text = draw(["A", "B", "C"], &rows(&[["1", "日本", "x"], ["22", "b", ""]]), Style::default());
        assert_eq!(text, "A   B     C\n1   日本  x\n22  b     \n");
    }

    #[test]
    fn the_widest_columns_are_cut_until_every_line_fits() {
        for width in 24..100 {
            let style = Style { width: Some(width), color: false };
            let long = "x".repeat(40);
            let text = draw(["A", "B", "C"], &rows(&[["name-one", &long, "日本日本日本日本日本日本"]]), style);
            assert!(text.lines().all(|line| line.width() <= width), "{width}: {text}");
            assert!(text.contains("name-one") || width < 28, "{width}: {text}");
        }
    }

    #[test]
    fn colour_is_only_there_when_asked_for_and_does_not_move_columns() {
        let cells = [[Cell { text: "up".into(), paint: Paint::Good }, Cell::plain("z")]];
        let draw = |color| draw(["STATE", "Z"], &cells, Style { width: None, color });
        assert_eq!(draw(false), "STATE  Z\nup     z\n");
        assert_eq!(draw(true), "STATE  Z\n\x1b[32mup\x1b[0m     z\n");
    }
}
