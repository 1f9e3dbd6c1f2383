//! What docs/platforms.md promises elsewhere less of than on Linux, asked by the tests that show it, in whatever crate
//! (`#[path]`). A test that asks shows on the portable backend what is promised there, and says by which row that is less.

const PLATFORMS: &str = include_str!("../../docs/platforms.md");

/// Whether the portable backend is being tested, of which the row `what` of docs/platforms.md promises less.
pub(crate) fn weaker(what: &str) -> bool {
    let is_row = PLATFORMS.lines().any(|line| line.starts_with(&format!("| {what} |")));
    assert!(is_row, "docs/platforms.md has no row `{what}`");
    cfg!(not(linux_calls))
}
