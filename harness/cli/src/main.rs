//! The `corecurve` binary: arguments and a straight line.

#![allow(clippy::print_stdout, reason = "the command line is where results are printed")]

mod args;
mod capacity;
mod catalog;
mod commands;
mod conduct;
mod cores;
mod exit;
mod faults;
mod gate;
mod law;
mod machine_record;
mod network;
mod plan;
mod probe;
mod profiling;
mod progress;
mod replay;
mod runs;
mod shield;
mod show;
mod site;
mod spec_args;
mod transport;
mod turn;
mod validate;

use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use exit::{Exit, Failure};

fn main() -> ExitCode {
    // The same binary is the small process that outlives a killed harness and takes its children down.
    if corecurve_engine::child::is_guardian_call() {
        return ExitCode::from(corecurve_engine::child::guardian_main());
    }
    // It is what takes the CPU or the memory from a server, where that was asked for.
    if corecurve_engine::faults::is_antagonist_call() {
        return ExitCode::from(corecurve_engine::faults::antagonist_main());
    }
    // And it is each of a server's processes.
    if corecurve_servers::is_copy_call() {
        return match corecurve_servers::copy_main() {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                eprintln!("error: a copy of the server: {error}");
                ExitCode::FAILURE
            }
        };
    }
    std::panic::set_hook(Box::new(|info| {
        if exit::is_broken_pipe(info) {
            std::process::exit(0);
        }
    }));
    let cli = Cli::parse();
    match run(cli.command) {
        Ok(exit) => exit.into(),
        Err(failure) => {
            failure.print();
            failure.exit.into()
        }
    }
}

fn run(command: Command) -> Result<Exit, Failure> {
    match command {
        Command::Demo(args) => commands::demo::demo(&args),
        Command::Doctor(args) => commands::doctor::doctor(&args),
        Command::List(args) => commands::list::list(&args),
        Command::Topo(args) => commands::topo::topo(&args),
        Command::Run(args) => commands::measure::measure(&args, plan::Kind::Run),
        Command::Mat(args) => commands::measure::measure(&args, plan::Kind::Mat),
        Command::Sweep(args) => commands::measure::measure(&args, plan::Kind::Sweep),
        Command::Probe(args) => commands::probe::probe(&args),
        Command::Resume(args) => commands::resume::resume(&args),
        Command::Report(args) => commands::report::report(&args),
        Command::Compare(args) => commands::compare::compare(&args),
        Command::Validate(args) => validate::validate(&args),
        Command::Serve(args) => commands::serve::serve(&args),
        Command::Completions(args) => commands::completions::completions(&args),
    }
}
