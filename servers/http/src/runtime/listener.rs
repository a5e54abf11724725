//! Listening sockets.

use std::net::{SocketAddr, TcpListener, TcpStream};

use corecurve_core::Problem;
use rustix::io::Errno;
use rustix::net::SocketFlags;
use socket2::{Domain, Protocol, Socket, Type};

use crate::config::{BACKLOG, Count, ServeConfig};

/// The port of a server: chosen and found free before the first thread starts.
#[derive(Debug)]
pub(crate) struct Port {
    addr: SocketAddr,
    backlog: i32,
    /// Others listen on it, too.
    is_shared: bool,
}

impl Port {
    /// Finds out whether the configured address can be listened on.
    ///
    /// # Errors
    /// When the address is not loopback and that is not allowed, or the port is taken, even by listeners that would share it.
    pub fn find(config: &ServeConfig) -> Result<Port, Problem> {
        if !config.addr.ip().is_loopback() && !config.allow_remote {
            return Err(Problem::new(format!("{} is not a loopback address", config.addr.ip()))
                .help("listen on 127.0.0.1 or ::1, or allow others with --allow-remote"));
        }
        let backlog = backlog(config)?;
        let port = Port { addr: config.addr, backlog, is_shared: false };
        // SO_REUSEPORT would quietly share the port with a server left over from another run, and half of the
        // load would go there. A plain bind first finds out.
        drop(bind(port.addr, false).map_err(|error| port.refused(&error))?);
        Ok(port)
    }

    /// A port to try something out on, for a moment.
    pub fn trial(addr: SocketAddr) -> Port {
        Port { addr, backlog: 16, is_shared: true }
    }

    /// The port that another process holds for us.
    ///
    /// # Errors
    /// When the backlog cannot be read.
    pub fn join(config: &ServeConfig, addr: SocketAddr) -> Result<Port, Problem> {
        Ok(Port { addr, backlog: backlog(config)?, is_shared: true })
    }

    /// From now on listeners leave room for others.
    pub fn share_from_now_on(&mut self) {
        self.is_shared = true;
    }

    /// Whether others listen on it, too.
    pub fn is_shared(&self) -> bool {
        self.is_shared
    }

    /// Takes the port without listening, so that nobody but processes of this user that share it can.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn reserve(&mut self) -> Result<Socket, Problem> {
        let reserve = || {
            let socket = bind(self.addr, true)?;
            Ok((socket.local_addr()?.as_socket().unwrap_or(self.addr), socket))
        };
        let (addr, socket) = reserve().map_err(|error| self.refused(&error))?;
        self.addr = addr;
        self.is_shared = true;
        Ok(socket)
    }

    /// Where listeners go; the port is the real one once there is a listener.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }

    /// Opens `count` listeners. More than one share the port by SO_REUSEPORT.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn listen(&mut self, count: usize) -> Result<Vec<TcpListener>, Problem> {
        (0..count).map(|_| self.open(count > 1 || self.is_shared)).collect()
    }

    /// Opens `count` listeners that share the port by SO_REUSEPORT, even if it is one.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn share(&mut self, count: usize) -> Result<Vec<TcpListener>, Problem> {
        (0..count).map(|_| self.open(true)).collect()
    }

    /// Opens the only listener.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn listen_once(&mut self) -> Result<TcpListener, Problem> {
        self.open(self.is_shared)
    }

    fn open(&mut self, share: bool) -> Result<TcpListener, Problem> {
        let listen = || {
            let socket = bind(self.addr, share)?;
            socket.listen(self.backlog)?;
            let listener = TcpListener::from(socket);
            Ok((listener.local_addr()?, listener))
        };
        let (addr, listener) = listen().map_err(|error| self.refused(&error))?;
        self.addr = addr;
        Ok(listener)
    }

    fn refused(&self, error: &std::io::Error) -> Problem {
        let help = match error.kind() {
            std::io::ErrorKind::AddrInUse => "choose another port, or 0 for a free one; `ss -ltnp` shows who has it",
            std::io::ErrorKind::PermissionDenied => "ports below 1024 need privileges; choose a higher one",
            _ => "choose an address of this machine",
        };
        Problem::new(format!("cannot listen on {}: {error}", self.addr)).help(help)
    }
}

fn backlog(config: &ServeConfig) -> Result<i32, Problem> {
    Ok(config.setting::<Count>(&BACKLOG)?.0.min(i32::MAX as usize) as i32)
}

fn bind(addr: SocketAddr, share: bool) -> std::io::Result<Socket> {
    let socket = Socket::new(Domain::for_address(addr), Type::STREAM.nonblocking().cloexec(), Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    if share {
        socket.set_reuse_port(true)?;
    }
    // Accepted sockets inherit it, which saves a call for each.
    socket.set_tcp_nodelay(true)?;
    socket.bind(&addr.into())?;
    Ok(socket)
}

/// What an attempt to accept gave.
pub(crate) enum Accepted {
    /// A connection.
    Stream(TcpStream),
    /// None is waiting, or the one that was has gone.
    None,
    /// No descriptor or memory is left: trying again at once would only burn the CPU.
    Exhausted,
}

/// Accepts one connection, blocking or not as `flags` say.
pub(crate) fn accept(listener: &TcpListener, flags: SocketFlags) -> Accepted {
    match rustix::net::accept_with(listener, flags | SocketFlags::CLOEXEC) {
        Ok(fd) => Accepted::Stream(TcpStream::from(fd)),
        Err(Errno::MFILE | Errno::NFILE | Errno::NOBUFS | Errno::NOMEM) => Accepted::Exhausted,
        // The client went away while it waited: there may be others behind it.
        Err(Errno::CONNABORTED | Errno::INTR) => accept(listener, flags),
        Err(_) => Accepted::None,
    }
}
