//! What a run says while it goes on: a line that moves on a terminal, a line per repetition elsewhere, JSON on stdout if asked.

use std::io::{IsTerminal, Write};
use std::time::{Duration, Instant};

use corecurve_core::problem::printable;
use corecurve_core::{Event, Nanos, Observer, Purpose, Rate, TrialRecord};
use corecurve_report as report;
use corecurve_report::json;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// Shows a run's events.
#[derive(Debug)]
pub struct Progress {
    json: bool,
    quiet: bool,
    bar: Option<ProgressBar>,
    doing: String,
    last_trial: String,
    turn: String,
    position: usize,
    of: usize,
    finished_before: usize,
    expected: Duration,
    begun: Instant,
}

impl Progress {
    /// For a run whose events go to stdout as JSON lines (`json`) and whose progress goes to stderr (unless `quiet`).
    pub fn new(json: bool, quiet: bool) -> Progress {
        let bar = (!quiet && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::with_draw_target(Some(1_000), ProgressDrawTarget::stderr_with_hz(8));
            let style =
                ProgressStyle::with_template(" {bar:20} {msg}").unwrap_or_else(|_| ProgressStyle::default_bar());
            bar.set_style(style.progress_chars("━╸─"));
            bar
        });
        Progress {
            json,
            quiet,
            bar,
            doing: String::new(),
            last_trial: String::new(),
            turn: String::new(),
            position: 0,
            of: 0,
            finished_before: 0,
            expected: Duration::ZERO,
            begun: Instant::now(),
        }
    }

    /// Takes the moving line away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn line(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.println(text),
            None if !self.quiet => eprintln!("{text}"),
            None => {}
        }
    }

    /// Remaining time: what was expected at first, corrected by the pace so far once a turn is done.
    fn remaining(&self, share: f64) -> String {
        if self.expected < Duration::from_secs(1) {
            return String::new();
        }
        let elapsed = self.begun.elapsed();
        let total = if share > 0.1 { elapsed.div_f64(share) } else { self.expected.max(elapsed) };
        format!("ETA {}", clock(total.saturating_sub(elapsed)))
    }

    fn redraw(&self) {
        let Some(bar) = &self.bar else { return };
        let turns = self.of.saturating_sub(self.finished_before).max(1) as f64;
        let done = self.position.saturating_sub(self.finished_before + 1) as f64;
        let share = (done / turns).clamp(0.0, 1.0);
        // Within a turn time tells more than the number of trials, which is not known beforehand.
        let by_time = self.begun.elapsed().as_secs_f64() / self.expected.as_secs_f64().max(1e-3);
        bar.set_position((share.max(by_time.min(0.99)) * 1_000.0) as u64);
        let Progress { position, of, turn, doing, last_trial, .. } = self;
        bar.set_message(format!("{position}/{of} {turn}  {doing}  {last_trial}  {}", self.remaining(share)));
    }
}

impl Observer for Progress {
    fn on(&mut self, event: &Event) {
        if self.json {
            print_event(event);
        }
        match event {
            Event::Run { dir, turns, finished, seed, expected_ns, .. } => {
                self.of = *turns;
                self.finished_before = *finished;
                self.expected = Duration::from(*expected_ns);
                self.begun = Instant::now();
                let duration = match expected_ns.0 {
                    0..1_000_000_000 => "a moment".to_owned(),
                    _ => format!("about {}", Nanos(expected_ns.0)),
                };
                let kept = if *finished > 0 { format!(" · {finished} kept from before") } else { String::new() };
                self.line(&format!(" {dir} · seed {seed} · {turns} repetitions{kept} · {duration}"));
            }
            Event::Turn { cell, rep, position, of } => {
                self.position = *position;
                self.of = *of;
                self.turn = format!("{} #{}", printable(&cell.0), rep);
                self.last_trial.clear();
                self.redraw();
            }
            Event::Trial(trial) => {
                self.last_trial = trial_line(trial);
                self.redraw();
            }
            Event::Capacity(capacity) => self.line(&format!(" {}", report::terminal::capacity(capacity))),
            Event::Mat(record) => {
                let interval =
                    record.mat.ci95.map_or(String::new(), |[lo, hi]| format!(" [{}, {}]", Rate(lo), Rate(hi)));
                let mat = record.mat.mat_per_s.map_or("no MAT".to_owned(), |mat| Rate(mat).to_string());
                let kind =
                    if record.mat.kind.is_regular() { String::new() } else { format!(" ({})", record.mat.kind.name()) };
                self.line(&format!(
                    " {:>3}/{} {:40} {:12} {mat}{interval}{kind}",
                    self.position, self.of, self.turn, record.mat.slo
                ));
            }
            Event::Failed { cell, rep, why } => {
                self.line(&format!(" ✗ {} #{}: {}", printable(&cell.0), rep, why));
            }
            Event::Notice { text } => self.line(&format!(" {text}")),
        }
    }

    fn progress(&mut self, trial_share: f64, doing: &str) {
        self.doing = format!("{} {:>3.0} %", printable(doing), trial_share.clamp(0.0, 1.0) * 100.0);
        self.redraw();
    }
}

/// One event as a line of JSON. Whoever reads may go away; that ends the output, not the run.
fn print_event(event: &Event) {
    let mut out = std::io::stdout().lock();
    let written = match event {
        Event::Trial(trial) => json::line(&mut out, &json::trial_event(trial)),
        other => json::line(&mut out, other),
    };
    let _ = written.and_then(|()| out.flush());
}

fn trial_line(trial: &TrialRecord) -> String {
    let what = match trial.purpose {
        Purpose::NoLoad => "no load",
        Purpose::Probe => "closed loop",
        _ => "",
    };
    let mark = if trial.valid { "" } else { " invalid" };
    format!("{what} {} p99 {}{mark}", Rate(trial.offered_per_s), trial.latency_ns.p99).trim().to_owned()
}

fn clock(time: Duration) -> String {
    let seconds = time.as_secs();
    format!("{:02}:{:02}:{:02}", seconds / 3_600, seconds / 60 % 60, seconds % 60)
}
