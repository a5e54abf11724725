//! What an I/O error means for an operation.

use std::io;

use corecurve_core::ErrorClass;

/// The class of an error of a socket call.
///
/// Running out of local ports is EADDRNOTAVAIL when connecting, EADDRINUSE when binding a source address, and EAGAIN from a
/// connect that found no free port; the caller handles the EAGAIN that only means "not yet".
pub(crate) fn classify(error: &io::Error) -> ErrorClass {
    match error.raw_os_error() {
        Some(libc::ECONNREFUSED) => ErrorClass::Refused,
        Some(libc::ETIMEDOUT | libc::EHOSTUNREACH | libc::ENETUNREACH) => ErrorClass::ConnectTimeout,
        Some(libc::EADDRNOTAVAIL | libc::EADDRINUSE | libc::EAGAIN) => ErrorClass::LocalPorts,
        Some(libc::EMFILE | libc::ENFILE | libc::ENOBUFS | libc::ENOMEM) => ErrorClass::LocalFiles,
        Some(libc::ECONNRESET | libc::EPIPE | libc::ECONNABORTED) => ErrorClass::Reset,
        _ => ErrorClass::Closed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn classes_are_told_apart() {
        for (errno, class) in [
            (libc::ECONNREFUSED, ErrorClass::Refused),
            (libc::ETIMEDOUT, ErrorClass::ConnectTimeout),
            (libc::EADDRNOTAVAIL, ErrorClass::LocalPorts),
            (libc::EMFILE, ErrorClass::LocalFiles),
            (libc::ECONNRESET, ErrorClass::Reset),
            (libc::EPIPE, ErrorClass::Reset),
            (libc::EINVAL, ErrorClass::Closed),
        ] {
            assert_eq!(classify(&io::Error::from_raw_os_error(errno)), class);
        }
    }
}
