//! One file per workload: its row in the registry, and how its settings become what is asked.

pub mod bimodal;
pub mod blocker;
pub mod bytes;
pub mod echo;
pub mod elephant;
pub mod elephant_bytes;
pub mod get;
pub mod k_per_conn;
pub mod keepalive;
pub mod large;
pub mod lifo_trap;
pub mod pipelined;
pub mod plaintext;
pub mod static_file;
pub mod support_like;
pub mod tcp;
pub mod web99_static;
pub mod work;
