//! Exact accounting of every operation of a window: nothing that was due is ever lost from the books.

use std::collections::BTreeMap;
use std::ops::AddAssign;

use serde::{Deserialize, Serialize};

/// Why an operation failed. Each class has a counter of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ErrorClass {
    /// The target refused the connection.
    Refused,
    /// The connection was not established in time.
    ConnectTimeout,
    /// The target reset the connection.
    Reset,
    /// The target closed the connection before the answer was complete.
    Closed,
    /// No answer before the time-out.
    Timeout,
    /// The answer broke the protocol.
    Protocol,
    /// A well-formed answer with a status that was not expected.
    Status,
    /// The right status with the wrong content.
    WrongBody,
    /// The client ran out of ephemeral ports.
    LocalPorts,
    /// The client ran out of file descriptors.
    LocalFiles,
}

impl ErrorClass {
    /// Every class, in the order of its counter.
    pub const ALL: [ErrorClass; 10] = [
        ErrorClass::Refused,
        ErrorClass::ConnectTimeout,
        ErrorClass::Reset,
        ErrorClass::Closed,
        ErrorClass::Timeout,
        ErrorClass::Protocol,
        ErrorClass::Status,
        ErrorClass::WrongBody,
        ErrorClass::LocalPorts,
        ErrorClass::LocalFiles,
    ];

    /// The name in records.
    pub fn name(self) -> &'static str {
        match self {
            ErrorClass::Refused => "refused",
            ErrorClass::ConnectTimeout => "connect-timeout",
            ErrorClass::Reset => "reset",
            ErrorClass::Closed => "closed",
            ErrorClass::Timeout => "timeout",
            ErrorClass::Protocol => "protocol",
            ErrorClass::Status => "status",
            ErrorClass::WrongBody => "wrong-body",
            ErrorClass::LocalPorts => "local-ports",
            ErrorClass::LocalFiles => "local-files",
        }
    }

    /// Whether the fault is the client's own, which makes the trial invalid instead of the target bad.
    pub fn is_client_side(self) -> bool {
        matches!(self, ErrorClass::LocalPorts | ErrorClass::LocalFiles)
    }
}

/// What became of the operations whose intended start lies in the window.
///
/// Always: `scheduled = sent + never_sent` and `sent = ok + Σ errors + unanswered`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Counts {
    /// Due in the window.
    pub scheduled: u64,
    /// Put on the wire (or handed to the target).
    pub sent: u64,
    /// Due but still waiting for a connection when the drain ended, or failed before they could be sent.
    pub never_sent: u64,
    /// Completed correctly, in the window or in the drain after it.
    pub ok: u64,
    /// Failed after they were sent, by class. Classes without a failure are absent.
    pub errors: BTreeMap<ErrorClass, u64>,
    /// Sent and still unanswered when the drain ended. They rank as +∞ in every percentile.
    pub unanswered: u64,
}

impl Counts {
    /// Failures of all classes.
    pub fn failed(&self) -> u64 {
        self.errors.values().sum()
    }

    /// Operations that did not complete correctly, whatever the cause.
    pub fn bad(&self) -> u64 {
        self.never_sent + self.failed() + self.unanswered
    }

    /// Whether the books balance.
    pub fn balanced(&self) -> bool {
        self.scheduled == self.sent + self.never_sent && self.sent == self.ok + self.failed() + self.unanswered
    }

    /// Adds failures of a class.
    pub fn fail(&mut self, class: ErrorClass, n: u64) {
        if n > 0 {
            *self.errors.entry(class).or_default() += n;
        }
    }
}

impl AddAssign<&Counts> for Counts {
    fn add_assign(&mut self, other: &Counts) {
        self.scheduled += other.scheduled;
        self.sent += other.sent;
        self.never_sent += other.never_sent;
        self.ok += other.ok;
        self.unanswered += other.unanswered;
        for (class, n) in &other.errors {
            self.fail(*class, *n);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn books_balance_or_say_so() {
        let mut counts = Counts { scheduled: 10, sent: 9, never_sent: 1, ok: 6, unanswered: 1, ..Counts::default() };
        counts.fail(ErrorClass::Reset, 2);
        assert!(counts.balanced());
        assert_eq!((counts.failed(), counts.bad()), (2, 4));
        let mut sum = counts.clone();
        sum += &counts;
        assert!(sum.balanced());
        assert_eq!(sum.errors[&ErrorClass::Reset], 4);
        counts.ok += 1;
        assert!(!counts.balanced());
    }
}
