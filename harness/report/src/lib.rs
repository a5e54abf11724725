//! Findings to bytes: terminal, Markdown, CSV, JSON and HTML.
//!
//! Pure: nothing here knows a thread, a clock, a file or a network, and the same findings give the same bytes.
//! Names come from outside (a user's target, a result file from someone else), so every output spells out control
//! and direction-changing characters and escapes what its format would take for markup.
#![forbid(unsafe_code)]

pub mod csv;
mod elasticities;
pub mod exporter;
pub mod groups;
pub mod html;
pub mod json;
pub mod markdown;
mod objectives;
mod profile;
pub mod terminal;
pub mod text;

pub use exporter::{Exporter, FORMATS, Format, format_of};
pub use terminal::Style;
