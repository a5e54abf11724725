//! How the process ends: the exit codes of the interface, and failures with their help.

use std::process::ExitCode;

use corecurve_core::{Problem, Problems};

/// The documented exit codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Everything asked for was done.
    Done = 0,
    /// It could not run.
    CouldNotRun = 1,
    /// Wrong use or spec.
    WrongUse = 2,
    /// It ran, but no result is valid.
    NoValidResult = 3,
    /// A gate failed.
    GateFailed = 4,
    /// Interrupted; partial results are saved.
    Interrupted = 130,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit as u8)
    }
}

/// Why the process ends without having done what was asked.
#[derive(Debug)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What is shown on stderr.
    pub problems: Problems,
}

impl Failure {
    /// The user has to change what was asked.
    pub fn wrong_use(problems: impl Into<Problems>) -> Failure {
        Failure { exit: Exit::WrongUse, problems: problems.into() }
    }

    /// What was asked is fine, but it cannot be done here and now.
    pub fn could_not_run(problem: Problem) -> Failure {
        Failure { exit: Exit::CouldNotRun, problems: problem.into() }
    }

    /// Writes the problems to stderr.
    pub fn print(&self) {
        eprintln!("{}", self.problems);
    }
}

impl From<Problem> for Failure {
    /// A problem met while running. Mistakes in what was asked are made [`Failure::wrong_use`] where they are found.
    fn from(problem: Problem) -> Failure {
        Failure::could_not_run(problem)
    }
}

impl From<std::io::Error> for Failure {
    fn from(error: std::io::Error) -> Failure {
        Failure::could_not_run(Problem::new(format!("cannot write the output: {error}")))
    }
}

/// Says that the defect is ours, whatever panicked. Returns whether it was only a reader that went away
/// (`corecurve list | head`), which ends a Unix tool silently.
pub fn is_broken_pipe(info: &std::panic::PanicHookInfo<'_>) -> bool {
    let broken = info.payload().downcast_ref::<String>().is_some_and(|text| text.contains("Broken pipe"));
    if !broken {
        eprintln!(
            "error: corecurve failed inside: {info}\n  help: this is a defect of corecurve; finished trials are on disk"
        );
    }
    broken
}
