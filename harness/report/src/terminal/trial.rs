//! One trial in full: what was asked, what came, how long it took, whether it counts.

use corecurve_analysis::findings::{ShareVerdict, judge};
use corecurve_core::{Quantiles, Rate, TrialRecord};

use super::Style;
use super::paint::Paint;
use super::table::{Side, Table};
use crate::text::{count, plain, plain_long, share, small_share, time};

/// The table of one trial, as `run` prints it.
pub fn trial(record: &TrialRecord, style: Style) -> String {
    let name = format!("{} on {}", plain(&record.target), count(record.cores, "core", "cores"));
    let load = count(record.load_cores, "load core", "load cores");
    let about = format!(
        "{} · {} placement · {} arrivals · {load} · {} connections · {:.1} s window after {:.1} s warm-up",
        plain(&record.workload),
        plain(&record.placement),
        record.arrival,
        record.connections,
        record.window_s,
        record.warmup_s,
    );
    let mut out = format!(" {}\n", style.paint(Paint::Strong, &name));
    out += &style.paragraph(" ", Paint::Faint, &about);
    out += &format!(
        "\n offered {}   sent {}   achieved {}   CPU {}   generator busy {}\n",
        Rate(record.offered_per_s),
        Rate(record.sent_per_s),
        style.paint(Paint::Strong, &Rate(record.achieved_per_s).to_string()),
        share(record.utilisation),
        share(record.generator_busy),
    );
    out += &books(record, style);
    if let Some(shares) = judge(record) {
        let paint = if shares.verdict == ShareVerdict::Outside { Paint::Warn } else { Paint::Faint };
        out += &style.paragraph(" ", paint, &plain_long(&format!("shares: {}", shares.words), 500));
    }
    out += "\n";
    out += &percentiles(record, style);
    out += "\n";
    if record.valid {
        out += &format!(" {}\n", style.paint(Paint::Good, "valid"));
    } else {
        out += &format!(" {}\n", style.paint(Paint::Bad, "invalid: these numbers must not be used"));
    }
    for reason in &record.invalid_reasons {
        out += &style.paragraph("   ✗ ", Paint::Bad, &plain_long(&reason.to_string(), 500));
    }
    for caveat in &record.caveats {
        out += &style.paragraph("   ! ", Paint::Warn, &plain_long(caveat, 500));
    }
    out
}

fn books(record: &TrialRecord, style: Style) -> String {
    let counts = &record.counts;
    let mut out = format!(
        " {} due = {} ok + {} failed + {} unanswered + {} never sent\n",
        counts.scheduled,
        counts.ok,
        counts.failed(),
        counts.unanswered,
        counts.never_sent
    );
    for (class, n) in &counts.errors {
        let of = small_share(*n as f64 / counts.scheduled.max(1) as f64);
        out += &format!("   {} {} ({of})\n", style.paint(Paint::Bad, class.name()), n);
    }
    out
}

fn percentiles(record: &TrialRecord, style: Style) -> String {
    let mut table = Table::new(&[
        ("", Side::Left),
        ("p50", Side::Right),
        ("p90", Side::Right),
        ("p99", Side::Right),
        ("p99.9", Side::Right),
        ("max", Side::Right),
        ("mean", Side::Right),
        ("count", Side::Right),
    ]);
    let mut add = |name: &str, paint: Paint, q: &Quantiles| {
        let mean = q.mean.map_or("—".to_owned(), |ns| corecurve_core::Nanos(ns.round() as u64).to_string());
        let shown = [q.p50, q.p90, q.p99, q.p999, q.max].map(time).into_iter().chain([mean, q.count.to_string()]);
        table.row([(name.to_owned(), Paint::Plain)].into_iter().chain(shown.map(|text| (text, paint))));
    };
    add("latency", Paint::Strong, &record.latency_ns);
    add("service time", Paint::Plain, &record.service_ns);
    add("send lag", Paint::Faint, &record.send_lag_ns);
    table.show(style)
}
