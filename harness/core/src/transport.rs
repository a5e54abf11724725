//! How the load generator moves bytes.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::problem::Problem;

/// The kernel interface that load workers send and receive through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TransportKind {
    /// Readiness: a `write` and a `read` for each operation.
    #[default]
    Epoll,
    /// Completions: one call for all that is sent and received in a turn.
    IoUring,
}

impl TransportKind {
    /// All of them.
    pub const ALL: [TransportKind; 2] = [TransportKind::Epoll, TransportKind::IoUring];

    /// As it is written.
    pub fn name(self) -> &'static str {
        match self {
            TransportKind::Epoll => "epoll",
            TransportKind::IoUring => "io_uring",
        }
    }

    /// What `--transport` asks for; `None` for `auto`, which leaves the choice to the plan.
    ///
    /// # Errors
    /// When the name is not known, with the nearest that is.
    pub fn asked(text: &str) -> Result<Option<TransportKind>, Problem> {
        if text == "auto" {
            return Ok(None);
        }
        TransportKind::ALL.into_iter().find(|kind| kind.name() == text).map(Some).ok_or_else(|| {
            Problem::unknown(
                "transport",
                text,
                ["auto", "epoll", "io_uring"],
                "`auto` takes io_uring where the kernel allows it",
            )
        })
    }
}

impl fmt::Display for TransportKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_and_slips_are_told() {
        assert_eq!(TransportKind::asked("auto").unwrap(), None);
        for kind in TransportKind::ALL {
            assert_eq!(TransportKind::asked(kind.name()).unwrap(), Some(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.name());
        }
        let problem = TransportKind::asked("io-uring").unwrap_err();
        assert!(problem.help.unwrap().contains("did you mean `io_uring`?"));
        assert!(TransportKind::asked("Epoll").is_err());
    }
}
