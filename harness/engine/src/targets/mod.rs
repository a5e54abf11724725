//! Systems under test that are processes of their own: started under a guardian, believed only after one correct
//! reply from a port that is provably theirs.

mod command;
mod counts;
mod external;
mod http_probe;
mod null;
mod port;
mod recipe;
mod registry;
mod serve;
mod server_process;
mod template;
mod url;

pub use external::ExternalTarget;
pub use null::NullTarget;
pub use recipe::{Discipline, FileTemplate, Ready, Recipe};
pub use registry::{
    ExternalSummary, exec_target, external_target, external_targets, external_version, null_target, serve_target,
    url_target,
};
pub use serve::ServeTarget;
pub use url::UrlTarget;
