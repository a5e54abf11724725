//! See ARCHITECTURE.md.

pub mod capacity;
pub mod child;
mod client;
pub mod drive;
pub mod execute;
pub mod faults;
pub mod perturb;
pub mod profile;
pub mod recorder;
pub mod schedule;
pub mod signals;
pub mod stationarity;
pub mod stop;
pub mod store;
pub mod targets;
pub mod trial;
pub mod validity;
pub mod warmup;
mod worker;

pub use client::io_uring_refusal;
pub use stop::StopFlag;
pub use trial::{TraceRow, TrialOutput, TrialScratch, TrialSetup, run_trial, virtual_record, virtual_trial};
