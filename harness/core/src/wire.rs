//! [`Workload`] and [`Wire`]: which operations are asked for, and how they look on a connection.

use crate::counts::ErrorClass;
use crate::rng::Rng;

/// Which operations are asked for, drawn from a seeded generator.
pub trait Workload: Send {
    /// One operation: small and cheap to copy, because it is kept for every operation in flight.
    type Op: Copy + Send + Default + 'static;
    /// The next operation. `id` counts the operations of the trial and is unique in it.
    fn next(&mut self, id: u64, rng: &mut Rng) -> Self::Op;
}

/// How a workload's operations are put on a byte stream and their answers read back.
///
/// One operation is in flight per connection; what it puts there may be several requests, and then their answers are read as
/// one. Nothing here may allocate once buffers have grown.
pub trait Wire: Workload {
    /// What must be remembered between two pieces of one answer.
    type Decoder: Default + Send;
    /// Appends the bytes of `op`; `last` asks the target to close the connection after the answer.
    fn encode(&self, op: &Self::Op, last: bool, out: &mut Vec<u8>);
    /// Reads on in the answer to `op`. `input` holds the bytes received and not yet consumed;
    /// `verify` asks for the content to be checked and not only its length.
    fn decode(&self, op: &Self::Op, decoder: &mut Self::Decoder, input: &[u8], verify: bool) -> Decoded;
    /// The target closed the connection: what that means for an answer read up to here.
    fn closed(&self, op: &Self::Op, decoder: &mut Self::Decoder) -> Outcome;
    /// How many of a load worker's `connections` some operations prefer: the first so many.
    fn preferred(&self, connections: usize) -> usize {
        let _ = connections;
        0
    }
    /// Whether `op` goes by one of the preferred connections, or else by one of the rest, as long as one of them is free. It
    /// never waits for one while any other is free.
    fn prefers(&self, op: &Self::Op) -> bool {
        let _ = op;
        false
    }
    /// What the answer told of its own service, after [`Decoded::Done`].
    fn told(&self, decoder: &Self::Decoder) -> Told {
        let _ = decoder;
        Told::default()
    }
}

/// What an answer told of its own service, so that a trial can be replayed. Zero where it told nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Time spent on the request itself, nanoseconds.
    pub service_ns: u64,
    /// When that ended, on the monotonic clock of the target's machine, nanoseconds.
    pub ended_ns: u64,
}

/// What [`Wire::decode`] found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    /// Not complete; so many bytes of the input are done with.
    Partial {
        /// Bytes of the input that need not be shown again.
        consumed: usize,
    },
    /// The answer is complete.
    Done {
        /// Bytes of the input that belong to it. More input than this is a protocol error.
        consumed: usize,
        /// Whether it is the right answer.
        outcome: Outcome,
        /// Whether the connection can carry another operation.
        keep_alive: bool,
    },
}

/// Whether an operation succeeded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Completed correctly.
    Ok,
    /// Failed.
    Failed(ErrorClass),
}
