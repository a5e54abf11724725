//! What the server serves: one small handler per endpoint, the same under every architecture.
//!
//! | path | methods | reply |
//! |---|---|---|
//! | `/plaintext` | GET HEAD | `Hello, World!` |
//! | `/echo` | any | the request's body |
//! | `/bytes/N` | GET HEAD | N bytes, at most 64 MiB |
//! | `/work?dist=&mean=&seed=&id=` | GET HEAD | after a CPU spin of exactly the planned service time: what was planned and measured |
//! | `/stats` | GET HEAD | counts per worker |
//! | anything else | GET HEAD | a file under the root, or 404 |

mod app;
mod bytes;
mod files;
mod query;
pub(crate) mod work;

pub use app::{App, Site};
pub use bytes::{MAX_BYTES, pattern_byte};
pub use files::Root;
pub use work::{MAX_MEAN, WORK_BODY_BYTES};
