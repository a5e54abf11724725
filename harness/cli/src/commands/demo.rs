//! `corecurve demo`: server architectures compared on this machine in about a minute and a half.

use corecurve_core::{Nanos, PlacementKind, Problems, Spec};
use corecurve_engine::targets;
use corecurve_machine::{Machine, TopologySource};

use crate::args::DemoArgs;
use crate::commands::measure::measure_spec;
use crate::conduct::Outputs;
use crate::exit::{Exit, Failure};
use crate::plan::Kind;
use crate::spec_args::{value, whole_number};
use crate::turn;

/// Architectures that differ in one thing each: how a connection finds its worker.
const BUILT_IN: [&str; 3] = ["thread-per-core", "shared-accept", "work-stealing"];
/// What to compare them with, where it is installed.
const THIRD_PARTY: &str = "nginx";
/// The same question asked of queues with a known answer.
const SIMULATED: [&str; 2] = ["sim:partitioned", "sim:mmc"];
/// A request that costs the server 100 µs, so that the server is what gives out; and the cheapest one there is, which every
/// server answers, but which takes the load generator as much time as the server. The A/A control is of the first.
const WORKLOADS: [&str; 2] = ["work", "plaintext"];
/// Ten times the mean of `work`, at the ninetieth percentile: ten seconds hold too few slow requests to settle a
/// ninety-ninth.
const SLO: &str = "p90<1ms";
/// Fewer server core counts than this make no curve.
const CURVE: usize = 3;

/// Measures and reports.
pub fn demo(args: &DemoArgs) -> Result<Exit, Failure> {
    let mut problems = Problems::default();
    let budget: Option<Nanos> = problems.take(value(&args.budget, "budget"));
    let seed = problems.take(args.seed.as_deref().map(|text| whole_number(text, "seed")).transpose()).flatten();
    problems.finish(()).map_err(Failure::wrong_use)?;
    let outputs = Outputs::check(&args.output, Kind::Sweep)?;

    if !args.output.dry_run {
        turn::take()?;
    }
    let machine = Machine::discover(&TopologySource::Live)?;
    let room = machine.max_server_cores(PlacementKind::Compact, None);
    let mut spec = Spec {
        target: BUILT_IN.map(str::to_owned).to_vec(),
        workload: WORKLOADS.map(str::to_owned).to_vec(),
        slo: vec![SLO.to_owned()],
        set: [("workload.mean".to_owned(), "100us".to_owned())].into(),
        cores: Some("pow2".to_owned()),
        quick: Some(true),
        reps: Some(1),
        budget,
        seed,
        ..Spec::default()
    };
    if targets::external_version(THIRD_PARTY).is_some() {
        spec.target.push(THIRD_PARTY.to_owned());
    } else {
        eprintln!(
            " without {THIRD_PARTY}, which is not installed: `scripts/setup` or `apt-get install {THIRD_PARTY}` brings it"
        );
    }
    if room == 0 {
        eprintln!(" one core only: server and load share it, so no number here is a MAT of the server alone");
        spec.allow_shared_cores = Some(true);
    }
    // A machine too small for a curve still shows one, of queues in virtual time and labelled so.
    if room < CURVE {
        spec.target.extend(SIMULATED.map(str::to_owned));
    }
    measure_spec(&spec, Kind::Sweep, &args.output, &outputs)
}
