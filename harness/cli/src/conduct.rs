//! Executes a plan and shows what it found: the part `run`, `mat`, `sweep`, `demo` and `resume` share.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};

use corecurve_analysis::findings::{Findings, RunData, analyse_with_laws};
use corecurve_analysis::search::{Hints, MatSearch};
use corecurve_core::{Cell, Mode, Nanos, Plan, Problem, Search, SearchSettings, Spec, Target};
use corecurve_engine::execute::{Lab, Outcome, WorkloadFactory, execute};
use corecurve_engine::signals;
use corecurve_engine::store::{Store, StoredRun, read_run};
use corecurve_http::HttpWorkload;
use corecurve_machine::Machine;
use corecurve_report as report;

use crate::args::OutputArgs;
use crate::catalog::Catalog;
use crate::exit::{Exit, Failure};
use crate::plan::Kind;
use crate::progress::Progress;
use crate::site::Furnished;
use crate::{law, runs, show};

/// How results are shown, checked before anything is measured.
#[derive(Debug)]
pub struct Outputs {
    /// JSON lines on stdout instead of tables.
    pub json: bool,
    /// No progress.
    pub quiet: bool,
    /// Files to write beside the run's own.
    pub exports: Vec<PathBuf>,
    /// Baseline to save.
    pub baseline: Option<String>,
    /// What kind of table ends the run.
    pub kind: Kind,
}

impl Outputs {
    /// Checks the output flags.
    ///
    /// # Errors
    /// Formats nobody writes, folders that do not exist, baseline names that are no plain words: all at once.
    pub fn check(args: &OutputArgs, kind: Kind) -> Result<Outputs, Failure> {
        let mut problems = corecurve_core::Problems::default();
        for file in &args.export {
            problems.take(check_export(file));
        }
        if let Some(name) = &args.save_baseline {
            problems.take(runs::check_baseline_name(name));
        }
        problems.finish(()).map_err(Failure::wrong_use)?;
        Ok(Outputs {
            json: args.json,
            quiet: args.quiet,
            exports: args.export.clone(),
            baseline: args.save_baseline.clone(),
            kind,
        })
    }
}

/// Whether a file can be exported to: a known format in a folder that exists.
///
/// # Errors
/// Names the file and the known formats.
pub fn check_export(file: &Path) -> Result<(), Problem> {
    let shown = corecurve_core::problem::printable(&file.to_string_lossy());
    report::format_of(file).map_err(|problem| problem.at(format!("--export `{shown}`")))?;
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() => {
            Err(Problem::new(format!("--export: the folder of `{shown}` does not exist"))
                .help("make the folder first, or export to another place"))
        }
        _ => Ok(()),
    }
}

/// Runs what is not yet done of a plan, then analyses, writes and prints everything.
pub fn conduct(
    spec: &Spec,
    plan: &Plan,
    machine: &Machine,
    catalog: &Catalog,
    store: &mut Store,
    outputs: &Outputs,
) -> Result<Exit, Failure> {
    let mut progress = Progress::new(outputs.json, outputs.quiet);
    if !outputs.quiet && !outputs.json {
        for line in show::headline(plan, machine) {
            eprintln!(" {line}");
        }
    }
    let stop = signals::install()?;
    let outcome = with_lab(spec, catalog, |lab| execute(plan, store, lab, &mut progress, &stop))?;
    progress.finish();
    let dir = store.dir().to_owned();
    let findings = findings_of(&dir)?;
    write_derived(&dir, &findings, &outputs.exports)?;
    if let Some(name) = &outputs.baseline {
        runs::save_baseline(&dir, name)?;
    }
    print_findings(&findings, outputs)?;
    if matches!(outcome, Outcome::Interrupted) {
        eprintln!(" interrupted: finished trials are saved; continue with `corecurve resume {}`", dir.display());
        return Ok(Exit::Interrupted);
    }
    Ok(judge(&findings))
}

/// Does something with what a plan's names stand for.
pub fn with_lab<T>(spec: &Spec, catalog: &Catalog, work: impl FnOnce(&Lab<'_, HttpWorkload>) -> T) -> T {
    work(&Lab {
        target: &|cell: &Cell| target_of(catalog, cell, &spec.allow_remote),
        workload: &|cell: &Cell| workload_factory(catalog, cell),
        search: &|cell: &Cell, settings: &SearchSettings| search_for(cell, settings),
        null_server: &|cell: &Cell| crate::capacity::null_server(catalog, cell),
        replay: &crate::replay::replayer,
        strict: spec.strict.unwrap_or(false),
    })
}

/// The target of a cell, with the files its workload needs if it is one we start.
pub fn target_of(catalog: &Catalog, cell: &Cell, allow_remote: &[String]) -> Result<Box<dyn Target>, Problem> {
    let target = catalog.target(&cell.target, &cell.target_settings, allow_remote)?;
    if !Catalog::is_started_here(&cell.target) {
        return Ok(target);
    }
    let mut files = catalog.workload(&cell.workload, &cell.workload_settings)?.files().to_vec();
    if Catalog::is_built_in(&cell.target) {
        // Their own endpoint answers these.
        files.retain(|file| !file.path.starts_with("bytes/"));
    }
    if files.is_empty() {
        return Ok(target);
    }
    let given = cell.target_settings.get("root").map(String::as_str);
    Ok(Box::new(Furnished::new(target, files, given)))
}

/// A workload for each load worker of a cell; a simulation is asked nothing, so any will do.
pub fn workload_factory(catalog: &Catalog, cell: &Cell) -> Result<WorkloadFactory<HttpWorkload>, Problem> {
    let factory = match Catalog::is_virtual(&cell.target) {
        true => catalog.workload("plaintext", &Default::default())?,
        false => catalog.workload(&cell.workload, &cell.workload_settings)?,
    };
    let factory = match cell.target.strip_prefix("url:http://") {
        Some(rest) => factory.at(rest.split('/').next().unwrap_or_default()),
        None => factory,
    };
    Ok(Box::new(move |worker, seed| factory.make(worker, seed)))
}

/// The search of a cell. Virtual time costs nothing, so a simulation gets windows long enough for its interval.
fn search_for(cell: &Cell, settings: &SearchSettings) -> Box<dyn Search> {
    let hints = Hints { cores: cell.cores, rate_cap: settings.rate_cap };
    Box::new(MatSearch::new(&cell.slos, cell.arrival, settings_for(cell, settings), hints))
}

fn settings_for(cell: &Cell, settings: &SearchSettings) -> SearchSettings {
    if !Catalog::is_virtual(&cell.target) {
        return *settings;
    }
    SearchSettings {
        budget: Nanos::SECOND * 4_000,
        window_min: Nanos::MILLI * 500,
        window_max: Nanos::SECOND * 200,
        warmup_max: Nanos::SECOND * 20,
        ..*settings
    }
}

/// Reads a run's records and recomputes its findings.
pub fn findings_of(dir: &Path) -> Result<Findings, Problem> {
    let data = run_data(read_run(dir)?);
    let laws = data.plan.cells.iter().filter_map(|cell| Some((cell.id.clone(), law::law(cell)?))).collect();
    Ok(analyse_with_laws(&data, &laws))
}

fn run_data(stored: StoredRun) -> RunData {
    RunData {
        dir: stored.dir.display().to_string(),
        slug: stored.slug,
        command: stored.command,
        started: stored.started,
        version: stored.version,
        machine: stored.machine,
        plan: stored.plan,
        trials: stored.trials,
        capacities: stored.capacities,
        profiles: stored.profiles,
        mats: stored.mats,
        finished: stored.done,
        notes: stored.notes,
    }
}

/// Writes what is derived from the records: disposable, and written again by `corecurve report`.
pub fn write_derived(dir: &Path, findings: &Findings, exports: &[PathBuf]) -> Result<(), Problem> {
    let own = ["findings.json", "report.html", "report.md", "summary.csv"].map(|name| dir.join(name));
    for file in own.iter().chain(exports) {
        let mut bytes = Vec::new();
        let failed = |error: std::io::Error| Problem::new(format!("cannot write {}: {error}", file.display()));
        report::format_of(file)?.exporter.write(findings, &mut bytes).map_err(failed)?;
        let temporary = file.with_extension("part");
        fs::write(&temporary, &bytes).and_then(|()| fs::rename(&temporary, file)).map_err(failed)?;
    }
    Ok(())
}

/// The answer, on stdout.
pub fn print_findings(findings: &Findings, outputs: &Outputs) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    let style = terminal_style();
    match (outputs.json, &outputs.kind) {
        (true, _) => report::json::summary(findings, &mut bytes)?,
        (false, Kind::Sweep) => bytes = report::terminal::sweep(findings, style).into_bytes(),
        (false, Kind::Probe(_)) => bytes = report::terminal::probe(findings, style).into_bytes(),
        (false, Kind::Mat) => bytes = report::terminal::mat(findings, style).into_bytes(),
        (false, Kind::Run) => {
            for trial in findings.cells.iter().flat_map(|cell| &cell.trials) {
                bytes.extend(report::terminal::trial(trial, style).into_bytes());
            }
        }
    }
    std::io::stdout().write_all(&bytes)?;
    Ok(())
}

/// Colours and width of this terminal.
pub fn terminal_style() -> report::Style {
    let tty = std::io::stdout().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
    let width = std::env::var("COLUMNS").ok().and_then(|text| text.parse().ok()).unwrap_or(100);
    report::Style { colour: tty && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty()), width }
}

/// The exit code of a finished run: 3 when it holds no valid number at all.
fn judge(findings: &Findings) -> Exit {
    let any = findings.cells.iter().any(|cell| match cell.cell.mode {
        Mode::Search => cell.mats.iter().any(|mat| mat.valid),
        _ => cell.trials.iter().any(|trial| trial.valid),
    });
    if any { Exit::Done } else { Exit::NoValidResult }
}
