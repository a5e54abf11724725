//! A thread that only accepts, for architectures where others serve.

use std::io;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use corecurve_core::Problem;
use mio::unix::SourceFd;
use mio::{Events, Interest, Poll, Token};
use rustix::net::SocketFlags;

use super::listener::{Accepted, accept};
use super::server::{Control, Wake};

const LISTENER: Token = Token(0);
const WAKE: Token = Token(1);
/// Pause after running out of descriptors, until some connection may have ended.
const EXHAUSTED_PAUSE: Duration = Duration::from_millis(10);

/// Waits for connections and for the end.
pub(crate) struct Acceptor {
    poll: Poll,
    listener: TcpListener,
    control: Arc<Control>,
}

impl Acceptor {
    /// An acceptor and the way to wake it.
    ///
    /// # Errors
    /// When the kernel gives no poll or no event descriptor.
    pub fn new(listener: TcpListener, control: Arc<Control>) -> Result<(Wake, Acceptor), Problem> {
        use std::os::fd::AsRawFd;
        let failed = |error: io::Error| {
            Problem::new(format!("cannot set up the acceptor: {error}"))
                .help("raise the limit of open files (`ulimit -n`)")
        };
        let poll = Poll::new().map_err(failed)?;
        let fd = listener.as_raw_fd();
        poll.registry().register(&mut SourceFd(&fd), LISTENER, Interest::READABLE).map_err(failed)?;
        let waker = mio::Waker::new(poll.registry(), WAKE).map_err(failed)?;
        let wake: Wake = Arc::new(move || drop(waker.wake()));
        Ok((wake, Acceptor { poll, listener, control }))
    }

    /// Accepts until the server stops; each connection goes to `admit`, non-blocking or not as `flags` say.
    /// `exhausted` is told each time descriptors run out.
    pub fn run(mut self, flags: SocketFlags, mut admit: impl FnMut(TcpStream), mut exhausted: impl FnMut()) {
        let mut events = Events::with_capacity(4);
        while !self.control.is_stopping() {
            if self.poll.poll(&mut events, Some(Duration::from_secs(1))).is_err() {
                continue;
            }
            while !self.control.is_stopping() {
                match accept(&self.listener, flags) {
                    Accepted::Stream(stream) => admit(stream),
                    Accepted::None => break,
                    Accepted::Exhausted => {
                        exhausted();
                        thread::sleep(EXHAUSTED_PAUSE);
                    }
                }
            }
        }
    }
}
