//! See ARCHITECTURE.md.

pub mod child;
pub mod signals;
pub mod store;
