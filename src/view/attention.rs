//! What a reader has and has not seen, for people.

use crate::ops::attention::{Attention, ReaderListing};

use super::escape;
use super::table::{Cell, Paint, Style, draw};

/// A line for each service.
pub fn table(listing: &ReaderListing, style: Style) -> String {
    let rows: Vec<[Cell; 5]> = listing
        .items()
        .map(|(record, attention)| {
            let paint = match attention {
                Attention::Active => Paint::Doubtful,
                Attention::Unread => Paint::Good,
                Attention::Read => Paint::Plain,
            };
            [
                Cell::plain(escape::line(&record.name)),
                Cell { text: attention.word().to_owned(), paint },
                Cell::plain(record.status.word()),
                Cell::plain(if record.healthy { "healthy" } else { "-" }),
                Cell::plain(escape::line(&record.owner.project)),
            ]
        })
        .collect();
    draw(["NAME", "ATTENTION", "STATUS", "HEALTH", "PROJECT"], &rows, style)
}
