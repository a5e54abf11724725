//! `ip` and `tc` of iproute2. They are called with many commands at once, in the namespace of the calling thread.

use std::io::{ErrorKind, Write as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, Stdio};

use corecurve_core::Problem;
use corecurve_core::problem::printable;

/// Where they are, even when an ordinary user's PATH does not say so.
const PATH: &str = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin";

/// Whether it is installed.
pub(super) fn is_there(program: &str) -> bool {
    PATH.split(':').any(|directory| Path::new(directory).join(program).is_file())
}

/// Has `program` do what `script` says, one command per line.
///
/// # Errors
/// When it is not there, or with what it says is wrong.
pub(super) fn batch(program: &str, script: &str) -> Result<(), Problem> {
    let missing = |error: std::io::Error| match error.kind() {
        ErrorKind::NotFound => {
            Problem::new(format!("`{program}` is not installed")).help("install it, e.g. `apt-get install iproute2`")
        }
        _ => Problem::new(format!("`{program}` could not be run: {error}")),
    };
    let mut child = Command::new(program)
        .args(["-batch", "-"])
        .env("PATH", PATH)
        // A key that asks the harness to end after this trial must not end the tool in the middle of its work.
        .process_group(0)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing)?;
    if let Some(mut input) = child.stdin.take() {
        // One that ends early says why on its standard error.
        let _ = input.write_all(script.as_bytes());
    }
    let ended = child.wait_with_output().map_err(missing)?;
    if ended.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    let line = said.lines().next().unwrap_or("it does not say why");
    Err(Problem::new(format!("`{program}` refuses: {}", printable(line))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_that_is_not_there_is_named_with_its_package() {
        let problem = batch("no-such-ip", "").unwrap_err();
        assert!(problem.seen.contains("no-such-ip") && problem.help.unwrap().contains("iproute2"));
    }

    #[test]
    fn what_a_tool_says_is_passed_on() {
        // A shell takes the script for a file that is not there.
        assert!(batch("sh", "").is_err());
    }
}
