//! [`Answers`]: what comes back for the requests of one operation, one after another.

use corecurve_core::{Decoded, ErrorClass, Outcome, Told};

use super::decoder::{Decoder, Expect};
use super::memo::Memo;

/// The state of one connection between two pieces of the answers to an operation, which is one request or several that
/// were sent together. It ends with the last answer, and is right if all of them are.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answers {
    decoder: Decoder,
    /// Complete answers so far.
    answered: u32,
    /// What was wrong with the first that was.
    failed: Option<ErrorClass>,
}

impl Answers {
    /// Reads on in the answers to `asked` requests. Cost as [`Decoder::read`] for each answer.
    #[inline]
    pub fn read(&mut self, asked: u32, expect: &Expect, memo: &mut Memo, input: &[u8], verify: bool) -> Decoded {
        if asked == 1 {
            return self.decoder.read(expect, memo, input, verify);
        }
        self.read_several(asked, expect, memo, input, verify)
    }

    fn read_several(&mut self, asked: u32, expect: &Expect, memo: &mut Memo, input: &[u8], verify: bool) -> Decoded {
        let mut at = 0;
        while at < input.len() {
            match self.decoder.read(expect, memo, &input[at..], verify) {
                Decoded::Partial { consumed } => return Decoded::Partial { consumed: at + consumed },
                Decoded::Done { consumed, outcome, keep_alive } => {
                    at += consumed;
                    self.answered += 1;
                    self.note(outcome);
                    // No answer follows one that closes: those that are missing will not come.
                    if !keep_alive && self.answered < asked {
                        self.note(Outcome::Failed(ErrorClass::Closed));
                    }
                    if !keep_alive || self.answered == asked {
                        let outcome = self.outcome();
                        // Ready for the next operation; what the last answer told stays.
                        (self.answered, self.failed) = (0, None);
                        return Decoded::Done { consumed: at, outcome, keep_alive };
                    }
                }
            }
        }
        Decoded::Partial { consumed: at }
    }

    /// The target closed the connection.
    pub fn closed(&mut self, asked: u32, expect: &Expect) -> Outcome {
        let last = self.decoder.closed(expect);
        self.answered += 1;
        self.note(if self.answered < asked { Outcome::Failed(ErrorClass::Closed) } else { last });
        self.outcome()
    }

    /// What the last answer told of its service.
    pub fn told(&self) -> Told {
        self.decoder.told()
    }

    fn note(&mut self, outcome: Outcome) {
        if let Outcome::Failed(class) = outcome {
            self.failed.get_or_insert(class);
        }
    }

    fn outcome(&self) -> Outcome {
        self.failed.map_or(Outcome::Ok, Outcome::Failed)
    }
}
