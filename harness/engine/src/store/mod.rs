//! The run directory: what was asked, what was planned, and every record, safe against crashes, full disks and flipped bits.
//!
//! `trials.jsonl` is a journal: one record per line with a CRC-32 of its bytes, on disk before the next trial begins
//! and never edited. Everything else in the directory is either written once before the first trial or can be made
//! again from the journal. A repetition counts as finished when its `turn-done` line is there and agrees with the
//! records before it; any other is begun again, and its records stay in the journal unused.

mod entry;
mod files;
mod journal;
mod lock;
mod profiles;
mod run;
mod writer;

pub use entry::Entry;
#[cfg(test)]
pub(crate) use entry::tests::trial as a_trial;
pub(crate) use files::read_text as read_file;
pub use files::write_atomically;
pub use lock::is_locked;
pub use run::{Failure, StoredRun, read_run};
pub use writer::{NewRun, Store};
