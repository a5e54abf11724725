//! Does the efficiency account add up? In virtual time up to 64 cores, and on real servers on one core and two.

use corecurve_analysis::findings::Account;
use corecurve_core::{Nanos, Problem, Spec};
use corecurve_report::terminal::Check;

use super::Context;
use super::whole::findings_of_run;
use crate::plan::Kind;

/// Real servers, each from one core to two.
const TARGETS: [&str; 2] = ["thread-per-core", "work-stealing"];
/// Simulations, from one core to 64.
const SIMULATED: [&str; 2] = ["sim:mmc", "sim:partitioned"];

/// Every cell of both sweeps.
pub fn account(context: &Context) -> Result<Vec<Check>, Problem> {
    let words = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<Vec<_>>();
    let simulated = Spec {
        target: words(&SIMULATED),
        slo: words(&["p99<10x"]),
        cores: Some("1,2,4,8,16,32,64".to_owned()),
        topology: Some("core:72 pu:1".to_owned()),
        reps: Some(1),
        seed: Some(context.seed),
        ..Spec::default()
    };
    let real = Spec {
        target: words(&TARGETS),
        workload: words(&["work"]),
        slo: words(&["p99<10ms"]),
        cores: Some("1,2".to_owned()),
        allow_shared_cores: Some(true),
        quick: Some(true),
        reps: Some(1),
        budget: Some(Nanos::SECOND * 120),
        seed: Some(context.seed),
        ..Spec::default()
    };
    let mut checks = Vec::new();
    for (spec, least) in [(simulated, 12), (real, 1)] {
        let findings = findings_of_run(&spec, Kind::Sweep)?;
        checks.push(Check {
            what: format!("accounts of {}", spec.target.join(", ")),
            expected: "one for each valid MAT beyond the fewest cores".to_owned(),
            seen: findings.accounts.len().to_string(),
            tolerance: format!("at least {least}"),
            pass: findings.accounts.len() >= least,
        });
        checks.extend(findings.accounts.iter().map(row));
    }
    Ok(checks)
}

fn row(account: &Account) -> Check {
    let parts: Vec<String> = account.bars.iter().map(|bar| format!("{} {:+.3}", bar.part.name(), bar.ln)).collect();
    Check {
        what: format!(
            "{} on {} cores against {}: {}",
            account.label,
            account.cores,
            account.base_cores,
            parts.join(", ")
        ),
        expected: format!("ln E = {:+.4}", account.ln_efficiency),
        seen: format!("{:+.4}", account.sum),
        tolerance: format!("± {:.4}", account.error),
        pass: account.closes,
    }
}
