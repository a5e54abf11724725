//! See ARCHITECTURE.md.

pub mod child;
pub mod signals;
pub mod stop;
pub mod store;
pub mod targets;
