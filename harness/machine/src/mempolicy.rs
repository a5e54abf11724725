//! The two system calls that set and read a thread's memory policy.
//!
//! glibc has no wrapper for them, and hwloc's needs a topology object on the thread; see `set_mempolicy(2)`.

use std::io;

use corecurve_core::NodeId;

/// Highest node number the mask names; the kernel's own limit (`MAX_NUMNODES`) is 1024.
const MASK_BITS: usize = 1_024;
/// Words in a node mask.
const MASK_WORDS: usize = MASK_BITS / u64::BITS as usize;

/// What a thread's new pages obey.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Policy {
    /// The machine's default: the node the thread runs on, then others.
    Default,
    /// Only the named nodes.
    Bind,
    /// Anything else (preferred, interleave, local).
    Other(i32),
}

impl Policy {
    fn from_mode(mode: i32) -> Policy {
        match mode & !libc::MPOL_F_STATIC_NODES {
            libc::MPOL_DEFAULT => Policy::Default,
            libc::MPOL_BIND => Policy::Bind,
            other => Policy::Other(other),
        }
    }
}

/// Binds new pages of the calling thread, and of processes it starts, to `nodes`; no nodes restores the default.
pub(crate) fn set(nodes: &[NodeId]) -> io::Result<()> {
    let mut mask = [0u64; MASK_WORDS];
    for node in nodes {
        let word = mask.get_mut(node.0 as usize / 64).ok_or(io::ErrorKind::InvalidInput)?;
        *word |= 1 << (node.0 % 64);
    }
    let mode = if nodes.is_empty() { libc::MPOL_DEFAULT } else { libc::MPOL_BIND };
    // The kernel reads `maxnode - 1` bits.
    // SAFETY: the mask is a live array of `MASK_BITS` bits, the kernel only reads it, and the call changes nothing
    // but the policy of the calling thread.
    let result = unsafe { libc::syscall(libc::SYS_set_mempolicy, mode, mask.as_ptr(), MASK_BITS + 1) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// The calling thread's policy and its nodes.
pub(crate) fn get() -> io::Result<(Policy, Vec<NodeId>)> {
    let mut mask = [0u64; MASK_WORDS];
    let mut mode: libc::c_int = 0;
    let no_address = std::ptr::null::<libc::c_void>();
    // SAFETY: `mode` and `mask` are live and as large as the kernel is told; without flags the address is not used.
    let result = unsafe {
        libc::syscall(libc::SYS_get_mempolicy, &raw mut mode, mask.as_mut_ptr(), MASK_BITS + 1, no_address, 0)
    };
    if result != 0 {
        return Err(io::Error::last_os_error());
    }
    let set = |bit: &usize| mask[bit / 64] >> (bit % 64) & 1 == 1;
    Ok((Policy::from_mode(mode), (0..MASK_BITS).filter(set).map(|bit| NodeId(bit as u32)).collect()))
}
