//! The chunked transfer coding, one byte at a time outside the data and in one step inside it.

use super::head::Broken;

/// The most bytes of chunk extensions in one answer. Extensions are ignored, but not for ever.
const MAX_EXTENSION_BYTES: u32 = 16 << 10;
/// The most bytes of trailer fields.
const MAX_TRAILER_BYTES: u32 = 64 << 10;

/// Where in a chunked body the reader stands.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Chunked {
    state: State,
    /// Of the chunk: its size while that is read, then what is left of it.
    left: u64,
    extension_bytes: u32,
    trailer_bytes: u32,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum State {
    /// Before the first digit of a size.
    #[default]
    SizeStart,
    Size,
    /// Directly after `;`: an extension must follow.
    ExtensionStart,
    Extension,
    /// After the CR of a size line.
    SizeEnd,
    Data,
    DataCr,
    DataLf,
    TrailerStart,
    TrailerName,
    TrailerValue,
    TrailerLf,
    LastLf,
}

/// What reading on found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Piece {
    /// So many bytes of framing were passed; look again if any input is left.
    Framing(usize),
    /// The next so many bytes are data.
    Data(usize),
    /// So many bytes of framing were passed and the body is complete.
    End(usize),
}

impl Chunked {
    /// The next piece of a non-empty `input`.
    pub(crate) fn next(&mut self, input: &[u8]) -> Result<Piece, Broken> {
        if self.state == State::Data {
            let take = usize::try_from(self.left).unwrap_or(usize::MAX).min(input.len());
            self.left -= take as u64;
            if self.left == 0 {
                self.state = State::DataCr;
            }
            return Ok(Piece::Data(take));
        }
        for (i, byte) in input.iter().enumerate() {
            if self.step(*byte)? {
                return Ok(Piece::End(i + 1));
            }
            if self.state == State::Data {
                return Ok(Piece::Framing(i + 1));
            }
        }
        Ok(Piece::Framing(input.len()))
    }

    /// One byte of framing; true when it was the last.
    fn step(&mut self, byte: u8) -> Result<bool, Broken> {
        self.state = match (self.state, byte) {
            (State::SizeStart | State::Size, b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F') => {
                // Sizes of 2^60 and more do not exist; refusing them keeps the product from overflowing.
                if self.left >> 56 != 0 {
                    return Err(Broken);
                }
                let digit = (byte as char).to_digit(16).ok_or(Broken)?;
                self.left = self.left * 16 + u64::from(digit);
                State::Size
            }
            (State::Size, b';') => State::ExtensionStart,
            (State::Size | State::Extension, b'\r') => State::SizeEnd,
            (State::ExtensionStart | State::Extension, b'\t' | b' '..=b'~' | 0x80..) => {
                bounded(&mut self.extension_bytes, MAX_EXTENSION_BYTES)?;
                State::Extension
            }
            (State::SizeEnd, b'\n') if self.left == 0 => State::TrailerStart,
            (State::SizeEnd, b'\n') => State::Data,
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::SizeStart,
            (State::TrailerStart, b'\r') => State::LastLf,
            (State::TrailerStart | State::TrailerName, byte) if is_token(byte) => {
                bounded(&mut self.trailer_bytes, MAX_TRAILER_BYTES)?;
                State::TrailerName
            }
            (State::TrailerName, b':') => State::TrailerValue,
            (State::TrailerValue, b'\r') => State::TrailerLf,
            (State::TrailerValue, b'\t' | b' '..=b'~' | 0x80..) => {
                bounded(&mut self.trailer_bytes, MAX_TRAILER_BYTES)?;
                State::TrailerValue
            }
            (State::TrailerLf, b'\n') => State::TrailerStart,
            (State::LastLf, b'\n') => return Ok(true),
            _ => return Err(Broken),
        };
        Ok(false)
    }
}

fn bounded(count: &mut u32, limit: u32) -> Result<(), Broken> {
    *count += 1;
    if *count > limit { Err(Broken) } else { Ok(()) }
}

/// A `tchar` of RFC 9110.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
