//! What an acceptance means, as a hash: the same payload under the same idempotency key is the same acceptance.

use sha1::{Digest, Sha1};

use crate::base::hex::hex;

/// Everything that decides what an acceptance means.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'a> {
    /// Whose sidecar.
    pub agent: &'a str,
    /// The project that was asked for; empty: none.
    pub project: &'a str,
    /// The work item that was asked for; empty: none.
    pub work_item: &'a str,
    /// The sidecar.
    pub bytes: &'a [u8],
}

impl Payload<'_> {
    /// SHA-1 over all of it, in hex digits. The names end with a NUL each, which none of them may hold.
    pub fn hash(&self) -> String {
        let mut hash = Sha1::new();
        for part in [self.agent, self.project, self.work_item] {
            hash.update(part.as_bytes());
            hash.update([0]);
        }
        hash.update(self.bytes);
        hex(&hash.finalize())
    }
}

/// SHA-1 of a sidecar's bytes, in hex digits.
pub fn text_hash(bytes: &[u8]) -> String {
    hex(&Sha1::digest(bytes))
}
