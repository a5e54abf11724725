//! `corecurve completions`: shell completions and man pages, from the same definitions as the help.

use std::io::Write;

use clap::CommandFactory;
use clap_complete::Shell;
use corecurve_core::Problem;

use crate::args::{Cli, CompletionsArgs};
use crate::exit::{Exit, Failure};

const SHELLS: [&str; 6] = ["bash", "zsh", "fish", "elvish", "powershell", "man"];

/// Prints the completions, or writes the manual pages.
pub fn completions(args: &CompletionsArgs) -> Result<Exit, Failure> {
    let mut command = Cli::command();
    if args.shell == "man" {
        clap_mangen::generate_to(command, &args.dir)?;
        println!("manual pages written to {}", args.dir.display());
        return Ok(Exit::Done);
    }
    let shell: Shell = args.shell.parse().map_err(|_| {
        Failure::wrong_use(Problem::unknown("shell", &args.shell, SHELLS, "e.g. `corecurve completions bash`"))
    })?;
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut command, "corecurve", &mut script);
    std::io::stdout().write_all(&script)?;
    Ok(Exit::Done)
}
