//! The table at the end.

use std::fmt::Write as _;

/// One figure.
pub(crate) struct Row {
    pub(crate) what: String,
    /// What was measured, with its unit.
    pub(crate) value: String,
    /// The least that the system can do, with its unit; empty: nothing to compare with.
    pub(crate) least: String,
    /// How often the least goes into the value.
    pub(crate) ratio: Option<f64>,
    /// In words; empty: a figure to know, with no aim.
    pub(crate) aim: String,
    pub(crate) is_met: bool,
}

impl Row {
    /// A figure to know, with nothing to compare it with and no aim.
    pub(crate) fn figure(what: &str, value: String) -> Self {
        Self { what: what.to_owned(), value, least: String::new(), ratio: None, aim: String::new(), is_met: true }
    }
}

/// The rows as a Markdown table.
pub(crate) fn table(rows: &[Row]) -> String {
    let mut text = String::from("| what | median | the least | ratio | aim | |\n|---|---|---|---|---|---|\n");
    for Row { what, value, least, ratio, aim, is_met } in rows {
        let ratio = ratio.map(|ratio| format!("{ratio:.2}")).unwrap_or_default();
        let verdict = match (aim.as_str(), is_met) {
            ("", _) => "",
            (_, true) => "met",
            (_, false) => "missed",
        };
        writeln!(text, "| {what} | {value} | {least} | {ratio} | {aim} | {verdict} |").unwrap();
    }
    text
}

/// Milliseconds with the digits that mean something.
pub(crate) fn ms(value: f64) -> String {
    if value < 10.0 { format!("{value:.2} ms") } else { format!("{value:.1} ms") }
}
