//! Writes the made-up runs of the tests as reports: `cargo run -p corecurve-report --example sample-report -- DIR`.

#[path = "../tests/sample/mod.rs"]
mod sample;

use std::path::PathBuf;

use corecurve_report::{Exporter, html::Html};

fn main() -> std::io::Result<()> {
    let dir = PathBuf::from(std::env::args_os().nth(1).unwrap_or_else(|| ".".into()));
    for (name, findings) in [
        ("sweep", sample::sweep()),
        ("ladder", sample::ladder()),
        ("demo", sample::demo()),
        ("fixed", sample::fixed()),
        ("hostile", sample::hostile()),
    ] {
        let mut bytes = Vec::new();
        Html.write(&findings, &mut bytes)?;
        std::fs::write(dir.join(format!("{name}.html")), bytes)?;
    }
    Ok(())
}
