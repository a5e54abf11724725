//! One file per subcommand.

pub mod compare;
pub mod completions;
pub mod demo;
pub mod doctor;
pub mod list;
pub mod measure;
pub mod probe;
pub mod report;
pub mod resume;
pub mod serve;
pub mod topo;
