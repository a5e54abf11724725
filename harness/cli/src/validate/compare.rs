//! Two runs of the same thing, twenty times: how often is a difference claimed where there is none, and is a real one found?

use corecurve_analysis::compare::{Verdict, compare};
use corecurve_analysis::findings::{Findings, RunData, analyse};
use corecurve_analysis::search::{Hints, MatSearch};
use corecurve_core::rng::mix;
use corecurve_core::{
    ArrivalKind, Cell, CellId, Mat, MatRecord, Mode, Nanos, Placed, Plan, Problem, SCHEMA, Settings, Slo, Turn,
};
use corecurve_report::terminal::Check;
use rayon::prelude::*;

use super::Context;
use super::lab::{Lab, settings};

/// Pairs of runs compared.
const PAIRS: u64 = 20;
/// Repetitions in each run.
const REPS: u32 = 2;
/// Mean service times: the same, and one that is 8 % faster.
const SAME: &str = "200us";
const FASTER: &str = "184us";

/// A/A pairs, and pairs that differ.
pub fn comparisons(context: &Context) -> Result<Vec<Check>, Problem> {
    let claims = |mean: &'static str| -> Result<Vec<Verdict>, Problem> {
        let pairs = (0..PAIRS).into_par_iter();
        let verdicts = pairs.map(|pair| {
            let base = run(SAME, mix(context.seed, 2 * pair))?;
            let head = run(mean, mix(context.seed, 2 * pair + 1))?;
            Ok(compare(&base, &head).rows.first().map_or(Verdict::Incomparable, |row| row.verdict))
        });
        verdicts.collect()
    };
    let same = claims(SAME)?;
    let faster = claims(FASTER)?;
    let of = |verdicts: &[Verdict], wanted: Verdict| verdicts.iter().filter(|verdict| **verdict == wanted).count();
    let none = of(&same, Verdict::NoDifference);
    let found = of(&faster, Verdict::Better);
    Ok(vec![
        Check {
            what: format!("{PAIRS} comparisons of the same build: no difference"),
            expected: PAIRS.to_string(),
            seen: none.to_string(),
            tolerance: "exact".to_owned(),
            pass: none as u64 == PAIRS,
        },
        Check {
            what: format!("{PAIRS} comparisons with one that is 8 % faster: better"),
            expected: PAIRS.to_string(),
            seen: found.to_string(),
            tolerance: "at least 18".to_owned(),
            pass: found >= 18,
        },
    ])
}

/// One run in memory: a cell and its control on a simulated queue.
fn run(mean: &str, seed: u64) -> Result<Findings, Problem> {
    let slo: Slo = "p99<10ms".parse()?;
    let cell = |index: usize, control: bool| Cell {
        id: CellId(format!("{index:02}-sim-mm1")),
        target: "sim:mm1".to_owned(),
        target_settings: Settings::new(),
        workload: "plaintext".to_owned(),
        workload_settings: Settings::new(),
        cores: 1,
        placed: Placed::default(),
        slos: vec![slo],
        arrival: ArrivalKind::Poisson,
        connections: None,
        requests_per_connection: None,
        transport: None,
        network: None,
        caveats: Vec::new(),
        faults: Vec::new(),
        probe: None,
        mode: Mode::Search,
        control,
    };
    let cells = vec![cell(0, false), cell(1, true)];
    let order: Vec<Turn> = (0..REPS).flat_map(|rep| (0..cells.len()).map(move |cell| Turn { cell, rep })).collect();
    let mut mats = Vec::new();
    for turn in &order {
        let own = mix(mix(seed, turn.cell as u64), u64::from(turn.rep));
        let mat = search(slo, mean, own)?;
        mats.push(MatRecord { schema: SCHEMA, cell: cells[turn.cell].id.clone(), rep: turn.rep, mat });
    }
    let search = settings();
    let plan = Plan {
        schema: SCHEMA,
        seed,
        cells,
        order: order.clone(),
        search,
        expected: Nanos::ZERO,
        counters: Default::default(),
        checks: Default::default(),
        probes: Vec::new(),
    };
    Ok(analyse(&RunData {
        dir: String::new(),
        slug: String::new(),
        command: Vec::new(),
        started: None,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        machine: serde_json::json!({}),
        plan,
        trials: Vec::new(),
        capacities: Vec::new(),
        profiles: Vec::new(),
        mats,
        finished: order,
        notes: Vec::new(),
    }))
}

fn search(slo: Slo, mean: &str, seed: u64) -> Result<Mat, Problem> {
    let sim: Settings = [("mean".to_owned(), mean.to_owned())].into();
    let mut search = MatSearch::new(&[slo], ArrivalKind::Poisson, settings(), Hints::default());
    let mats = Lab::new("sim:mm1", &sim, 1, seed)?.search(&mut search)?;
    mats.into_iter().next().ok_or_else(|| Problem::new("a search without an answer"))
}
