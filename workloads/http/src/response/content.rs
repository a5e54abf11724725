//! What a right answer contains, checked piece by piece as it arrives.

use corecurve_core::Told;

/// The content that counts as right.
#[derive(Clone, Debug)]
pub enum Content {
    /// Anything.
    Any,
    /// These bytes.
    Exactly(Vec<u8>),
    /// A pattern repeated and cut at `len` bytes.
    Repeats {
        /// What is repeated.
        pattern: [u8; 64],
        /// Bytes in all.
        len: u64,
    },
    /// Anything that contains this text.
    Contains(Search),
    /// Text that holds these two labels in this order, each followed, after spaces, by a number: how long the service
    /// took and when it ended. Read in every answer, not only in sampled ones, because every operation is replayed.
    Service([&'static [u8]; 2]),
}

/// A text to look for, with its Knuth–Morris–Pratt table, so that it is found across any cut.
#[derive(Clone, Debug)]
pub struct Search {
    needle: Box<[u8]>,
    /// For each prefix, the length of its longest proper suffix that is a prefix too.
    fallback: Box<[u16]>,
}

impl Search {
    /// Prepares to look for `needle`; at most 65535 bytes of it are looked at. An empty needle is found at once.
    pub fn new(needle: &[u8]) -> Search {
        let needle = &needle[..needle.len().min(usize::from(u16::MAX))];
        let mut fallback = vec![0u16; needle.len()];
        let mut matched = 0u16;
        for (i, byte) in needle.iter().enumerate().skip(1) {
            while matched > 0 && needle[usize::from(matched)] != *byte {
                matched = fallback[usize::from(matched) - 1];
            }
            matched += u16::from(needle[usize::from(matched)] == *byte);
            fallback[i] = matched;
        }
        Search { needle: needle.into(), fallback: fallback.into() }
    }

    /// How much of the needle is matched after `byte`, if `matched` of it was before and that was not all.
    fn step(&self, mut matched: u16, byte: u8) -> u16 {
        while matched > 0 && self.needle[usize::from(matched)] != byte {
            matched = self.fallback[usize::from(matched) - 1];
        }
        matched + u16::from(self.needle[usize::from(matched)] == byte)
    }
}

/// What is known of the content so far.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Seen {
    bytes: u64,
    differs: bool,
    matched: u16,
    /// Which of the two numbers is read.
    field: u8,
    numbers: [Number; 2],
}

/// A number being read after its label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Number {
    #[default]
    Absent,
    Reading(u64),
    Read(u64),
    Unreadable,
}

impl Content {
    /// Takes the next piece of the body. `verify`: compare content and not only length.
    pub(crate) fn feed(&self, seen: &mut Seen, piece: &[u8], verify: bool) {
        match self {
            Content::Exactly(bytes) if verify && !seen.differs => {
                let expected = usize::try_from(seen.bytes).ok().and_then(|from| bytes.get(from..));
                seen.differs = !expected.is_some_and(|expected| expected.starts_with(piece));
            }
            Content::Repeats { pattern, .. } if verify && !seen.differs => {
                seen.differs = !repeats(pattern, seen.bytes, piece);
            }
            Content::Contains(search) if verify => {
                for byte in piece {
                    if usize::from(seen.matched) == search.needle.len() {
                        break;
                    }
                    seen.matched = search.step(seen.matched, *byte);
                }
            }
            Content::Service(labels) => seen.read_numbers(labels, piece),
            _ => {}
        }
        seen.bytes += piece.len() as u64;
    }

    /// Whether the whole body, now complete, is right.
    pub(crate) fn is_right(&self, seen: &Seen, verify: bool) -> bool {
        match self {
            Content::Any => true,
            Content::Exactly(bytes) => seen.bytes == bytes.len() as u64 && !seen.differs,
            Content::Repeats { len, .. } => seen.bytes == *len && !seen.differs,
            Content::Contains(search) => !verify || usize::from(seen.matched) == search.needle.len(),
            Content::Service(_) => seen.numbers.iter().all(|number| matches!(number, Number::Read(_))),
        }
    }
}

fn repeats(pattern: &[u8; 64], from: u64, piece: &[u8]) -> bool {
    let offset = (from % 64) as usize;
    let (first, rest) = piece.split_at(piece.len().min(64 - offset));
    pattern[offset..].starts_with(first) && rest.chunks(64).all(|chunk| pattern.starts_with(chunk))
}

impl Seen {
    /// The numbers read, or zeros.
    pub(crate) fn told(&self) -> Told {
        match self.numbers {
            [Number::Read(service_ns), Number::Read(ended_ns)] => Told { service_ns, ended_ns },
            _ => Told::default(),
        }
    }

    fn read_numbers(&mut self, labels: &[&[u8]; 2], piece: &[u8]) {
        for byte in piece {
            let Some(label) = labels.get(usize::from(self.field)) else { break };
            let number = &mut self.numbers[usize::from(self.field)];
            match *number {
                Number::Absent if usize::from(self.matched) < label.len() => {
                    // Labels start with a quote that does not occur again before their end but as their last-but-one
                    // byte, so a mismatch can only begin anew at the byte at hand.
                    let next = label[usize::from(self.matched)];
                    self.matched = if *byte == next { self.matched + 1 } else { u16::from(*byte == label[0]) };
                }
                Number::Absent if *byte == b' ' => {}
                Number::Absent if byte.is_ascii_digit() => *number = Number::Reading(u64::from(byte - b'0')),
                Number::Absent => *number = Number::Unreadable,
                Number::Reading(value) if byte.is_ascii_digit() => {
                    let longer = value.checked_mul(10).and_then(|n| n.checked_add(u64::from(byte - b'0')));
                    *number = longer.map_or(Number::Unreadable, Number::Reading);
                }
                Number::Reading(value) => {
                    *number = Number::Read(value);
                    (self.field, self.matched) = (self.field + 1, 0);
                }
                Number::Read(_) | Number::Unreadable => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn right(content: &Content, pieces: &[&[u8]]) -> (bool, Told) {
        let mut seen = Seen::default();
        pieces.iter().for_each(|piece| content.feed(&mut seen, piece, true));
        (content.is_right(&seen, true), seen.told())
    }

    #[test]
    fn text_is_found_across_any_cut_and_only_where_it_is() {
        let haystack = b"aabaabaaab, abababac and Hello";
        for needle in
            [&b"aaab"[..], b"ababac", b"Hello", b"a", b"aabaabaaab, abababac and Hello", b"aaaa", b"abac ", b"Hellp"]
        {
            let there = haystack.windows(needle.len()).any(|window| window == needle);
            let content = Content::Contains(Search::new(needle));
            for cut in 0..=haystack.len() {
                let (a, b) = haystack.split_at(cut);
                assert_eq!(right(&content, &[a, b]).0, there, "{needle:?} cut at {cut}");
            }
        }
    }

    #[test]
    fn patterns_match_at_any_offset_and_a_flipped_byte_is_seen() {
        let pattern = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-\n";
        let mut body: Vec<u8> = pattern.iter().copied().cycle().take(300).collect();
        let content = Content::Repeats { pattern: *pattern, len: 300 };
        for cut in 0..=300 {
            let (a, b) = body.split_at(cut);
            assert!(right(&content, &[a, b]).0, "cut at {cut}");
        }
        assert!(!right(&content, &[&body[..299]]).0);
        for flipped in [0, 63, 64, 130, 299] {
            body[flipped] ^= 1;
            assert!(!right(&content, &[&body]).0, "byte {flipped}");
            body[flipped] ^= 1;
        }
    }

    #[test]
    fn numbers_are_read_after_their_labels() {
        let content = Content::Service([b"\"spun_ns\":", b"\"end_ns\":"]);
        for (body, expected) in [
            (&b"{\"id\":    7,\"spun_ns\":   1234,\"x\":9,\"end_ns\": 5}"[..], Some((1234, 5))),
            (b"{\"spun_ns\":18446744073709551615,\"end_ns\":0}", Some((u64::MAX, 0))),
            (b"{\"spun_ns\":18446744073709551616,\"end_ns\":0}", None),
            (b"{\"spun_ns\":-1,\"end_ns\":0}", None),
            (b"{\"spun_ns\":\"1\",\"end_ns\":0}", None),
            (b"{\"spun\"spun_ns\":5 ,\"end_ns\":7 }", Some((5, 7))),
            (b"{\"end_ns\":7,\"spun_ns\":5}", None),
            (b"{\"spun_ns\": }", None),
            (b"{\"spun_ns\":5,\"end_ns\":12", None),
            (b"", None),
        ] {
            let told = expected.map_or(Told::default(), |(service_ns, ended_ns)| Told { service_ns, ended_ns });
            for cut in 0..=body.len() {
                let (a, b) = body.split_at(cut);
                let seen = right(&content, &[a, b]);
                assert_eq!(seen, (expected.is_some(), told), "{:?} cut at {cut}", String::from_utf8_lossy(body));
            }
        }
    }
}
