//! [`Exclusive`]: one measurement at a time on one machine.
//!
//! Two runs at once would load each other's cores, and the shield of the first makes the machine look smaller to the second
//! than it is. So a run holds a name while it measures: an abstract Unix socket, which needs no file, no privilege and no
//! cleaning up, since the kernel drops it with its holder, and which tells who that is.

use std::io::{self, ErrorKind};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr, UnixListener, UnixStream};
use std::time::Duration;

use corecurve_core::Pid;

/// The name, in the abstract namespace of the network namespace: containers of one host do not see each other.
const NAME: &[u8] = b"corecurve/measures";
/// Time between two attempts.
const RETRY: Duration = Duration::from_millis(50);

/// The right to measure on this machine, until dropped or the process ends.
#[derive(Debug)]
pub struct Exclusive {
    _name: UnixListener,
}

impl Exclusive {
    /// Waits for the right to measure. `waiting` is called once, if another has it, with that process if it can be told.
    ///
    /// # Errors
    /// When the system gives no such socket at all.
    pub fn wait(waiting: impl FnOnce(Option<Pid>)) -> io::Result<Exclusive> {
        Exclusive::wait_for(NAME, waiting)
    }

    fn wait_for(name: &[u8], waiting: impl FnOnce(Option<Pid>)) -> io::Result<Exclusive> {
        let address = SocketAddr::from_abstract_name(name)?;
        let mut waiting = Some(waiting);
        loop {
            match UnixListener::bind_addr(&address) {
                Ok(name) => return Ok(Exclusive { _name: name }),
                Err(error) if error.kind() != ErrorKind::AddrInUse => return Err(error),
                Err(_) => {
                    if let Some(waiting) = waiting.take() {
                        waiting(holder(&address));
                    }
                    std::thread::sleep(RETRY);
                }
            }
        }
    }
}

/// Who listens on the name.
fn holder(address: &SocketAddr) -> Option<Pid> {
    let stream = UnixStream::connect_addr(address).ok()?;
    let credentials = rustix::net::sockopt::socket_peercred(&stream).ok()?;
    Some(credentials.pid.as_raw_nonzero().get().unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc;

    #[test]
    fn the_second_waits_for_the_first_and_is_told_who_it_is() {
        let name = format!("corecurve/test/{}", std::process::id());
        let first = Exclusive::wait_for(name.as_bytes(), |_| panic!("nobody has it")).unwrap();
        let (told, hears) = mpsc::channel();
        let second = std::thread::spawn(move || {
            Exclusive::wait_for(name.as_bytes(), |who| told.send(who).unwrap()).unwrap();
        });
        assert_eq!(hears.recv().unwrap(), Some(std::process::id()));
        assert!(!second.is_finished());
        drop(first);
        second.join().unwrap();
    }
}
