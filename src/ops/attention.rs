//! `list --reader`: the services, and whether a reader has seen the last that happened to each.

use serde_json::value::RawValue;

use crate::base::error::{Error, Result};
use crate::journal::ReaderName;
use crate::service::{Record, Status};
use crate::state::{SetAside, etag_of_array};

use super::context::Context;
use super::list::{self, Filter};
use super::{events, list::Listing};

/// What a reader has to know of a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attention {
    /// It is on its way somewhere: more will come.
    Active,
    /// It stands, and the reader has not seen its last event.
    Unread,
    /// It stands, and the reader has seen all of it.
    Read,
}

impl Attention {
    /// Each of them.
    pub const ALL: [Self; 3] = [Self::Active, Self::Unread, Self::Read];

    /// The word in output.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Unread => "unread",
            Self::Read => "read",
        }
    }

    const fn of(status: Status, is_unread: bool) -> Self {
        match status {
            Status::Queued | Status::Starting | Status::Backoff | Status::Stopping => Self::Active,
            Status::Running | Status::Stopped | Status::Failed if is_unread => Self::Unread,
            Status::Running | Status::Stopped | Status::Failed => Self::Read,
        }
    }
}

/// The services for one reader.
#[derive(Debug)]
pub struct ReaderListing {
    listing: Listing,
    attention: Vec<Attention>,
    json: String,
    /// Names this very list, the attention in it included.
    pub etag: String,
    /// What had to be put aside; must be said (exit 9).
    pub set_aside: Option<SetAside>,
}

impl ReaderListing {
    /// The services, sorted by name.
    pub fn items(&self) -> impl Iterator<Item = (&Record, Attention)> {
        self.listing.items().map(|(record, _)| record).zip(self.attention.iter().copied())
    }

    /// A compact JSON array: each service as `list` shows it, and its `attention` as the last key.
    pub fn to_json(&self) -> String {
        self.json.clone()
    }
}

/// Lists the services that match `filter` for `reader`.
pub fn run(context: &Context, filter: &Filter, reader: &ReaderName) -> Result<ReaderListing> {
    let mut listing = list::run(context, filter)?;
    // After the list: what is unread then is about nothing older.
    let unread = events::unread(context, reader)?;
    let attention: Vec<Attention> =
        listing.items().map(|(record, _)| Attention::of(record.status, unread.contains(&record.name))).collect();
    let shown: Vec<&RawValue> = serde_json::from_str(&listing.json).map_err(|error| Error::io("cannot list", error))?;
    let with = shown.iter().zip(&attention).map(|(item, attention)| {
        let open = item.get().strip_suffix('}').unwrap_or_default();
        format!("{open},\"attention\":\"{}\"}}", attention.word())
    });
    let json = format!("[{}]", with.collect::<Vec<_>>().join(","));
    let set_aside = listing.set_aside.take();
    Ok(ReaderListing { listing, attention, etag: etag_of_array(&json), json, set_aside })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_can_be_read() {
        for status in Status::ALL {
            let word = |is_unread| Attention::of(status, is_unread).word();
            let stands = matches!(status, Status::Running | Status::Stopped | Status::Failed);
            assert_eq!((word(true), word(false)), if stands { ("unread", "read") } else { ("active", "active") });
        }
    }
}
