//! [`Memo`]: the last head and what it meant.

use super::head::Head;

/// Heads longer than this are not kept, so that keeping one never allocates.
const MAX_KEPT_BYTES: usize = 1 << 10;

/// The bytes of the last final head and their meaning, for one load worker.
#[derive(Debug)]
pub struct Memo {
    bytes: Vec<u8>,
    head: Option<Head>,
}

impl Default for Memo {
    fn default() -> Memo {
        Memo { bytes: Vec::with_capacity(MAX_KEPT_BYTES), head: None }
    }
}

impl Memo {
    /// The head that `input` starts with and its length, if it is byte for byte the one kept.
    ///
    /// A head ends at its first empty line, so equal bytes are a whole head and mean the same.
    #[inline]
    pub(crate) fn recall(&self, input: &[u8]) -> Option<(usize, Head)> {
        let head = self.head?;
        input.starts_with(&self.bytes).then_some((self.bytes.len(), head))
    }

    pub(crate) fn keep(&mut self, bytes: &[u8], head: Head) {
        if bytes.len() <= MAX_KEPT_BYTES {
            self.bytes.clear();
            self.bytes.extend_from_slice(bytes);
            self.head = Some(head);
        }
    }
}
