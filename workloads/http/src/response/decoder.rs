//! [`Decoder`]: from bytes to the outcome of an operation.

use corecurve_core::{Decoded, ErrorClass, Outcome, Told};

use super::chunked::{Chunked, Piece};
use super::content::{Content, Seen};
use super::head::{self, Body, Broken, Head};
use super::memo::Memo;

/// The most interim (1xx) responses before a final one.
const MAX_INTERIM: u8 = 8;

/// What a right answer looks like.
#[derive(Clone, Debug)]
pub struct Expect {
    /// The status.
    pub status: u16,
    /// The request was a HEAD: no answer has a body.
    pub bodiless: bool,
    /// The content.
    pub content: Content,
}

/// The state of one connection between two pieces of an answer. Ready for the next answer once one is done.
#[derive(Clone, Copy, Debug, Default)]
pub struct Decoder {
    stage: Stage,
    /// Bytes of an incomplete head that were looked at.
    scanned: usize,
    interim: u8,
    status: u16,
    keep_alive: bool,
    verify: bool,
    seen: Seen,
}

#[derive(Clone, Copy, Debug, Default)]
enum Stage {
    #[default]
    Head,
    Sized(u64),
    Chunked(Chunked),
    UntilClose,
    Done,
}

const BROKEN: Outcome = Outcome::Failed(ErrorClass::Protocol);

impl Decoder {
    /// Reads on. `input` is what was received and not yet consumed; `memo` belongs to the load worker.
    ///
    /// Cost of an answer that arrives whole and whose head equals the last one: one `memcmp` of the head
    /// and, with `verify`, one of the body.
    #[inline]
    pub fn read(&mut self, expect: &Expect, memo: &mut Memo, input: &[u8], verify: bool) -> Decoded {
        if matches!(self.stage, Stage::Done) {
            *self = Decoder::default();
        }
        let at_start = matches!(self.stage, Stage::Head) && self.scanned == 0;
        if at_start && let Some((length, head)) = memo.recall(input) {
            self.begin(head, verify);
            return self.read_body(expect, input, length);
        }
        self.read_slowly(expect, memo, input, verify)
    }

    /// The target closed the connection.
    pub fn closed(&mut self, expect: &Expect) -> Outcome {
        let until_close = matches!(self.stage, Stage::UntilClose);
        self.stage = Stage::Done;
        if until_close { self.outcome(expect) } else { Outcome::Failed(ErrorClass::Closed) }
    }

    /// What the answer told of its service ([`Content::Service`]), zeros if nothing.
    pub fn told(&self) -> Told {
        self.seen.told()
    }

    /// A head that has to be parsed, or that is not whole.
    fn read_slowly(&mut self, expect: &Expect, memo: &mut Memo, input: &[u8], verify: bool) -> Decoded {
        let mut at = 0;
        while matches!(self.stage, Stage::Head) {
            match self.read_head(expect, memo, &input[at..], verify) {
                Ok(Some(length)) => at += length,
                Ok(None) => return Decoded::Partial { consumed: at },
                Err(Broken) => return self.broken(input),
            }
        }
        self.read_body(expect, input, at)
    }

    /// One head, interim or final; its length, or `None` when it is not whole.
    fn read_head(
        &mut self,
        expect: &Expect,
        memo: &mut Memo,
        input: &[u8],
        verify: bool,
    ) -> Result<Option<usize>, Broken> {
        let Some(length) = head::find_end(input, self.scanned)? else {
            self.scanned = input.len();
            return Ok(None);
        };
        self.scanned = 0;
        let head = head::parse(&input[..length], expect.bodiless)?;
        if head.status < 200 {
            self.interim += 1;
            return if self.interim > MAX_INTERIM { Err(Broken) } else { Ok(Some(length)) };
        }
        memo.keep(&input[..length], head);
        self.begin(head, verify);
        Ok(Some(length))
    }

    #[inline]
    fn begin(&mut self, head: Head, verify: bool) {
        self.status = head.status;
        self.keep_alive = head.keep_alive;
        self.verify = verify;
        self.stage = match head.body {
            Body::Sized(length) => Stage::Sized(length),
            Body::Chunked => Stage::Chunked(Chunked::default()),
            Body::UntilClose => Stage::UntilClose,
        };
    }

    /// The body from `at` on.
    #[inline]
    fn read_body(&mut self, expect: &Expect, input: &[u8], mut at: usize) -> Decoded {
        loop {
            let rest = &input[at..];
            match &mut self.stage {
                Stage::Sized(left) => {
                    let take = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                    *left -= take as u64;
                    let complete = *left == 0;
                    self.take(expect, &rest[..take]);
                    at += take;
                    return if complete { self.complete(expect, at) } else { Decoded::Partial { consumed: at } };
                }
                Stage::UntilClose => {
                    self.take(expect, rest);
                    return Decoded::Partial { consumed: input.len() };
                }
                Stage::Chunked(_) if rest.is_empty() => return Decoded::Partial { consumed: at },
                Stage::Chunked(chunked) => match chunked.next(rest) {
                    Ok(Piece::Framing(length)) => at += length,
                    Ok(Piece::Data(length)) => {
                        self.take(expect, &rest[..length]);
                        at += length;
                    }
                    Ok(Piece::End(length)) => return self.complete(expect, at + length),
                    Err(Broken) => return self.broken(input),
                },
                Stage::Head | Stage::Done => return Decoded::Partial { consumed: at },
            }
        }
    }

    /// Content of an answer with another status than expected is passed over: the status is the finding.
    #[inline]
    fn take(&mut self, expect: &Expect, piece: &[u8]) {
        if self.status == expect.status {
            expect.content.feed(&mut self.seen, piece, self.verify);
        }
    }

    /// Whether anything may follow is for whoever knows how many requests were sent.
    #[inline]
    fn complete(&mut self, expect: &Expect, at: usize) -> Decoded {
        self.stage = Stage::Done;
        Decoded::Done { consumed: at, outcome: self.outcome(expect), keep_alive: self.keep_alive }
    }

    fn outcome(&self, expect: &Expect) -> Outcome {
        if self.status != expect.status {
            return Outcome::Failed(ErrorClass::Status);
        }
        // A status that cannot have a body and a HEAD have no content to be wrong.
        let bodiless = expect.bodiless || matches!(self.status, 204 | 304);
        if bodiless || expect.content.is_right(&self.seen, self.verify) {
            Outcome::Ok
        } else {
            Outcome::Failed(ErrorClass::WrongBody)
        }
    }

    #[cold]
    fn broken(&mut self, input: &[u8]) -> Decoded {
        self.stage = Stage::Done;
        Decoded::Done { consumed: input.len(), outcome: BROKEN, keep_alive: false }
    }
}
