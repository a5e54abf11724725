//! [`SiteFile`]: a file that a workload expects below the target's static root, known to the byte.

use crate::response::Content;

/// When every file of a workload was changed last, in seconds since 1970: the same in every run, so that conditional
/// requests can name it.
pub const MODIFIED_S: u64 = 1_577_836_800;
/// The same as HTTP writes it.
pub const MODIFIED_TEXT: &str = "Wed, 01 Jan 2020 00:00:00 GMT";

/// A file below the static root: a line of 64 bytes, repeated and cut.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SiteFile {
    /// Where, below the root, without a leading `/`.
    pub path: String,
    /// The line.
    pub line: [u8; 64],
    /// Bytes in all.
    pub len: u64,
}

impl SiteFile {
    /// A file whose line is its own name, so that no file can be taken for another.
    pub fn named(path: impl Into<String>, len: u64) -> SiteFile {
        let path = path.into();
        let mut line = [b'.'; 64];
        line[63] = b'\n';
        for (place, byte) in line[..63].iter_mut().zip(path.bytes()) {
            *place = byte;
        }
        SiteFile { path, line, len }
    }

    /// What a right answer holds.
    pub fn content(&self) -> Content {
        Content::Repeats { pattern: self.line, len: self.len }
    }

    /// Its bytes, piece by piece. None is longer than 64 KiB.
    pub fn pieces(&self) -> impl Iterator<Item = Vec<u8>> + '_ {
        const PIECE: u64 = 64 << 10;
        (0..self.len.div_ceil(PIECE)).map(|i| {
            let length = (self.len - i * PIECE).min(PIECE) as usize;
            self.line.iter().copied().cycle().take(length).collect()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::response::Seen;

    #[test]
    fn a_file_is_what_its_answer_is_checked_against_and_no_other_file() {
        let (file, other) = (SiteFile::named("a/1", 150_001), SiteFile::named("a/2", 150_001));
        let right = |content: &Content, file: &SiteFile| {
            let mut seen = Seen::default();
            file.pieces().for_each(|piece| content.feed(&mut seen, &piece, true));
            content.is_right(&seen, true)
        };
        assert!(right(&file.content(), &file) && !right(&file.content(), &other));
        assert_eq!(file.pieces().map(|piece| piece.len()).sum::<usize>(), 150_001);
    }
}
