//! One connection as a state machine without I/O: bytes in, bytes out, and what to do next.

use super::body::{self, Decoder};
use super::head::{Framing, Head};
use super::limits::Limits;
use super::outbox::Outbox;
use super::reply::{self, DateText, Persistence, Reply};
use super::scan::Scan;
use super::status::{Refusal, Status};

/// What answers requests.
pub trait Handler {
    /// Whether the body of this request is of any use. If not it is read and thrown away, and a client that
    /// waits for `100 Continue` gets its final answer instead.
    fn wants_body(&mut self, head: &Head<'_>) -> bool;

    /// Answers one request. `body` is complete, and empty if it was not wanted.
    fn answer(&mut self, head: &Head<'_>, body: &[u8], reply: &mut Reply<'_>);

    /// The Date of replies sent now.
    fn date(&self) -> DateText;
}

/// What the owner of the socket does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Next {
    /// Read, and give what was read to [`Connection::receive`], or its end to [`Connection::end_of_input`].
    Read,
    /// Write [`Outbox::front`] of [`Connection::outbox`] and report with [`Connection::sent`].
    Write,
    /// Call [`Connection::resume`]: requests that were read before can be answered now.
    Resume,
    /// Shut down the sending side, then call [`Connection::was_shut`]: the client learns that the refusal is complete.
    Shut,
    /// Close the socket.
    Close,
}

/// What a connection waits for, which decides how long it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// For a request to begin.
    Idle,
    /// For the rest of a head.
    Head,
    /// For the rest of a body.
    Body,
    /// For the client to read its replies.
    Reply,
    /// For the client to close after a refusal.
    Linger,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Between requests or inside a head.
    Head,
    /// Inside a body; `Connection::held` has its request.
    Body,
    /// No further request is answered. When the replies are out the connection closes, after a lingering
    /// read if the client may still be sending: closing with unread bytes would reset the connection and
    /// could take the refusal with it.
    Closing { linger: bool },
    /// The sending side is shut; what comes is thrown away.
    Lingering,
    /// Over.
    Closed,
}

/// A request whose body is still arriving.
#[derive(Debug, Default)]
struct Held {
    head: Vec<u8>,
    line_len: usize,
    is_wanted: bool,
    decoder: Decoder,
    body: Vec<u8>,
}

/// Empty lines tolerated before a request (RFC 9112 section 2.2 asks for at least one).
const BLANK_LINES: u8 = 8;
/// Bytes thrown away after a refusal before the connection is closed regardless.
const LINGER_BYTES: usize = 4 << 20;
/// Room an emptied buffer may keep.
const KEPT_BYTES: usize = 16 << 10;

/// One connection. Feed it with [`Connection::receive`], obey [`Connection::next`].
#[derive(Debug)]
pub struct Connection {
    limits: Limits,
    state: State,
    /// Input that is not yet consumed, from `consumed` on: a partial head, or requests behind a full outbox.
    pending: Vec<u8>,
    consumed: usize,
    /// `pending` holds something that can be worked on as soon as the outbox is empty.
    is_stalled: bool,
    is_input_ended: bool,
    scan: Scan,
    blank_lines: u8,
    held: Option<Box<Held>>,
    outbox: Outbox,
    /// The last reply must leave before the next request is handled.
    is_urgent: bool,
    answered: u64,
    lingered: usize,
}

/// How far one step of the protocol came.
enum Step {
    /// So many bytes were used; go on.
    Used(usize),
    /// More bytes are needed.
    Starved,
}

impl Connection {
    /// A connection on which nothing has arrived.
    pub fn new(limits: Limits) -> Connection {
        Connection {
            limits,
            state: State::Head,
            pending: Vec::new(),
            consumed: 0,
            is_stalled: false,
            is_input_ended: false,
            scan: Scan::default(),
            blank_lines: 0,
            held: None,
            outbox: Outbox::default(),
            is_urgent: false,
            answered: 0,
            lingered: 0,
        }
    }

    /// What to do next.
    #[inline]
    pub fn next(&self) -> Next {
        if self.state == State::Closed {
            return Next::Close;
        }
        if !self.outbox.is_empty() {
            return Next::Write;
        }
        match self.state {
            State::Head | State::Body if self.is_stalled => Next::Resume,
            State::Head | State::Body | State::Lingering if self.is_input_ended => Next::Close,
            State::Head | State::Body | State::Lingering => Next::Read,
            State::Closing { linger: true } if !self.is_input_ended => Next::Shut,
            State::Closing { .. } | State::Closed => Next::Close,
        }
    }

    /// Takes bytes that arrived, and answers every request that is complete.
    /// Cost: bytes are copied only if a head is split or the replies stall.
    #[inline]
    pub fn receive(&mut self, input: &[u8], handler: &mut impl Handler) {
        if self.pending.is_empty() {
            let used = self.advance(input, handler);
            if used < input.len() {
                self.pending.extend_from_slice(&input[used..]);
            }
        } else {
            self.pending.extend_from_slice(input);
            self.resume(handler);
        }
    }

    /// Goes on with bytes that arrived earlier.
    pub fn resume(&mut self, handler: &mut impl Handler) {
        let mut pending = std::mem::take(&mut self.pending);
        self.consumed += self.advance(&pending[self.consumed..], handler);
        if self.consumed == pending.len() {
            pending.clear();
            pending.shrink_to(KEPT_BYTES);
            self.consumed = 0;
        } else if !self.is_stalled {
            // A partial head stays, at the front.
            pending.drain(..self.consumed);
            self.consumed = 0;
        }
        self.pending = pending;
    }

    /// Notes that the client sends no more. Requests already complete are still answered.
    pub fn end_of_input(&mut self) {
        self.is_input_ended = true;
    }

    /// What to send.
    #[inline]
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Notes that `n` bytes of the outbox's front were sent.
    #[inline]
    pub fn sent(&mut self, n: usize) {
        self.outbox.sent(n);
    }

    /// Notes that the sending side was shut down.
    pub fn was_shut(&mut self) {
        self.state = State::Lingering;
    }

    /// Gives up: the peer is gone, or a file ended early.
    pub fn abort(&mut self) {
        self.state = State::Closed;
    }

    /// Ends a connection whose time is over: with 408 inside a request, silently between requests,
    /// at once if the client does not read.
    pub fn expire(&mut self, handler: &impl Handler) {
        match self.phase() {
            Phase::Head | Phase::Body => {
                let pending = std::mem::take(&mut self.pending);
                let refusal = Refusal::new(Status::TIMEOUT, "the request took too long to arrive");
                self.refuse(refusal, handler, &pending);
            }
            Phase::Idle | Phase::Reply | Phase::Linger => self.abort(),
        }
    }

    /// What the connection waits for.
    #[inline]
    pub fn phase(&self) -> Phase {
        if !self.outbox.is_empty() {
            return Phase::Reply;
        }
        match self.state {
            State::Head if self.pending.is_empty() => Phase::Idle,
            State::Head => Phase::Head,
            State::Body => Phase::Body,
            State::Closing { .. } | State::Lingering | State::Closed => Phase::Linger,
        }
    }

    /// Requests answered or refused so far.
    #[inline]
    pub fn answered(&self) -> u64 {
        self.answered
    }

    /// Works through `input` and returns the bytes consumed. What is left is an incomplete head, or waits
    /// for the outbox, in which case `is_stalled` is set.
    #[inline]
    fn advance(&mut self, input: &[u8], handler: &mut impl Handler) -> usize {
        let mut at = 0;
        self.is_stalled = false;
        while at < input.len() {
            if self.must_send_first() {
                self.is_stalled = true;
                break;
            }
            let rest = &input[at..];
            let step = match self.state {
                State::Head => self.step_head(rest, handler),
                State::Body => self.step_body(rest, handler),
                State::Closing { .. } | State::Lingering | State::Closed => Ok(self.discard(rest)),
            };
            match step {
                Ok(Step::Used(n)) => at += n,
                Ok(Step::Starved) => break,
                Err(refusal) => self.refuse(refusal, handler, rest),
            }
        }
        at
    }

    /// Whether replies must leave before the next request is handled.
    #[inline]
    fn must_send_first(&mut self) -> bool {
        if self.outbox.is_empty() {
            self.is_urgent = false;
            return false;
        }
        let is_open = matches!(self.state, State::Head | State::Body);
        is_open && (self.is_urgent || self.outbox.has_tail() || self.outbox.unsent_bytes() > self.limits.unsent_bytes)
    }

    fn discard(&mut self, rest: &[u8]) -> Step {
        self.lingered += rest.len();
        if self.lingered > LINGER_BYTES && self.state == State::Lingering {
            self.state = State::Closed;
        }
        Step::Used(rest.len())
    }

    #[inline]
    fn step_head(&mut self, input: &[u8], handler: &mut impl Handler) -> Result<Step, Refusal> {
        if input[0] == b'\r' && self.scan.line_len() == 0 {
            return self.skip_blank_line(input);
        }
        let Some(head_len) = self.scan.head_len(input, &self.limits)? else { return Ok(Step::Starved) };
        let line_len = self.scan.line_len();
        self.scan = Scan::default();
        self.blank_lines = 0;
        let head = Head::parse(&input[..head_len], line_len, &self.limits)?;
        if head.framing == Framing::None {
            self.answer(&head, &[], false, input.len() > head_len, handler);
            return Ok(Step::Used(head_len));
        }
        self.begin_body(&head, &input[..head_len], line_len, &input[head_len..], handler)
    }

    #[cold]
    fn skip_blank_line(&mut self, input: &[u8]) -> Result<Step, Refusal> {
        match input.get(1) {
            None => Ok(Step::Starved),
            Some(b'\n') if self.blank_lines < BLANK_LINES => {
                self.blank_lines += 1;
                Ok(Step::Used(2))
            }
            Some(b'\n') => Err(Refusal::bad("too many empty lines before a request")),
            Some(_) => Err(Refusal::bad("a carriage return without a line feed")),
        }
    }

    fn begin_body(
        &mut self,
        head: &Head<'_>,
        head_bytes: &[u8],
        line_len: usize,
        rest: &[u8],
        handler: &mut impl Handler,
    ) -> Result<Step, Refusal> {
        let length = if let Framing::Length(n) = head.framing { Some(n) } else { None };
        if length.is_some_and(|n| n > self.limits.body_bytes as u64) {
            return Err(body::TOO_LARGE);
        }
        let is_wanted = handler.wants_body(head);
        if head.expects_continue && length != Some(0) {
            if !is_wanted {
                // The client may or may not send the body now; only closing makes both right.
                self.answer(head, &[], true, true, handler);
                return Ok(Step::Used(head_bytes.len()));
            }
            self.outbox.buffer().extend_from_slice(b"HTTP/1.1 100 Continue\r\n\r\n");
        }
        if let Some(body_len) = length.and_then(|n| usize::try_from(n).ok())
            && let Some(body) = rest.get(..body_len)
        {
            let used = head_bytes.len() + body_len;
            self.answer(head, if is_wanted { body } else { &[] }, false, rest.len() > body_len, handler);
            return Ok(Step::Used(used));
        }
        let held = self.held.get_or_insert_default();
        held.head.clear();
        held.head.extend_from_slice(head_bytes);
        held.line_len = line_len;
        held.is_wanted = is_wanted;
        held.body.clear();
        match length {
            Some(length) => held.decoder.start_length(length),
            None => held.decoder.start_chunked(),
        }
        self.state = State::Body;
        Ok(Step::Used(head_bytes.len()))
    }

    fn step_body(&mut self, input: &[u8], handler: &mut impl Handler) -> Result<Step, Refusal> {
        let Some(mut held) = self.held.take() else {
            return Err(Refusal::new(Status::INTERNAL, "a body without its request"));
        };
        let Held { decoder, body, is_wanted, .. } = &mut *held;
        let used = decoder.decode(input, &self.limits, |data| {
            if *is_wanted {
                body.extend_from_slice(data);
            }
        });
        if decoder.is_done() {
            self.state = State::Head;
            let head = Head::parse(&held.head, held.line_len, &self.limits)?;
            let more_follows = used.is_ok_and(|used| input.len() > used);
            self.answer(&head, &held.body, false, more_follows, handler);
            held.head.shrink_to(KEPT_BYTES);
            held.body.clear();
            held.body.shrink_to(KEPT_BYTES);
        }
        self.held = Some(held);
        used.map(Step::Used)
    }

    #[inline]
    fn answer(
        &mut self,
        head: &Head<'_>,
        body: &[u8],
        must_close: bool,
        more_follows: bool,
        handler: &mut impl Handler,
    ) {
        let persistence = match (head.keep_alive && !must_close, head.minor) {
            (false, _) => Persistence::Close,
            (true, 0) => Persistence::Spoken,
            (true, _) => Persistence::Implied,
        };
        let mut reply = Reply::new(&mut self.outbox, handler.date(), persistence, head.method != "HEAD");
        handler.answer(head, body, &mut reply);
        let (closes, is_urgent) = reply.finish();
        self.is_urgent = is_urgent;
        self.answered += 1;
        if closes {
            self.state = State::Closing { linger: more_follows };
        }
    }

    /// Refuses the request that starts `input`, or whose body is arriving.
    #[cold]
    fn refuse(&mut self, refusal: Refusal, handler: &impl Handler, input: &[u8]) {
        let head = match (&self.held, self.state) {
            (Some(held), State::Body) => &held.head,
            _ => input,
        };
        let wants_body = !head.starts_with(b"HEAD ");
        reply::write_refusal(&mut self.outbox, &handler.date(), refusal, wants_body);
        self.answered += 1;
        self.state = State::Closing { linger: true };
    }
}
