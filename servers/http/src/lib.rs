//! One strict HTTP/1.1 engine and many server architectures over it.
//!
//! The servers exist to be measured, so they differ in one thing only: how connections and readiness events
//! reach threads ([`architectures`]). The protocol ([`engine`]), the endpoints ([`handler`]) and the sockets
//! are the same code for all of them. A server does not know that it is measured.
//!
//! ```
//! use corecurve_core::CpuId;
//! use corecurve_servers::{ServeConfig, registry};
//!
//! let server = registry::start(&ServeConfig::new("thread-per-core", [CpuId(0)]))?;
//! assert_ne!(server.local_addr().port(), 0);
//! let counts = server.stop()?;
//! assert_eq!(counts.totals.requests, 0);
//! # Ok::<(), corecurve_core::Problem>(())
//! ```
#![deny(unsafe_code)]

pub mod architectures;
pub mod config;
mod copies;
pub mod engine;
pub mod factors;
pub mod faults;
pub mod handler;
pub mod registry;
pub mod runtime;
pub mod serve;

pub use config::{COMMON_SETTINGS, ServeConfig, Setting};
pub use corecurve_core::ServerStats;
pub use engine::Limits;
pub use factors::{AcceptPath, IoKind, QueueDiscipline, Scheduling};
pub use registry::{ARCHITECTURES, Architecture};
pub use runtime::RunningServer;
pub use runtime::procs::{COPY_WORD, Launcher, copy_main, is_copy_call};
pub use serve::{Ready, Stop, serve};
