//! One file per workload: its row in the registry, and how its settings become a recipe.

pub mod bytes;
pub mod echo;
pub mod get;
pub mod plaintext;
pub mod static_file;
pub mod work;
