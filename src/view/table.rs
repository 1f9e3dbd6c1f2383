//! A plain table: a line of headings, a line per row, columns two blanks apart. No frame, so that it can be cut and
//! searched by line; and no crate for it, since a table must cost no more than the JSON it stands for.

use unicode_width::UnicodeWidthStr;

/// Blanks between two columns.
const GAP: usize = 2;
/// Narrowest that a column is cut to, if it does not say otherwise.
const WIDTH_MIN: usize = 6;
/// So many characters of a cell are shown at most for each column of its width.
const CHARS_PER_COLUMN_MAX: usize = 8;

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
    /// `text` in this colour, if colour is on.
    pub fn on(self, text: &str, color: bool) -> String {
        match self.start().filter(|_| color) {
            Some(start) => format!("{start}{text}\x1b[0m"),
            None => text.to_owned(),
        }
    }

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

/// A column: its heading, and what becomes of it where the table is wider than the terminal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Column {
    heading: &'static str,
    /// Narrowest that it is cut to; a column that may not be cut has the greatest.
    width_min: usize,
    /// Columns with a rank are left out in its order, the lowest first; those without one after them, from the right.
    rank: u8,
}

impl From<&'static str> for Column {
    /// A column that may be cut, and is left out late.
    fn from(heading: &'static str) -> Self {
        Self { heading, width_min: WIDTH_MIN, rank: u8::MAX }
    }
}

impl Column {
    /// The same column, cut to no less than `width_min`.
    #[must_use]
    pub const fn cut_to(self, width_min: usize) -> Self {
        Self { width_min, ..self }
    }

    /// The same column, never cut: part of what it says would mislead.
    #[must_use]
    pub const fn whole(self) -> Self {
        self.cut_to(usize::MAX)
    }

    /// The same column, left out as the `rank`th.
    #[must_use]
    pub const fn left_out(self, rank: u8) -> Self {
        Self { rank, ..self }
    }

    /// A column of that heading.
    pub const fn new(heading: &'static str) -> Self {
        Self { heading, width_min: WIDTH_MIN, rank: u8::MAX }
    }
}

/// Draws `rows` under the headings of `columns`, no line wider than the style's width: first the widest columns are cut, then
/// columns are left out (see [`Column`]); the first column stays, cut as far as need be.
pub fn draw<const N: usize, C: Into<Column>>(columns: [C; N], rows: &[[Cell; N]], style: Style) -> String {
    let columns: [Column; N] = columns.map(Into::into);
    let mut widths = columns.each_ref().map(|column| column.heading.width());
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.text.width());
        }
    }
    let widths = match style.width {
        Some(available) => layout(&columns, widths, available),
        None => widths.map(Some),
    };
    let mut out = String::new();
    push_row(&mut out, &columns.each_ref().map(|column| Cell::plain(column.heading)), &widths, false);
    for row in rows {
        push_row(&mut out, row, &widths, style.color);
    }
    out
}

/// Draws `rows` as `key  value` lines, the keys one column wide; values are not cut. An empty key stands for an empty
/// line.
pub fn draw_pairs(rows: &[(&str, Cell)], style: Style) -> String {
    let width = rows.iter().map(|(key, _)| key.width()).max().unwrap_or(0);
    let mut out = String::new();
    for (key, cell) in rows {
        if key.is_empty() {
            out.push('\n');
            continue;
        }
        let value_width = cell.text.width();
        push_row(&mut out, &[Cell::plain(*key), cell.clone()], &[Some(width), Some(value_width)], style.color);
    }
    out
}

/// The width of each column so that all fit into `available`; `None` for one that is left out.
fn layout<const N: usize>(columns: &[Column; N], natural: [usize; N], available: usize) -> [Option<usize>; N] {
    let mut widths = natural.map(Some);
    let mut leaving: Vec<usize> = (1..N).collect();
    leaving.sort_by_key(|at| (columns[*at].rank, N - at));
    for leaves in leaving {
        if fit(columns, &mut widths, available) {
            return widths;
        }
        widths[leaves] = None;
        // What it took is given back to those that stay.
        for (width, natural) in widths.iter_mut().zip(natural) {
            *width = width.map(|_| natural);
        }
    }
    // The first one is alone.
    for (width, natural) in widths.iter_mut().zip(natural) {
        *width = width.map(|_| natural.min(available.max(1)));
    }
    widths
}

/// Narrows the widest column that may be cut, one step at a time, until all that stay fit into `available`; says whether they
/// do.
fn fit<const N: usize>(columns: &[Column; N], widths: &mut [Option<usize>; N], available: usize) -> bool {
    let gaps = GAP * widths.iter().flatten().count().saturating_sub(1);
    let available = available.saturating_sub(gaps);
    for (column, width) in columns.iter().zip(widths.iter_mut()) {
        // No column can be wider than all may be together.
        *width = width
            .map(|width| if width > column.width_min { width.min(available.max(column.width_min)) } else { width });
    }
    while widths.iter().flatten().sum::<usize>() > available {
        let cuttable = columns.iter().zip(widths.iter_mut());
        let cuttable = cuttable.filter_map(|(column, width)| width.as_mut().filter(|width| **width > column.width_min));
        let Some(widest) = cuttable.max_by_key(|width| **width) else { return false };
        *widest -= 1;
    }
    true
}

/// Appends the cells of the columns that have a width.
fn push_row(out: &mut String, cells: &[Cell], widths: &[Option<usize>], color: bool) {
    let mut blanks = 0;
    for (cell, width) in cells.iter().zip(widths).filter_map(|(cell, width)| Some((cell, (*width)?))) {
        out.extend(std::iter::repeat_n(' ', blanks));
        let start = cell.paint.start().filter(|_| color);
        out.push_str(start.unwrap_or_default());
        let used = push_cut(out, &cell.text, width);
        out.push_str(if start.is_some() { "\x1b[0m" } else { "" });
        blanks = width - used + GAP;
    }
    out.push('\n');
}

/// Appends `text`, cut with `…` to `width` columns, and returns the columns used. Letters are measured together, since a
/// terminal draws some sequences wider or narrower than their parts.
fn push_cut(out: &mut String, text: &str, width: usize) -> usize {
    if width == 0 {
        return 0;
    }
    let whole = text.width();
    // Marks that take no column of their own could be without number.
    let chars_max = width.saturating_mul(CHARS_PER_COLUMN_MAX);
    if whole <= width && text.chars().nth(chars_max).is_none() {
        out.push_str(text);
        return whole;
    }
    let mut end = 0;
    let mut used = 0;
    for (at, c) in text.char_indices().take(chars_max) {
        let next = at + c.len_utf8();
        let columns = text[..next].width();
        if columns + 1 > width {
            break;
        }
        (end, used) = (next, columns);
    }
    out.push_str(&text[..end]);
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
    fn whatever_the_width_and_the_text_no_line_is_wider() {
        let hostile = [
            "name-one".to_owned(),
            "x".repeat(400),
            "日本日本日本日本日本日本".to_owned(),
            "\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}\u{2764}\u{fe0f}\u{1f1e9}\u{1f1ea}".repeat(9),
            format!("z{}", "\u{301}\u{302}".repeat(4000)),
            String::new(),
        ];
        for width in 1..130 {
            let style = Style { width: Some(width), color: false };
            for (at, text) in hostile.iter().enumerate() {
                let row = [text.as_str(), &hostile[(at + 1) % hostile.len()], &hostile[(at + 2) % hostile.len()]];
                let text = draw(["A", "B", "C"], &rows(&[row, ["1", "2", "3"]]), style);
                assert!(text.lines().all(|line| line.width() <= width), "{width}: {text}");
                assert_eq!(text.lines().count(), 3);
                assert!(text.len() < 3 * (130 * CHARS_PER_COLUMN_MAX * 4), "{width}: bounded");
            }
        }
    }

    #[test]
    fn columns_are_cut_first_then_left_out_by_rank_and_the_first_stays() {
        let columns = [
            Column::new("NAME").cut_to(6),
            Column::new("STATE").whole().left_out(2),
            Column::new("PORTS").left_out(1),
            Column::new("NOTE"),
        ];
        let cells = rows_of(["name-of-it", "running, dead", "3001,3002,3003", "a note of it"]);
        let check = |width: usize, expected: &str| {
            let text = draw(columns, &cells, Style { width: Some(width), color: false });
            assert_eq!(text.lines().nth(1), Some(expected), "{width}");
        };
        check(60, "name-of-it  running, dead  3001,3002,3003  a note of it");
        check(50, "name-of-it  running, dead  3001,3002,…  a note of…");
        check(37, "name-…  running, dead  3001,…  a not…");
        check(36, "name-of-it  running, dead  a note o…");
        check(28, "name-of-it  a note of it");
        check(15, "name-o…  a not…");
        check(13, "name-of-it");
        check(5, "name…");
        check(1, "…");
    }

    fn rows_of<const N: usize>(texts: [&str; N]) -> Vec<[Cell; N]> {
        vec![texts.map(Cell::plain)]
    }

    #[test]
    fn colour_is_only_there_when_asked_for_and_does_not_move_columns() {
        let cells = [[Cell { text: "up".into(), paint: Paint::Good }, Cell::plain("z")]];
        let draw = |color| draw(["STATE", "Z"], &cells, Style { width: None, color });
        assert_eq!(draw(false), "STATE  Z\nup     z\n");
        assert_eq!(draw(true), "STATE  Z\n\x1b[32mup\x1b[0m     z\n");
    }
}
