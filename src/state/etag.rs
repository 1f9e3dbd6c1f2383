//! A short name for what a reader was shown, so that it can ask for news only.

use std::io::{self, Write as _};

use serde::Serialize;
use sha1::{Digest, Sha1};

use crate::base::hex::hex;
use crate::service::Record;

use super::wire::RecordJson;

/// Bytes gathered before they are hashed: the serializer writes a few bytes at a time.
const BUFFER_BYTES: usize = 8 * 1024;

/// The first 16 hex digits of the SHA-1 of the compact JSON array of `records`, sorted by name (contract section 5). The
/// order in which they come does not matter, any field's change does.
pub fn etag(records: &[&Record]) -> String {
    let mut sorted = records.to_vec();
    sorted.sort_by(|a, b| a.name.cmp(&b.name));
    digest(&sorted.into_iter().map(RecordJson).collect::<Vec<_>>())
}

/// The same for records in the form in which they are shown, each with its name.
pub fn etag_shown<T: Serialize>(shown: &[(&str, T)]) -> String {
    let mut sorted: Vec<&(&str, T)> = shown.iter().collect();
    sorted.sort_by_key(|(name, _)| *name);
    digest(&sorted.into_iter().map(|(_, value)| value).collect::<Vec<_>>())
}

/// The same for records that are written out already: `array` is the compact JSON array of them, sorted by name.
pub fn etag_of_array(array: &str) -> String {
    first_digits(&Sha1::digest(array))
}

/// What the state file says of its own text, so that a reader knows it again (`sum`): the first 16 hex digits of the SHA-1
/// of all that stands before. No protection: whoever edits the file can make one.
pub(super) fn sum(text: &[u8]) -> String {
    first_digits(&Sha1::digest(text))
}

fn digest<T: Serialize>(items: &[T]) -> String {
    let mut sink = io::BufWriter::with_capacity(BUFFER_BYTES, Hash(Sha1::new()));
    let written = serde_json::to_writer(&mut sink, items).map_err(io::Error::from).and_then(|()| sink.flush());
    written.expect("a hash takes every byte, and what is shown has strings as keys");
    first_digits(&sink.get_ref().0.clone().finalize())
}

/// The first 16 hex digits of a hash.
fn first_digits(hash: &[u8]) -> String {
    hex(&hash[..8])
}

struct Hash(Sha1);

impl io::Write for Hash {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.update(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
