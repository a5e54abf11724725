//! Pure functions from records to findings: no threads, no clock, no files, no network.
#![forbid(unsafe_code)]

pub mod compare;
pub mod findings;
pub mod models;
pub mod oracle;
pub mod search;
pub mod stats;

pub use findings::{Findings, RunData, analyse};
