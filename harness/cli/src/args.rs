//! The command line. Only words and their help live here: values stay text until [`crate::spec_args`] reads
//! them all, so that every mistake is shown at once.

#![allow(
    rustdoc::broken_intra_doc_links,
    rustdoc::invalid_html_tags,
    reason = "these comments are help texts, in clap's notation"
)]

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueHint};

/// Find how far a server, lookup service or cache scales with cores, and what stops it.
#[derive(Debug, Parser)]
#[command(
    name = "corecurve",
    version,
    max_term_width = 100,
    help_expected = true,
    subcommand_required = true,
    arg_required_else_help = true,
    after_help = "Examples:\n  \
        corecurve demo\n  \
        corecurve mat -t thread-per-core -w plaintext -c 1 --slo 'p99<5ms'\n  \
        corecurve sweep -t thread-per-core,nginx -w plaintext -c pow2 --slo 'p99<10x'\n  \
        corecurve sweep -t sim:partitioned,sim:mmc -c 1,2,4,8,16 --slo 'p99<10x'\n  \
        corecurve sweep -t thread-per-core,work-stealing -w work -c 2 --slo 'p99<5x..100x'\n\n\
        HTTP/1.1 over TCP only: TLS and HTTP/2 are out of scope.\n\
        Exit codes: 0 done · 1 could not run · 2 wrong use or spec · 3 ran, but no valid result · 4 gate failed · \
        130 interrupted, partial results saved"
)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Compare server architectures on this machine in about a minute and a half and write a report
    Demo(DemoArgs),
    /// Can this machine give trustworthy numbers? Each finding with what was seen, why it matters and the fix
    Doctor(DoctorArgs),
    /// Show what can be named: targets, workloads, placements, specs
    List(ListArgs),
    /// Draw the machine and what a placement would use
    Topo(TopoArgs),
    /// One target, one core count, one offered rate
    Run(MeasureArgs),
    /// Find the maximum achievable throughput (MAT) under an SLO
    Mat(MeasureArgs),
    /// MAT for every target × workload × cores × placement × SLO of a spec
    Sweep(MeasureArgs),
    /// Slow one resource by a known amount and see whether the MAT moves
    Probe(ProbeArgs),
    /// Continue an interrupted run: finished cells are kept, at most the one in progress is run again
    Resume(ResumeArgs),
    /// Render a run again: html, md, csv, json
    Report(ReportArgs),
    /// Compare two runs or a run with a saved baseline; can gate CI
    Compare(CompareArgs),
    /// Check this build against known truth and print every row
    Validate(ValidateArgs),
    /// Start one server, pinned, to poke with curl
    Serve(ServeArgs),
    /// Print shell completions (or man pages with `man`)
    Completions(CompletionsArgs),
}

/// What to measure; every flag is also a key of a spec file.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "What to measure")]
pub struct SpecArgs {
    /// System under test (repeat or separate by commas); see `corecurve list targets`
    #[arg(short, long, value_name = "NAME")]
    pub target: Vec<String>,
    /// What is asked of it (repeat or separate by commas) [default: plaintext]
    #[arg(short, long, value_name = "NAME")]
    pub workload: Vec<String>,
    /// Server cores: `1,2,4..16`, `pow2` or `all` [default: pow2; 1 for run and mat]
    #[arg(short, long, value_name = "LIST")]
    pub cores: Option<String>,
    /// Which cores [compact, scatter, numa-local, numa-remote, smt, explicit] [default: compact]
    #[arg(short, long, value_name = "NAME")]
    pub placement: Vec<String>,
    /// Load cores [default: as many as the server's, as far as there are]
    #[arg(long, value_name = "N")]
    pub load_cores: Option<String>,
    /// CPUs of the server, for `--placement explicit`
    #[arg(long, value_name = "CPULIST")]
    pub server_cpus: Option<String>,
    /// CPUs of the load generator, for `--placement explicit`
    #[arg(long, value_name = "CPULIST")]
    pub load_cpus: Option<String>,
    /// Objective, e.g. `p99<5ms`, `p99<10x`, `p99.9<20ms,errors<0.1%` (repeatable), or a ladder of them: `p99<1.5x..100x` is
    /// 1.5, 2, 3, 5, 10, … 100 times the no-load mean, `p99<1ms..50ms` the same in time [default: p99<5ms]
    #[arg(long, value_name = "RULES")]
    pub slo: Vec<String>,
    /// Offered rate per second, e.g. 50k (for `run`)
    #[arg(long, value_name = "RATE")]
    pub rate: Option<String>,
    /// When operations are due: poisson, uniform, burst:N, closed:DEPTH [default: poisson]
    #[arg(long, value_name = "KIND")]
    pub arrival: Option<String>,
    /// Connections over all load cores [default: enough for the rate and the SLO, by Little's law]
    #[arg(long, value_name = "N")]
    pub connections: Option<String>,
    /// Close and reopen a connection after so many requests [default: never]
    #[arg(long, value_name = "K")]
    pub requests_per_connection: Option<String>,
    /// What load goes through: auto, epoll, io_uring [default: auto]
    #[arg(long, value_name = "NAME")]
    pub transport: Option<String>,
    /// Keep other programs off the CPUs of the server: auto, on, off [default: auto]
    #[arg(long, value_name = "WORD")]
    pub shield: Option<String>,
    /// Look once more at the answer, where the target's CPU time and waiting goes, by function: auto (each search but with
    /// --quick), on (also for run), off [default: auto]
    #[arg(long, value_name = "WORD")]
    pub profile: Option<String>,
    /// What lies between load and server: loopback, netns (needs root) [default: loopback]
    #[arg(long, value_name = "NAME")]
    pub network: Option<String>,
    /// Bandwidth of each direction with --network netns, e.g. 1gbit [default: none]
    #[arg(long, value_name = "RATE")]
    pub network_cap: Option<String>,
    /// What is counted beside each trial: all, none, or some of threads, cpus, network, accept-queue, link, quota, pressure,
    /// hardware [default: all]
    #[arg(long, value_name = "LIST")]
    pub counters: Option<String>,
    /// Fault to put in on purpose, e.g. mutex=50us (repeatable); see `corecurve list faults`
    #[arg(long, value_name = "NAME[=ARG]")]
    pub fault: Vec<String>,
    /// Fixed warm-up of each trial [default: its end is detected]
    #[arg(long, value_name = "TIME")]
    pub warmup: Option<String>,
    /// Measured window of each trial [default: 5s for run; chosen by the search otherwise]
    #[arg(long, value_name = "TIME")]
    pub window: Option<String>,
    /// Repetitions, each on a restarted target [default: 3 for sweep, 1 for run and mat]
    #[arg(long, value_name = "N")]
    pub reps: Option<String>,
    /// Time the whole run may take, e.g. 10m
    #[arg(long, value_name = "TIME")]
    pub budget: Option<String>,
    /// Wider intervals and shorter searches
    #[arg(long)]
    pub quick: bool,
    /// Master seed of schedules, workloads and order [default: random, printed]
    #[arg(long, value_name = "N")]
    pub seed: Option<String>,
    /// A setting of target or workload, e.g. workload.mean=200us (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// A setting to go through, e.g. workload.mean=100us,200us (repeatable)
    #[arg(long, value_name = "KEY=A,B")]
    pub vary: Vec<String>,
    /// A made-up machine ("numa:2 core:8 pu:2") or an hwloc XML file, to plan for it
    #[arg(long, value_name = "MACHINE")]
    pub topology: Option<String>,
    /// Let server and load share cores; every table and plot is then marked
    #[arg(long)]
    pub allow_shared_cores: bool,
    /// Host other than this machine that may be loaded (you own it, don't you?)
    #[arg(long, value_name = "HOST")]
    pub allow_remote: Vec<String>,
    /// Treat caveats as invalid
    #[arg(long)]
    pub strict: bool,
}

/// Where results go and how they are shown.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Output")]
pub struct OutputArgs {
    /// Run directory [default: results/<utc>-<name>]
    #[arg(short, long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub out: Option<PathBuf>,
    /// Also write FILE.{html,md,csv,json} (repeatable)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub export: Vec<PathBuf>,
    /// Remember this run under a name for `compare`
    #[arg(long, value_name = "NAME")]
    pub save_baseline: Option<String>,
    /// One JSON object per line on stdout instead of tables
    #[arg(long)]
    pub json: bool,
    /// No progress on stderr
    #[arg(short, long)]
    pub quiet: bool,
    /// Show the plan and stop
    #[arg(long)]
    pub dry_run: bool,
}

/// `run`, `mat` and `sweep`.
#[derive(Debug, Default, Args)]
pub struct MeasureArgs {
    /// Spec file (TOML); flags given beside it win
    #[arg(value_name = "SPEC.toml", value_hint = ValueHint::FilePath)]
    pub spec: Option<PathBuf>,
    /// What to measure.
    #[command(flatten)]
    pub what: SpecArgs,
    /// Where results go.
    #[command(flatten)]
    pub output: OutputArgs,
    /// Compare with this run or baseline when done, and fail with exit code 4 if worse, e.g. mat:-3%
    #[arg(long, value_name = "RULE", requires = "against", help_heading = "Output")]
    pub gate: Option<String>,
    /// Run directory or baseline name to compare with
    #[arg(long, value_name = "RUN", help_heading = "Output")]
    pub against: Option<String>,
}

/// `probe`.
#[derive(Debug, Default, Args)]
pub struct ProbeArgs {
    /// Spec file (TOML); flags given beside it win
    #[arg(value_name = "SPEC.toml", value_hint = ValueHint::FilePath)]
    pub spec: Option<PathBuf>,
    /// Which resources (repeat or separate by commas); see `corecurve list probes` [default: all that can be had]
    #[arg(long, value_name = "NAME")]
    pub probe: Vec<String>,
    /// Work added to every request by the probe `cpu` [default: the mean work of the workload, else 10us]
    #[arg(long, value_name = "TIME")]
    pub added: Option<String>,
    /// What to measure.
    #[command(flatten)]
    pub what: SpecArgs,
    /// Where results go.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `demo`.
#[derive(Debug, Args)]
pub struct DemoArgs {
    /// Time to measure for
    #[arg(long, value_name = "TIME", default_value = "80s")]
    pub budget: String,
    /// Master seed
    #[arg(long, value_name = "N")]
    pub seed: Option<String>,
    /// Where results go.
    #[command(flatten)]
    pub output: OutputArgs,
}

/// `doctor`.
#[derive(Debug, Args)]
pub struct DoctorArgs {
    /// Also measure the harness itself: cost per request of schedule and record, and what a load core can do against a null
    /// server (about ten seconds)
    #[arg(long)]
    pub self_test: bool,
    /// Workload of the self-test (repeatable)
    #[arg(short, long, value_name = "NAME", default_value = "plaintext", requires = "self_test")]
    pub workload: Vec<String>,
    /// Print the findings as JSON lines
    #[arg(long)]
    pub json: bool,
}

/// `list`.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// What to list [targets, workloads, placements, faults, probes, specs] [default: all]
    #[arg(value_name = "WHAT")]
    pub what: Option<String>,
    /// Print JSON lines
    #[arg(long)]
    pub json: bool,
}

/// `topo`.
#[derive(Debug, Args)]
pub struct TopoArgs {
    /// A made-up machine, e.g. "numa:2 l3:2 core:8 pu:2", or an hwloc XML file [default: this machine]
    #[arg(long, value_name = "MACHINE")]
    pub topology: Option<String>,
    /// Draw this placement on it
    #[arg(short, long, value_name = "NAME")]
    pub placement: Option<String>,
    /// Server cores of the placement [default: half of the machine]
    #[arg(short, long, value_name = "N")]
    pub cores: Option<String>,
    /// Load cores of the placement
    #[arg(long, value_name = "N")]
    pub load_cores: Option<String>,
    /// CPUs of the server, for `--placement explicit`
    #[arg(long, value_name = "CPULIST")]
    pub server_cpus: Option<String>,
    /// CPUs of the load generator, for `--placement explicit`
    #[arg(long, value_name = "CPULIST")]
    pub load_cpus: Option<String>,
    /// Pretend that only these CPUs may be used
    #[arg(long, value_name = "CPULIST")]
    pub only: Option<String>,
    /// Let server and load share cores
    #[arg(long)]
    pub allow_shared_cores: bool,
    /// Print machine and placement as JSON
    #[arg(long)]
    pub json: bool,
}

/// `resume`.
#[derive(Debug, Args)]
pub struct ResumeArgs {
    /// Run directory
    #[arg(value_name = "RUN", default_value = "latest", value_hint = ValueHint::DirPath)]
    pub run: String,
    /// Also write FILE.{html,md,csv,json} (repeatable)
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub export: Vec<PathBuf>,
    /// One JSON object per line on stdout instead of tables
    #[arg(long)]
    pub json: bool,
    /// No progress on stderr
    #[arg(short, long)]
    pub quiet: bool,
}

/// `report`.
#[derive(Debug, Args)]
pub struct ReportArgs {
    /// Run directory, or `latest`
    #[arg(value_name = "RUN", default_value = "latest", value_hint = ValueHint::DirPath)]
    pub run: String,
    /// Write FILE.{html,md,csv,json} (repeatable) [default: report.html, report.md and summary.csv in the run directory]
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub export: Vec<PathBuf>,
    /// One JSON object per line on stdout instead of tables
    #[arg(long)]
    pub json: bool,
}

/// `compare`.
#[derive(Debug, Args)]
pub struct CompareArgs {
    /// Run directory or baseline name: what to compare with
    #[arg(value_name = "BASE")]
    pub base: String,
    /// Run directory or baseline name: what is new
    #[arg(value_name = "HEAD", default_value = "latest")]
    pub head: String,
    /// Fail with exit code 4 when the MAT fell by more than this, e.g. mat:-3%
    #[arg(long, value_name = "RULE")]
    pub gate: Option<String>,
    /// One JSON object per line on stdout instead of a table
    #[arg(long)]
    pub json: bool,
}

/// `validate`.
#[derive(Debug, Args)]
pub struct ValidateArgs {
    /// Which checks [oracle, models, schedule, sim, account, compare, search, freeze, replay, expose, adherence, verdicts, cost, overhead] [default: all]
    #[arg(value_name = "CHECK")]
    pub checks: Vec<String>,
    /// Seeds per known-answer queue in `search`
    #[arg(long, value_name = "N", default_value = "200")]
    pub seeds: String,
    /// Master seed
    #[arg(long, value_name = "N", default_value = "1")]
    pub seed: String,
    /// Runs of each case in `verdicts`
    #[arg(long, value_name = "N", default_value = "10")]
    pub runs: String,
    /// Only this case of `verdicts`, e.g. mutex (repeatable)
    #[arg(long, value_name = "NAME")]
    pub case: Vec<String>,
    /// Print JSON lines
    #[arg(long)]
    pub json: bool,
}

/// `serve`.
#[derive(Debug, Args)]
pub struct ServeArgs {
    /// Architecture; see `corecurve list targets`
    #[arg(short, long, value_name = "NAME")]
    pub target: String,
    /// Port; 0 chooses a free one
    #[arg(long, value_name = "PORT", default_value = "8080")]
    pub port: String,
    /// Address to listen on (loopback unless --allow-remote)
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1")]
    pub listen: String,
    /// Workers, one per core [default: all usable cores, or one per --server-cpus]
    #[arg(short, long, value_name = "N")]
    pub cores: Option<String>,
    /// CPUs to pin workers to, in order
    #[arg(long, value_name = "CPULIST")]
    pub server_cpus: Option<String>,
    /// Serve static files below this directory
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub root: Option<PathBuf>,
    /// Servers side by side, each on its slice of the cores: a number, per-llc or per-node (`--set copies=`)
    #[arg(long, value_name = "N")]
    pub copies: Option<String>,
    /// Each copy a process, or each worker where there is one copy (`--set procs=true`)
    #[arg(long)]
    pub procs: bool,
    /// A setting of the architecture, e.g. policy=least-connections (repeatable)
    #[arg(long, value_name = "KEY=VALUE")]
    pub set: Vec<String>,
    /// Allow listening on an address that other machines can reach
    #[arg(long)]
    pub allow_remote: bool,
    /// Stop when standard input ends (how the harness holds its servers)
    #[arg(long, hide = true)]
    pub until_stdin_ends: bool,
}

/// `completions`.
#[derive(Debug, Args)]
pub struct CompletionsArgs {
    /// bash, zsh, fish, elvish, powershell, or `man` for the manual pages
    #[arg(value_name = "SHELL")]
    pub shell: String,
    /// Directory for the manual pages (with `man`)
    #[arg(long, value_name = "DIR", default_value = ".", value_hint = ValueHint::DirPath)]
    pub dir: PathBuf,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_definitions_are_consistent() {
        super::Cli::command().debug_assert();
    }

    #[test]
    fn every_spec_key_is_a_flag() {
        let command = super::Cli::command();
        let sweep = command.find_subcommand("sweep").unwrap();
        for key in corecurve_core::Spec::keys() {
            assert!(sweep.get_arguments().any(|arg| arg.get_long() == Some(key)), "--{key} is missing");
        }
    }
}
